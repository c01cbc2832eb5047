// See cpu_tape.h. LibTorch's observer (at::RecordFunction) sees every call that goes through the dispatcher, in forward
// pass, backward pass and optimizer. The outermost operators that are not mere compositions of others are the tape. It
// is replayed by their CPU kernels: through their out= forms, where they have one, into the memory of the recording, so
// that views need not be taken again.

#include "train/cpu_tape.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace variform::train {
namespace {

using c10::DispatchKey;
using c10::IValue;
using c10::OperatorHandle;

// One operator's call. Tensors are aliases without autograd's history.
struct Op {
  OperatorHandle handle;
  std::vector<IValue> arguments, results;
};

// Operators with a name such as "aten::mul", for messages.
std::string name_of(const OperatorHandle& handle) { return handle.operator_name().name; }

bool writes(const OperatorHandle& handle) {
  return std::ranges::any_of(handle.schema().arguments(), [](const c10::Argument& argument) {
    return argument.alias_info() && argument.alias_info()->isWrite();
  });
}

bool makes_empty(const OperatorHandle& handle) {
  const std::string_view name = handle.operator_name().name;
  return name.starts_with("aten::empty") || name.starts_with("aten::new_empty");
}

bool is_composition(const OperatorHandle& handle) {
  return handle.hasKernelForDispatchKey(DispatchKey::CompositeImplicitAutograd) &&
         !handle.hasKernelForDispatchKey(DispatchKey::CPU);
}

const void* storage_of(const Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); }

// Calls visit(tensor) for every defined tensor in a value.
template <class Visit>
void visit_tensors(const IValue& value, const Visit& visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isTensorList()) {
    for (const Tensor& tensor : value.toTensorVector())
      if (tensor.defined()) visit(tensor);
  } else if (value.isList()) {
    for (const IValue& element : value.toListRef()) visit_tensors(element, visit);
  }
}

Tensor same_memory(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  Tensor result(tensor.unsafeGetTensorImpl()->shallow_copy_and_detach(c10::VariableVersion(0), true));
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number())
    result.unsafeGetTensorImpl()->set_wrapped_number(true);
  return result;
}

// Returns the value with change(tensor) in the place of its tensors.
template <class Change>
IValue with_tensors(const IValue& value, const Change& change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorVector()) list.push_back(change(tensor));
    return list;
  }
  if (value.isList()) {
    c10::impl::GenericList list(value.toList().elementType());
    for (const IValue& element : value.toListRef()) list.push_back(with_tensors(element, change));
    return list;
  }
  return value;
}

// Returns the value with aliases in the place of its tensors.
IValue kept(const IValue& value) { return with_tensors(value, same_memory); }

// Returns the operators with tensors that have shapes and types, but no memory.
std::vector<Op> without_memory(std::vector<Op> ops) {
  const auto outline = [](const Tensor& tensor) {
    return tensor.defined()
               ? at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta))
               : tensor;
  };
  for (Op& op : ops) {
    for (IValue& argument : op.arguments) argument = with_tensors(argument, outline);
    op.results.clear();
  }
  return ops;
}

