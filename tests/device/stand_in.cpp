// See stand_in.h. LibTorch calls what is registered here: its own open_registration tests are the model.

#include "stand_in.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/enum_tag.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/TensorFactories.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <utility>

namespace variform::testing {
namespace {

const at::Device kStandIn(at::kPrivateUse1, 0);

// What has crossed since the program started; LibTorch's own threads add to it.
class Record {
 public:
  static Record& here() {
    static Record record;
    return record;
  }
  void waited(const std::string& operation) {
    const std::lock_guard lock(mutex_);
    waits_.push_back(operation);
  }
  void wrote() { ++writes_; }
  std::vector<std::string> waits_since(std::size_t first) const {
    const std::lock_guard lock(mutex_);
    return {waits_.begin() + static_cast<std::ptrdiff_t>(first), waits_.end()};
  }
  std::size_t waits() const {
    const std::lock_guard lock(mutex_);
    return waits_.size();
  }
  int64_t writes() const { return writes_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> waits_;
  std::atomic<int64_t> writes_ = 0;
};

// The device's addresses are those of the host's memory behind them, moved to where x86-64 and AArch64 map nothing: a
// host that reads one gets a SIGSEGV, as it does from a GPU's.
constexpr std::uintptr_t kFar = std::uintptr_t{1} << 54;
void* far(void* host) {
  return host ? reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(host) + kFar) : host;
}
void* near(void* device) {
  return device ? reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(device) - kFar) : device;
}

// The device's memory in place of the host's memory `behind`, which it owns.
at::DataPtr adopted(at::DataPtr behind) {
  void* const address = far(behind.get());
  auto* const owned = std::make_unique<at::DataPtr>(std::move(behind)).release();
  return {address, owned,
          [](void* context) { std::unique_ptr<at::DataPtr>(static_cast<at::DataPtr*>(context)); }, kStandIn};
}

class Memory final : public c10::Allocator {
 public:
  static Memory& here() {
    static Memory memory;
    return memory;
  }
  at::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK_WITH(OutOfMemoryError, bytes <= largest, kStandIn, " has no memory for ", bytes, " bytes");
    return adopted(c10::GetCPUAllocator()->allocate(bytes));
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(near(to), near(const_cast<void*>(from)), bytes);
  }
  std::atomic<std::size_t> largest = kAny;
  static constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
};

// The host's memory from which a copy to the device does not keep the host waiting.
class PinnedMemory final : public c10::Allocator {
 public:
  static PinnedMemory& here() {
    static PinnedMemory memory;
    return memory;
  }
  at::DataPtr allocate(size_t bytes) override {
    auto owned = std::make_unique<at::DataPtr>(c10::GetCPUAllocator()->allocate(bytes));
    void* const address = owned->get();
    const std::lock_guard lock(mutex_);
    if (address) pinned_.insert(address);
    return {address, owned.release(), &PinnedMemory::free, at::Device(at::kCPU)};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  bool has(const void* address) const {
    const std::lock_guard lock(mutex_);
    return pinned_.contains(address);
  }

 private:
  static void free(void* context) {
    const std::unique_ptr<at::DataPtr> owned(static_cast<at::DataPtr*>(context));
    const std::lock_guard lock(here().mutex_);
    here().pinned_.erase(owned->get());
  }
  mutable std::mutex mutex_;
  std::set<const void*> pinned_;  // where a piece of it begins
};

// Draws what the CPU's generator behind it draws.
class DeviceGenerator final : public c10::GeneratorImpl {
 public:
  explicit DeviceGenerator(at::Generator behind)
      : GeneratorImpl(kStandIn, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1)),
        behind_(std::move(behind)) {}
  void set_current_seed(uint64_t seed) override { behind_.set_current_seed(seed); }
  void set_offset(uint64_t offset) override { behind_.set_offset(offset); }
  uint64_t get_offset() const override { return behind_.get_offset(); }
  uint64_t current_seed() const override { return behind_.current_seed(); }
  uint64_t seed() override { return at::Generator(behind_).seed(); }
  void set_state(const c10::TensorImpl& state) override {
    behind_.unsafeGetGeneratorImpl()->set_state(state);
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return behind_.unsafeGetGeneratorImpl()->get_state();
  }
  at::Generator behind() const { return behind_; }

 private:
  DeviceGenerator* clone_impl() const override {
    return c10::make_intrusive<DeviceGenerator>(behind_.clone()).release();
  }
  at::Generator behind_;
};

