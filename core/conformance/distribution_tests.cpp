// Tests families and priors as distributions, by the checks of statistics.h.

#include <variform/calls.h>
#include <variform/random.h>

#include <algorithm>

#include <fmt/format.h>

#include "conformance/statistics.h"

namespace variform::conformance {
namespace {

constexpr int64_t kBatch = 2;

constexpr int64_t kSeveral = 3;      // latents where their number does not matter, unless the user sets it
constexpr int64_t kMostOfMany = 12;  // beyond, Monte Carlo means are too inaccurate

int64_t several(const Case& test) {
  return test.wanted.latent > 0 ? std::min(test.wanted.latent, kMostOfMany) : kSeveral;
}

// Returns a rig with `latent` latents, or with another number for a component that does not take so many. Beyond
// kMostOfMany importance sampling is useless, even for a standard normal.
Rig rig_of(const Case& test, int64_t latent) {
  const int64_t usual = std::min(test.extent().latent, kMostOfMany);
  std::string first_problem;
  for (int64_t d : {latent, int64_t{2}, int64_t{4}, int64_t{6}, int64_t{8}, usual, kMostOfMany}) {
    try {
      return Rig(test, {.latent = d});
    } catch (...) {
      if (first_problem.empty()) first_problem = message_of_exception();
    }
  }
  skip(
      fmt::format("it cannot be made with {} latents, nor with another number up to {}, beyond which draws "
                  "tell too little of a density: {}",
                  latent, kMostOfMany, first_problem));
}

// A family's posterior for random parameters.
struct Posed {
  Rig rig;
  Tensor params, x;
  std::unique_ptr<Posterior> q;