// Why this call cannot be part of a tape; empty: it can.
std::string trouble_with(const OperatorHandle& handle, c10::ArrayRef<const IValue> arguments,
                         const Generator& rng) {
  std::string trouble;
  const auto unless = [&](bool good, const char* what) {
    if (!good && trouble.empty()) trouble = what;
  };
  bool masks = false, has_generator = false;
  for (const IValue& argument : arguments) {
    visit_tensors(argument, [&](const Tensor& tensor) {
      unless(tensor.is_cpu() && tensor.layout() == at::kStrided,
             "works on a tensor that is not dense and on the CPU");
      unless(!tensor.is_complex() && !tensor.is_neg(), "works on complex numbers");
      unless(!tensor._fw_grad(0).defined(), "is differentiated forwards, inside of the operator");
    });
    if (argument.isList())  // of indices
      visit_tensors(argument, [&](const Tensor& tensor) {
        masks = masks || tensor.scalar_type() == at::kBool || tensor.scalar_type() == at::kByte;
      });
    if (argument.isGenerator()) {
      has_generator = argument.toGenerator() == rng;
      unless(has_generator, "draws from another generator than the model's");
    }
  }
  const bool takes_rows = name_of(handle) == "aten::index";
  unless(!handle.hasTag(at::Tag::data_dependent_output), "reads values on the host");
  unless(takes_rows ? !masks : !handle.hasTag(at::Tag::dynamic_output_shape),
         "has results whose shapes depend on data");
  unless(!handle.hasTag(at::Tag::nondeterministic_seeded) || has_generator,
         "draws from LibTorch's global generator");
  const std::string_view name = handle.operator_name().name;
  unless(!name.starts_with("aten::resize") && !name.starts_with("aten::set_"), "gives a tensor other memory");
  unless(handle.hasKernelForDispatchKey(DispatchKey::CPU) ||
             handle.hasKernelForDispatchKey(DispatchKey::CompositeExplicitAutograd) ||
             handle.hasKernelForDispatchKey(DispatchKey::CompositeExplicitAutogradNonFunctional) ||
             is_composition(handle),
         "has no kernel for the CPU");
  return trouble.empty() ? "" : name_of(handle) + " " + trouble;
}

// What the observer keeps between an operator's begin and its end. Operators that it calls in turn are listed: if it
// has no kernel of its own for the CPU, they take its place.
struct Frame final : at::ObserverContext {
  std::optional<OperatorHandle> handle;  // none: a composition, whose operators count as its caller's
  std::vector<IValue> arguments;
  std::string trouble, trouble_inside;
  std::vector<Op> inside;
};

// Listens to this thread's operators while it lives, and keeps them, and all memory that they use, until it has found
// why the step cannot be a tape.
class Listener {
 public:
  Listener(const Generator& rng, size_t most_bytes)
      : rng_(rng), most_bytes_(most_bytes), before_(std::exchange(current_, this)) {
    stack_.push_back(&root_);
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&Listener::begin, &Listener::end)
                                             .needsInputs(true)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~Listener() {
    at::removeCallback(handle_);
    current_ = before_;
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::vector<Op> take_ops() { return std::move(root_.inside); }
  size_t count() const { return root_.inside.size(); }
  const std::string& trouble() const { return root_.trouble_inside; }
  // Values that the host put into memory, and the operators that read them first.
  std::vector<std::pair<std::string, Tensor>> take_from_host() { return std::move(from_host_); }
  // Storages that the work itself allocated.
  const std::unordered_set<const void*>& own() const { return own_; }

 private:
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
    const at::DisableRecordFunctionGuard quiet;
    return current_->begun(function);
  }
  static void end(const at::RecordFunction& function, at::ObserverContext* context) {
    const at::DisableRecordFunctionGuard quiet;
    current_->ended(function, static_cast<Frame&>(*context));
  }

  std::unique_ptr<Frame> begun(const at::RecordFunction& function) {
    auto frame = std::make_unique<Frame>();
    const auto name = function.operator_name();
    if (!name || !root_.trouble_inside.empty()) return frame;
    const auto handle = c10::Dispatcher::singleton().findSchema(*name);
    if (!handle || is_composition(*handle)) return frame;
    frame->handle = handle;
    frame->trouble = trouble_with(*handle, function.inputs(), rng_);
    for (const IValue& argument : function.inputs()) frame->arguments.push_back(kept(argument));
    for (const IValue& argument : frame->arguments)
      visit_tensors(argument, [&](const Tensor& tensor) { known_.insert(storage_of(tensor)); });
    read(*frame);
    stack_.push_back(frame.get());
    return frame;
  }

