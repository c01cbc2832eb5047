#pragma once
// What a conformance test is, what it is given, and how it says what it found.

#include <variform/model.h>
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

/// kSkipped: it does not apply, or what it builds on failed. kCrash: its process did not live to the end.
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

/// What the exception that is being handled says, without LibTorch's stack traces. In a catch clause only.
std::string message_of_exception();

/// What a component cannot do cannot be wrong: calls, and skips what is Unsupported.
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
/// The best of several steps, difference(step) = (f(+step) − f(−step)) / (2 step): a kink of the network inside one of
/// them is no error of the gradient. `scale`: the loss's size.
Agreement best_of_steps(const std::function<double(double step)>& difference, double gradient, double scale,
                        std::initializer_list<double> steps);

/// "0.0123", three significant digits, for messages.
std::string text_of(double value);

/// log 2π.
inline const double kLogTwoPi = std::log(2 * std::numbers::pi);
/// The value of a tensor of one element.
inline double item(const Tensor& tensor) { return tensor.to(at::kDouble).item<double>(); }

/// The sizes with which the component under test can be built: not every network takes every shape.
struct Extent {
  Shape data;
  int64_t latent = 3;
};

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

/// One test's view of what it tests.
class Case {
 public:
  std::filesystem::path path;           ///< of the plugin, absolute
  plugins::Manifest manifest;           ///< read from it
  const PluginInfo* plugin = nullptr;   ///< tests of components: loaded
  const ComponentInfo* info = nullptr;  ///< tests of components
  testing::Values settings;             ///< what the user set for this component, in place of defaults
  std::uint64_t seed = 1;               ///< all that the test draws comes from it
  Extent wanted{{}, 0};     ///< sizes that the user asks for; no data, or 0 latents: not asked for
  bool own_process = true;  ///< false with --in-process: what a process prints cannot be told apart

  /// A generator for the test's own draws; other streams for other purposes.
  Generator generator(std::string_view purpose = "") const;
  /// The component's parameters: defaults, else a value that its bounds allow, then `settings`, then `more`.
  testing::Values parameters(const testing::Values& more = {}) const;
  /// The first sizes of a fixed list, or those that are wanted, with which the component can be created. Fails if there
  /// are none.
  const Extent& extent() const;

 private:
  mutable std::shared_ptr<const Extent> extent_;
};

/// A test. Its name says what holds when it passes.
struct Test {
  std::string_view name;      ///< "entropy"; unique among those of a kind
  std::string_view group;     ///< "library", "component", "probability", "network", "likelihood", "objective"
  std::string_view sentence;  ///< one sentence, for people
  std::vector<Kind> kinds;    ///< which components it is for; none: the library
  std::vector<std::string_view> needs;  ///< tests without whose success this one says nothing
  void (*run)(const Case&);             ///< returns, or throws a Verdict; any other exception is a failure
};

/// All tests, in the order in which they run: what one needs stands before it.
const std::vector<Test>& all_tests();

// The groups, one a file.
std::vector<Test> library_tests();
std::vector<Test> component_tests();
std::vector<Test> silence_tests();       // other numbers without a word
std::vector<Test> state_tests();         // of components of every kind, once those pass
std::vector<Test> gradient_tests();      // of components of every kind
std::vector<Test> distribution_tests();  // families and priors
std::vector<Test> likelihood_tests();
std::vector<Test> network_tests();  // encoders and decoders
std::vector<Test> objective_tests();

class Rig {
 public:
  /// Builds the component under test with case.parameters(options.settings), and stand-ins for the rest.
  /// What the component's constructor throws leaves as it is.
  explicit Rig(const Case& test, const RigOptions& options = {});

  Model& model() { return *model_; }
  Component& component() { return *model_->component(kind_); }
  /// The component as its interface.
  template <class T>
  T& as() {
    return static_cast<T&>(component());
  }
  /// n data that the likelihood is defined for, [n, data…], in the model's dtype; the same for the same seed.
  Tensor data(int64_t n, std::uint64_t seed = 1) const;
  /// The trained parameters of the component under test (all: of the whole model), with slot and name.
  std::vector<std::pair<std::string, Tensor>> parameters(bool all = false) const;
  /// A standard normal tensor in the model's dtype.
  Tensor normal(at::IntArrayRef shape, std::uint64_t seed = 1) const;
  /// Puts the buffers of the component under test back to where calls start from: as they were when it was made, or at
  /// the last keep_buffers(). State that moves in training mode (running statistics, a power iteration, a code book) is
  /// legitimate; what is compared begins at the same one.
  void restore_buffers();
  void keep_buffers();
  bool have_buffers_moved();
  /// What a schedulable parameter of the component under test reads, 0-dim: refill it to move the schedule.
  Tensor schedule(std::string_view key) const { return parameters_->schedule(key); }

 private:
  std::vector<std::pair<Tensor, Tensor>> moved_buffers();  // and where they started

  std::shared_ptr<testing::FakeParameters> parameters_;
  Kind kind_;
  std::unique_ptr<Model> model_;
  std::map<std::string, Tensor> buffers_;  // copies, by name
};

}  // namespace variform::conformance