const at::Generator& default_generator() {
  static const at::Generator generator =
      at::make_generator<DeviceGenerator>(at::make_generator<at::CPUGeneratorImpl>());
  return generator;
}

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  at::DeviceIndex deviceCount() const override { return 1; }
  at::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(at::DeviceIndex) const override {}
  at::DeviceIndex exchangeDevice(at::DeviceIndex) const override { return 0; }
  at::DeviceIndex maybeExchangeDevice(at::DeviceIndex) const override { return 0; }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
  at::Device getDeviceFromPtr(void*) const override { return kStandIn; }
  const at::Generator& getDefaultGenerator(at::DeviceIndex) const override { return default_generator(); }
  at::Generator getNewGenerator(at::DeviceIndex) const override {
    return at::make_generator<DeviceGenerator>(at::make_generator<at::CPUGeneratorImpl>());
  }
  bool isPinnedPtr(const void* address) const override { return PinnedMemory::here().has(address); }
  at::Allocator* getPinnedMemoryAllocator() const override { return &PinnedMemory::here(); }
};

c10::Stream the_stream() { return c10::Stream(c10::Stream::DEFAULT, kStandIn); }

// One stream, on which all work is done when it is asked for.
class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  at::DeviceType type() const override { return at::kPrivateUse1; }
  at::Device exchangeDevice(at::Device) const override { return kStandIn; }
  at::Device getDevice() const override { return kStandIn; }
  void setDevice(at::Device) const override {}
  void uncheckedSetDevice(at::Device) const noexcept override {}
  c10::Stream getStream(at::Device) const override { return the_stream(); }
  c10::Stream getDefaultStream(at::Device) const override { return the_stream(); }
  c10::Stream exchangeStream(c10::Stream) const override { return the_stream(); }
  at::DeviceIndex deviceCount() const noexcept override { return 1; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void synchronizeDevice(at::DeviceIndex) const override {}
};

bool is_here(const at::Tensor& tensor) { return tensor.device().type() == at::kPrivateUse1; }

// A tensor on other storage, with the same shape and the same place in it.
at::Tensor like(const at::Tensor& tensor, c10::Storage storage, c10::DispatchKey key) {
  at::Tensor result =
      at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), tensor.dtype());
  result.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(),
                                                      tensor.storage_offset());
  if (tensor.is_conj()) result._set_conj(true);
  if (tensor.is_neg()) result._set_neg(true);
  return result;
}

// The arguments and results of one call, from the device to the host that does the work, and back. No value is copied.
class Call {
 public:
  explicit Call(const c10::OperatorHandle& op) : op_(op) {}

  at::IValue on_host(const at::IValue& value, const c10::Argument& argument) {
    if (value.isTensor()) return on_host(value.toTensor(), argument);
    if (value.isTensorList() || value.isOptionalTensorList()) return list_on_host(value, argument);
    if (value.isDevice()) return at::Device(at::kCPU);
    if (is_generator(argument)) return on_host_generator(value);
    return value;
  }
  at::IValue on_device(const at::IValue& value) {
    if (value.isTensor()) return on_device(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<at::Tensor> result;
    for (const at::Tensor& tensor : value.toTensorVector()) result.push_back(on_device(tensor));
    return result;
  }
  // Passes on what the call has resized.
  void settle() {
    for (const auto& [device, host] : tensors_) {
      const c10::Storage& behind = host.storage();
      if (near(device.storage().mutable_data()) != behind.mutable_data()) {
        device.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(held(behind));
        device.storage().set_nbytes(behind.nbytes());
      }
      if (device.sizes() != host.sizes() || device.strides() != host.strides())
        device.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides(),
                                                            host.storage_offset());
    }
  }
  bool has_mask() const { return has_mask_; }
  bool has_tensors() const { return !tensors_.empty(); }