  // Keeps values that got into memory past the operators: at::tensor({1, 2}), or work on data_ptr().
  void read(const Frame& frame) {
    if (looks_only(*frame.handle)) return;
    const auto& schema = frame.handle->schema().arguments();
    for (size_t i = 0; i < frame.arguments.size() && i < schema.size(); ++i) {
      if (schema[i].alias_info() && schema[i].alias_info()->isWrite()) continue;
      visit_tensors(frame.arguments[i], [&](const Tensor& tensor) {
        const bool wrapped = tensor.unsafeGetTensorImpl()->is_wrapped_number();
        if ((tensor.numel() > 0 && unwritten_.erase(storage_of(tensor))) || wrapped)
          from_host_.emplace_back(name_of(*frame.handle), tensor.detach().clone());
      });
    }
  }

  // Views and tensors made like another one read no values.
  static bool looks_only(const OperatorHandle& handle) {
    if (makes_empty(handle) || name_of(handle).ends_with("_like") ||
        name_of(handle).starts_with("aten::new_"))
      return true;
    const auto& results = handle.schema().returns();
    return !writes(handle) && (name_of(handle) == "aten::_unsafe_view" ||
                               std::ranges::any_of(results, [](const c10::Argument& result) {
                                 return result.alias_info() != nullptr;
                               }));
  }

  void ended(const at::RecordFunction& function, Frame& frame) {
    if (!frame.handle) return;
    stack_.pop_back();
    if (!root_.trouble_inside.empty()) return;
    Op op{*frame.handle, std::move(frame.arguments), {}};
    for (const IValue& result : function.outputs()) op.results.push_back(kept(result));
    const bool others = !op.handle.hasKernelForDispatchKey(DispatchKey::CPU) && !frame.inside.empty() &&
                        frame.trouble_inside.empty() && (makes_empty(op.handle) || all_written(op));
    mark(op);
    Frame& caller = *stack_.back();
    if (!others && !frame.inside.empty())  // no address is to be used twice
      std::move(frame.inside.begin(), frame.inside.end(), std::back_inserter(left_out_));
    if (others) {
      std::move(frame.inside.begin(), frame.inside.end(), std::back_inserter(caller.inside));
      return;
    }
    if (caller.trouble_inside.empty()) caller.trouble_inside = frame.trouble;
    if (bytes_ > most_bytes_)
      root_.trouble_inside =
          "it would keep more than " + std::to_string(most_bytes_ >> 20) + " MB of intermediate results";
    if (root_.trouble_inside.empty()) caller.inside.push_back(std::move(op));
    else give_memory_back();
  }

  void give_memory_back() {
    for (Frame* frame : stack_) {
      frame->arguments.clear();
      frame->inside.clear();
    }
    left_out_.clear();
    from_host_.clear();
  }

  bool all_written(const Op& op) const {
    bool all = true;
    for (const IValue& result : op.results)
      visit_tensors(result, [&](const Tensor& tensor) {
        all = all && (tensor.numel() == 0 || !unwritten_.contains(storage_of(tensor)));
      });
    return all;
  }

  void mark(const Op& op) {
    const bool empty = makes_empty(op.handle);
    for (const IValue& result : op.results)
      visit_tensors(result, [&](const Tensor& tensor) {
        const void* storage = storage_of(tensor);
        if (known_.insert(storage).second) {
          own_.insert(storage);
          bytes_ += tensor.storage().nbytes();
          if (empty) unwritten_.insert(storage);
        }
        if (!empty && !looks_only(op.handle)) unwritten_.erase(storage);
      });
    const auto& schema = op.handle.schema().arguments();
    for (size_t i = 0; i < op.arguments.size() && i < schema.size(); ++i)
      if (schema[i].alias_info() && schema[i].alias_info()->isWrite())
        visit_tensors(op.arguments[i], [&](const Tensor& tensor) { unwritten_.erase(storage_of(tensor)); });
  }

  static inline thread_local Listener* current_ = nullptr;  // the callbacks are plain functions

