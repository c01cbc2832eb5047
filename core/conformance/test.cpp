// Implements cases, verdicts, and the model around a component under test.

#include "conformance/test.h"

#include <variform/host.h>
#include <variform/random.h>

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "conformance/stand_ins.h"
#include "plugins/registry.h"

namespace variform::conformance {
namespace {

// Returns a value within the bounds of a parameter that has no default.
double inside(const Parameter& p) {
  const double gap = p.type == ParameterType::kInteger || p.type == ParameterType::kIntegers ? 1 : 0.5;
  if (std::isfinite(p.low)) {
    const double value = p.low + (p.excludes_low ? gap : 0);
    return value <= p.high ? value : (p.low + p.high) / 2;
  }
  return std::isfinite(p.high) ? p.high : 1;
}

testing::Value default_of(const Parameter& p) {
  switch (p.type) {
    case ParameterType::kText:
      return std::string(p.is_required && p.choice_count > 0 ? p.choices[0] : p.text_default);
    case ParameterType::kNumbers:
    case ParameterType::kIntegers:
      if (p.is_required) return std::vector<double>{inside(p)};
      return std::vector<double>(p.list_default.begin(),
                                 p.list_default.begin() + static_cast<std::ptrdiff_t>(p.list_size));
    default: return p.is_required ? inside(p) : p.number_default;
  }
}

// Returns parameters for a component under test; components inside it are stand-ins.
std::shared_ptr<testing::FakeParameters> parameters_for(const ComponentInfo& info,
                                                        const testing::Values& values,
                                                        const Tensor& examples) {
  auto parameters = std::make_shared<testing::FakeParameters>(info, values);
  parameters->example_rows = examples;
  for (const Parameter& p : info.parameters())
    if (p.type == ParameterType::kComponent)
      parameters->components[p.name] = [kind = kind_named(p.component_kind)](const Build& build) {
        return stand_in(kind, build);
      };
  return parameters;
}

// Returns data that a likelihood for this domain is defined for.
Tensor data_for(Domain domain, Shape shape, int64_t n, std::uint64_t seed, const at::TensorOptions& options) {
  shape.insert(shape.begin(), n);
  Generator rng = testing::generator(hash(seed, "data"));
  const Tensor uniform = at::rand(shape, rng, at::TensorOptions().dtype(at::kDouble));
  const auto in = [&]() -> Tensor {
    switch (domain) {
      case Domain::kReal: return at::randn(shape, rng, uniform.options());
      case Domain::kUnitInterval: return 0.02 + 0.96 * uniform;
      case Domain::kBinary: return (uniform < 0.5).to(at::kDouble);
      case Domain::kCount: return (4 * uniform).floor();
      case Domain::kCategorical: return (2 * uniform).floor();
    }
    return uniform;
  };
  return in().to(options);
}

struct Creation {
  Extent extent;
  std::string problem;  // empty: it was created
};

}  // namespace

const char* to_string(Outcome outcome) {
  constexpr const char* kNames[] = {"pass", "warning", "skipped", "fail", "crash"};
  return kNames[static_cast<std::size_t>(outcome)];
}

void fail(const std::string& text) { throw Verdict(Outcome::kFail, text); }
void warn(const std::string& text) { throw Verdict(Outcome::kWarning, text); }
void skip(const std::string& text) { throw Verdict(Outcome::kSkipped, text); }

std::string message_of_exception() {
  try {
    throw;
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that does not derive from std::exception";
  }
}

std::string text_of(double value) { return fmt::format("{:.3g}", value); }

Generator Case::generator(std::string_view purpose) const {
  return testing::generator(hash(seed, "test", purpose));
}

testing::Values Case::parameters(const testing::Values& more) const {
  testing::Values values;
  for (const Parameter& p : info->parameters())
    if (p.type != ParameterType::kComponent) values[p.name] = default_of(p);
  for (const testing::Values* from : {&settings, &more})
    for (const auto& [key, value] : *from) values[key] = value;
  return values;
}

const Extent& Case::extent() const {
  if (extent_) return *extent_;
  // Images first: a network for images takes nothing else, and one for vectors also takes images.
  std::vector<Shape> shapes{{1, 8, 8}, {6}, {1, 28, 28}, {3, 32, 32}, {1, 64, 64}, {3, 64, 64}, {10}, {3}};
  std::vector<int64_t> latents{3, 2, 4, 1};
  if (!wanted.data.empty()) shapes = {wanted.data};
  if (wanted.latent > 0) latents = {wanted.latent};
  std::string first_problem;
  for (int64_t latent : latents)
    for (const Shape& shape : shapes) {
      extent_ = std::make_shared<Extent>(Extent{shape, latent});
      try {
        Rig rig(*this);
        return *extent_;
      } catch (...) {
        if (first_problem.empty()) first_problem = message_of_exception();
      }
      extent_.reset();
    }
  if (!wanted.data.empty() && wanted.latent > 0)
    fail(fmt::format("it cannot be created for d = {} and data of {}: {}", wanted.latent,
                     to_text(wanted.data), first_problem));
  std::string tried;
  for (const Shape& shape : shapes) tried += (tried.empty() ? "" : ", ") + to_text(shape);
  fail(fmt::format(
      "it cannot be created with its parameters at their defaults for data of {} and d = {}. Name sizes "
      "that suit it (--data, --latent), or other parameters. The first attempt, data of {} and d = {}, "
      "said: {}",
      tried, fmt::join(latents, ", "), to_text(shapes.front()), latents.front(), first_problem));
}

const std::vector<Test>& all_tests() {
  static const std::vector<Test> tests = [] {
    std::vector<Test> all;
    for (std::vector<Test> group :
         {library_tests(), component_tests(), silence_tests(), state_tests(), contract_tests(),
          gradient_tests(), distribution_tests(), likelihood_tests(), network_tests(), objective_tests(),
          metric_tests(), reader_tests()})
      std::move(group.begin(), group.end(), std::back_inserter(all));
    return all;
  }();
  return tests;
}

Context context_for(const Component& component, int64_t rows, const at::TensorOptions& options) {
  if (!is_conditioned(component)) return {};
  const Tensor numbers = at::tensor({0.5, -1.2, 0.3}, at::kDouble).to(options.requires_grad(false));
  return {.condition = numbers.expand({rows, kConditionSize})};
}

Rig::Rig(const Case& test, const RigOptions& options) : kind_(test.info->kind()) {
  const Extent& extent = test.extent();
  const int64_t latent = options.latent > 0 ? options.latent : extent.latent;
  const Shape& data = options.data.empty() ? extent.data : options.data;
  const std::uint64_t seed = options.seed != 0 ? options.seed : test.seed;
  const at::TensorOptions tensors = at::TensorOptions().dtype(options.dtype).device(at::kCPU);
  model_ = std::make_unique<HostModel>(data, latent, tensors, testing::generator(hash(seed, "model")));
  const testing::Values values = test.parameters(options.settings);
  std::vector<Kind> kinds(kAllKinds.begin(), kAllKinds.end());
  const bool is_slot = std::find(kinds.begin(), kinds.end(), kind_) != kinds.end();
  if (!is_slot) kinds.push_back(kind_);  // a metric or a reader, which stands beside the model
  for (Kind kind : kinds) {
    const bool own = kind == kind_;
    const Domain domain =
        model_->component(Kind::kLikelihood) ? model_->likelihood().domain() : Domain::kReal;
    const ComponentInfo& info = own ? *test.info : ComponentInfo{};
    const auto parameters =
        parameters_for(info, own ? values : testing::Values{}, data_for(domain, data, 32, seed, tensors));
    if (own) parameters_ = parameters;
    Build build = BuildMaker::make(parameters);
    build.data = data;
    build.latent = latent;
    if (own) build.condition = kConditionSize;
    build.options = tensors;
    build.rng = model_->rng;
    build.rng.set_current_seed(hash(seed, "init", to_string(kind)));
    build.model = model_.get();
    if (kind == Kind::kEncoder) build.outputs = model_->family().parameter_count(latent);
    if (kind == Kind::kDecoder) build.outputs = model_->likelihood().outputs();
    std::shared_ptr<Component> component =
        own ? test.info->create(build) : stand_in(kind, build, options.outputs);
    if (!component || !plugins::is_of_kind(*component, kind))
      throw Error(std::string("its create function returned ") +
                  (component ? "a component of another kind than " : "no ") + to_string(kind));
    component->train(true);
    if (own) own_ = component;
    if (own && !is_slot) continue;
    model_->set(kind, std::move(component),
                own ? std::string(test.info->id) + " (" + test.manifest.id + ")" : "stand-in");
  }
  model_->rng.set_current_seed(hash(seed, "step"));
  keep_buffers();
}

void Rig::keep_buffers() {
  buffers_.clear();
  for (const auto& item : component().named_buffers())
    if (item.value().defined()) buffers_[item.key()] = item.value().detach().clone();
}

std::vector<std::pair<Tensor, Tensor>> Rig::moved_buffers() {
  std::vector<std::pair<Tensor, Tensor>> moved;
  for (const auto& item : component().named_buffers()) {
    const auto kept = buffers_.find(item.key());
    if (kept != buffers_.end() && item.value().defined() && item.value().sizes() == kept->second.sizes() &&
        !at::equal(item.value(), kept->second))
      moved.emplace_back(item.value(), kept->second);
  }
  return moved;
}

bool Rig::have_buffers_moved() { return !moved_buffers().empty(); }

// Leaves unmoved buffers alone, since a recorded graph may still need them.
void Rig::restore_buffers() {
  const at::NoGradGuard no_grad;
  for (auto& [buffer, kept] : moved_buffers()) buffer.copy_(kept);
}

Tensor Rig::data(int64_t n, std::uint64_t seed) const {
  return data_for(model_->likelihood().domain(), model_->data, n, seed, model_->options);
}

std::vector<std::pair<std::string, Tensor>> Rig::parameters(bool all) const {
  std::vector<std::pair<std::string, Tensor>> result;
  for (Kind kind : kAllKinds)
    if (all || kind == kind_)
      for (const auto& item : model_->component(kind)->named_parameters())
        if (item.value().requires_grad())
          result.emplace_back(std::string(to_string(kind)) + "/" + item.key(), item.value());
  return result;
}

Tensor Rig::normal(at::IntArrayRef shape, std::uint64_t seed) const {
  Generator rng = testing::generator(hash(seed, "normal"));
  return at::randn(shape, rng, at::TensorOptions().dtype(at::kDouble)).to(model_->options);
}

}  // namespace variform::conformance
