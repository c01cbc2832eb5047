#pragma once
// Any family with any prior, likelihood and objective that the plugins offer, in a model small enough for thousands of
// them: either it trains, and resumes bit for bit, or it is refused with a reason.

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "rows.h"

namespace variform::model {
struct Session;
}
namespace variform::plugins {
class Registry;
}
namespace variform::train {
class Observer;
}

namespace variform::composition {

/// The stock plugins.
const plugins::Registry& registry();

/// One choice of each; the networks are small perceptrons. With a condition, encoder and decoder are given it.
struct Combination {
  std::string family = "diagonal", prior = "gaussian", likelihood = "gaussian", objective = "beta-vae";
  Rows rows = Rows::kDrawn;
  std::string device = "cpu", precision = "float32";  ///< train.device and train.precision
  /// These parts of the config; empty: those of `rows`, small and plain ones.
  std::string data = {}, encoder = {}, decoder = {}, train = {};
  std::string name() const {
    return family + " / " + prior + " / " + likelihood + " / " + objective + " / " + to_string(rows);
  }
};

/// What there is, from the plugins themselves.
struct Offered {
  std::vector<std::string> families, priors, likelihoods, objectives;
};
const Offered& offered();

/// The reason why it is refused; empty: it trained three steps with finite losses, and two steps, a checkpoint and a third
/// step in a new process's stead gave the same tensors. Throws std::runtime_error when it did anything else.
std::string refusal(const Combination& combination);

/// Why it trains and yet looks at no condition, or does not look at which values are missing; empty: it looks at
/// what its rows have. Throws std::runtime_error when the loss depends on values that are missing.
std::string unheeded(const Combination& combination);

/// Trains it three steps, with `observer` at each, and again in two parts with a checkpoint between them. Returns its
/// tensors. Throws what a refusal throws, and std::runtime_error when they are not finite or not the same bits in both.
std::map<std::string, at::Tensor> trained_in_parts(const Combination& combination, train::Observer& observer);

/// Its tensors after two steps of `first`, a checkpoint, and a third step of `second`.
std::map<std::string, at::Tensor> handed_over(const Combination& first, const Combination& second);

/// It after three steps of training.
std::unique_ptr<model::Session> trained_session(const Combination& combination);

/// What keeps a step of it from being recorded as a CUDA graph, found on the CPU: an operation by which the host reads
/// a value of the device, or steps that differ when they are replayed on the tensors of the first; or what keeps the
/// CPU from replaying it by its kernels. Empty: nothing does, or the combination is refused.
std::string not_recordable(const Combination& combination);

/// Few combinations in which every pair of choices of two kinds occurs.
std::vector<Combination> pairwise();
/// All of them.
std::vector<Combination> all();

/// Runs them, and throws std::runtime_error with everything that went wrong. Returns how many trained.
int run(const std::vector<Combination>& combinations);

}  // namespace variform::composition