  const Generator rng_;
  const size_t most_bytes_;
  Listener* const before_;
  at::CallbackHandle handle_ = 0;
  Frame root_;
  std::vector<Frame*> stack_;
  std::vector<Op> left_out_;
  std::vector<std::pair<std::string, Tensor>> from_host_;
  std::unordered_set<const void*> known_, own_, unwritten_;
  size_t bytes_ = 0;
};

// Returns the operator's form that writes into given tensors, if it has one for the CPU: the same arguments without
// those that describe a new tensor, then one per result.
std::optional<OperatorHandle> out_form(const OperatorHandle& handle) {
  static const std::unordered_set<std::string> of_new_tensors = {"dtype", "layout", "device", "pin_memory"};
  auto& dispatcher = c10::Dispatcher::singleton();
  const auto& schema = handle.schema();
  for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
    if (name.name != schema.name() || name.overload_name == schema.overload_name()) continue;
    const auto found = dispatcher.findSchema(name);
    if (!found || !found->hasKernelForDispatchKey(DispatchKey::CPU)) continue;
    const auto& wanted = found->schema().arguments();
    size_t outs = 0;
    for (const c10::Argument& argument : wanted) outs += argument.is_out();
    if (outs == 0 || outs != schema.returns().size() || found->schema().returns().size() != outs) continue;
    size_t at = 0;
    bool fits = true;
    const auto skip = [&] {
      while (at < schema.arguments().size() && of_new_tensors.contains(schema.arguments()[at].name()) &&
             std::ranges::none_of(
                 wanted, [&](const c10::Argument& a) { return a.name() == schema.arguments()[at].name(); }))
        ++at;
    };
    for (const c10::Argument& argument : wanted) {
      if (argument.is_out()) continue;
      skip();
      fits = fits && at < schema.arguments().size() && argument.name() == schema.arguments()[at].name() &&
             *argument.type() == *schema.arguments()[at].type();
      ++at;
    }
    skip();
    if (fits && at == schema.arguments().size()) return found;
  }
  return {};
}

// at::relu has no out= form, and is at::clamp_min(…, 0), which has one.
void clamp_instead(Op& op) {
  static const auto clamp = c10::Dispatcher::singleton().findSchema({"aten::clamp_min", ""});
  if (name_of(op.handle) != "aten::relu" || !clamp) return;
  op.handle = *clamp;
  op.arguments.emplace_back(at::Scalar(0));
}

// One kernel's call in a replay.
struct Call {
  OperatorHandle handle;
  std::vector<IValue> arguments;
  std::vector<Tensor> copies;  // results go here afterwards, if the operator has no out= form
};

// What a step computes of numbers alone: schedules, constants. It need not be done again while they stay as they are.
struct OfNumbers {
  std::vector<Tensor> inputs;  // from outside the step, 0-dim
  std::vector<Call> calls;     // on them, and on results of earlier ones
  std::vector<std::pair<Tensor, Tensor>>
      cast;  // a number, and the same in the type of the tensors that it meets
};

constexpr c10::DispatchKeySet kOnCpu(DispatchKey::CPU);

// Without autograd, autocast and the bookkeeping of views.
struct BelowAutograd {
  at::NoGradGuard no_grad;
  c10::impl::ExcludeDispatchKeyGuard exclude{c10::autograd_dispatch_keyset | c10::autocast_dispatch_keyset |
                                             c10::DispatchKeySet(DispatchKey::ADInplaceOrView)};
};

// Makes calls of operators, leaving out those whose results stand in the recording's memory for good.
class Plan {
 public:
  Plan(std::vector<Op> ops, const std::unordered_set<const void*>& own) : own_(own) {
    for (const Op& op : ops) count_writes(op);
    for (Op& op : ops) add(op);
  }
  std::vector<Call> take() { return std::move(calls_); }
  OfNumbers take_of_numbers() { return std::move(of_numbers_); }
  const std::vector<size_t>& places() const { return places_; }

