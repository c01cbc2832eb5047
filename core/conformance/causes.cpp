// See causes.h.

#include "conformance/causes.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "conformance/test.h"

namespace variform::conformance {
namespace {

constexpr double kWithin = 6;  // standard errors

struct Candidate {
  double value;
  std::string question;
};

// Returns constants, in nats, that densities and entropies of d coordinates commonly lack.
std::vector<Candidate> constants_of(double d) {
  const double log_two = std::numbers::ln2;
  return {{0.5 * kLogTwoPi * d, "½ log 2π for each latent"},
          {kLogTwoPi * d, "log 2π for each latent"},
          {0.5 * kLogTwoPi, "½ log 2π, once instead of for each latent"},
          {0.5 * (1 + kLogTwoPi) * d, "½ log 2πe for each latent"},
          {0.5 * d, "½ for each latent (of ½ log 2πe)"},
          {log_two * d, "log 2 for each latent"},
          {d, "1 for each latent"}};
}

std::string named_constant(double constant, double error, int64_t d) {
  for (const Candidate& candidate : constants_of(static_cast<double>(d)))
    if (std::abs(std::abs(constant) - candidate.value) <= error) return ", which is " + candidate.question;
  return {};
}

// Whether chance explains `error`, for every element.
bool is_chance(const Tensor& error, const Tensor& standard_error, const Tensor& size) {
  return (error.abs() <= kWithin * standard_error + 1e-6 * (1 + size.abs())).all().item<bool>();
}

}  // namespace

std::string cause_of(const Tensor& found, const Tensor& expected, const Tensor& standard_error, int64_t d) {
  const Tensor size = expected.abs();
  const auto fits = [&](const Tensor& guess) { return is_chance(guess - expected, standard_error, size); };
  if (fits(-found)) return " It is minus what it should be: is the sign right?";
  if (fits(found.square())) return " Its square would be right: is a deviation taken for a variance?";
  if (fits(found.abs().sqrt())) return " Its root would be right: is a variance taken for a deviation?";
  const double count = static_cast<double>(d);
  const std::vector<Candidate> factors{
      {2, "It is half of what it should be: is there a ½ too many, or log σ taken for log σ²?"},
      {0.5, "It is twice what it should be: is a ½ missing, or log σ² taken for log σ?"},
      {1 / std::numbers::ln2, "It is log 2 times what it should be: is a logarithm taken to another base?"},
      {std::numbers::ln2,
       "It is 1/log 2 times what it should be: is it in bits? Everything here is in nats."},
      {count, "It is one part in d of what it should be: is it a mean over latents instead of their sum?"}};
  for (const Candidate& factor : factors)
    if (factor.value != 1 && fits(factor.value * found)) return " " + factor.question;
  const Tensor difference = (found - expected).flatten();
  if (difference.numel() < 2) return {};
  const double constant = item(difference.mean()), error = item(standard_error.max());
  if (!is_chance(difference - constant, standard_error.flatten().expand_as(difference), size.flatten()))
    return {};
  return " They differ by a constant, " + text_of(constant) +
         named_constant(constant, kWithin * error + 1e-6, d) + ": is a constant missing, or one too many?";
}

std::string cause_of_total(double log_total, int64_t d) {
  if (!std::isfinite(log_total)) return {};
  return " Its logarithm is " + text_of(log_total) +
         named_constant(log_total, 2e-2 * std::max(1.0, std::abs(log_total)), d) +
         ": log_prob differs from a normalised density by a constant of that size, if by no more: is a "
         "normalising constant missing?";
}

std::string cause_of_draws(const Tensor& draws, const Tensor& expected) {
  const double width = item(expected[2] - expected[0]), found_width = item(draws[2] - draws[0]);
  if (!(width > 0) || !(found_width > 0)) return {};
  const double shift = item(draws[1] - expected[1]) / width, ratio = found_width / width;
  constexpr double kSame = 0.04;
  if (std::abs(shift) < kSame && std::abs(ratio - 1) > kSame)
    return " Draws are " + text_of(ratio) +
           " times as wide as the density: is a variance taken for a deviation, log σ² for log σ, or a "
           "factor left out of one of the two?";
  if (std::abs(ratio - 1) < kSame && std::abs(shift) > kSame)
    return " Draws are as wide as the density and lie beside it, by " + text_of(shift) +
           " of the distance of its quartiles: do rsample and log_prob use the same centre?";
  return {};
}

std::string cause_of_gradient(const std::string& function, Slip slip, bool reads_on_host) {
  const std::string what = function.starts_with("rsample") ? "the draw" : "it";
  std::string text;
  if (slip == Slip::kJumps)
    return " Values jump where they should be smooth: is something rounded (.to(at::kFloat), .to(at::kHalf), "
           "a float variable, round())?";
  text = slip == Slip::kNoGradient
             ? " There is no gradient at all: is " + what + " detached? Look for "
             : " A part of it is missing or wrong: is " + what + " detached? Look, in a part of it, for ";
  text += "detach(), data(), a NoGradGuard, a new tensor made of numbers, or a backward() of your own.";
  if (reads_on_host)
    text += " It reads values on the host (.item() and the like), and those have no gradient.";
  return text;
}

}  // namespace variform::conformance
