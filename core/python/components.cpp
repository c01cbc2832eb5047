// See components.h.

#include "python/components.h"

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include <variform/plugin.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include <fmt/format.h>

#include "python/call.h"
#include "python/words.h"

namespace variform::python {
namespace {

using nlohmann::json;

// The function of a Python class that stands for an ability.
constexpr std::pair<std::string_view, std::string_view> kFunctionOf[] = {
    {LogMarginals::kId, "log_marginals"},
    {ClosedEntropy::kId, "entropy"},
    {Moments::kId, "covariance"},
    {BoundedSupport::kId, "support"},
    {FiniteMoments::kId, "finite_moments"},
    {ClosedCrossEntropy::kId, "cross_entropy"},
    {GaussianForm::kId, "gaussian"},
    {MomentsNeeded::kId, "moments_needed"},
    {CurvatureForm::kId, "curvature_form"},
    {IsotropicCurvature::kId, "isotropic_curvature"},
    {NoiseVariance::kId, "noise_variance"},
    {MissingValues::kId, "admits_missing"},
    {Weighted::kId, "beta"},
    {UsesTangents::kId, "uses_tangents"}};

// Interface with the abilities whose functions the Python object has.
template <class Interface, class... Abilities>
class Bridged : public With<Interface, Abilities...> {
 public:
  explicit Bridged(std::unique_ptr<Object> object) : python_(std::move(object)) {}
  const void* ability(std::string_view id) const override {
    for (const auto& [ability, function] : kFunctionOf)
      if (ability == id && !python_->has(function)) return nullptr;
    return With<Interface, Abilities...>::ability(id);
  }

 protected:
  Answer call(const char* function, Arguments arguments = {}) const {
    return python_->call(function, std::move(arguments));
  }
  Tensor tensor(const char* function, Arguments arguments = {}) const {
    return call(function, std::move(arguments)).tensor(0);
  }
  double number(const char* function, Arguments arguments = {}) const {
    return call(function, std::move(arguments)).numbers.at(0);
  }
  std::optional<Tensor> maybe(const char* function, Arguments arguments = {}) const {
    const Tensor found = tensor(function, std::move(arguments));
    return found.defined() ? std::optional(found) : std::nullopt;
  }
  Support interval() const {
    const Answer ends = call("support");
    return {ends.numbers.at(0), ends.numbers.at(1)};
  }

