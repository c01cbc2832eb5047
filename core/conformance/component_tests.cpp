// Tests of components of every kind: description, creation, parameters, shapes, dtypes, determinism, state, lifetime.

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <variform/ext/outputs.h>
#include <variform/model.h>
#include <variform/random.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>

#include "checkpoint/snapshot.h"
#include "conformance/exercise.h"

namespace variform::conformance {
namespace {

using testing::Values;

std::string described(const Observation& o) {
  return o.name + " is " +
         (o.value.defined() ? to_text(o.value.sizes()) : std::string("an undefined tensor"));
}

bool is_text(const char* text) { return text && *text; }

void descriptor(const Case& test) {
  const ComponentInfo& info = *test.info;
  if (!is_text(info.summary)) fail("it has no summary; give one sentence that says what it is");
  if (!is_text(info.source)) fail("it names no source; give the paper, equation or book that it implements");
  std::set<std::string> names;
  for (const Parameter& p : info.parameters()) {
    const std::string name = std::string("parameter '") + p.name + "'";
    if (!names.insert(p.name).second) fail(name + " is declared twice");
    if (!is_text(p.description)) fail(name + " has no doc(); say what it does, in the field's words");
    if (p.low > p.high) fail(name + " has a lower bound above its upper bound");
    const bool numeric = p.type == ParameterType::kNumber || p.type == ParameterType::kInteger;
    if (numeric && !p.is_required &&
        (p.number_default < p.low || p.number_default > p.high ||
         (p.excludes_low && p.number_default <= p.low)))
      fail(name + " has the default " + text_of(p.number_default) + ", which its own bounds do not allow");
    for (std::size_t i = 0; i < p.list_size; ++i)
      if (p.list_default[i] < p.low || p.list_default[i] > p.high)
        fail(name + " has " + text_of(p.list_default[i]) +
             " in its default, which its own bounds do not allow");
    const auto choices_end = p.choices.begin() + static_cast<std::ptrdiff_t>(p.choice_count);
    if (p.choice_count > 0 && !p.is_required &&
        std::find(p.choices.begin(), choices_end, std::string_view(p.text_default)) == choices_end)
      fail(name + " has the default '" + p.text_default + "', which is not one of its choices");
    if (p.is_schedulable && p.type != ParameterType::kNumber)
      fail(name + " is declared schedulable, and only numbers can follow a schedule");
  }
}

void create(const Case& test) { test.extent(); }

void runs(const Case& test) {
  Rig rig(test);
  try {
    exercise(rig, 2, test.seed);
  } catch (const Verdict&) {  // changed inputs: the next test reports them
  }
}

// Builds with other settings and runs. A component may refuse contradictory settings with an error.
void try_settings(const Case& test, const Values& values, const std::string& what) {
  try {
    Rig rig(test, {.settings = values});
    for (const Observation& o : exercise(rig, 2, test.seed))
      if (!o.value.defined() || o.value.sizes() != at::IntArrayRef(o.expected))
        fail("with " + what + ", " + described(o) + "; expected " + to_text(o.expected));
  } catch (const Verdict&) {
    throw;
  } catch (const Unsupported&) {
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) fail("with " + what + " it throws an Error without a text");
  } catch (const std::exception&) {
    fail("with " + what + " it fails: " + message_of_exception() +
         ". A value that the schema allows must work, or be refused with a variform::Error that says why");
  }
}

std::string shown(const testing::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return "\"" + *text + "\"";
  if (const auto* number = std::get_if<double>(&value)) return text_of(*number);
  std::string text = "[";
  for (double item : std::get<std::vector<double>>(value)) text += (text == "[" ? "" : ", ") + text_of(item);
  return text + "]";
}

// Returns the values worth trying for one parameter: its bounds where they are near, its choices, both flags.
std::vector<testing::Value> trials(const Parameter& p) {
  std::vector<testing::Value> values;
  const bool list = p.type == ParameterType::kNumbers || p.type == ParameterType::kIntegers;
  const auto number = [&](double value) {
    if (list) values.emplace_back(std::vector<double>{value});
    else values.emplace_back(value);
  };
  const double gap = p.type == ParameterType::kInteger || p.type == ParameterType::kIntegers ? 1 : 0.05;
  switch (p.type) {
    case ParameterType::kText:
      for (std::size_t i = 0; i < p.choice_count; ++i) values.emplace_back(std::string(p.choices[i]));
      break;
    case ParameterType::kFlag:
      number(0);
      number(1);
      break;
    case ParameterType::kComponent: break;
    default:  // distant bounds are useless: nobody has the memory for them
      if (std::abs(p.low) <= 64) number(p.low + (p.excludes_low ? gap : 0));
      if (std::abs(p.high) <= 64) number(p.high);
  }
  return values;
}

void parameters(const Case& test) {
  std::vector<std::pair<std::string, std::vector<testing::Value>>> all;
  for (const Parameter& p : test.info->parameters()) {
    if (test.settings.contains(p.name)) continue;
    all.emplace_back(p.name, trials(p));
    for (const testing::Value& value : all.back().second)
      try_settings(test, {{p.name, value}}, std::string(p.name) + " = " + shown(value));
  }
  std::mt19937_64 random(hash(test.seed, "settings"));
  for (int n = 0; n < 8 && all.size() > 1; ++n) {
    Values values;
    std::string what;
    for (const auto& [name, choices] : all) {
      if (choices.empty() || random() % 2 == 0) continue;
      values[name] = choices[random() % choices.size()];
      what += (what.empty() ? "" : ", ") + name + " = " + shown(values[name]);
    }
    if (!values.empty()) try_settings(test, values, what);
  }
}

// Returns the results for a batch; nothing where it may refuse a batch of one, for which statistics over a batch have
// no meaning (batch normalisation in a decoder that says so, an objective that compares rows and says why).
std::vector<Observation> seen_of_batch(Rig& rig, int64_t B, std::uint64_t seed) {
  const auto* decoder = dynamic_cast<Decoder*>(&rig.component());
  try {
    return exercise(rig, B, seed);
  } catch (const Verdict&) {
    throw;
  } catch (const Error&) {
    const bool mixes = decoder && !decoder->rows_independent();
    if (B > 1 || !(mixes || dynamic_cast<Objective*>(&rig.component()))) throw;
  } catch (...) {
    if (B > 1 || !decoder || decoder->rows_independent()) throw;
  }
  return {};
}

// Whether the outputs that a family or a likelihood names are as many as it takes.
void check_named_outputs(Rig& rig, Kind kind) {
  const auto* names = variform::ability<NamesOutputs>(rig.component());
  if (!names) return;
  const int64_t d = rig.model().latent;
  const int64_t expected =
      kind == Kind::kFamily ? rig.as<VariationalFamily>().parameter_count(d) : rig.as<Likelihood>().outputs();
  int64_t named = 0;
  for (const OutputPart& part : names->output_parts(d)) named += part.size;
  if (named != expected)
    fail(fmt::format("output_parts({}) names {} outputs; expected {}, as many as it takes", d, named,
                     expected));
}

void shapes(const Case& test) {
  Rig rig(test);
  if (const Kind kind = test.info->kind(); kind == Kind::kFamily || kind == Kind::kLikelihood)
    check_named_outputs(rig, kind);
  for (int64_t B : {1, 2, 7})
    for (const Observation& o : seen_of_batch(rig, B, test.seed)) {
      const std::string where = fmt::format(" for a batch of {} (d = {}, data {})", B, rig.model().latent,
                                            to_text(rig.model().data));
      if (!o.value.defined() || o.value.sizes() != at::IntArrayRef(o.expected))
        fail(described(o) + where + "; expected " + to_text(o.expected));
    }
}

void dtypes(const Case& test) {
  for (at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Rig rig(test, {.dtype = dtype});
    const std::string mode = std::string("in a ") + c10::toString(dtype) + " model ";
    for (const auto& [name, tensor] : rig.parameters())
      if (tensor.scalar_type() != dtype)
        fail(mode + "its parameter " + name + " is " + c10::toString(tensor.scalar_type()) +
             "; make it with Build::options");
    for (const Observation& o : exercise(rig, 2, test.seed)) {
      if (!o.value.is_floating_point() || (o.own_dtype && o.value.scalar_type() != dtype))
        fail(mode + o.name + " is " + c10::toString(o.value.scalar_type()) + "; expected " +
             c10::toString(dtype));
      if (!o.value.device().is_cpu())
        fail(mode + o.name + " is on " + o.value.device().str() + "; expected cpu");
    }
  }
}

// Whether one z for all rows lies outside a row's support.
Tensor without_density(const Observation& o) {
  return at::logical_and(at::isneginf(o.value),
                         at::full({}, o.name == "log_prob of one z for all data", at::kBool));
}

void finite(const Case& test) {
  for (at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Rig rig(test, {.dtype = dtype});
    for (const Observation& o : exercise(rig, 7, test.seed))
      if (!at::logical_or(at::isfinite(o.value), without_density(o)).all().item<bool>())
        fail(std::string("in a ") + c10::toString(dtype) + " model " + o.name +
             " is not finite for ordinary inputs");
  }
}

// Returns the largest difference, relative to the largest value.
double difference_with_infinities(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0) return 0;
  const Tensor x = a.detach().to(at::kDouble), y = b.detach().to(at::kDouble);
  const Tensor away = at::where(x == y, at::zeros_like(x), (x - y).abs());  // also for infinities
  const Tensor size = at::where(at::isfinite(y), y.abs(), at::zeros_like(y));
  return (away.max() / at::clamp_min(size.max(), 1.0)).item<double>();
}