  Posed(const Case& test, int64_t latent) : rig(rig_of(test, latent)) {
    const int64_t count = family().parameter_count(rig.model().latent);
    params = 0.7 * rig.normal({kBatch, count}, hash(test.seed, "params"));
    x = rig.data(kBatch, hash(test.seed, "x"));
    const KeptModes kept;
    q = family().posterior(params, x, rig.context(kBatch));
  }
  VariationalFamily& family() { return rig.as<VariationalFamily>(); }
};

// Calls check(distribution) for a family or a prior of `latent` latents, if it takes so many. Returns how many it has.
template <class Check>
int64_t each_distribution_of(const Case& test, int64_t latent, const Check& check) {
  if (test.info->kind() == Kind::kFamily) {
    Posed posed(test, latent);
    for (int64_t b = 0; b < kBatch; ++b) check(distribution_of(*posed.q, b, posed.family().support()));
    return posed.rig.model().latent;
  }
  Rig rig = rig_of(test, latent);
  check(distribution_of(rig.as<Prior>()));
  return rig.model().latent;
}

// Calls check(distribution) in one dimension and in `latents`, for a family or a prior.
template <class Check>
void each_distribution(const Case& test, int64_t latents, const Check& check) {
  if_supported([&] {
    const bool one = each_distribution_of(test, 1, check) == 1;
    try {
      each_distribution_of(test, latents, check);
    } catch (const Verdict& verdict) {
      if (!one || verdict.outcome != Outcome::kFail) throw;
      fail(std::string(verdict.what()) +
           " For one latent this holds: is a mean over latents taken for their sum, or a term for one latent "
           "counted once for all?");
    }
  });
}

void support(const Case& test) {
  each_distribution(test, 3, [&](const Distribution& d) { check_support(d, test.generator("support")); });
}

void distribution_normalised(const Case& test) {
  each_distribution(test, 4,
                    [&](const Distribution& d) { check_normalised(d, test.generator("normalised")); });
}

void draw_density(const Case& test) {
  if_supported([&] { check_draw_density(*Posed(test, several(test)).q, test.generator("draw-density")); });
}

void distribution_sample_density(const Case& test) {
  const auto run = [&](int64_t latent) {
    Posed posed(test, latent);
    const Support within = posed.family().support();
    try {
      for (int64_t b = 0; b < kBatch; ++b)
        check_sample(distribution_of(*posed.q, b, within), test.generator("sample"));
    } catch (const Unsupported&) {  // at points from elsewhere
      check_own_density(*posed.q, within, test.generator("sample"));
    }
  };
  if (test.info->kind() == Kind::kPrior)
    each_distribution(test, 3, [&](const Distribution& d) { check_sample(d, test.generator("sample")); });
  else
    if_supported([&] {
      run(1);
      run(3);
    });
}

void distribution_independent(const Case& test) {
  Posed posed(test, several(test));
  Generator rng = test.generator("independent");
  if_supported([&] { posed.q->log_prob(posed.q->rsample(1, rng)); });  // all draws of a point mass are equal
  check_independent(*posed.q, rng);
}

void marginals(const Case& test) {
  if_supported([&] { check_marginals(*Posed(test, several(test)).q, test.generator("marginals")); });
}

void moments(const Case& test) {
  if_supported([&] {
    Posed posed(test, several(test));
    check_moments(*posed.q, posed.family().finite_moments(), test.generator("moments"));
  });
}

void entropy(const Case& test) {
  if_supported([&] { check_entropy(*Posed(test, several(test)).q, test.generator("entropy")); });
}

void levels(const Case& test) {
  if_supported([&] {
    if (test.info->kind() == Kind::kPrior) {
      Rig rig = rig_of(test, several(test));
      return check_levels(rig.as<Prior>(), test.generator("levels"));
    }
    check_levels(*Posed(test, several(test)).q, test.generator("levels"));
  });
}

// Tests with a prior of the same plugin, with its defaults, instead of the standard normal: a closed form for that pair
// alone runs nowhere else.
void kl_with(const Case& test, const ComponentInfo& prior, int64_t latent) {
  Case other = test;
  other.info = &prior;
  other.settings.clear();
  std::unique_ptr<Rig> owner;  // of the prior's own model, which it may keep
  try {
    owner = std::make_unique<Rig>(other, RigOptions{.latent = latent});
  } catch (...) {  // its own tests report why
    return;
  }
  Rig rig(test, {.latent = latent});
  rig.model().set(Kind::kPrior, owner->model().component(Kind::kPrior), prior.id);
  std::unique_ptr<Posterior> q;
  try {
    q = rig.model().posterior(rig.data(kBatch, test.seed), rig.context(kBatch));
  } catch (const Error&) {  // it refuses this prior, as it may: of other levels, for one
    return;
  }
  try {
    check_kl(rig.model(), *q, test.generator("kl"));
  } catch (const Unsupported&) {
  } catch (const Verdict& verdict) {
    if (verdict.outcome == Outcome::kFail)
      fail(std::string("with the plugin's own prior ") + prior.id + " instead of N(0, I), " + verdict.what());
  }
}

void kl(const Case& test) {
  if_supported([&] {
    Rig rig = rig_of(test, several(test));
    for (const ComponentList* list = test.plugin->lists_begin; list != test.plugin->lists_end; ++list)
      for (std::size_t i = 0; i < list->count; ++i)
        if (list->first[i].kind() == Kind::kPrior) kl_with(test, list->first[i], rig.model().latent);
    const auto q = rig.model().posterior(rig.data(kBatch, test.seed), rig.context(kBatch));
    check_kl(rig.model(), *q, test.generator("kl"));
  });
}

// Returns by how many nats per latent an example's posterior differs from the nearest diagonal Gaussian, which has the
// means and variances of its draws: the sum of those Gaussians' entropies minus its own.
double nats_from_diagonal(const Posterior& q, Generator rng) {
  const int64_t draws = 4096;
  const Draw draw = q.rsample(draws, rng);
  const std::optional<Covariance> covariance = q.covariance();
  const std::optional<Tensor> entropy = q.entropy();
  const Tensor variances = covariance ? covariance->variances() : draw.z.var(0);
  const Tensor own = entropy ? *entropy : -q.log_prob(draw).mean(0);
  const double d = static_cast<double>(variances.size(1));
  return item((0.5 * (variances.log() + kLogTwoPi + 1).sum(1) - own).mean()) / d;
}

void diagonal_start(const Case& test) {
  constexpr int64_t kLatents = 16;  // unless the user sets it
  constexpr double kOutputs = 0.3;  // about the standard deviation of a new network's outputs
  constexpr double kNear = 0.01;    // nats per latent
  if_supported([&] {
    const at::NoGradGuard no_grad;
    Rig rig = rig_of(test, test.wanted.latent > 0 ? test.wanted.latent : kLatents);
    auto& family = rig.as<VariationalFamily>();
    const int64_t d = rig.model().latent;
    if (d < 2) skip("one latent has nothing to depend on");
    if (family.parameter_count(d) <= 2 * d && family.parameters().empty())
      skip("it has no numbers beyond those of the diagonal family");
    const Tensor params = kOutputs * rig.normal({16, family.parameter_count(d)}, hash(test.seed, "outputs"));
    const auto q = family.posterior(params, rig.data(16, hash(test.seed, "x")), rig.context(16));
    Generator rng = test.generator("start");
    bool independent = true;
    try {
      q->log_marginals(q->rsample(1, rng));
    } catch (const Unsupported&) {
      independent = false;
    }
    if (independent) skip("its latents are independent: there is nothing beyond a product");
    const double away = nats_from_diagonal(*q, rng);
    if (!(away < kNear))
      warn(fmt::format(
          "for encoder outputs of standard deviation {} (a new network's) its posterior is {} nats per "
          "latent away from the nearest diagonal Gaussian, with {} latents; expected below {}. A family that "
          "contains the diagonal one should start beside it: what goes beyond it is noise until it is "
          "trained, and a comparison with the diagonal family then measures that noise. Multiply the numbers "
          "beyond the diagonal ones by 0.1 / √N, where N is how many there are, relative to the deviations "
          "(docs/first_family.md, Families on equal terms).",
          text_of(kOutputs), text_of(away), d, text_of(kNear)));
  });
}

void cross_entropy(const Case& test) {
  if_supported([&] {
    Rig rig = rig_of(test, several(test));
    const auto q = rig.model().posterior(rig.data(kBatch, test.seed), rig.context(kBatch));
    check_cross_entropy(rig.as<Prior>(), *q, test.generator("cross-entropy"));
  });
}

void gaussian(const Case& test) {
  if_supported([&] {
    Rig rig = rig_of(test, several(test));
    check_gaussian(rig.as<Prior>(), test.generator("gaussian"));
  });
}

}  // namespace

void check_pathwise(const Case& test) {
  if_supported([&] {
    Posed posed(test, several(test));
    check_pathwise(posed.family(), posed.params.narrow(0, 0, 1), posed.x.narrow(0, 0, 1),
                   test.generator("pathwise"));
  });
}

std::vector<Test> distribution_tests() {
  const char* group = "probability";
  const std::vector<Kind> both{Kind::kFamily, Kind::kPrior}, family{Kind::kFamily}, prior{Kind::kPrior};
  return {
      {"support", group, "Its draws lie in its support.", both, {"rows"}, support},
      {"normalised",
       group,
       "Its density integrates to 1: by quadrature for one latent, by importance sampling for four.",
       both,
       {"support"},
       distribution_normalised},
      {"draw-density",
       group,
       "log_prob of its own draw is that of the same z from elsewhere.",
       family,
       {"normalised"},
       draw_density},
      {"sample-density",
       group,
       "Its draws follow its density: Kolmogorov–Smirnov for one latent, characteristic functions for three.",
       both,
       {"normalised", "draw-density"},
       distribution_sample_density},
      {"independence",
       group,
       "Draws of different data, different draws, and draws of different calls are independent.",
       family,
       {"sample-density"},
       distribution_independent},
      {"marginals",
       group,
       "Its marginal densities add up to log_prob, and each depends on its own coordinate.",
       family,
       {"normalised"},
       marginals},
      {"moments",
       group,
       "location() and covariance() are mean and covariance of its draws.",
       family,
       {"sample-density"},
       moments},
      {"entropy",
       group,
       "Its entropy in closed form is the Monte Carlo mean of −log_prob.",
       family,
       {"sample-density"},
       entropy},
      {"levels",
       group,
       "The moments of its levels have its density, and depend on the levels after their own only.",
       both,
       {"normalised", "draw-density"},
       levels},
      {"kl",
       group,
       "KL divergence from a standard normal prior, and from priors of its plugin, in closed form (or closed in "
       "part) is the Monte Carlo mean of log q − log p.",
       family,
       {"entropy", "moments"},
       kl},
      {"diagonal-start",
       group,
       "A family whose latents may depend on each other starts beside the diagonal Gaussian one.",
       family,
       {"entropy"},
       diagonal_start},
      {"pathwise",
       group,
       "Gradients of expectations through its draws agree with score-function estimates.",
       family,
       {"independence", "gradients-finite"},
       static_cast<void (*)(const Case&)>(check_pathwise)},
      {"cross-entropy",
       group,
       "Its cross-entropy with a Gaussian posterior in closed form is the Monte Carlo mean of −log_prob.",
       prior,
       {"normalised"},
       cross_entropy},
      {"gaussian",
       group,
       "The Gaussian that it says it is has its density.",
       prior,
       {"normalised"},
       gaussian},
  };
}

}  // namespace variform::conformance
