// compare: tells how far the latents of several runs on the same data agree, such as runs of different seeds.

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/progress.h"
#include "measure/compare.h"
#include "model/checkpoints.h"
#include "model/process.h"
#include "model/products.h"
#include "model/workplace.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

struct CompareCommand {
  std::vector<std::string> runs;
  std::string which = "last", out;
  measure::CompareOptions compare;
};

int compare(const Common& common, CompareCommand options) {
  if (!options.out.empty()) base::require_writable(options.out = chosen(options.out).string());
  const model::Workplace place = common.workplace();
  std::vector<fs::path> folders;
  std::vector<plugins::ConfigPath> paths;
  for (const std::string& run : options.runs) {
    folders.push_back(run_path(common, run));
    for (plugins::ConfigPath& path : model::plugin_paths_of(folders.back())) paths.push_back(std::move(path));
  }
  const std::shared_ptr<plugins::Registry> registry = place.registry(paths);
  model::set_threads(common.threads, common.log);
  model::choose_products(common.log);
  std::vector<model::OpenedRun> opened;
  std::vector<measure::ComparedRun> compared;
  for (const fs::path& folder : folders) {
    opened.push_back(place.open(folder, {.which = options.which}, registry));
    compared.push_back(
        {folder.filename().empty() ? folder.parent_path().filename().string() : folder.filename().string(),
         opened.back().trained.session.get()});
  }
  watch_signals();
  nlohmann::json result;
  try {
    Progress progress(common);
    options.compare.watch = watch_with(progress);
    options.compare.registry = registry.get();
    result = measure::compare(compared, options.compare);
  } catch (const base::Interrupted&) {
    common.log.info("interrupted before anything was complete; nothing was written");
    return kInterrupted;
  }
  for (const nlohmann::json& warning : result.value("warnings", nlohmann::json::array()))
    common.log.warning(warning.get<std::string>());
  result.erase("warnings");
  result["plugins"] = model::plugin_digests(*registry);
  const bool is_complete = !result.contains("interrupted");
  const std::string dumped = json_text(result) + "\n";
  const int problem = is_complete && !options.out.empty()
                          ? base::try_write_file(options.out, std::as_bytes(std::span(dumped)))
                          : 0;
  write_result(common.json ? dumped : measure::text_of_comparison(result, output_width()));
  if (problem != 0) base::fail_on_file("write", options.out, problem, "--out FILE");
  if (!is_complete) {
    common.log.info("interrupted: what is complete was printed, and nothing was written");
    return kInterrupted;
  }
  if (!options.out.empty()) common.log.info("written: " + options.out);
  return kDone;
}

}  // namespace

void add_compare_command(Command app, Common& common, Action& action) {
  auto options = std::make_shared<CompareCommand>();
  Command command = app.add_command(
      "compare", "How far the latents of runs on the same data agree, and with the truth where it is known");
  command.add_option("run", options->runs, "RUN RUN...: folders, or names below --runs, or checkpoint files")
      .required()
      .takes(2, 1 << 20);
  command.add_option("--checkpoint", options->which, "last or best").one_of({"last", "best"}).shows_default();
  command.add_option("--split", options->compare.split, "train, validation or test")
      .one_of({"train", "validation", "test"})
      .shows_default();
  command.add_option("--limit", options->compare.limit, "First rows only; 0: all")
      .non_negative()
      .shows_default();
  command.add_option("--out", options->out, "JSON file to write, with the values of every pair")
      .type_name("FILE");
  command.on_chosen(
      [&common, &action, options] { action = [&common, options] { return compare(common, *options); }; });
}

}  // namespace variform::cli
