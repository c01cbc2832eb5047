// Tests for components that silently compute other numbers than they say: draws from elsewhere, state between calls,
// tensors that nobody trains, rounding, values read on the host, process settings switched in a call.

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>

#include <variform/model.h>
#include <variform/random.h>

#include <algorithm>
#include <map>
#include <set>

#include "conformance/exercise.h"
#include "conformance/stand_ins.h"

namespace variform::conformance {
namespace {

// Lists side effects of calls, of one sort; "rsample" or "posterior (gradient mode)".
std::string deeds_of(const Case& test, Deed::What what) {
  Rig rig(test);
  std::vector<Deed> deeds;
  exercise(rig, make_inputs(rig, 2, test.seed), test.seed, &deeds);
  std::string text;
  for (const Deed& deed : deeds)
    if (deed.what == what)
      text +=
          (text.empty() ? "" : ", ") + deed.function + (deed.detail.empty() ? "" : " (" + deed.detail + ")");
  return text;
}

void call_settings(const Case& test) {
  if (const std::string found = deeds_of(test, Deed::What::kChangedSettings); !found.empty())
    fail("a call changes settings of the process and leaves them so: " + found +
         ". Put back what you change; for gradients use at::NoGradGuard, which does so by itself");
}

void host_reads(const Case& test) {
  if (const std::string found = deeds_of(test, Deed::What::kReadOnHost); !found.empty())
    warn("values are read on the host (.item() and the like); number of times: " + found +
         ". A step cannot be recorded then, and what is decided there has no gradient: use at::where, or "
         "keep 0-dim tensors");
}

// Checks the generators that the stand-in family got; draws from elsewhere are the same in every step, or in none.
void check_generators(Rig& rig) {
  const auto* family = dynamic_cast<const StandInFamily*>(rig.model().component(Kind::kFamily).get());
  if (!family) return;
  for (const Generator& generator : family->generators())
    if (generator != rig.model().rng)
      fail(
          "rsample was called with a generator other than the model's: its draws are not those of the "
          "training's seed, and may be the same in every step. Pass model.rng on");
}

// Calls one component again: with the generator as it was, and with another seed.
void repeats(const Case& test) {
  Rig rig(test);
  const std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
  const auto first = exercise(rig, inputs, test.seed), again = exercise(rig, inputs, test.seed),
             other = exercise(rig, inputs, test.seed + 1);
  for (std::size_t i = 0; i < first.size() && i < again.size(); ++i)
    if (first[i].value.sizes() != again[i].value.sizes() || !at::equal(first[i].value, again[i].value))
      fail(first[i].name +
           " differs when the same component is called again with the same inputs and the same state "
           "of its generator: does it draw from a generator of its own (std::mt19937, rand(), a clock), or "
           "keep something between calls? Draw from the generator that is given; state is buffers");
  if (test.info->kind() == Kind::kObjective) check_generators(rig);
  bool has_density = false;
  for (const Observation& o : first) has_density = has_density || o.name.starts_with("log_prob");
  for (std::size_t i = 0; i < first.size() && i < other.size(); ++i)
    if (has_density && (first[i].name == "rsample" || first[i].name == "sample") &&
        at::equal(first[i].value, other[i].value))
      fail(first[i].name +
           " gives the same draws whatever the seed of the generator that it is given: does it draw from one "
           "of its own, with a fixed seed (std::mt19937 gen(42))?");
}

// Returns the leaves of a graph that require a gradient and are not among `known`, with their shapes.
std::map<const void*, std::string> foreign_leaves(const Tensor& root, const std::set<const void*>& known) {
  std::map<const void*, std::string> found;
  std::set<const torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> open{root.grad_fn().get()};
  while (!open.empty()) {
    torch::autograd::Node* node = open.back();
    open.pop_back();
    if (!node || !seen.insert(node).second) continue;
    if (const auto* leaf = dynamic_cast<torch::autograd::AccumulateGrad*>(node))
      if (const void* tensor = leaf->variable.unsafeGetTensorImpl(); !known.contains(tensor))
        found[tensor] = to_text(leaf->variable.sizes());
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return found;
}

void registered(const Case& test) {
  Rig rig(test);
  std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
  std::set<const void*> known;
  for (Input& input : inputs)
    if (input.differentiable) {
      input.value = input.value.detach().clone().requires_grad_(true);
      known.insert(input.value.unsafeGetTensorImpl());
    }
  for (Kind kind : kAllKinds)
    for (const Tensor& parameter : rig.model().component(kind)->parameters())
      known.insert(parameter.unsafeGetTensorImpl());
  for (const Tensor& buffer : rig.component().buffers())
    if (buffer.requires_grad())
      fail("a buffer of shape " + to_text(buffer.sizes()) +
           " requires a gradient, and no optimizer sees it; what is trained is registered with "
           "register_parameter");
  // Twice: what a call makes for its own gradient (a penalty) is another tensor each time.
  const auto first = exercise(rig, inputs, test.seed), second = exercise(rig, inputs, test.seed);
  for (std::size_t i = 0; i < first.size() && i < second.size(); ++i) {
    const auto wants = [](const Observation& o) { return o.value.defined() && o.value.grad_fn(); };
    if (!wants(first[i]) || !wants(second[i])) continue;
    const auto again = foreign_leaves(second[i].value, known);
    for (const auto& [tensor, shape] : foreign_leaves(first[i].value, known))
      if (again.contains(tensor))
        fail(first[i].name + " depends on a tensor of shape " + shape +
             " that requires a gradient and is neither a registered parameter nor an input: it is never "
             "trained, nor saved, nor restored. Is a register_parameter() missing in the constructor?");
  }
}

// Whether all values that are not simple fractions are numbers of the narrower type; there must be at least a few.
bool is_rounded_to(const Tensor& value, at::ScalarType narrow) {
  const Tensor flat = value.detach().flatten();
  const Tensor busy = (flat * 1024 != (flat * 1024).round()) & at::isfinite(flat);
  const Tensor kept = flat.index({busy});
  if (std::get<0>(at::_unique(kept)).numel() < 4) return false;
  return at::equal(kept.to(narrow).to(kept.scalar_type()), kept);
}

// Checks that inputs are not rounded before use: then their last digits would change nothing.
void input_digits(const Case& test) {
  Rig rig(test);
  const std::vector<Input> inputs = make_inputs(rig, 4, test.seed);
  std::vector<Input> moved = inputs;
  constexpr double kLastDigits = 1e-9;  // far below a float's resolution, far above a double's
  for (Input& input : moved)
    if (at::isFloatingType(input.value.scalar_type())) input.value = input.value * (1 + kLastDigits);
  const auto seen = exercise(rig, inputs, test.seed), again = exercise(rig, moved, test.seed);
  for (std::size_t i = 0; i < std::min(seen.size(), again.size()); ++i)
    for (const char* continuous : {"encode", "decode"})
      if (seen[i].name == continuous && seen[i].value.defined() && at::equal(seen[i].value, again[i].value))
        warn(std::string(continuous) +
             " does not see the last digits of its input in a double model: is something rounded on the way "
             "in (.to(at::kHalf), a float variable)? Its results jump then, where training expects slopes");
}

void rounding(const Case& test) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    Rig rig(test, {.dtype = dtype});
    const std::vector<Input> inputs = make_inputs(rig, 5, test.seed);
    for (const Observation& o : exercise(rig, inputs, test.seed))
      for (at::ScalarType narrow : {at::kHalf, at::kBFloat16, at::kFloat})
        if (narrow != dtype && o.value.scalar_type() == dtype && is_rounded_to(o.value, narrow))
          fail(std::string("in a ") + c10::toString(dtype) + " model every value of " + o.name + " is a " +
               c10::toString(narrow) +
               " number: digits are lost on the way. Is something converted there and back (.to(at::kHalf), "
               "a float variable, a table of floats)? Use the dtype of the inputs, or Build::options");
  }
  input_digits(test);
}

// An input that an observation must depend on; others may.
struct Dependence {
  const char *observation, *input;
};
constexpr Dependence kDependences[] = {{"encode", "x"},        {"decode", "z"},   {"location", "params"},
                                       {"rsample", "params"},  {"log_prob", "z"}, {"nll", "x"},
                                       {"nll", "g"},           {"mean", "g"},     {"loss", "x"},
                                       {"cross_entropy", "x"}, {"sample", "g"}};

const Tensor* value_of(const std::vector<Observation>& seen, std::string_view name) {
  for (const Observation& o : seen)
    if (o.name == name && o.value.defined()) return &o.value;
  return nullptr;
}

void dependence(const Case& test) {
  Rig rig(test);
  const std::vector<Input> inputs = make_inputs(rig, 4, test.seed),
                           others = make_inputs(rig, 4, test.seed + 1);
  const auto first = exercise(rig, inputs, test.seed);
  for (const auto& [observation, input] : kDependences) {
    const Tensor* const before = value_of(first, observation);
    std::vector<Input> changed = inputs;
    bool any = false;
    for (std::size_t i = 0; i < changed.size(); ++i)
      if (changed[i].name == input) {
        changed[i].value = others[i].value;
        any = !at::equal(inputs[i].value, others[i].value);
      }
    if (!before || !any) continue;
    const auto seen = exercise(rig, changed, test.seed);
    const Tensor* const after = value_of(seen, observation);
    if (after && at::equal(*before, *after))
      warn(std::string(observation) + " is the same for other values of '" + input +
           "': does it ignore its argument, and return a constant?");
  }
}

}  // namespace

std::vector<Test> silence_tests() {
  const char* group = "component";
  const std::vector<Kind> all(kAllKinds.begin(), kAllKinds.end());
  return {
      {"call-settings",
       group,
       "A call leaves the settings of the process as they are: gradient mode, default dtype, threads, "
       "rounding.",
       all,
       {"shapes"},
       call_settings},
      {"repeats",
       group,
       "Called again it gives the same bits from the same state of its generator, and other draws from "
       "another.",
       all,
       {"determinism", "global-rng", "call-settings"},
       repeats},
      {"registered",
       group,
       "All that requires a gradient is a registered parameter or an input.",
       all,
       {"finite", "call-settings"},
       registered},
      {"rounding", group, "Its results have the digits of the model's dtype.", all, {"finite"}, rounding},
      {"host-reads",
       group,
       "It reads no value on the host (.item() and the like).",
       all,
       {"shapes"},
       host_reads},
      {"dependence",
       group,
       "Its results depend on the inputs that they are functions of.",
       all,
       {"repeats", "rounding"},
       dependence},
  };
}

}  // namespace variform::conformance