// Compares all of `found` with `expected`; 0 requires the same bits.
void compare(const std::vector<Observation>& found, const std::vector<Observation>& expected,
             double tolerance, const std::string& when) {
  if (found.size() != expected.size()) fail(when + " it has other abilities");
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Tensor &a = found[i].value, &b = expected[i].value;
    if (a.sizes() != b.sizes()) fail(when + " " + found[i].name + " has another shape");
    const double error = difference_with_infinities(a, b);
    if (tolerance == 0 ? !at::equal(a, b) : !(error <= tolerance))
      fail(when + " " + found[i].name + " differs by " + text_of(error) + " of its size");
  }
}

void strides(const Case& test) {
  Rig rig(test);
  const auto contiguous = exercise(rig, make_inputs(rig, 3, test.seed), test.seed);
  compare(exercise(rig, make_inputs(rig, 3, test.seed, true), test.seed), contiguous, 1e-9,
          "with inputs that are not contiguous,");
}

void inputs(const Case& test) {
  Rig rig(test);
  exercise(rig, 3, test.seed);  // fails by itself
}

void rows_of_draws(const Case& test);

// Compares everything but draws, which come in the batch's order and so differ for a part of a batch.
void rows(const Case& test) {
  Rig rig(test);
  if (const auto* decoder = dynamic_cast<Decoder*>(&rig.component()); decoder && !decoder->rows_independent())
    skip("it says that rows interact (rows_independent())");
  const int64_t B = 4;
  const std::vector<Input> whole = make_inputs(rig, B, test.seed);
  const auto all = exercise(rig, whole, test.seed), other_draws = exercise(rig, whole, test.seed + 1);
  for (int64_t row = 0; row < B; ++row) {
    std::vector<Input> part = whole;
    for (Input& input : part) {
      int64_t dim = 0;
      while (dim < input.value.dim() && input.value.size(dim) != B) ++dim;
      input.value = input.value.narrow(dim, row, 1);
    }
    const auto one = exercise(rig, part, test.seed);
    for (std::size_t i = 0; i < all.size() && i < one.size(); ++i) {
      const Observation& o = all[i];
      if (o.rows < 0 || !at::equal(o.value, other_draws[i].value)) continue;
      const double error = difference_with_infinities(one[i].value, o.value.narrow(o.rows, row, 1));
      if (!(error <= 1e-7))
        fail(o.name + " of an example changes by " + text_of(error) +
             " of its size with the other data in the batch; rows must not interact");
    }
  }
  rows_of_draws(test);
}

