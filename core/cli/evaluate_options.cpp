// The options of evaluate.

#include "cli/trained.h"

namespace variform::cli {

void add_evaluate_options(ModelCommand& model) {
  Command command = model.command;
  const auto& options = model.options;
  command.add_option("--samples", options->evaluate.samples, "Latent draws per example")
      .positive()
      .shows_default();
  command
      .add_option("--importance-samples", options->evaluate.importance_samples,
                  "Of the importance-weighted NLL; 0: none")
      .non_negative()
      .shows_default();
  command.add_option("--batch", options->evaluate.batch, "Rows at a time").positive().shows_default();
  command.add_option("--limit", options->evaluate.limit, "First rows only; 0: all").non_negative();
  command.add_option("--beta", options->beta, "Instead of the training's final beta").positive();
  command.add_option("--curvature", options->curvature, "hessian or fisher")
      .one_of({"hessian", "fisher"})
      .shows_default();
  command
      .add_option("--hessian-rows", options->evaluate.hessian_rows,
                  "First rows that taylor_full differentiates twice; 0: none")
      .non_negative()
      .shows_default();
  command
      .add_option("--block", options->evaluate.block,
                  "Size of latent blocks for block_bound and geometry, for a family without blocks")
      .positive();
  command
      .add_option(
          "--structure", options->evaluate.structure,
          "Of the covariance of the values at the optimum (full, diagonal, isotropic; block with --block), "
          "instead of the family's own")
      .one_of({"full", "diagonal", "isotropic", "block"});
  command
      .add_option(
          "--gradient-draws", options->gradient_draws,
          "Also the noise of the objective's gradient, from as many draws of each of 8 training batches")
      .between(2, 1000);
  command
      .add_option("--metric", options->metrics,
                  "Also a metric that is computed on request only, or one with other parameters: NAME, or '{ "
                  "type = \"NAME\", KEY = VALUE }'; may be repeated")
      .type_name("METRIC");
  command.add_option("--only", options->only, "One metric and nothing else, the same way (fast on many rows)")
      .type_name("METRIC");
  command.add_flag("--linear", options->linear,
                   "Also the closed form of the linear beta-VAE on the same data");
  command.add_option("--dump", options->dump, "HDF5 file for x, latent draws and per-example terms")
      .type_name("FILE");
  command
      .add_flag(
          "--quality{10000}", options->quality_images,
          "Also sample quality, from as many images (--quality=N; 10000) in the features of a classifier, "
          "which is trained on first need")
      .non_negative();
  command
      .add_option("--features", options->features,
                  "Config of that classifier instead of configs/features/conv.toml")
      .type_name("FILE")
      .existing_file();
  add_prior_option(model);
  add_data_options(model);
}

}  // namespace variform::cli
