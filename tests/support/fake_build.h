#pragma once
// A Build without the engine, so that a component can be tested by itself: parameters are a ComponentInfo's
// defaults with overrides, the generator comes from a seed, and schedules are tensors that the test may
// refill.

#include <variform/descriptor.h>
#include <variform/random.h>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace variform::test {

using Value = std::variant<double, std::string, std::vector<double>>;
using Values = std::map<std::string, Value, std::less<>>;

/// A number (also for integers and flags), a text or a list: `{{"hidden", list({8, 8})}, {"bias",
/// num(false)}}`.
inline Value num(double value) { return value; }
inline Value txt(std::string value) { return value; }
inline Value list(std::vector<double> values) { return values; }

inline Generator generator(std::uint64_t seed) { return at::detail::createCPUGenerator(seed); }

/// The defaults of `info` with `overrides`; throws Error for an override that the schema does not declare.
class FakeParameters final : public ParameterSource {
 public:
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

  double number(std::string_view key) const override { return get<double>(key); }
  std::string text(std::string_view key) const override { return get<std::string>(key); }
  std::vector<double> numbers(std::string_view key) const override { return get<std::vector<double>>(key); }
  /// One tensor a key: `build.schedule("beta").fill_(0.1)` moves it.
  Tensor schedule(std::string_view key) const override {
    const auto found = schedules_.find(key);
    if (found != schedules_.end()) return found->second;
    return schedules_[std::string(key)] = at::full({}, number(key), at::kDouble);
  }
  double final_value(std::string_view key) const override {
    const auto found = final_values.find(key);
    return found != final_values.end() ? found->second : number(key);
  }
  std::shared_ptr<Component> component(std::string_view key, Kind, const Build& build) const override {
    const auto found = components.find(key);
    if (found == components.end())
      throw Error("the test gives no component for parameter '" + std::string(key) + "'");
    return found->second(build);
  }
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
  Shape data{6};
  int64_t latent = 3;
  int64_t outputs = 1;
  at::ScalarType dtype = at::kDouble;
  std::uint64_t seed = 1;
  Model* model = nullptr;
};

/// A Build over given parameters, which the test may keep in order to change them.
inline Build fake_build(std::shared_ptr<const FakeParameters> parameters, const Sizes& sizes = {}) {
  Build build(std::move(parameters));
  build.data = sizes.data;
  build.latent = sizes.latent;
  build.outputs = sizes.outputs;
  build.options = at::TensorOptions().dtype(sizes.dtype).device(at::kCPU);
  build.rng = generator(sizes.seed);
  build.model = sizes.model;
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

}  // namespace variform::test