// Checks that a row's draws do not depend on other rows' inputs. Other rows may decide which random numbers a row gets
// (a draw by rejection takes as many as it needs), so the gradients of draws are examined, not their values.
void rows_of_draws(const Case& test) {
  Rig rig(test);
  const int64_t B = 4;
  std::vector<Input> inputs = make_inputs(rig, B, test.seed);
  for (Input& input : inputs)
    if (input.differentiable) input.value = input.value.detach().clone().requires_grad_(true);
  for (const Observation& o : exercise(rig, inputs, test.seed)) {
    if (o.rows < 0 || !o.value.requires_grad()) continue;
    for (const Input& input : inputs) {
      if (!input.differentiable) continue;
      const Tensor of_one = o.value.select(o.rows, 1);
      const Tensor found = torch::autograd::grad({(of_one * of_one.detach().cos()).sum()}, {input.value}, {},
                                                 /*retain_graph=*/true, false, /*allow_unused=*/true)[0];
      int64_t dim = 0;
      while (dim < input.value.dim() && input.value.size(dim) != B) ++dim;
      if (!found.defined() || dim == input.value.dim()) continue;
      Tensor others = found.detach().clone();
      others.select(dim, 1).zero_();
      const double size = found.abs().max().item<double>(), leaked = others.abs().max().item<double>();
      if (leaked > 1e-9 * std::max(1.0, size))
        fail(o.name + " of an example has a gradient in '" + input.name +
             "' of the others in the batch; rows must not interact: is something averaged over the batch?");
    }
  }
}