 private:
  std::unique_ptr<Object> python_;
};

// The same for a component, whose object hears of training and evaluation mode.
template <class Interface, class... Abilities>
class BridgedComponent : public Bridged<Interface, Abilities...> {
 public:
  using Bridged<Interface, Abilities...>::Bridged;
  void train(bool on) override {
    Component::train(on);
    this->call("train", {.numbers = {on ? 1 : 0}});
  }
};

Known with(std::vector<Tensor> first, const Context& context) {
  Known all(first.begin(), first.end());
  for (auto& known : known_of(context)) all.push_back(std::move(known));
  return all;
}

std::optional<Tensor> given(const Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

// What a component is given for the time of one call.
class Viewed {
 public:
  explicit Viewed(Model* model = nullptr) { call_->model = model; }
  ~Viewed() { call_->is_open = false; }
  Viewed(const Viewed&) = delete;
  Viewed& operator=(const Viewed&) = delete;
  const std::shared_ptr<ViewedCall>& operator*() const { return call_; }

 private:
  std::shared_ptr<ViewedCall> call_ = std::make_shared<ViewedCall>();
};

// [B, d]: standard deviations of independent latents; [B, d, d]: a matrix.
Covariance covariance_of(const Tensor& given) {
  if (!given.defined() || given.dim() < 2 || given.dim() > 3)
    throw Error("covariance is " + (given.defined() ? to_text(given.sizes()) : std::string("None")) +
                "; expected [B, d, d], or standard deviations [B, d] of independent latents.");
  if (given.dim() == 2) return Covariance::diagonal(given);
  return Covariance::cholesky({at::linalg_cholesky(given)});
}

class PythonPosterior final : public Bridged<variform::Posterior, LogMarginals, ClosedEntropy, Moments> {
 public:
  using Bridged::Bridged;
  Tensor location() const override { return tensor("location"); }
  Draw rsample(int64_t K, Generator& rng) const override {
    const Answer drawn = call("rsample", {.numbers = {K}, .rng = rng});
    return {drawn.tensor(0), drawn.tensor(1)};
  }
  Tensor log_prob(const Draw& draw) const override {
    return tensor("log_prob", {.tensors = {draw.z, given(draw.state)}});
  }
  Tensor log_marginals(const Draw& draw) const override {
    return tensor("log_marginals", {.tensors = {draw.z, given(draw.state)}});
  }
  Tensor entropy() const override { return tensor("entropy"); }
  std::optional<Covariance> covariance() const override {
    const std::optional<Tensor> found = maybe("covariance");
    return found ? std::optional(covariance_of(*found)) : std::nullopt;
  }
};

class PythonFamily final : public BridgedComponent<VariationalFamily, BoundedSupport, FiniteMoments> {
 public:
  using BridgedComponent::BridgedComponent;
  int64_t parameter_count(int64_t d) const override {
    return static_cast<int64_t>(number("parameter_count", {.numbers = {d}}));
  }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor& x,
                                                 const Context& context) override {
    Answer made = call("posterior", {.tensors = with({params, x}, context)});
    return std::make_unique<PythonPosterior>(
        std::make_unique<Object>(static_cast<int64_t>(made.numbers.at(0)), std::move(made.names)));
  }
  Support support() const override { return interval(); }
  int finite_moments() const override { return static_cast<int>(number("finite_moments")); }
};

class PythonPrior final
    : public BridgedComponent<Prior, ClosedCrossEntropy, GaussianForm, MomentsNeeded, BoundedSupport> {
 public:
  using BridgedComponent::BridgedComponent;
  Tensor log_prob(const Tensor& z, const Context& context) override {
    return tensor("log_prob", {.tensors = with({z}, context)});
  }
  Tensor sample(int64_t n, Generator& rng, const Context& context) override {
    return tensor("sample", {.tensors = with({}, context), .numbers = {n}, .rng = rng});
  }
  std::optional<Tensor> cross_entropy(const variform::Posterior& posterior, const Context& context) override {
    const Viewed viewed;
    return maybe("cross_entropy",
                 {.tensors = with({}, context),
                  .posterior = c10::make_intrusive<PosteriorView>(*viewed, posterior, context)});
  }
  std::optional<Gaussian> gaussian(const Context& context) override {
    const Answer found = call("gaussian", {.tensors = with({}, context)});
    if (!found.tensor(0).defined()) return {};
    return Gaussian{found.tensor(0), covariance_of(found.tensor(1))};
  }
  int moments_needed() const override { return static_cast<int>(number("moments_needed")); }
  Support support() const override { return interval(); }
};

Domain domain_named(const std::string& name) {
  const std::map<std::string, Domain> all = {{"real", Domain::kReal},
                                             {"unit interval", Domain::kUnitInterval},
                                             {"binary", Domain::kBinary},
                                             {"count", Domain::kCount},
                                             {"categorical", Domain::kCategorical}};
  const auto found = all.find(name);
  if (found == all.end())
    throw Error("domain is '" + name + "'; expected real, unit interval, binary, count or categorical.");
  return found->second;
}

class PythonLikelihood final
    : public BridgedComponent<Likelihood, CurvatureForm, IsotropicCurvature, NoiseVariance, MissingValues> {
 public:
  using BridgedComponent::BridgedComponent;
  int64_t outputs() const override { return static_cast<int64_t>(number("outputs")); }
  Domain domain() const override { return domain_named(call("domain").names.at(0)); }
  Tensor nll(const Tensor& x, const Tensor& g, const Context& context) override {
    return tensor("nll", {.tensors = with({x, g}, context)});
  }
  Tensor mean(const Tensor& g) override { return tensor("mean", {.tensors = {g}}); }
  Tensor sample(const Tensor& g, Generator& rng) override {
    return tensor("sample", {.tensors = {g}, .rng = rng});
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature,
                        const Context& context) override {
    return tensor("curvature_form", {.tensors = with({x, g, t}, context),
                                     .text = curvature == Curvature::kHessian ? "hessian" : "fisher"});
  }
  std::optional<Tensor> isotropic_curvature() const override { return maybe("isotropic_curvature"); }
  std::optional<Tensor> noise_variance() const override { return maybe("noise_variance"); }
  bool admits_missing() const override { return number("admits_missing") != 0; }
};

class PythonObjective final : public BridgedComponent<Objective, Weighted, UsesTangents> {
 public:
  using BridgedComponent::BridgedComponent;
  Terms evaluate(Model& model, const Batch& batch) override {
    const Viewed viewed(&model);
    Answer found = call("evaluate", {.tensors = with({batch.x}, batch.context),
                                     .numbers = {batch.dataset_size},
                                     .model = c10::make_intrusive<ModelView>(*viewed)});
    Terms terms{found.tensor(0), {}};
    for (std::size_t i = 1; i < found.tensors.size(); ++i)
      terms.parts.emplace_back(found.names.at(i), found.tensor(i));
    return terms;
  }
  Tensor beta() const override { return tensor("beta"); }
  double final_beta() const override { return number("final_beta"); }
  bool uses_tangents() const override { return number("uses_tangents") != 0; }
};

// Registers tensors by their names in Python, "net.0.weight", with a module for each step of the way.
void take(torch::nn::Module& module, const std::string& name, const Tensor& tensor, bool is_parameter) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) {
    if (is_parameter) module.register_parameter(name, tensor, tensor.requires_grad());
    else module.register_buffer(name, tensor);
    return;
  }
  const std::string first = name.substr(0, dot);
  const auto children = module.named_children();
  std::shared_ptr<torch::nn::Module> child =
      children.contains(first) ? children[first]
                               : module.register_module(first, std::make_shared<torch::nn::Module>());
  take(*child, name.substr(dot + 1), tensor, is_parameter);
}

