// See assembly.h.

#include "model/assembly.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include <variform/random.h>

#include <fmt/format.h>

#include "config/node.h"
#include "config/text.h"
#include "model/checkpoints.h"

namespace variform::model {

Generator make_generator(const at::Device& device, uint64_t seed) {
  if (device.is_cpu()) return at::make_generator<at::CPUGeneratorImpl>(seed);
  Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

namespace {

// Returns parameters and buffers by their paths in a checkpoint. The tensors are the live ones.
std::map<std::string, Tensor> state_of(const Component& component, Kind kind) {
  std::map<std::string, Tensor> state;
  const std::string slot = std::string("model/") + to_string(kind);
  for (const auto& item : component.named_parameters())
    state[slot + "/parameters/" + item.key()] = item.value();
  for (const auto& item : component.named_buffers()) state[slot + "/buffers/" + item.key()] = item.value();
  return state;
}

// Lists everything in which a checkpoint's slot differs from what a component expects; empty when it fits.
std::string misfit(const std::map<std::string, Tensor>& expected,
                   const std::map<std::string, Tensor>& tensors, Kind kind) {
  std::string problems;
  for (const auto& [key, tensor] : expected) {
    const auto found = tensors.find(key);
    if (found == tensors.end()) problems += "\n  missing: " + key + " " + to_text(tensor.sizes());
    else if (found->second.sizes() != tensor.sizes())
      problems += "\n  another shape: " + key + " is " + to_text(found->second.sizes()) + "; expected " +
                  to_text(tensor.sizes());
  }
  const std::string prefix = std::string("model/") + to_string(kind) + "/";
  for (auto it = tensors.lower_bound(prefix); it != tensors.end() && it->first.starts_with(prefix); ++it)
    if (!expected.contains(it->first))
      problems += "\n  unexpected: " + it->first + " " + to_text(it->second.sizes());
  return problems;
}

void refuse(const std::string& problems) {
  if (!problems.empty())
    throw std::runtime_error(
        "the checkpoint does not fit the model of this config:" + problems +
        "\nUse the config that the checkpoint was written with. If this is it, the component has changed "
        "since: use the version of its plugin that trained the model, or train it again.");
}

void copy(const std::map<std::string, Tensor>& tensors, const std::map<std::string, Tensor>& state) {
  const at::NoGradGuard no_grad;
  for (const auto& [key, tensor] : state) Tensor(tensor).copy_(tensors.at(key));
}

// Loads a component inside another one with the values of the run that it is taken from.
void load_nested(const Component& component, const config::ComponentSpec& spec) {
  const auto tensors = checkpoint::read(checkpoint_of(*spec.from)).tensors;
  const auto state = state_of(component, spec.kind);
  refuse(misfit(state, tensors, spec.kind));
  copy(tensors, state);
}

}  // namespace

// Gives a component its parameters. Shared with Build, so it may outlive the constructor call; holds no Assembly.
struct Assembly::Source final : ParameterSource {
  config::ComponentSpec spec;
  const plugins::Registry* registry = nullptr;
  std::shared_ptr<std::vector<Scheduled>> schedules;
  int64_t horizon = 1;
  std::function<Tensor(int64_t)> examples_of;
  at::TensorOptions options;

  template <class T>
  const T* find(std::string_view key) const {
    const auto found = spec.parameters.find(std::string(key));
    if (found == spec.parameters.end()) throw Error(undeclared(key));
    return std::get_if<T>(&found->second);
  }
  std::string undeclared(std::string_view key) const {
    std::vector<std::string> known;
    for (const auto& [name, value] : spec.parameters) known.push_back(name);
    const std::string near = config::did_you_mean(key, known);
    return fmt::format("parameter '{}' is not declared in the component's schema, which has {}{}", key,
                       known.empty() ? "none" : config::join(known), near.empty() ? "" : "; " + near);
  }
  [[noreturn]] static void wrong(std::string_view key, const char* asked) {
    throw Error("parameter '" + std::string(key) + "' was declared with another type; it is not a " + asked);
  }

  double number(std::string_view key) const override {
    if (const auto* value = find<double>(key)) return *value;
    if (const auto* value = find<int64_t>(key)) return static_cast<double>(*value);
    if (const auto* value = find<bool>(key)) return *value ? 1 : 0;
    if (const auto* value = find<config::Schedule>(key)) {
      if (value->is_constant()) return value->from;
      throw Error("parameter '" + std::string(key) + "' follows a schedule; read it with Build::schedule");
    }
    wrong(key, "number");
  }
  std::string text(std::string_view key) const override {
    if (const auto* value = find<std::string>(key)) return *value;
    wrong(key, "text");
  }
  std::vector<double> numbers(std::string_view key) const override {
    if (const auto* value = find<std::vector<double>>(key)) return *value;
    if (const auto* value = find<std::vector<int64_t>>(key)) return {value->begin(), value->end()};
    wrong(key, "list of numbers");
  }
  Tensor schedule(std::string_view key) const override {
    const config::Schedule* schedule = find<config::Schedule>(key);
    if (!schedule) wrong(key, "schedulable number");
    const Tensor value = at::full({}, schedule->at(0, horizon), options.dtype(at::kDouble));
    const std::string slot = to_string(spec.kind);
    schedules->push_back({(spec.kind == Kind::kObjective ? slot : "model." + slot) + "." + std::string(key),
                          *schedule, value});
    return value;
  }
  double final_value(std::string_view key) const override {
    if (const config::Schedule* schedule = find<config::Schedule>(key)) return schedule->final(horizon);
    return number(key);
  }
  std::shared_ptr<Component> component(std::string_view key, Kind kind, const Build& build) const override {
    const auto* nested = find<std::shared_ptr<config::ComponentSpec>>(key);
    if (!nested || (*nested)->kind != kind) wrong(key, to_string(kind));
    auto source = std::make_shared<Source>(*this);
    source->spec = **nested;
    std::shared_ptr<Component> made =
        registry->create(registry->offer(source->spec.kind, source->spec.type, source->spec.plugin),
                         BuildMaker::with(build, source));
    if (source->spec.from) load_nested(*made, source->spec);
    return made;
  }
  Tensor examples(int64_t n) const override {
    if (!examples_of)
      throw Error("there are no training data to initialise from; this model is built without a data set");
    return examples_of(n).to(options);
  }
};

Assembly::Assembly(const ModelSpec& spec, const plugins::Registry& registry)
    : spec_(spec), registry_(registry) {
  model_ = std::make_unique<HostModel>(spec.data, spec.latent, spec.options,
                                       make_generator(spec.options.device(), hash(spec.seed, "init")));
  model_->set_mixed_precision(spec.mixed_precision);
  for (Kind kind : kAllKinds)
    if (spec_.slots.contains(kind)) build_slot(kind, registry);
}
Assembly::~Assembly() = default;

std::unique_ptr<Assembly> Assembly::again() const { return std::make_unique<Assembly>(spec_, registry_); }

Build Assembly::build_of(const config::ComponentSpec& spec, const plugins::Registry& registry) const {
  auto source = std::make_shared<Source>();
  source->spec = spec;
  source->registry = &registry;
  source->schedules = schedules_;
  source->horizon = spec_.horizon;
  source->examples_of = spec_.examples;
  source->options = spec_.options;

  Build build = BuildMaker::make(source);
  build.data = spec_.data;
  build.latent = spec_.latent;
  build.condition = spec_.condition;
  build.options = spec_.options;
  build.rng = model_->rng;
  build.rng.set_current_seed(hash(spec_.seed, "init", to_string(spec.kind)));
  build.model = model_.get();
  return build;
}

std::shared_ptr<Component> Assembly::beside(const config::ComponentSpec& spec,
                                            const plugins::Registry& registry) const {
  return registry.create(registry.offer(spec.kind, spec.type, spec.plugin), build_of(spec, registry));
}

void Assembly::build_slot(Kind kind, const plugins::Registry& registry) {
  const config::ComponentSpec& slot = spec_.slots.at(kind);
  Build build = build_of(slot, registry);
  if (kind == Kind::kEncoder) build.outputs = model_->family().parameter_count(spec_.latent);
  if (kind == Kind::kDecoder) build.outputs = model_->likelihood().outputs();

  const plugins::Offer offer = registry.offer(kind, slot.type, slot.plugin);
  std::shared_ptr<Component> component;
  try {
    component = registry.create(offer, build);
  } catch (const std::exception& error) {
    throw Error((slot.where.is_default() ? "" : config::to_string(slot.where) + ": ") + error.what());
  }
  if (slot.frozen)
    for (Tensor& parameter : component->parameters()) parameter.requires_grad_(false);
  model_->set(kind, component, offer.label());
}

void Assembly::set_step(int64_t step) {
  at::NoGradGuard no_grad;
  model_->set_step(step);
  seed("step", step);
  for (Scheduled& scheduled : *schedules_)
    if (!scheduled.schedule.is_constant()) scheduled.value.fill_(scheduled.schedule.at(step, spec_.horizon));
}

std::vector<std::pair<std::string, config::Schedule>> Assembly::changing() const {
  std::vector<std::pair<std::string, config::Schedule>> changing;
  for (const Scheduled& scheduled : *schedules_)
    if (!scheduled.schedule.is_constant()) changing.emplace_back(scheduled.name, scheduled.schedule);
  return changing;
}

void Assembly::seed(const char* purpose, int64_t index) {
  model_->rng.set_current_seed(hash(spec_.seed, purpose, static_cast<uint64_t>(index)));
}

void Assembly::set_training(bool on) {
  for (Kind kind : kinds()) model_->component(kind)->train(on && !spec_.slots.at(kind).frozen);
}

std::vector<Kind> Assembly::kinds() const {
  std::vector<Kind> kinds;
  for (Kind kind : kAllKinds)
    if (model_->component(kind)) kinds.push_back(kind);
  return kinds;
}

std::map<std::string, Tensor> Assembly::state() const {
  std::map<std::string, Tensor> state;
  for (Kind kind : kinds()) state.merge(state_of(*model_->component(kind), kind));
  return state;
}

void Assembly::load(const std::map<std::string, Tensor>& tensors, const std::vector<Kind>& slots) {
  std::string problems;
  for (Kind kind : slots)
    if (model_->component(kind)) problems += misfit(state_of(*model_->component(kind), kind), tensors, kind);
  refuse(problems);
  for (Kind kind : slots)
    if (model_->component(kind)) copy(tensors, state_of(*model_->component(kind), kind));
}

std::vector<ParameterGroup> Assembly::parameter_groups(const config::OptimizerSpec& common) const {
  std::vector<ParameterGroup> groups{{common, {}}};
  for (Kind kind : kinds()) {
    const config::ComponentSpec& slot = spec_.slots.at(kind);
    ParameterGroup own{slot.optimizer.value_or(common), {}};
    for (const auto& item : model_->component(kind)->named_parameters())
      if (item.value().requires_grad())
        own.parameters.push_back({std::string(to_string(kind)) + "/" + item.key(), item.value()});
    if (slot.optimizer) groups.push_back(std::move(own));
    else
      for (NamedParameter& parameter : own.parameters) groups[0].parameters.push_back(std::move(parameter));
  }
  return groups;
}

}  // namespace variform::model
