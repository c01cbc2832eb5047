#pragma once
// Shared by the commands on a trained model: their options, opening the model, the files of results.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/watch.h"
#include "cli/commands.h"
#include "draw/png_grid.h"
#include "export/codes.h"
#include "measure/evaluate.h"
#include "model/workplace.h"
#include "train/ex_post.h"

namespace variform::cli {

struct ModelOptions {
  std::string run, which = "last", on, out, only, curvature = "hessian", prior;
  std::vector<std::string> metrics;
  std::string condition;  // as a user writes it
  std::string format = "torch";
  std::vector<std::string> overrides;
  measure::EvaluateOptions evaluate;
  exports::EncodeOptions encode;
  std::string split, dump, features;
  std::int64_t quality_images = 0;  // 0: no sample quality
  std::int64_t gradient_draws = 0;  // 0: none
  double beta = -1;
  int64_t n = 0, row = -1, latents = 16, columns = 11;
  bool noise = false, linear = false, impute = false;
};

/// A command on a trained model, and its options.
struct ModelCommand {
  Command command;
  std::shared_ptr<ModelOptions> options;
};
using RunsModelCommand = int (*)(const Common&, ModelOptions);

/// Declares a command with the run's name, overrides, --checkpoint and --out.
ModelCommand add_model_command(Command app, Common& common, Action& action, const char* name,
                               const char* description, RunsModelCommand run);
/// Adds --prior: another prior, fitted ex post.
void add_prior_option(ModelCommand& model);
/// Adds --split and --on: the data that it looks at.
void add_data_options(ModelCommand& model);

/// Adds the options of evaluate.
void add_evaluate_options(ModelCommand& model);

/// A trained model opened for a command. Reports at its end state of the process that components have changed.
struct Opened {
  class Surroundings;
  Opened();
  Opened(Opened&&) noexcept;
  ~Opened();

  std::unique_ptr<Surroundings> surroundings;  ///< the first member, so that it ends last
  model::OpenedRun run;
  std::optional<config::GivenComponent> prior;  ///< of --prior
  std::optional<train::ExPostFit> ex_post;      ///< its fit
  model::Session& session() const { return run.session(); }
};

/// Opens the trained model. Options that name a data set, a split or a row, or fit a prior, make the data necessary.
Opened open(const Common& common, const ModelOptions& options, model::DataUse use = model::DataUse::kNeeded);
/// Fits the prior of --prior to the latents of the run's own training data, whatever data are looked at, and puts it
/// into the model.
void use_prior(const Common& common, Opened& opened, const ModelOptions& options);

/// The split that --split or --on names; else test.
std::string split_of(const ModelOptions& options);
/// "evaluation-test", or "evaluation-test-mixture-1a2b3c4d" under a fitted prior; with other options that change what
/// is shown these too, so that no result takes the place of another: "samples-noise", "samples-condition-3".
std::string named(const Opened& opened, const ModelOptions& options, const std::string& name);
/// Returns the file that a command writes: --out, or this name in the folder of the run.
std::filesystem::path destination(const Common& common, const ModelOptions& options,
                                  const std::filesystem::path& name);
/// reconstruct --impute: writes the split with its missing values replaced.
int impute_command(const Common& common, ModelOptions options);
/// Says that a command was interrupted before it had any result; returns its exit code.
int interrupted_with_nothing(const Common& common);

}  // namespace variform::cli