 private:
  void count_writes(const Op& op) {
    const bool writing = writes(op.handle);
    const auto& schema = op.handle.schema().arguments();
    if (writing) {
      for (size_t i = 0; i < op.arguments.size() && i < schema.size(); ++i)
        if (schema[i].alias_info() && schema[i].alias_info()->isWrite())
          visit_tensors(op.arguments[i], [&](const Tensor& tensor) { ++written_[storage_of(tensor)]; });
    } else if (!makes_empty(op.handle) && !is_view(op)) {
      for (const IValue& result : op.results)
        visit_tensors(result, [&](const Tensor& tensor) { ++written_[storage_of(tensor)]; });
    }
  }

  // Whether all results are in memory of the arguments.
  static bool is_view(const Op& op) {
    if (writes(op.handle)) return op.handle.hasTag(at::Tag::inplace_view);
    std::unordered_set<const void*> given;
    for (const IValue& argument : op.arguments)
      visit_tensors(argument, [&](const Tensor& tensor) { given.insert(storage_of(tensor)); });
    bool all = true, any = false;
    for (const IValue& result : op.results)
      visit_tensors(result, [&](const Tensor& tensor) {
        any = true;
        all = all && given.contains(storage_of(tensor));
      });
    return any && all;
  }

  // Whether the call always gives the same values, in memory that nothing else is written to.
  bool is_constant(const Op& op) const {
    if (op.handle.hasTag(at::Tag::nondeterministic_seeded)) return false;
    const std::string name = name_of(op.handle);
    bool constant = true;
    if (name == "aten::fill_" || name == "aten::zero_") {
      if (op.arguments.size() > 1 && op.arguments[1].isTensor()) return false;
      visit_tensors(op.arguments[0], [&](const Tensor& tensor) {
        constant = own_.contains(storage_of(tensor)) && written_.at(storage_of(tensor)) == 1;
      });
      return constant;
    }
    if (writes(op.handle)) return false;
    const bool by_shape = name.ends_with("_like");
    for (const IValue& argument : op.arguments)
      visit_tensors(argument, [&](const Tensor&) { constant = constant && by_shape; });
    for (const IValue& result : op.results)
      visit_tensors(
          result, [&](const Tensor& tensor) { constant = constant && written_.at(storage_of(tensor)) == 1; });
    return constant && !op.results.empty();
  }

  void add(Op& op) {
    places_.push_back(calls_.size());
    if (makes_empty(op.handle) || is_view(op)) return;
    if (is_constant(op)) return settle(op);
    const bool of_numbers = is_of_numbers(op);
    if (of_numbers) settle(op);
    else if (op.handle.hasTag(at::Tag::pointwise)) cast_numbers(op);
    clamp_instead(op);
    Call call = call_of(op);
    if (of_numbers && call.copies.empty()) of_numbers_.calls.push_back(std::move(call));
    else calls_.push_back(std::move(call));
  }

  Call call_of(const Op& op) {
    Call call{op.handle, op.arguments, {}};
    if (!writes(op.handle)) {
      const bool all_tensors = std::ranges::all_of(
          op.results, [](const IValue& result) { return result.isTensor() && result.toTensor().defined(); });
      const auto [found, added] = forms_.try_emplace(op.handle.operator_name());
      if (added) found->second = out_form(op.handle);
      if (all_tensors && found->second) to_out_form(call, op, *found->second);
      else
        for (const IValue& result : op.results)
          if (result.isTensor()) call.copies.push_back(result.toTensor());
          else if (result.isTensorList())
            for (const Tensor& tensor : result.toTensorVector()) call.copies.push_back(tensor);
    }
    return call;
  }

  // Marks what an operator that is not called in a replay has written as settled before the replay's calls.
  void settle(const Op& op) {
    for (const IValue& result : op.results)
      visit_tensors(result, [&](const Tensor& tensor) { settled_.insert(storage_of(tensor)); });
  }

  // Whether no call of a replay writes to the tensor.
  bool is_settled(const Tensor& tensor) const {
    return !written_.contains(storage_of(tensor)) || settled_.contains(storage_of(tensor));
  }