std::vector<Observation> fresh_run(const Case& test) {
  Rig rig(test);
  return exercise(rig, 3, test.seed);
}

void determinism(const Case& test) {
  Generator global = at::globalContext().defaultGenerator(at::kCPU);
  global.set_current_seed(1);
  const auto first = fresh_run(test);
  global.set_current_seed(1);  // another test reports uses of the global generator
  try {
    compare(fresh_run(test), first, 0, "built and called again with the same seed,");
  } catch (const Verdict& verdict) {
    fail(std::string(verdict.what()) +
         ": does it draw from a generator of its own (std::mt19937, rand(), std::random_device, a clock), or "
         "keep something between calls (a static variable)? Draw from the generator that is given");
  }
}

void global_rng(const Case& test) {
  const auto state = [] { return at::globalContext().defaultGenerator(at::kCPU).get_state(); };
  const Tensor before = state();
  Rig rig(test);
  if (!at::equal(before, state()))
    fail("its constructor draws from the global generator; draw from Build::rng (variform/nn layers do)");
  std::vector<Deed> deeds;
  exercise(rig, make_inputs(rig, 2, test.seed), test.seed, &deeds);
  for (const Deed& deed : deeds)
    if (deed.what == Deed::What::kDrewGlobally)
      fail("a call draws from the global generator (" + deed.function +
           "): two trainings of one seed differ. Draw from the generator that it is given, or from "
           "Model::rng; at::randn and the like take it as an argument");
  if (!at::equal(before, state())) fail("making its inputs draws from the global generator");
}

std::map<std::string, Tensor> state_of(Component& component) {
  std::map<std::string, Tensor> state;
  for (const auto& item : component.named_parameters()) state["parameters/" + item.key()] = item.value();
  for (const auto& item : component.named_buffers()) state["buffers/" + item.key()] = item.value();
  return state;
}

void load_state(Component& component, const checkpoint::Snapshot& snapshot) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state_of(component)) Tensor(tensor).copy_(snapshot.tensors.at(name));
}

