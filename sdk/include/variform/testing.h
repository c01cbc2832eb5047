#pragma once
// For tests of components by themselves, without the engine: a Build whose parameters are a ComponentInfo's defaults
// with overrides, whose generator comes from a seed, and whose schedules are tensors that the test may refill; and a
// small reporter for test programs that want no framework. Header only. Not part of the binary interface, hence
// outside the versioned namespace; plugins themselves do not include it.

#include <variform/host.h>
#include <variform/plugin.h>
#include <variform/random.h>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// The plugin's entry, for test programs that are linked with a plugin's own sources.
extern "C" __attribute__((visibility("default"))) const variform::PluginInfo* variform_plugin();

/// Help for tests of components by themselves; header only, and not part of the binary interface.
namespace variform::testing {

/// The value of a parameter: a number (also integers and flags), a text or a list.
using Value = std::variant<double, std::string, std::vector<double>>;
/// Values by the parameters' names.
using Values = std::map<std::string, Value, std::less<>>;

/// A number (also for integers and flags), a text or a list, as the value of a parameter:
/// `{{"hidden", list({8, 8})}, {"bias", num(false)}}`.
inline Value num(double value) { return value; }
/// A text.
inline Value txt(std::string value) { return value; }
/// A list of numbers.
inline Value list(std::vector<double> values) { return values; }

/// A CPU generator seeded with `seed`; the global one is never touched.
inline Generator generator(std::uint64_t seed) { return at::detail::createCPUGenerator(seed); }

/// A source of parameters without a config: the defaults of a component's schema with overrides.
class FakeParameters final : public ParameterSource {
 public:
  /// Throws Error for an override that the schema does not declare, or declares with another type.
  explicit FakeParameters(const ComponentInfo& info, const Values& overrides = {}) : id_(info.id) {
    for (const Parameter& p : info.parameters()) {
      if (p.type == ParameterType::kText) values_[p.name] = std::string(p.text_default);
      else if (p.type == ParameterType::kNumbers || p.type == ParameterType::kIntegers)
        values_[p.name] = std::vector<double>(p.list_default.begin(), p.list_default.begin() + p.list_size);
      else if (p.type != ParameterType::kComponent) values_[p.name] = p.number_default;
    }
    for (const auto& [key, value] : overrides) {
      if (!values_.count(key))
        throw Error("component '" + id_ + "' has no parameter '" + key + "' to override");
      if (values_[key].index() != value.index())
        throw Error("parameter '" + key + "' of component '" + id_ + "' has another type than its override");
      values_[key] = value;
    }
  }

  /// For parameters that are components, by key.
  std::map<std::string, std::function<std::shared_ptr<Component>(const Build&)>, std::less<>> components;
  /// What Build::examples gives the first rows of; Error when the component asks and the test gave none.
  Tensor example_rows;
  /// Final values of schedules that move; the number itself when absent.
  std::map<std::string, double, std::less<>> final_values;

  /// A number, an integer or a flag; Error when the schema has no such parameter, like text() and numbers().
  double number(std::string_view key) const override { return get<double>(key); }
  /// A text.
  std::string text(std::string_view key) const override { return get<std::string>(key); }
  /// A list.
  std::vector<double> numbers(std::string_view key) const override { return get<std::vector<double>>(key); }
  /// One tensor a key: `build.schedule("beta").fill_(0.1)` moves it.
  Tensor schedule(std::string_view key) const override {
    const auto found = schedules_.find(key);
    if (found != schedules_.end()) return found->second;
    return schedules_[std::string(key)] = at::full({}, number(key), at::kDouble);
  }
  /// From `final_values`, or the number itself.
  double final_value(std::string_view key) const override {
    const auto found = final_values.find(key);
    return found != final_values.end() ? found->second : number(key);
  }
  /// From `components`; Error when the test gave none.
  std::shared_ptr<Component> component(std::string_view key, Kind, const Build& build) const override {
    const auto found = components.find(key);
    if (found == components.end())
      throw Error("the test gives no component for parameter '" + std::string(key) + "'");
    return found->second(build);
  }
  /// The first n of `example_rows`, or all if there are fewer.
  Tensor examples(int64_t n) const override {
    if (!example_rows.defined()) throw Error("the test gives no examples: set FakeParameters::example_rows");
    return example_rows.slice(0, 0, n);
  }