  void watch(const Tensor& tensor) {
    if (own_.contains(storage_of(tensor))) return;
    for (const Tensor& input : of_numbers_.inputs)
      if (input.const_data_ptr() == tensor.const_data_ptr() && input.dtype() == tensor.dtype()) return;
    of_numbers_.inputs.push_back(tensor);
  }

  // Whether the operator computes a number from settled numbers.
  bool is_of_numbers(const Op& op) {
    if (!op.handle.hasTag(at::Tag::pointwise) || writes(op.handle) ||
        op.handle.hasTag(at::Tag::nondeterministic_seeded))
      return false;
    bool fits = true;
    std::vector<Tensor> inputs;
    for (const IValue& argument : op.arguments)
      visit_tensors(argument, [&](const Tensor& tensor) {
        fits = fits && tensor.dim() == 0 && is_settled(tensor);
        inputs.push_back(tensor);
      });
    for (const IValue& result : op.results)
      visit_tensors(result, [&](const Tensor& tensor) {
        fits = fits && tensor.dim() == 0 && own_.contains(storage_of(tensor)) &&
               written_.at(storage_of(tensor)) == 1;
      });
    const auto [found, added] = forms_.try_emplace(op.handle.operator_name());
    if (added) found->second = out_form(op.handle);
    if (!fits || inputs.empty() || !found->second) return false;
    for (const Tensor& input : inputs) watch(input);
    return true;
  }

  // Elementwise operators cast a settled number to the type of the tensors that it meets, which takes longer than their
  // work on a few hundred elements: gives them the number in that type.
  void cast_numbers(Op& op) {
    std::optional<at::ScalarType> type;
    bool one_type = true;
    for (const IValue& argument : op.arguments)
      visit_tensors(argument, [&](const Tensor& tensor) {
        if (tensor.dim() == 0 || tensor.scalar_type() == at::kBool) return;
        one_type = one_type && (!type || *type == tensor.scalar_type());
        type = tensor.scalar_type();
      });
    if (!one_type || (type != at::kFloat && type != at::kDouble)) return;
    const auto& schema = op.handle.schema().arguments();
    for (size_t i = 0; i < op.arguments.size() && i < schema.size(); ++i) {
      IValue& argument = op.arguments[i];
      if (!argument.isTensor() || !argument.toTensor().defined() || schema[i].alias_info()) continue;
      const Tensor number = argument.toTensor();
      if (number.dim() == 0 && number.scalar_type() != at::kBool && number.scalar_type() != *type &&
          is_settled(number))
        argument = cast_of(number, *type);
    }
  }

  Tensor cast_of(const Tensor& number, at::ScalarType type) {
    for (const auto& [from, to] : of_numbers_.cast)
      if (from.const_data_ptr() == number.const_data_ptr() && from.dtype() == number.dtype() &&
          to.scalar_type() == type)
        return to;
    watch(number);
    of_numbers_.cast.emplace_back(number, at::empty({}, number.options().dtype(type)));
    return of_numbers_.cast.back().second;
  }

  static void to_out_form(Call& call, const Op& op, const OperatorHandle& form) {
    std::vector<IValue> arguments;
    const auto& given = op.handle.schema().arguments();
    size_t result = 0;
    for (const c10::Argument& argument : form.schema().arguments()) {
      if (argument.is_out()) {
        arguments.push_back(op.results[result++]);
        continue;
      }
      for (size_t i = 0; i < given.size(); ++i)
        if (given[i].name() == argument.name()) arguments.push_back(op.arguments[i]);
    }
    call.handle = form;
    call.arguments = std::move(arguments);
  }

  struct Hash {
    size_t operator()(const c10::OperatorName& name) const {
      return std::hash<std::string>()(name.name + "." + name.overload_name);
    }
  };
  const std::unordered_set<const void*>& own_;
  std::unordered_set<const void*> settled_;
  OfNumbers of_numbers_;
  std::unordered_map<const void*, int> written_;
  std::unordered_map<c10::OperatorName, std::optional<OperatorHandle>, Hash> forms_;
  std::vector<Call> calls_;
  std::vector<size_t> places_;  // per operator: the first call that is not before it
};

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

