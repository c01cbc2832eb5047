// See multirun.h.

#include "cli/multirun.h"

#include <fmt/format.h>

#include "base/quote.h"
#include "base/shared_files.h"
#include "study/multirun.h"

namespace variform::cli {
namespace {

constexpr std::size_t kMostCells = 100'000;  // with --yes: all that a study may have

study::MultirunRequest request_of(const ConfigArguments& single, const MultirunOptions& options) {
  std::vector<std::string> given = options.given;
  std::erase(given, "");  // --multirun with nothing behind it
  const ConfigArguments several = split_arguments(given);
  study::MultirunRequest request{single.files, single.overrides, several.overrides, options.name, {}};
  request.files.insert(request.files.end(), several.files.begin(), several.files.end());
  if (request.files.empty())
    throw config::Error("train needs a config file; try: variform train configs/quickstart.toml -m seed=1:5");
  request.defaults = base::shared_file("configs/multirun/defaults.toml");
  if (options.yes) request.most_cells = kMostCells;
  return request;
}

// The options that another command on the study must have, too.
std::string places_of(const Common& common, const StudyCommand& study) {
  std::string text;
  if (common.runs != "runs") text += " --runs " + base::for_shell(common.runs);
  if (study.studies != "studies") text += " --studies " + base::for_shell(study.studies);
  return text;
}

}  // namespace

void MultirunOptions::require_none() const {
  const StudyCommand untouched;
  if (!name.empty() || yes || study.list || study.asked.jobs != untouched.asked.jobs ||
      study.studies != untouched.studies)
    throw config::Error(
        "--name, --jobs, --studies, --list and --yes are for several trainings (--multirun KEY=VALUES).");
}

int multirun_command(const Common& common, const ConfigArguments& single, const MultirunOptions& options) {
  const study::WrittenMultirun made =
      study::write_multirun(request_of(single, options), common.workplace(), options.study.studies);
  const std::string file = base::for_shell(made.file.string()), places = places_of(common, options.study);
  common.log.info(fmt::format("study: {} cells; its file is {}", made.cells, file));
  common.log.info(fmt::format(
      "other commands on it take that file: variform study {}{} --status (or --worker, --slurm), variform report "
      "{}{}",
      file, places, file, places));
  StudyCommand study = options.study;
  study.arguments = {made.file.string()};
  return study_command(common, study);
}

void add_multirun_options(Command train, MultirunOptions& options) {
  const char* group = "Several trainings (docs/studies.md, A study without a file)";
  constexpr int kAnyNumber = 1 << 20;
  train
      .add_option(
          "--multirun,-m", options.given,
          "Keys with several values, such as seed=1:5 model.family.type=diagonal,full: a study of all "
          "their combinations, with which the same command goes on")
      .type_name("KEY=VALUES")
      .takes(0, kAnyNumber)
      .group(group);
  train
      .add_option("--name", options.name, "Name of the study; default: the config's, with a hash of the keys")
      .type_name("NAME")
      .group(group);
  train.add_option("--jobs", options.study.asked.jobs, "Runs at once; more than one: one thread each")
      .positive()
      .shows_default()
      .group(group);
  train.add_option("--studies", options.study.studies, "Where the folders of studies are")
      .type_name("DIR")
      .shows_default()
      .group(group);
  train.add_flag("--list", options.study.list, "Write the study's file and list its cells, without training")
      .group(group);
  train.add_flag("--yes", options.yes, "Also more than 1,000 cells").group(group);
}

}  // namespace variform::cli