  at::Tensor on_host(const at::Tensor& tensor, const c10::Argument& argument) {
    if (!tensor.defined()) return tensor;
    if (!is_here(tensor)) return allowed(tensor, argument);
    has_mask_ |= tensor.scalar_type() == at::kBool;
    for (const auto& [device, host] : tensors_)
      if (device.is_same(tensor)) return host;
    const at::Tensor host = like(tensor, storage_behind(tensor), c10::DispatchKey::CPU);
    tensors_.emplace_back(tensor, host);
    return host;
  }
  at::Tensor on_device(const at::Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    for (const auto& [device, host] : tensors_)
      if (host.is_same(tensor)) return device;
    for (const auto& [device, host] : storages_)
      if (host.is_alias_of(tensor.storage()) &&
          host.unsafeGetStorageImpl() == tensor.storage().unsafeGetStorageImpl())
        return like(tensor, device, c10::DispatchKey::PrivateUse1);
    const c10::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                               held(tensor.storage()), &Memory::here(), /*resizable=*/true);
    storages_.emplace_back(storage, tensor.storage());
    return like(tensor, storage, c10::DispatchKey::PrivateUse1);
  }

 private:
  // The device's memory for storage that the CPU has made.
  static at::DataPtr held(const c10::Storage& storage) {
    auto* const owned = std::make_unique<c10::Storage>(storage).release();
    return adopted({storage.mutable_data(), owned,
                    [](void* context) { std::unique_ptr<c10::Storage>(static_cast<c10::Storage*>(context)); },
                    at::Device(at::kCPU)});
  }
  c10::Storage storage_behind(const at::Tensor& tensor) {
    const c10::Storage& device = tensor.storage();
    for (const auto& [ours, theirs] : storages_)
      if (ours.unsafeGetStorageImpl() == device.unsafeGetStorageImpl()) return theirs;
    const c10::Storage host(c10::Storage::use_byte_size_t(), device.nbytes(),
                            at::DataPtr(near(device.mutable_data()), at::Device(at::kCPU)),
                            c10::GetCPUAllocator(),
                            /*resizable=*/true);
    storages_.emplace_back(device, host);
    return host;
  }
  // GPUs take the host's numbers beside their own tensors where a kernel's arguments can hold them, and indices.
  at::Tensor allowed(const at::Tensor& tensor, const c10::Argument& argument) {
    const std::string& name = op_.schema().name();
    const bool is_number = tensor.dim() == 0 && op_.hasTag(at::Tag::pointwise);
    const bool is_index = argument.name() == "indices" && name.starts_with("aten::index");
    TORCH_CHECK(tensor.is_cpu() && (is_number || is_index),
                "Expected all tensors to be on the same device, but found at least two devices, ", kStandIn,
                " and ", tensor.device(), ": argument '", argument.name(), "' of ", name);
    if (is_index) Record::here().wrote();
    return tensor;
  }
  at::IValue list_on_host(const at::IValue& value, const c10::Argument& argument) {
    if (value.isTensorList()) {
      c10::List<at::Tensor> result;
      for (const at::Tensor& tensor : value.toTensorVector()) result.push_back(on_host(tensor, argument));
      return result;
    }
    c10::List<std::optional<at::Tensor>> result;
    for (const std::optional<at::Tensor> tensor : value.toOptionalTensorList())
      result.push_back(tensor ? std::optional(on_host(*tensor, argument)) : tensor);
    return result;
  }
  static bool is_generator(const c10::Argument& argument) {
    return argument.type()->isSubtypeOf(*c10::OptionalType::create(c10::GeneratorType::get()));
  }
  static at::IValue on_host_generator(const at::IValue& value) {
    const at::Generator given = value.isGenerator() ? value.toGenerator() : default_generator();
    TORCH_CHECK(given.device().type() == at::kPrivateUse1, "Expected a '", kStandIn,
                "' device type for generator but found '", given.device(), "'");
    return given.get<DeviceGenerator>()->behind();
  }

  const c10::OperatorHandle& op_;
  std::vector<std::pair<at::Tensor, at::Tensor>> tensors_;       // the device's, the host's
  std::vector<std::pair<c10::Storage, c10::Storage>> storages_;  // likewise
  bool has_mask_ = false;
};

// Whether the host must wait for the device to know the result, or its shape.
bool makes_wait(const c10::OperatorHandle& op, const Call& call) {
  const std::string& name = op.schema().name();
  if (!call.has_tensors() || name == "aten::is_set_to") return false;
  for (const c10::Argument& result : op.schema().returns())
    if (!result.type()->isSubtypeOf(*c10::TensorType::get()) &&
        result.type()->kind() != c10::TypeKind::ListType)
      return true;
  if (!op.hasTag(at::Tag::dynamic_output_shape)) return false;
  return !name.starts_with("aten::index") || call.has_mask();
}

// Does any operation that has no kernel of its own for the device.
void by_the_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  Call call(op);
  torch::jit::Stack inner;
  const std::size_t count = schema.arguments().size();
  for (std::size_t i = 0; i < count; ++i)
    inner.push_back(call.on_host(torch::jit::peek(*stack, i, count), schema.arguments()[i]));
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &inner);
  call.settle();
  if (makes_wait(op, call)) Record::here().waited(schema.name());
  torch::jit::drop(*stack, count);
  for (const at::IValue& value : inner) torch::jit::push(*stack, call.on_device(value));
}