bool alike(const IValue& a, const IValue& b) {
  if (a.isTensor() && b.isTensor()) {
    const Tensor &s = a.toTensor(), &t = b.toTensor();
    if (!s.defined() || !t.defined()) return s.defined() == t.defined();
    return s.sizes() == t.sizes() && s.strides() == t.strides() && s.scalar_type() == t.scalar_type();
  }
  if (a.isList() && b.isList()) {
    const auto s = a.toListRef(), t = b.toListRef();
    return std::ranges::equal(s, t, [](const IValue& u, const IValue& v) { return alike(u, v); });
  }
  if (a.isGenerator() && b.isGenerator()) return a.toGenerator() == b.toGenerator();
  if (a.isDouble() && b.isDouble()) return same_number(a.toDouble(), b.toDouble());
  return a.tagKind() == b.tagKind() && (a.isNone() || a == b);
}

using FromHost = std::vector<std::pair<std::string, Tensor>>;

bool alike(const FromHost& a, const FromHost& b, std::string& reader) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const Tensor &s = a[i].second, &t = b[i].second;
    reader = a[i].first;
    if (s.sizes() != t.sizes() || s.scalar_type() != t.scalar_type()) return false;
    const Tensor u = s.contiguous(), v = t.contiguous();
    if (std::memcmp(u.const_data_ptr(), v.const_data_ptr(), u.nbytes()) != 0) return false;
  }
  return true;
}

// Says where two recordings of the same step differ; empty: nowhere.
std::string difference(const std::vector<Op>& a, const std::vector<Op>& b) {
  if (a.size() != b.size())
    return "one step has " + std::to_string(a.size()) + " operators, the next one " +
           std::to_string(b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].handle.operator_name() != b[i].handle.operator_name())
      return "one step calls " + name_of(a[i].handle) + " where the next one calls " + name_of(b[i].handle);
    if (!std::ranges::equal(a[i].arguments, b[i].arguments,
                            [](const IValue& u, const IValue& v) { return alike(u, v); }))
      return name_of(a[i].handle) + " gets other numbers or shapes in the next step";
  }
  return {};
}

class Tape final : public Recorder {
 public:
  Tape(const Generator& rng, size_t most_bytes) : rng_(rng), most_bytes_(most_bytes) {}

  void record(const std::function<void()>& work) override {
    looks_.clear();
    calls_.clear();
    Listener listener(rng_, most_bytes_);
    listener_ = &listener;
    try {
      work();
    } catch (...) {
      listener_ = nullptr;
      throw;
    }
    listener_ = nullptr;
    refusal_ = listener.trouble();
    std::vector<Op> ops = listener.take_ops();
    FromHost from_host = listener.take_from_host();
    std::string reader;
    if (refusal_.empty() && recorded_++ > 0) {
      refusal_ = difference(before_, ops);
      if (refusal_.empty() && !alike(from_host_, from_host, reader))
        refusal_ =
            reader +
            " reads other numbers of the host in the next step, or values that were written past LibTorch's "
            "operators (data_ptr())";
    }
    from_host_ = std::move(from_host);
    if (!refusal_.empty() || recorded_ < 2) {
      before_ = without_memory(std::move(ops));
      return;
    }
    before_.clear();
    own_ = listener.own();
    Plan plan(ops, own_);
    for (Look& look : looks_) look.at = look.at < plan.places().size() ? plan.places()[look.at] : SIZE_MAX;
    calls_ = plan.take();
    of_numbers_ = plan.take_of_numbers();
    numbers_.reset();
    first_outside_ = calls_.size();
    for (size_t i = calls_.size(); i-- > 0;)
      if (writes_outside(calls_[i])) first_outside_ = i;
  }

