// See latents.h.

#include "train/latents.h"

#include <ATen/ATen.h>

#include <variform/latent_kl.h>
#include <variform/random.h>

#include <algorithm>

#include "model/rows.h"

namespace variform::train {

Tensor kl_of_latents(model::Assembly& assembly, model::Batches& batches, const config::TrainSpec& spec) {
  constexpr int64_t kDraws = 16;  // for entropies without a closed form
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(assembly);
  Model& model = assembly.model();
  const int64_t limit = spec.evaluation_limit > 0 ? spec.evaluation_limit : batches.evaluation_size();
  const int64_t rows = std::min({limit, spec.evaluation_batch, batches.evaluation_size()});
  const Batch batch = batches.evaluation(0, rows);
  const std::optional<Gaussian> prior = model.prior().gaussian(batch.context);
  if (!prior) throw Unsupported("the marginals of prior " + model.label(Kind::kPrior) + " are not known");
  const auto posterior = model.posterior(batch.x, batch.context);
  Generator rng = model::make_generator(model.options.device(), hash(assembly.spec().seed, "latents"));
  return latent_kl(*posterior, posterior->rsample(kDraws, rng), *prior).kl.cpu();
}

}  // namespace variform::train