const c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &Memory::here(), kKeys, c10::dtype_or_default(type), format);
}
at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &Memory::here(), kKeys, c10::dtype_or_default(type));
}
at::Tensor zero_without_memory(at::IntArrayRef size, std::optional<at::ScalarType> type,
                               std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  static at::native::ZeroTensorAllocator none(kStandIn);
  return at::detail::empty_generic(size, &none, kKeys.add(c10::DispatchKey::ZeroTensor),
                                   c10::dtype_or_default(type), std::nullopt);
}

// Makes a tensor of either device one of the host's.
at::Tensor seen(Call& call, const at::Tensor& tensor) {
  static const c10::Argument any("tensor");
  return is_here(tensor) ? call.on_host(tensor, any) : tensor;
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool asynchronous) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::_copy_from", "");
  Call call(op);
  seen(call, to).copy_(seen(call, from));
  if (is_here(from) && !is_here(to)) Record::here().waited("a copy to the host");
  if (!is_here(from) && is_here(to)) {
    Record::here().wrote();
    if (!asynchronous || !PinnedMemory::here().has(from.storage().data()))
      Record::here().waited("a copy to the device that the host waits for");
  }
  return to;
}
at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& kernel, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                       bool transposed, at::IntArrayRef output_padding, int64_t groups) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::convolution_overrideable", "");
  const at::AutoDispatchBelowADInplaceOrView below;
  Call call(op);
  const auto& arguments = op.schema().arguments();
  const at::Tensor b = bias && bias->defined() ? call.on_host(*bias, arguments[2]) : at::Tensor();
  return call.on_device(at::convolution(call.on_host(x, arguments[0]), call.on_host(kernel, arguments[1]), b,
                                        stride, padding, dilation, transposed, output_padding, groups));
}
std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& kernel, at::IntArrayRef stride,
    at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding,
    int64_t groups, std::array<bool, 3> wanted) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("aten::convolution_backward_overrideable", "");
  const at::AutoDispatchBelowADInplaceOrView below;
  Call call(op);
  const auto& arguments = op.schema().arguments();
  const std::vector<int64_t> biases{transposed ? kernel.size(1) * groups : kernel.size(0)};
  const auto [of_x, of_kernel, of_bias] = at::convolution_backward(
      call.on_host(gradient, arguments[0]), call.on_host(x, arguments[1]), call.on_host(kernel, arguments[2]),
      biases, stride, padding, dilation, transposed, output_padding, groups, wanted);
  return {call.on_device(of_x), call.on_device(of_kernel), call.on_device(of_bias)};
}

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  c10::register_privateuse1_backend("standin");
  c10::SetAllocator(at::kPrivateUse1, &Memory::here());
  at::RegisterPrivateUse1HooksInterface(std::make_unique<Hooks>().release());  // LibTorch never frees it
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_host>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("_efficientzerotensor", zero_without_memory);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolution_backward);
}

TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFallthrough());
}

// What a GPU computes in which precision under autocast, from LibTorch's own lists.
using at::IntArrayRef, at::Scalar, at::ScalarType, at::Tensor;  // as the lists call them
#define IN_LOW_PRECISION(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, lower_precision_fp)
#define IN_FLOAT32(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32)
#define IN_FLOAT32_BY_DTYPE(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, fp32_set_opt_dtype)
#define IN_THE_WIDEST(...) KERNEL_PRIVATEUSEONE(__VA_ARGS__, promote)
TORCH_LIBRARY_IMPL(aten, AutocastPrivateUse1, m) {
  AT_FORALL_LOWER_PRECISION_FP(IN_LOW_PRECISION)
  AT_FORALL_FP32(IN_FLOAT32)
  AT_FORALL_FP32_SET_OPT_DTYPE(IN_FLOAT32_BY_DTYPE)
  AT_FORALL_DIFFERENT_REDISPATCH_SIGNATURE(KERNEL_DIFFERENT_REDISPATCH_SIGNATURE_PRIVATEUSEONE)
  AT_FORALL_PROMOTE(IN_THE_WIDEST)
}

}  // namespace

at::Device stand_in() { return kStandIn; }

SmallMemory::SmallMemory(std::size_t bytes) { Memory::here().largest = bytes; }
SmallMemory::~SmallMemory() { Memory::here().largest = Memory::kAny; }

Crossings::Crossings() : waits_(Record::here().waits()), writes_(Record::here().writes()) {}
std::vector<std::string> Crossings::waits() const { return Record::here().waits_since(waits_); }
int64_t Crossings::writes() const { return Record::here().writes() - writes_; }

}  // namespace variform::testing
