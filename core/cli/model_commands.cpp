// Commands that show a trained model in pictures: sample, reconstruct, traverse, interpolate.

#include <algorithm>

#include <fmt/format.h>

#include "base/file.h"
#include "cli/trained.h"
#include "export/pictures.h"
#include "model/condition.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

void note_missing_data(const Common& common, const Opened& opened, const char* instead) {
  if (!opened.run.trained.no_data.empty())
    common.log.note(std::string("the run's data are missing, so that ") + instead +
                    ". Why: " + opened.run.trained.no_data);
}

// Throws if the picture cannot be written; called before the model is opened.
void require_picture(const Common& common, const ModelOptions& options, const std::string& name) {
  base::require_writable(destination(common, options, fs::path("figures") / (name + ".png")),
                         {.makes_folders = true});
}

int write_picture(const Common& common, const Opened& opened, const ModelOptions& options,
                  const std::string& name, const draw::Image& image) {
  const std::string split = options.split.empty() && options.on.empty() ? "" : "-" + split_of(options);
  const fs::path file =
      destination(common, options, fs::path("figures") / (named(opened, options, name + split) + ".png"));
  draw::write_png(file, image);
  write_result(file.string());
  return kDone;
}

// The conditions that --condition names; undefined without it.
at::Tensor conditions_of(const Opened& opened, const ModelOptions& options) {
  return options.condition.empty() ? at::Tensor()
                                   : model::condition_from(opened.session(), options.condition);
}

int sample_command(const Common& common, ModelOptions options) {
  require_picture(common, options, "samples");
  Opened opened = open(common, options, model::DataUse::kNone);
  const at::Tensor conditions = conditions_of(opened, options);
  if (!options.prior.empty()) watch_signals();
  try {
    use_prior(common, opened, options);
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing(common);
  }
  return write_picture(
      common, opened, options, "samples",
      exports::samples(opened.session(), options.n > 0 ? options.n : 100, options.noise, conditions));
}

int reconstruct_command(const Common& common, ModelOptions options) {
  if (options.impute) return impute_command(common, std::move(options));
  require_picture(common, options, "reconstructions");
  const Opened opened = open(common, options);
  return write_picture(
      common, opened, options, "reconstructions",
      exports::reconstructions(opened.session(), split_of(options), options.n > 0 ? options.n : 30,
                               conditions_of(opened, options)));
}

int traverse_command(const Common& common, ModelOptions options) {
  require_picture(common, options, "traversals");
  const Opened opened = open(common, options, model::DataUse::kIfThere);
  note_missing_data(
      common, opened,
      "the latents are kept at the prior's mean, and the one that moves the picture most comes first");
  return write_picture(
      common, opened, options, "traversals",
      exports::traversals(opened.session(), split_of(options), std::max<int64_t>(options.row, 0),
                          options.latents, options.columns, conditions_of(opened, options)));
}

int interpolate_command(const Common& common, ModelOptions options) {
  require_picture(common, options, "interpolations");
  const Opened opened = open(common, options, model::DataUse::kIfThere);
  note_missing_data(common, opened, "lines go from draws of the prior to others");
  return write_picture(
      common, opened, options, "interpolations",
      exports::interpolations(opened.session(), split_of(options), options.n > 0 ? options.n : 8,
                              options.columns, conditions_of(opened, options)));
}

void add_condition_option(ModelCommand& model, const char* description) {
  model.command.add_option("--condition", model.options->condition, description);
}

}  // namespace

void add_model_commands(Command app, Common& common, Action& action) {
  const auto add = [&](const char* name, const char* description, RunsModelCommand run) {
    return add_model_command(app, common, action, name, description, run);
  };
  ModelCommand sample = add("sample", "A grid of samples from the prior", sample_command);
  sample.command.add_option("--n", sample.options->n, "How many (100)").positive();
  sample.command.add_flag("--noise", sample.options->noise,
                          "Draw x from the likelihood instead of showing its mean");
  add_prior_option(sample);
  add_condition_option(
      sample, "Classes (numbers or names, separated by commas), or the condition's numbers; one line each");

  ModelCommand reconstruct =
      add("reconstruct", "A grid of data and their reconstructions", reconstruct_command);
  reconstruct.command
      .add_option("--n", reconstruct.options->n, "How many (30); with --impute draws per row (100)")
      .positive();
  reconstruct.command.add_flag(
      "--impute", reconstruct.options->impute,
      "Write the split with its missing values replaced by their means given the observed ones, as HDF5");
  add_condition_option(reconstruct, "The decoder's condition instead of each row's own: a class, or numbers");
  add_data_options(reconstruct);

  ModelCommand traverse = add("traverse", "One latent per line, ordered by KL", traverse_command);
  traverse.command.add_option("--row", traverse.options->row, "Row whose other latents are kept")
      .non_negative();
  traverse.command.add_option("--latents", traverse.options->latents, "Rows of the grid at most")
      .positive()
      .shows_default();
  add_condition_option(traverse, "The condition instead of the row's own: a class, or numbers");
  traverse.command.add_option("--columns", traverse.options->columns, "Columns of the grid")
      .positive()
      .shows_default();
  add_data_options(traverse);

  ModelCommand interpolate = add("interpolate", "Straight lines between codes", interpolate_command);
  interpolate.command.add_option("--n", interpolate.options->n, "Pairs (8)").positive();
  add_condition_option(interpolate, "The condition instead of each first row's own: a class, or numbers");
  add_data_options(interpolate);
}

}  // namespace variform::cli
