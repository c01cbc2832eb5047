// See products.h.

#include "model/products.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <torch/version.h>

#include <variform/products.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "base/log.h"
#include "base/remembered.h"
#include "base/short_hash.h"

namespace variform::model {
namespace {

constexpr const char* kLibTorch = "libtorch";
constexpr const char* kOneDnn = "onednn";
constexpr OneDnnProducts kAll = (1u << kProductClasses) - 1;

// oneDNN is chosen where it takes at most this share of the other's time: a choice that hardly matters should not
// depend on chance.
constexpr double kClearly = 0.9;

std::string text_of(OneDnnProducts classes) {
  std::string text;
  for (int i = 0; i < kProductClasses; ++i)
    text += std::string(i > 0 ? " " : "") + ((classes >> i) & 1 ? kOneDnn : kLibTorch);
  return text;
}

// Returns the choice that text_of() made a text of; nothing if it did not.
std::optional<OneDnnProducts> choice_of(const std::string& text) {
  for (OneDnnProducts classes = 0; classes <= kAll; ++classes)
    if (text_of(classes) == text) return classes;
  return {};
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

// "vendor_id : AuthenticAMD", "cpu family : 25" and so on: what the first processor of /proc/cpuinfo is called.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string all;
  for (std::string line; std::getline(file, line) && !line.empty();)
    for (const char* what :
         {"vendor_id", "cpu family", "model", "stepping", "cache size", "CPU implementer", "CPU part"})
      if (line.starts_with(what)) all += line + "\n";
  return all;
}

// All that the measured times depend on.
std::string circumstances() {
  std::string all = processor() + fmt::format("{}\n{}\nthreads {}\n", TORCH_VERSION, at::get_cpu_capability(),
                                              at::get_num_threads());
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS",
                           "MKL_DEBUG_CPU_TYPE", "MKL_CBWR"})
    all += std::string(name) + " " + environment(name) + "\n";
  return all;
}

// Chooses while it lives.
class Chosen {
 public:
  explicit Chosen(OneDnnProducts classes) : before_(exchange_onednn_products(classes)) {}
  ~Chosen() { exchange_onednn_products(before_); }
  Chosen(const Chosen&) = delete;
  Chosen& operator=(const Chosen&) = delete;

 private:
  const OneDnnProducts before_;
};

struct Times {
  double libtorch = std::numeric_limits<double>::infinity(), onednn = libtorch;  // seconds
};

// This thread's time on a processor, in which other processes do not count.
double own_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Times a layer's three products, forwards and backwards, by both. In turn, and the least of each: other work on the
// machine makes times longer, never shorter.
Times times_of(int64_t rows, int64_t in, int64_t out) {
  const at::AutoGradMode gradients(true);
  const Tensor x = at::full({rows, in}, 0.5).requires_grad_(),
               weight = at::full({out, in}, 0.25).requires_grad_(),
               bias = at::full({out}, 0.125).requires_grad_(), gradient = at::full({rows, out}, 0.5);
  const auto seconds = [&](OneDnnProducts classes) {
    const Chosen chosen(classes);
    const double start = own_seconds();
    rectified_layer(x, weight, bias).backward(gradient);
    const double passed = own_seconds() - start;
    for (const Tensor& tensor : {x, weight, bias}) tensor.mutable_grad() = Tensor();
    return passed;
  };
  constexpr int kWarmUp = 2, kRounds = 11;
  Times least;
  for (int i = 0; i < kWarmUp + kRounds; ++i) {
    const double libtorch = seconds(0), onednn = seconds(kAll);
    if (i < kWarmUp) continue;
    least.libtorch = std::min(least.libtorch, libtorch);
    least.onednn = std::min(least.onednn, onednn);
  }
  return least;
}

OneDnnProducts measured(base::Log& log) {
  static constexpr std::array<std::array<int64_t, 3>, kProductClasses> kShapes = {
      {{64, 256, 128}, {128, 512, 256}, {256, 512, 512}}};  // rows, inputs, outputs: amid their class
  OneDnnProducts classes = 0;
  std::string all;
  for (int i = 0; i < kProductClasses; ++i) {
    const auto [rows, in, out] = kShapes[static_cast<size_t>(i)];
    const Times times = times_of(rows, in, out);
    if (times.onednn <= kClearly * times.libtorch) classes |= 1u << i;
    all += fmt::format("{}[{}, {}] by [{}, {}]: {:.0f} µs by LibTorch's own library, {:.0f} by oneDNN",
                       i > 0 ? "; " : "", rows, in, in, out, times.libtorch * 1e6, times.onednn * 1e6);
  }
  log.debug("train", [&] { return "measured a linear layer with ReLU, forwards and backwards: " + all; });
  return classes;
}

// What is faster here, from the cache if it is known.
OneDnnProducts of_this_machine(base::Log& log) {
  if (!has_onednn_products()) return 0;
  const base::Remembered kept("products");
  const std::string name = base::short_hash(circumstances());
  const auto known = [&]() -> std::optional<OneDnnProducts> {
    const auto text = kept.find(name);
    return text ? choice_of(*text) : std::nullopt;
  };
  if (const auto found = known()) return *found;
  const base::Remembered::Turn turn(
      kept, 5);  // not beside another process that measures, which then has the answer
  if (const auto found = known()) return *found;
  const OneDnnProducts classes = measured(log);
  kept.keep(name, text_of(classes));
  return classes;
}

// The choice that VARIFORM_KERNELS makes, if it makes one.
std::optional<OneDnnProducts> demanded() {
  const std::string asked = environment("VARIFORM_KERNELS");
  if (asked.empty() || asked == "measured") return {};
  if (asked == kLibTorch) return 0;
  if (asked == kOneDnn) return kAll;
  throw std::runtime_error("the environment variable VARIFORM_KERNELS is '" + asked +
                           "'; expected libtorch, onednn or measured.");
}

}  // namespace

std::string choose_products(base::Log& log, const std::string& recorded) {
  const std::optional<OneDnnProducts> asked = demanded(), before = choice_of(recorded);
  const OneDnnProducts own = asked ? *asked : of_this_machine(log);
  OneDnnProducts chosen = own;
  if (before && *before != own) {
    if (asked)
      log.warning(fmt::format(
          "the run's products were computed by {} (small, middle, large ones) and go on by {}, as "
          "VARIFORM_KERNELS says; this is not bit for bit the same.",
          recorded, text_of(own)));
    else if (!has_onednn_products())
      log.warning(
          "the run's products were computed by oneDNN, which this build of LibTorch has not; this is not bit for "
          "bit the same.");
    else {
      chosen = *before;
      log.note(fmt::format(
          "products are computed by {} (small, middle, large ones), as the run began; this machine would "
          "choose {} (VARIFORM_KERNELS=measured in a new run).",
          recorded, text_of(own)));
    }
  }
  if (!recorded.empty() && !before)
    log.note("the run's record of who computes its products is not understood: \"" + recorded +
             "\"; this machine's own choice is used.");
  exchange_onednn_products(chosen);
  log.debug("train", [&] { return "products of small, middle and large linear layers: " + text_of(chosen); });
  return text_of(chosen);
}

}  // namespace variform::model