struct Described {
  ComponentInfo info = {};
  ComponentList list = {};
  PluginInfo plugin = {};
  int64_t object = 0;
};

// Lives as long as the process, as plugins do; what it holds is never moved.
struct Descriptions {
  std::mutex mutex;
  std::deque<Described> all;
  std::deque<std::string> texts;
  const char* text(std::string value) { return texts.emplace_back(std::move(value)).c_str(); }
};

Descriptions& descriptions() {
  static Descriptions& all = *new Descriptions;
  return all;
}

const Described& described(int64_t number) {
  Descriptions& known = descriptions();
  const std::lock_guard lock(known.mutex);
  if (number < 0 || number >= static_cast<int64_t>(known.all.size()))
    throw Error(fmt::format("there is no described class {}.", number));
  return known.all[static_cast<std::size_t>(number)];
}

// The settings' values as JSON; those that follow a schedule are tensors.
json settings_of(const Build& build, const ComponentInfo& info, Known& schedules) {
  json values = json::object();
  for (const Parameter& p : info.parameters()) {
    if (p.is_schedulable) {
      values[p.name] = {{"schedule", schedules.size()}, {"final", build.final_value(p)}};
      schedules.emplace_back(build.schedule(p));
    } else if (p.type == ParameterType::kNumber) {
      values[p.name] = build.number(p);
    } else if (p.type == ParameterType::kInteger) {
      values[p.name] = build.integer(p);
    } else if (p.type == ParameterType::kFlag) {
      values[p.name] = build.flag(p);
    } else if (p.type == ParameterType::kText) {
      values[p.name] = build.text(p);
    } else {
      values[p.name] = build.numbers(p);
    }
  }
  return values;
}

template <class Bridge>
std::shared_ptr<Component> bridge_of(std::unique_ptr<Object> object) {
  return std::make_shared<Bridge>(std::move(object));
}

std::shared_ptr<Component> bridge_of(Kind kind, std::unique_ptr<Object> object) {
  switch (kind) {
    case Kind::kFamily: return bridge_of<PythonFamily>(std::move(object));
    case Kind::kPrior: return bridge_of<PythonPrior>(std::move(object));
    case Kind::kLikelihood: return bridge_of<PythonLikelihood>(std::move(object));
    case Kind::kObjective: return bridge_of<PythonObjective>(std::move(object));
    default: throw Error("a component in Python is a family, a prior, a likelihood or an objective.");
  }
}

