#pragma once
// What the commands on a trained model share: their options, how the model is opened, where results go.

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
  std::vector<std::string> overrides;
  measure::EvaluateOptions evaluate;
  exports::EncodeOptions encode;
  std::string split, dump, features;
  std::int64_t quality_images = 0;  // 0: no sample quality
  std::int64_t gradient_draws = 0;  // 0: none
  double beta = -1;
  int64_t n = 0, datum = -1, latents = 16, columns = 11;
  bool noise = false, linear = false;
};

/// A command on a trained model, and its options.
struct ModelCommand {
  Command command;
  std::shared_ptr<ModelOptions> options;
};
using RunsModelCommand = int (*)(const Common&, ModelOptions);

/// Declares it, with the run's name, overrides, --checkpoint and --out.
ModelCommand add_model_command(Command app, Common& common, Action& action, const char* name,
                               const char* description, RunsModelCommand run);
/// --prior: another prior, fitted ex post.
void add_prior_option(ModelCommand& model);
/// --split and --on: the data that it looks at.
void add_data_options(ModelCommand& model);

/// A trained model as a command has it. Says at the end what components have changed that is not theirs.
struct Opened {
  class Surroundings;
  Opened();
  Opened(Opened&&) noexcept;
  ~Opened();

  std::unique_ptr<Surroundings> surroundings;  ///< first: it ends last
  model::OpenedRun run;
  std::optional<config::GivenComponent> prior;  ///< of --prior
  std::optional<train::ExPostFit> ex_post;      ///< and what became of it
  model::Session& session() const { return run.session(); }
};

/// Whoever names a data set, a split or a row of it, or fits a prior to its latents, needs it.
Opened open(const Common& common, const ModelOptions& options, model::DataUse use = model::DataUse::kNeeded);
/// Fits the prior of --prior to the latents of the run's own training data, whatever data are looked at, and puts it into the
/// model.
void use_prior(const Common& common, Opened& opened, const ModelOptions& options);

/// The split that --split or --on names; else test.
std::string split_of(const ModelOptions& options);
/// "evaluation-test", or "evaluation-test-mixture-1a2b3c4d" under a fitted prior.
std::string named(const Opened& opened, const std::string& name);
/// Where a command writes: --out, or this name in the folder of the run.
std::filesystem::path destination(const Common& common, const ModelOptions& options,
                                  const std::filesystem::path& name);
/// Says that a command was interrupted before it had anything; its exit code.
int interrupted_with_nothing();

}  // namespace variform::cli
