// runs plot: draws figures of several runs.

#include "base/file.h"
#include "cli/commands.h"
#include "draw/figure.h"
#include "study/run_data.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

struct PlotOptions {
  std::vector<std::string> runs, values, evaluations;
  std::string x = "step", split, out = "plot";
};

int plot(const Common& common, const PlotOptions& options) {
  std::vector<fs::path> folders;
  for (const std::string& run : options.runs) folders.push_back(run_path(common, run));
  const std::vector<study::RunSource> runs = study::sources(folders);
  if (options.evaluations.empty())
    for (const std::string& problem : study::damaged_metrics(runs)) common.log.warning(problem);
  const draw::Figure figure =
      options.evaluations.empty()
          ? study::curves(runs, options.x, options.values, options.split)
          : study::evaluations(runs, options.evaluations, options.split.empty() ? "test" : options.split);
  fs::path stem = options.out;
  if (base::is_special(base::followed(stem)))
    throw config::Error("a plot is several files; " + options.out + " cannot hold them");
  if (stem.extension() == ".svg" || stem.extension() == ".png") stem.replace_extension();
  base::require_writable(stem.string() + ".svg", {.makes_folders = true});
  const draw::Drawn drawn = draw::draw(figure, stem);
  for (const fs::path& file : {drawn.csv, drawn.script, drawn.svg, drawn.png}) write_result(file.string());
  return kDone;
}

}  // namespace

void add_plot_command(Command runs, Common& common, Action& action) {
  auto options = std::make_shared<PlotOptions>();
  Command command = runs.add_command("plot", "Curves of runs' metrics, or bars of their evaluations");
  command.add_option("run", options->runs, "RUN...: folders, or names below --runs").required();
  command.add_option("--x", options->x, "Horizontal axis of curves: step or epoch").shows_default();
  Option values =
      command.add_option("--value", options->values, "A value to draw, one panel each (all in common)")
          .type_name("NAME")
          .repeatable();
  command.add_option("--evaluation", options->evaluations, "Bars of these values as evaluate found them")
      .type_name("NAME...")
      .excludes(values);
  command.add_option("--split", options->split, "train, validation or test")
      .one_of({"train", "validation", "test"});
  command.add_option("--out", options->out, "Files to write, without or with .svg or .png")
      .type_name("FILE")
      .shows_default();
  command.on_chosen(
      [&common, &action, options] { action = [&common, options] { return plot(common, *options); }; });
}

}  // namespace variform::cli