  bool works_while_recording() const override { return true; }
  bool is_ready() const override { return recorded_ >= 2; }
  std::string refusal() const override { return refusal_; }

  void at_each_replay(const std::function<void()>& look) override {
    if (listener_) looks_.push_back({listener_->count(), look});
    const at::DisableRecordFunctionGuard quiet;
    look();
  }

  void replay() override {
    compute_of_numbers();
    size_t done = 0;
    for (const Look& look : looks_) {
      run(done, std::min(look.at, calls_.size()));
      done = std::min(look.at, calls_.size());
      look.look();
    }
    run(done, calls_.size());
  }

 private:
  struct Look {
    size_t at;
    std::function<void()> look;
  };

  bool writes_outside(const Call& call) const {
    bool outside = false;
    const auto& schema = call.handle.schema().arguments();
    for (size_t i = 0; i < call.arguments.size() && i < schema.size(); ++i)
      if (schema[i].alias_info() && schema[i].alias_info()->isWrite())
        visit_tensors(call.arguments[i],
                      [&](const Tensor& tensor) { outside = outside || !own_.contains(storage_of(tensor)); });
    return outside;
  }

  // Computes what depends on numbers alone, if one of them has changed.
  void compute_of_numbers() {
    std::vector<std::byte> now;
    for (const Tensor& input : of_numbers_.inputs) {
      const auto* bytes = static_cast<const std::byte*>(input.const_data_ptr());
      now.insert(now.end(), bytes, bytes + input.element_size());
    }
    if (numbers_ && *numbers_ == now) return;
    numbers_.reset();
    const BelowAutograd guard;
    try {
      for (const Call& call : of_numbers_.calls) do_call(call);
      for (const auto& [number, cast] : of_numbers_.cast) cast.copy_(number);
    } catch (const std::exception&) {
      throw NothingChanged();
    }
    numbers_ = std::move(now);
  }

  void run(size_t from, size_t to) {
    const BelowAutograd guard;
    for (size_t i = from; i < to; ++i) {
      try {
        do_call(calls_[i]);
      } catch (const std::exception&) {
        if (i > first_outside_) throw;
        throw NothingChanged();
      }
      if (!calls_[i].copies.empty()) copy_results(calls_[i]);
    }
  }

  void do_call(const Call& call) {
    stack_.assign(call.arguments.begin(), call.arguments.end());
    call.handle.redispatchBoxed(kOnCpu, &stack_);
  }

  void copy_results(const Call& call) {
    size_t i = 0;
    for (const IValue& result : stack_) {
      const auto copy = [&](const Tensor& from) {
        const Tensor& to = call.copies[i++];
        if (!from.defined() || !to.defined()) return;
        if (to.is_non_overlapping_and_dense() && from.strides() == to.strides())
          std::memcpy(to.mutable_data_ptr(), from.const_data_ptr(), to.nbytes());
        else to.copy_(from);
      };
      if (result.isTensor()) copy(result.toTensor());
      else if (result.isTensorList())
        for (const Tensor& tensor : result.toTensorVector()) copy(tensor);
    }
  }

  const Generator rng_;
  const size_t most_bytes_;
  Listener* listener_ = nullptr;  // while recording
  int recorded_ = 0;
  std::string refusal_;
  std::vector<Op> before_;  // without memory
  FromHost from_host_;
  std::unordered_set<const void*> own_;
  std::vector<Look> looks_;
  std::vector<Call> calls_;
  OfNumbers of_numbers_;
  std::optional<std::vector<std::byte>> numbers_;  // the inputs' bytes when it was computed
  size_t first_outside_ = 0;  // the first call that writes to memory from outside the step
  std::vector<IValue> stack_;
};

}  // namespace

RepeatedStep::MakeRecorder tape_recorder(const at::Device& device, const Generator& rng,
                                         std::size_t most_bytes) {
  if (!device.is_cpu()) return {};
  return [rng, most_bytes] { return std::make_unique<Tape>(rng, most_bytes); };
}

}  // namespace variform::train