 private:
  template <class T>
  const T& get(std::string_view key) const {
    const auto found = values_.find(key);
    if (found == values_.end())
      throw Error("component '" + id_ + "' asks for parameter '" + std::string(key) +
                  "' that its schema does not declare");
    if (const T* value = std::get_if<T>(&found->second)) return *value;
    throw Error("component '" + id_ + "' asks for parameter '" + std::string(key) + "' with another type");
  }
  std::string id_;
  Values values_;
  mutable std::map<std::string, Tensor, std::less<>> schedules_;
};

/// Sizes of a fake Build; float64 unless told otherwise.
struct Sizes {
  Shape data{6};                       ///< one example
  int64_t latent = 3;                  ///< d
  int64_t outputs = 1;                 ///< what Build::outputs says
  at::ScalarType dtype = at::kDouble;  ///< of parameters and buffers
  std::uint64_t seed = 1;              ///< of Build::rng
  Model* model = nullptr;              ///< what Build::model says
  int64_t condition = 0;               ///< numbers per row of a context's condition
};

/// A Build over given parameters, which the test may keep in order to change them.
inline Build fake_build(std::shared_ptr<const FakeParameters> parameters, const Sizes& sizes = {}) {
  Build build = BuildMaker::make(std::move(parameters));
  build.data = sizes.data;
  build.latent = sizes.latent;
  build.outputs = sizes.outputs;
  build.options = at::TensorOptions().dtype(sizes.dtype).device(at::kCPU);
  build.rng = generator(sizes.seed);
  build.model = sizes.model;
  build.condition = sizes.condition;
  return build;
}
/// A Build for `info` with some parameters overridden.
inline Build fake_build(const ComponentInfo& info, const Values& overrides = {}, const Sizes& sizes = {}) {
  return fake_build(std::make_shared<FakeParameters>(info, overrides), sizes);
}
/// A Build without parameters, for whatever needs sizes, options and a generator only.
inline Build fake_build(const Sizes& sizes = {}) { return fake_build(ComponentInfo{}, {}, sizes); }

/// The component that `info` describes, as its class or interface.
template <class T>
std::shared_ptr<T> make(const ComponentInfo& info, const Values& overrides = {}, const Sizes& sizes = {}) {
  return std::static_pointer_cast<T>(info.create(fake_build(info, overrides, sizes)));
}

/// One component of a plugin; Error when it has none of that name. In a test program that is linked with the plugin's
/// own sources (TESTS of variform_add_plugin) the plugin is `*variform_plugin()`.
inline const ComponentInfo& find_component(const PluginInfo& plugin, Kind kind, const std::string& id) {
  for (const ComponentList* list = plugin.lists_begin; list != plugin.lists_end; ++list)
    for (std::size_t i = 0; i < list->count; ++i)
      if (list->first[i].kind() == kind && id == list->first[i].id) return list->first[i];
  throw Error("plugin " + std::string(plugin.id) + " has no " + to_string(kind) + " '" + id + "'");
}

/// Collects the results of a test program: `Report report; report.close("density at 0", found, expected, 1e-12);
/// return report.exit_code();`. Each failure is a line on stderr.
class Report {
 public:
  /// From now on an exception that nothing catches ends the program with its message and the code 1, not with abort().
  Report() { std::set_terminate(end_with_message); }
  /// Holds when the largest |found − expected| is at most `tolerance` times the largest |expected| (or 1, if that is
  /// larger). Both of the same shape.
  void close(const std::string& what, const Tensor& found, const Tensor& expected, double tolerance) {
    if (found.sizes() != expected.sizes())
      return fail(what + ": shape " + to_text(found.sizes()) + ", expected " + to_text(expected.sizes()));
    if (found.numel() == 0) return pass();
    const Tensor a = found.detach().to(at::kDouble), b = expected.detach().to(at::kDouble);
    const double error = (a - b).abs().max().item<double>();
    const double scale = std::max(1.0, b.abs().max().item<double>());
    if (error <= tolerance * scale) return pass();
    char text[96];
    std::snprintf(text, sizeof text, ": off by %.3g, allowed %.3g", error, tolerance * scale);
    fail(what + text);
  }
  /// Holds when `condition` does.
  void that(const std::string& what, bool condition) { condition ? pass() : fail(what); }
  /// 0 if something was asked and everything held, else 1.
  int exit_code() const {
    std::fprintf(stderr, "%d of %d checks passed\n", passed_, passed_ + failed_);
    return failed_ == 0 && passed_ > 0 ? 0 : 1;
  }

 private:
  [[noreturn]] static void end_with_message() noexcept {
    try {
      if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
      std::fprintf(stderr, "failed: the program was ended by std::terminate()\n");
    } catch (const c10::Error& error) {
      std::fprintf(stderr, "failed: %s\n", error.what_without_backtrace());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "failed: %s\n", error.what());
    } catch (...) {
      std::fprintf(stderr, "failed: an exception that is no std::exception\n");
    }
    std::fprintf(
        stderr,
        "The test stopped there. If the component's parameters have changed, change what the test gives "
        "for them.\n");
    std::_Exit(1);
  }
  void pass() { ++passed_; }
  void fail(const std::string& text) {
    ++failed_;
    std::fprintf(stderr, "failed: %s\n", text.c_str());
  }
  int passed_ = 0, failed_ = 0;
};

}  // namespace variform::testing