std::shared_ptr<Component> create(const Described& of, const Build& build) {
  Known schedules;
  const json facts = {{"settings", settings_of(build, of.info, schedules)},
                      {"data", build.data},
                      {"latent", build.latent},
                      {"condition", build.condition},
                      {"double", build.options.dtype().toScalarType() == at::kDouble},
                      {"device", build.options.device().str()}};
  Answer made =
      call(of.object, "create", {.tensors = std::move(schedules), .text = facts.dump(), .rng = build.rng});
  const auto state = json::parse(made.names.back());
  made.names.pop_back();
  const auto component =
      bridge_of(of.info.kind(),
                std::make_unique<Object>(static_cast<int64_t>(made.numbers.at(0)), std::move(made.names)));
  for (std::size_t i = 0; i < state.size(); ++i)
    take(*component, state[i].at(0), made.tensor(i), state[i].at(1));
  return component;
}

// A function pointer knows no number, so that each of the classes has a function of its own.
constexpr std::size_t kMostClasses = 256;
using Create = std::shared_ptr<Component> (*)(const Build&);
template <std::size_t N>
std::shared_ptr<Component> create_numbered(const Build& build) {
  return create(described(N), build);
}
template <std::size_t... N>
constexpr std::array<Create, sizeof...(N)> creators(std::index_sequence<N...>) {
  return {&create_numbered<N>...};
}
constexpr auto kCreators = creators(std::make_index_sequence<kMostClasses>());

ParameterType type_named(const std::string& name) {
  const std::map<std::string, ParameterType> all = {{"number", ParameterType::kNumber},
                                                    {"integer", ParameterType::kInteger},
                                                    {"flag", ParameterType::kFlag},
                                                    {"text", ParameterType::kText},
                                                    {"numbers", ParameterType::kNumbers}};
  return all.at(name);
}

Parameter parameter_of(const json& setting, Descriptions& known) {
  Parameter p;
  p.name = known.text(setting.at("name"));
  p.type = type_named(setting.at("type"));
  p.description = known.text(setting.at("doc"));
  p.unit = known.text(setting.at("unit"));
  p.is_schedulable = setting.at("schedulable");
  if (!setting.at("low").is_null()) p.low = setting.at("low");
  if (!setting.at("high").is_null()) p.high = setting.at("high");
  p.excludes_low = setting.at("above");
  const json& value = setting.at("default");
  if (p.type == ParameterType::kText) {
    p.text_default = known.text(value);
  } else if (p.type == ParameterType::kNumbers) {
    for (const double each : value.get<std::vector<double>>()) p.list_default.at(p.list_size++) = each;
  } else {
    p.number_default = value.is_boolean() ? (value.get<bool>() ? 1.0 : 0.0) : value.get<double>();
  }
  for (const json& choice : setting.at("choices")) {
    if (p.choice_count == Parameter::kMaxChoices) throw Error("a setting has at most 16 choices.");
    p.choices[p.choice_count++] = known.text(choice);
  }
  return p;
}

}  // namespace

int64_t describe_class(const std::string& description) {
  const json given = json::parse(description);
  Descriptions& known = descriptions();
  const std::lock_guard lock(known.mutex);
  const std::size_t number = known.all.size();
  if (number == kMostClasses)
    throw Error(fmt::format("{} classes of components have been used in this process; begin a new one.",
                            kMostClasses));
  const json& settings = given.at("settings");
  if (settings.size() > ComponentInfo::kMaxParameters)
    throw Error(fmt::format("{} has {} settings; at most {} are possible.", given.at("id").get<std::string>(),
                            settings.size(), ComponentInfo::kMaxParameters));
  Described& made = known.all.emplace_back();
  made.object = given.at("object");
  made.info.kind_name = known.text(given.at("kind"));
  made.info.id = known.text(given.at("id"));
  made.info.summary = known.text(given.at("summary"));
  made.info.source = known.text(given.at("source"));
  for (const json& setting : settings)
    made.info.parameter_list.at(made.info.parameter_count++) = parameter_of(setting, known);
  made.info.create = kCreators.at(number);
  made.list = {&made.info, 1};
  made.plugin = {known.text(given.at("plugin")), known.text(given.at("version")), &made.list, &made.list + 1};
  return static_cast<int64_t>(number);
}

const PluginInfo& plugin_of(int64_t number) { return described(number).plugin; }

void bind_components(torch::Library& library) {
  library.def("component_class", [](const std::string& description) {
    return in_words([&] { return describe_class(description); });
  });
}

}  // namespace variform::python