void state(const Case& test) {
  Rig trained(test), loaded(test, {.seed = hash(test.seed, "another initialisation")});
  const auto names = [](Component& component) {
    std::set<std::string> result;
    for (const auto& [name, tensor] : state_of(component))
      result.insert(name + " " + to_text(tensor.sizes()));
    return result;
  };
  const std::set<std::string> before = names(trained.component());
  for (int n = 0; n < 2; ++n) {  // as after some use
    exercise(trained, 3, test.seed + 1);
    trained.keep_buffers();
  }
  if (names(trained.component()) != before)
    fail("its tensors, or their shapes, change with use; register all of them in the constructor");
  checkpoint::Snapshot snapshot;
  for (const auto& [name, tensor] : state_of(trained.component()))
    snapshot.tensors[name] = tensor.detach().clone();
  std::vector<std::byte> bytes = checkpoint::compose_bytes(snapshot);
  load_state(loaded.component(), checkpoint::parse(bytes, "the checkpoint"));
  loaded.keep_buffers();
  // The other components differ in their initialisation, too.
  for (Kind kind : kAllKinds)
    if (trained.model().component(kind).get() != &trained.component()) {
      checkpoint::Snapshot other;
      other.tensors = state_of(*trained.model().component(kind));
      load_state(*loaded.model().component(kind), other);
    }
  const std::vector<Input> inputs = make_inputs(trained, 3, test.seed);
  try {
    compare(exercise(loaded, inputs, test.seed), exercise(trained, inputs, test.seed), 0,
            "saved and loaded into a new one,");
  } catch (const Verdict& verdict) {
    fail(std::string(verdict.what()) +
         ": is something that it computes with not registered (register_parameter, register_buffer), so that "
         "no checkpoint holds it?");
  }
  if (snapshot.tensors.empty()) return;
  bytes[bytes.size() / 2] ^= std::byte{0x10};
  try {
    checkpoint::parse(bytes, "the checkpoint");
  } catch (const std::exception&) {
    return;
  }
  fail("a checkpoint of it with a changed byte was accepted");
}

// Returns everything that a component could disturb in another one: values, whether gradients are wanted, and the mode.
std::map<std::string, Tensor> disturbable(Rig& rig) {
  std::map<std::string, Tensor> found;
  for (Kind kind : kAllKinds) {
    Component& component = *rig.model().component(kind);
    if (&component == &rig.component()) continue;
    const std::string slot = to_string(kind);
    found[slot + "'s mode (training or evaluation)"] = at::full({}, component.is_training() ? 1 : 0);
    for (const auto& [name, tensor] : state_of(component)) {
      found[slot + "'s " + name] = tensor.detach().clone();
      found["whether " + slot + "'s " + name + " wants a gradient"] =
          at::full({}, tensor.requires_grad() ? 1 : 0);
    }
  }
  return found;
}

void others(const Case& test) {
  Rig rig(test);
  const auto before = disturbable(rig);
  exercise(rig, 2, test.seed);
  for (const auto& [name, value] : disturbable(rig))
    if (!before.contains(name) || !at::equal(before.at(name), value))
      fail("it changes " + name + "; only the optimizer may (variform::Frozen restores what it found)");
}

void no_grad(const Case& test) {
  Rig rig(test);
  const std::vector<Input> inputs = make_inputs(rig, 3, test.seed);
  const auto recorded = exercise(rig, inputs, test.seed);
  const at::NoGradGuard guard;
  const auto unrecorded = exercise(rig, inputs, test.seed);
  compare(unrecorded, recorded, 1e-9, "under no_grad, as in evaluation,");
  for (const Observation& o : unrecorded)
    if (o.value.requires_grad() && !o.value.is_view())  // a view of a parameter is like the parameter
      fail(o.name +
           " is recorded for gradients under no_grad, as in evaluation; nothing may switch recording on");
}

// Returns another value than `before` within the parameter's bounds.
double another_value(const Parameter& p, double before) {
  for (double value : {before / 2, before + 0.5, (p.low + p.high) / 2, p.high})
    if (std::isfinite(value) && value != before && value <= p.high && value >= p.low &&
        !(p.excludes_low && value == p.low))
      return value;
  return before;
}

std::vector<Tensor> watched(Rig& rig, const Case& test) {
  std::vector<Tensor> values;
  for (const Observation& o : exercise(rig, 3, test.seed)) values.push_back(o.value);
  if (test.info->kind() == Kind::kObjective)
    if (const auto beta = rig.as<Objective>().beta()) values.push_back(beta->clone());
  return values;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return at::equal(x.detach(), y.detach()); });
}

