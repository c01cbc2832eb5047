#pragma once
// Defines a conformance test, its input, and how it reports what it found.

#include <variform/ext/condition.h>
#include <variform/host.h>
#include <variform/testing.h>

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/manifest_reader.h"

namespace variform::conformance {

/// kSkipped: it does not apply, or what it builds on failed. kCrash: its process did not survive.
enum class Outcome { kPass, kWarning, kSkipped, kFail, kCrash };
const char* to_string(Outcome outcome);

/// Thrown by a test to end with another outcome than kPass. The text is one sentence for the plugin's author: what was
/// expected, what was found, and where.
class Verdict : public std::runtime_error {
 public:
  Verdict(Outcome what_came_out, const std::string& text)
      : std::runtime_error(text), outcome(what_came_out) {}
  const Outcome outcome;
};
[[noreturn]] void fail(const std::string& text);
[[noreturn]] void warn(const std::string& text);
[[noreturn]] void skip(const std::string& text);

/// Returns the message of the exception being handled, without LibTorch's stack traces. In a catch clause only.
std::string message_of_exception();

/// Calls, and skips what is Unsupported: what a component cannot do cannot be wrong.
template <class Call>
void if_supported(const Call& call) {
  try {
    call();
  } catch (const Unsupported& lacks) {
    skip(lacks.what());
  }
}

/// How well a derivative along a direction agrees with differences, and the difference that agrees best.
struct Agreement {
  double error;  ///< relative to the larger of the two, or to 1e-3 of the loss's size
  double difference;
};
/// Returns the best of several steps, difference(step) = (f(+step) − f(−step)) / (2 step), since a kink of the network
/// inside one of them is not an error of the gradient. `scale`: the loss's size.
Agreement best_of_steps(const std::function<double(double step)>& difference, double gradient, double scale,
                        std::initializer_list<double> steps);

/// Returns "0.0123", three significant digits, for messages.
std::string text_of(double value);

/// log 2π.
inline const double kLogTwoPi = std::log(2 * std::numbers::pi);
/// The value of a tensor of one element.
inline double item(const Tensor& tensor) { return tensor.to(at::kDouble).item<double>(); }

/// Sizes with which the component under test can be built: not every network takes every shape.
struct Extent {
  Shape data;
  int64_t latent = 3;
};

/// Numbers per row of the condition that every component under test is offered.
constexpr int64_t kConditionSize = 3;
/// The context in which a component under test is called: one condition for all rows if it is conditioned, else nothing.
Context context_for(const Component& component, int64_t rows, const at::TensorOptions& options);

/// A model of stand-ins around the component under test; all are in training mode.
class Rig;
struct RigOptions {
  at::ScalarType dtype = at::kDouble;
  testing::Values settings = {};  ///< parameters, besides those that the user set
  int64_t outputs = 1;            ///< of the stand-in likelihood: numbers decoded per data value
  int64_t latent = 0;             ///< 0: as in Case::extent()
  std::uint64_t seed = 0;         ///< of the component's initialisation; 0: the test's
  Shape data = {};                ///< empty: as in Case::extent()
};

/// One test's view of the component or library under test.
class Case {
 public:
  std::filesystem::path path;           ///< of the plugin, absolute
  plugins::Manifest manifest;           ///< read from it
  const PluginInfo* plugin = nullptr;   ///< tests of components: loaded
  const ComponentInfo* info = nullptr;  ///< tests of components
  testing::Values settings;             ///< the user's values for this component, instead of defaults
  std::uint64_t seed = 1;               ///< decides everything that the test draws
  Extent wanted{{}, 0};                 ///< sizes that the user asks for; no data, or 0 latents: none
  bool own_process = true;              ///< false with --in-process: a plugin's own output is unknown then

  /// Returns a generator for the test's own draws; each purpose has its own stream.
  Generator generator(std::string_view purpose = "") const;
  /// Returns the component's parameters: defaults, else a value within their bounds, then `settings`, then `more`.
  testing::Values parameters(const testing::Values& more = {}) const;
  /// Returns the wanted sizes, or the first of a fixed list, with which the component can be created. Fails if no sizes
  /// fit.
  const Extent& extent() const;

 private:
  mutable std::shared_ptr<const Extent> extent_;
};

/// A test. Its name says what holds if it passes.
struct Test {
  std::string_view name;  ///< "entropy"; unique among those of a kind
  std::string_view
      group;  ///< "library", "component", "probability", "network", "likelihood", "objective", "metric",
              ///< "reader"
  std::string_view sentence;            ///< one sentence, for people
  std::vector<Kind> kinds;              ///< the components that it is for; none: the library
  std::vector<std::string_view> needs;  ///< tests without whose success this one is meaningless
  void (*run)(const Case&);             ///< returns, or throws a Verdict; any other exception is a failure
};

/// All tests in the order in which they run; each comes after those that it needs.
const std::vector<Test>& all_tests();

// The groups, one per file.
std::vector<Test> library_tests();
std::vector<Test> component_tests();
std::vector<Test> contract_tests();      // empty batches, threads
std::vector<Test> silence_tests();       // silently different numbers
std::vector<Test> state_tests();         // of components of every kind, once those pass
std::vector<Test> gradient_tests();      // of components of every kind
std::vector<Test> distribution_tests();  // families and priors
std::vector<Test> likelihood_tests();
std::vector<Test> network_tests();  // encoders and decoders
std::vector<Test> objective_tests();
std::vector<Test> metric_tests();
std::vector<Test> reader_tests();

class Rig {
 public:
  /// Builds the component under test with case.parameters(options.settings), and stand-ins for the rest. Exceptions of
  /// the component's constructor leave unchanged.
  explicit Rig(const Case& test, const RigOptions& options = {});

  HostModel& model() { return *model_; }
  Component& component() { return *own_; }
  /// The context of `rows` rows in which the component under test is called.
  Context context(int64_t rows) const { return context_for(*own_, rows, model_->options); }
  /// Returns the component as its interface.
  template <class T>
  T& as() {
    return static_cast<T&>(component());
  }
  /// Returns n rows that the likelihood is defined for, [n, data…], in the model's dtype; the same for the same seed.
  Tensor data(int64_t n, std::uint64_t seed = 1) const;
  /// Returns the trained parameters of the component under test (all: of the whole model), with slot and name.
  std::vector<std::pair<std::string, Tensor>> parameters(bool all = false) const;
  /// Returns a standard normal tensor in the model's dtype.
  Tensor normal(at::IntArrayRef shape, std::uint64_t seed = 1) const;
  /// Restores the buffers of the component under test to where calls start from: as when it was made, or at the last
  /// keep_buffers(). State that moves in training mode (running statistics, a power iteration, a code book) is
  /// legitimate; runs that are compared begin at the same state.
  void restore_buffers();
  void keep_buffers();
  bool have_buffers_moved();
  /// The 0-dim tensor that a schedulable parameter of the component under test reads: refill it to move the schedule.
  Tensor schedule(std::string_view key) const { return parameters_->schedule(key); }

 private:
  std::vector<std::pair<Tensor, Tensor>> moved_buffers();  // with their starting values

  std::shared_ptr<testing::FakeParameters> parameters_;
  Kind kind_;
  std::unique_ptr<HostModel> model_;
  std::shared_ptr<Component> own_;
  std::map<std::string, Tensor> buffers_;  // copies, by name
};

}  // namespace variform::conformance
