// See ambient.h. The process's own state is in base/process_state.h.

#include "plugins/ambient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <c10/core/AutogradState.h>
#include <c10/core/DefaultDtype.h>

#include <array>
#include <utility>

namespace variform::plugins {
namespace {

const char* on_or_off(bool on) { return on ? "on" : "off"; }

// One of LibTorch's process-wide settings: reads it as a number, and sets it.
struct Setting {
  const char* name;
  std::array<const char*, 3> values;  // in words
  int (*read)(const at::Context&);
  void (*set)(at::Context&, int);
};

template <auto read, auto set>
constexpr Setting flag(const char* name) {
  return {name,
          {"off", "on", ""},
          [](const at::Context& context) { return static_cast<int>((context.*read)()); },
          [](at::Context& context, int value) { (context.*set)(value != 0); }};
}

// Whether cuBLAS may sum in less than float32, and split sums.
template <auto read, auto set>
constexpr Setting reduction(const char* name) {
  return {name,
          {"on", "off", "off, without parts"},
          [](const at::Context& context) { return static_cast<int>((context.*read)()); },
          [](at::Context& context, int value) {
            const auto option = static_cast<at::CuBLASReductionOption>(value);
            (context.*set)(option == at::CuBLASReductionOption::AllowReducedPrecisionWithSplitK,
                           option != at::CuBLASReductionOption::DisallowReducedPrecisionDisallowSplitK);
          }};
}

constexpr std::array kSettings{
    flag<&at::Context::benchmarkCuDNN, &at::Context::setBenchmarkCuDNN>("LibTorch's cuDNN benchmark"),
    flag<&at::Context::deterministicCuDNN, &at::Context::setDeterministicCuDNN>(
        "LibTorch's deterministic cuDNN"),
    flag<&at::Context::userEnabledCuDNN, &at::Context::setUserEnabledCuDNN>("LibTorch's use of cuDNN"),
    flag<&at::Context::userEnabledMkldnn, &at::Context::setUserEnabledMkldnn>("LibTorch's use of oneDNN"),
    flag<&at::Context::deterministicMkldnn, &at::Context::setDeterministicMkldnn>(
        "LibTorch's deterministic oneDNN"),
    flag<&at::Context::allowFP16AccumulationCuBLAS, &at::Context::setAllowFP16AccumulationCuBLAS>(
        "LibTorch's sums in float16 on GPUs"),
    reduction<&at::Context::allowFP16ReductionCuBLAS, &at::Context::setAllowFP16ReductionCuBLAS>(
        "LibTorch's reductions of float16 in less than float32"),
    reduction<&at::Context::allowBF16ReductionCuBLAS, &at::Context::setAllowBF16ReductionCuBLAS>(
        "LibTorch's reductions of bfloat16 in less than float32")};

std::array<int, kSettings.size()> settings_now() {
  std::array<int, kSettings.size()> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = kSettings[i].read(at::globalContext());
  return values;
}

// The precision of float32 arithmetic. LibTorch's older settings (TF32 of cuBLAS and cuDNN, the precision of products)
// are names for some of these, and reading them is an error where both have been used.
struct Exactness {
  at::Float32Backend backend;
  at::Float32Op op;
  const char* name;
};
constexpr std::array<Exactness, 9> kExactness{
    {{at::Float32Backend::GENERIC, at::Float32Op::ALL, "everywhere"},
     {at::Float32Backend::CUDA, at::Float32Op::ALL, "on GPUs"},
     {at::Float32Backend::CUDA, at::Float32Op::MATMUL, "in products on GPUs"},
     {at::Float32Backend::CUDA, at::Float32Op::CONV, "in convolutions on GPUs"},
     {at::Float32Backend::CUDA, at::Float32Op::RNN, "in recurrent networks on GPUs"},
     {at::Float32Backend::MKLDNN, at::Float32Op::ALL, "on the CPU"},
     {at::Float32Backend::MKLDNN, at::Float32Op::MATMUL, "in products on the CPU"},
     {at::Float32Backend::MKLDNN, at::Float32Op::CONV, "in convolutions on the CPU"},
     {at::Float32Backend::MKLDNN, at::Float32Op::RNN, "in recurrent networks on the CPU"}}};

// An unset precision means exact.
std::string precision_name(at::Float32Precision precision) {
  return precision == at::Float32Precision::NONE ? "ieee" : at::precision2str(precision);
}

}  // namespace

struct AmbientState::Kept {
  struct Autocasting {
    bool on;
    at::ScalarType dtype;
  };
  struct Precisions {
    std::array<at::Float32Precision, kExactness.size()> values{};
    at::Float32MatmulPrecision of_products = at::Float32MatmulPrecision::HIGHEST;
    bool tf32_in_cudnn = true;
  };
  static Autocasting autocasting_now(at::DeviceType device) {
    return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
  }
  static Precisions precisions_now();