void schedules(const Case& test) {
  bool any = false;
  for (const Parameter& p : test.info->parameters()) {
    if (!p.is_schedulable) continue;
    any = true;
    Rig rig(test);
    const double before = rig.schedule(p.name).item<double>(), after = another_value(p, before);
    const std::vector<Tensor> first = watched(rig, test);
    rig.schedule(p.name).fill_(after);
    if (!same(watched(rig, test), first)) continue;
    Rig other(test, {.settings = {{p.name, after}}});  // perhaps these settings do not use it
    if (!same(watched(other, test), first))
      fail("moving the schedule of '" + std::string(p.name) + "' from " + text_of(before) + " to " +
           text_of(after) +
           " changes nothing, while building it with that value does; keep the tensor of Build::schedule and "
           "read it in each step");
  }
  if (!any) skip("no parameter of it can follow a schedule");
}

void lifetime(const Case& test) {
  Tensor loss;
  {
    Rig rig(test);
    std::vector<Input> inputs = make_inputs(rig, 2, test.seed);
    for (Input& input : inputs)
      if (input.differentiable) input.value = input.value.detach().clone().requires_grad_(true);
    loss = weighted_sum(exercise(rig, inputs, test.seed), test.seed);
  }
  if (!loss.defined() || !loss.requires_grad()) skip("nothing that it returns has a gradient");
  loss.backward();
}

}  // namespace

std::vector<Test> component_tests() {
  const char* group = "component";
  const std::vector<Kind> all(kAllKinds.begin(), kAllKinds.end()),
      every(kComponentKinds.begin(), kComponentKinds.end());
  return {
      {"descriptor",
       group,
       "It is described: summary, source, every parameter with a meaning and a default inside its bounds.",
       every,
       {"loads"},
       descriptor},
      {"create", group, "It can be created with its defaults.", every, {"loads"}, create},
      {"runs",
       group,
       "All that it can do runs for ordinary inputs, or says that it is unsupported.",
       all,
       {"create"},
       runs},
      {"inputs", group, "It leaves its inputs as they are.", all, {"runs"}, inputs},
      {"shapes",
       group,
       "Everything that it returns has the shape that the interface says, for batches of 1, 2 and 7.",
       all,
       {"runs", "inputs"},
       shapes},
      {"others", group, "It leaves the other components of the model as they are.", all, {"shapes"}, others},
      {"parameters",
       group,
       "Values at the bounds of its parameters, and random settings of all of them, work or are refused with "
       "a sentence.",
       all,
       {"shapes"},
       parameters},
      {"dtypes",
       group,
       "It works in float32 and float64, and keeps dtype and device.",
       all,
       {"shapes"},
       dtypes},
      {"finite", group, "What it returns for ordinary inputs is finite.", all, {"dtypes"}, finite},
      {"global-rng", group, "It never draws from the global random generator.", all, {"shapes"}, global_rng},
      {"determinism", group, "The same seed gives the same bits.", all, {"finite", "others"}, determinism},
  };
}

std::vector<Test> state_tests() {
  const char* group = "component";
  const std::vector<Kind> all(kAllKinds.begin(), kAllKinds.end());
  return {
      {"strides", group, "It takes inputs that are not contiguous.", all, {"repeats"}, strides},
      {"no-grad",
       group,
       "It gives the same values when no gradients are recorded, as in evaluation.",
       all,
       {"repeats"},
       no_grad},
      {"schedules",
       group,
       "Parameters that can follow a schedule do so after construction.",
       all,
       {"repeats"},
       schedules},
      {"rows",
       group,
       "An example's result does not depend on the other data in the batch.",
       {Kind::kEncoder, Kind::kDecoder, Kind::kFamily, Kind::kPrior, Kind::kLikelihood},
       {"strides"},
       rows},
      {"state",
       group,
       "Its state is named tensors and nothing else: saved and loaded, it gives the same bits; a damaged "
       "checkpoint is refused.",
       all,
       {"repeats", "registered"},
       state},
      {"lifetime", group, "A recorded graph outlives the component.", all, {"finite"}, lifetime},
  };
}

}  // namespace variform::conformance
