// See ext/levels.h.

#include <variform/ext/levels.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

namespace variform {
inline namespace v2 {
namespace {

using Sizes = std::vector<int64_t>;

// Whether a level of `fine` ends wherever one of `coarse` does.
bool consists_of(const Sizes& coarse, const Sizes& fine) {
  Sizes ends(fine.size()), asked(coarse.size());
  std::partial_sum(fine.begin(), fine.end(), ends.begin());
  std::partial_sum(coarse.begin(), coarse.end(), asked.begin());
  return std::includes(ends.begin(), ends.end(), asked.begin(), asked.end());
}

// Normal distributions of all latents at a draw, and the levels that they hold for.
struct Levels {
  Sizes sizes;
  LevelMoments moments;
};

std::optional<Levels> levels_of(const Posterior& posterior, const Draw& draw) {
  if (const auto* known = ability<PosteriorLevels>(posterior))
    return Levels{known->levels(), known->level_moments(draw)};
  const std::optional<Covariance> covariance = posterior.covariance();
  if (!covariance || !covariance->is_diagonal()) return {};
  const Tensor mean = posterior.location();
  return Levels{Sizes(static_cast<size_t>(mean.size(-1)), 1),
                {mean, 0.5 * covariance->variances().log().to(mean.scalar_type())}};
}

LevelMoments all_moments(PriorLevels& prior, const Sizes& sizes, const Tensor& z, const Context& context) {
  std::vector<Tensor> means, log_deviations;
  int64_t end = 0;
  for (size_t l = 0; l < sizes.size(); ++l) {
    end += sizes[l];
    LevelMoments level =
        prior.level_moments(static_cast<int64_t>(l), z.narrow(-1, end, z.size(-1) - end), context);
    means.push_back(std::move(level.mean));
    log_deviations.push_back(std::move(level.log_deviation));
  }
  return {at::cat(means, -1), at::cat(log_deviations, -1)};
}

std::optional<LevelMoments> moments_of(Prior& prior, const Sizes& fine, const Tensor& z,
                                       const Context& context) {
  if (auto* known = ability<PriorLevels>(prior)) {
    const Sizes sizes = known->levels();
    if (!consists_of(sizes, fine)) return {};
    return all_moments(*known, sizes, z, context);
  }
  const std::optional<Gaussian> gaussian = prior.gaussian(context);
  if (!gaussian || !gaussian->covariance.is_diagonal()) return {};
  return LevelMoments{gaussian->mean, 0.5 * gaussian->covariance.variances().log().to(z.scalar_type())};
}

}  // namespace

std::optional<Tensor> partly_closed_kl(Prior& prior, const Posterior& posterior, const Draw& draw,
                                       const Context& context) {
  if (!ability<PriorLevels>(prior) && !ability<PosteriorLevels>(posterior)) return {};
  const std::optional<Levels> q = levels_of(posterior, draw);
  if (!q) return {};
  const std::optional<LevelMoments> p = moments_of(prior, q->sizes, draw.z, context);
  if (!p) return {};
  const Tensor wider = p->log_deviation - q->moments.log_deviation;
  const Tensor away = (q->moments.mean - p->mean) * (-p->log_deviation).exp();
  const Tensor nats = (wider + 0.5 * ((-2 * wider).exp() + away.square() - 1)).sum(-1);
  return nats.expand(draw.z.sizes().slice(0, draw.z.dim() - 1));
}

std::vector<int64_t> level_sizes(const Build& build) {
  Sizes sizes = build.integers(kLevels.name);
  if (sizes.empty()) {
    sizes = {(build.latent + 1) / 2};
    if (build.latent > 1) sizes.push_back(build.latent / 2);
  }
  const int64_t sum = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  if (sum != build.latent)
    throw Error("'levels' must add up to the latent dimension " + std::to_string(build.latent) + "; found " +
                std::to_string(sum));
  return sizes;
}

}  // namespace v2
}  // namespace variform