  base::ProcessState process = base::ProcessState::now();
  caffe2::TypeMeta dtype = c10::get_default_dtype();
  c10::AutogradState autograd = c10::AutogradState::get_tls_state();
  Autocasting autocast = autocasting_now(at::kCPU), autocast_cuda = autocasting_now(at::kCUDA);
  bool deterministic = at::globalContext().deterministicAlgorithms();
  bool only_warns = at::globalContext().deterministicAlgorithmsWarnOnly();
  std::array<int, kSettings.size()> settings = settings_now();
  Precisions precisions = precisions_now();
  int threads = at::get_num_threads();
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  at::Tensor generator_state = generator.get_state();

  void restore(std::vector<base::Change>& changes) const;

 private:
  void restore_autograd(std::vector<base::Change>& changes) const;
  void restore_context(std::vector<base::Change>& changes) const;
  void restore_precisions(std::vector<base::Change>& changes) const;
};

AmbientState::Kept::Precisions AmbientState::Kept::precisions_now() {
  const at::Context& context = at::globalContext();
  Precisions now;
  for (std::size_t i = 0; i < kExactness.size(); ++i)
    now.values[i] = context.float32Precision(kExactness[i].backend, kExactness[i].op);
  try {
    now.of_products = context.float32MatmulPrecision();
    now.tf32_in_cudnn = context.allowTF32CuDNN();
  } catch (const c10::Error&) {  // old and new settings were both used: the newer ones count
  }
  return now;
}

void AmbientState::Kept::restore_precisions(std::vector<base::Change>& changes) const {
  const Precisions now = precisions_now();
  std::string was, became;
  for (std::size_t i = 0; i < kExactness.size(); ++i) {
    const std::string old_name = precision_name(precisions.values[i]), name = precision_name(now.values[i]);
    if (old_name == name) continue;
    was += (was.empty() ? "" : ", ") + old_name + " " + kExactness[i].name;
    became += (became.empty() ? "" : ", ") + name + " " + kExactness[i].name;
  }
  if (was.empty()) return;
  constexpr const char* kNames[] = {"highest", "high", "medium"};
  at::Context& context = at::globalContext();
  context.setFloat32MatmulPrecision(kNames[static_cast<int>(precisions.of_products)]);
  context.setAllowTF32CuDNN(precisions.tf32_in_cudnn);
  for (std::size_t i = 0; i < kExactness.size(); ++i)
    context.setFloat32Precision(kExactness[i].backend, kExactness[i].op, precisions.values[i]);
  changes.push_back({"LibTorch's precision of float32", was, became, true});
}

void AmbientState::Kept::restore_autograd(std::vector<base::Change>& changes) const {
  const c10::AutogradState present = c10::AutogradState::get_tls_state();
  if (present.get_grad_mode() != autograd.get_grad_mode())
    changes.push_back({"the recording of gradients", on_or_off(autograd.get_grad_mode()),
                       on_or_off(present.get_grad_mode()), true});
  if (present.get_inference_mode() != autograd.get_inference_mode())
    changes.push_back({"inference mode", on_or_off(autograd.get_inference_mode()),
                       on_or_off(present.get_inference_mode()), true});
  c10::AutogradState::set_tls_state(autograd);
  const auto restore_autocast = [&](at::DeviceType device, const Autocasting& before, const char* what) {
    const Autocasting after = autocasting_now(device);
    if (after.on == before.on && after.dtype == before.dtype) return;
    at::autocast::set_autocast_enabled(device, before.on);
    at::autocast::set_autocast_dtype(device, before.dtype);
    changes.push_back({what, std::string(on_or_off(before.on)) + ", " + c10::toString(before.dtype),
                       std::string(on_or_off(after.on)) + ", " + c10::toString(after.dtype), true});
  };
  restore_autocast(at::kCPU, autocast, "autocast on the CPU");
  restore_autocast(at::kCUDA, autocast_cuda, "autocast on GPUs");
}

void AmbientState::Kept::restore_context(std::vector<base::Change>& changes) const {
  at::Context& context = at::globalContext();
  if (const caffe2::TypeMeta now = c10::get_default_dtype(); now != dtype) {
    c10::set_default_dtype(dtype);
    changes.push_back({"LibTorch's default dtype", std::string(dtype.name()), std::string(now.name()), true});
  }
  if (context.deterministicAlgorithms() != deterministic ||
      context.deterministicAlgorithmsWarnOnly() != only_warns) {
    changes.push_back({"LibTorch's deterministic algorithms", on_or_off(deterministic),
                       on_or_off(context.deterministicAlgorithms()), true});
    context.setDeterministicAlgorithms(deterministic, only_warns);
  }
  const auto settings_present = settings_now();
  for (std::size_t i = 0; i < kSettings.size(); ++i) {
    if (settings_present[i] == settings[i]) continue;
    const auto name = [&](int value) { return kSettings[i].values.at(static_cast<std::size_t>(value)); };
    changes.push_back({kSettings[i].name, name(settings[i]), name(settings_present[i]), true});
    kSettings[i].set(context, settings[i]);
  }
  restore_precisions(changes);
  if (const int now = at::get_num_threads(); now != threads) {
    at::set_num_threads(threads);
    changes.push_back({"the number of threads", std::to_string(threads), std::to_string(now),
                       at::get_num_threads() == threads});
  }
  at::Generator generator_now = generator;
  if (!generator_now.get_state().equal(generator_state)) {
    generator_now.set_state(generator_state);
    changes.push_back({kGlobalGenerator, "at one place of its sequence", "at another", true});
  }
}

// Restores the processor's modes first, since all that follows computes.
void AmbientState::Kept::restore(std::vector<base::Change>& changes) const {
  changes = process.restore();
  restore_autograd(changes);
  restore_context(changes);
}

AmbientState::AmbientState(std::unique_ptr<Kept> kept) : kept_(std::move(kept)) {}
AmbientState::AmbientState(AmbientState&&) noexcept = default;
AmbientState& AmbientState::operator=(AmbientState&&) noexcept = default;
AmbientState::~AmbientState() = default;

AmbientState AmbientState::now() { return AmbientState(std::make_unique<Kept>()); }

std::vector<base::Change> AmbientState::put_back() const {
  std::vector<base::Change> changes;
  kept_->restore(changes);
  return changes;
}

std::vector<std::string> AmbientState::restore() const {
  std::vector<std::string> texts;
  for (const base::Change& change : put_back()) texts.push_back(change.text());
  return texts;
}

std::string changed_text(const std::string& who, const std::vector<std::string>& changes) {
  if (changes.empty()) return {};
  std::string text = who + ", changed what belongs to the whole program: ";
  for (std::size_t i = 0; i < changes.size(); ++i) text += (i > 0 ? "; " : "") + changes[i];
  return text + ".";
}

}  // namespace variform::plugins
