// See ambient.h. What belongs to the process is in base/process_state.h.

#include "plugins/ambient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <c10/core/AutogradState.h>
#include <c10/core/DefaultDtype.h>

#include <utility>

#include "base/process_state.h"

namespace variform::plugins {
namespace {

const char* on_or_off(bool on) { return on ? "on" : "off"; }

}  // namespace

struct AmbientState::Kept {
  struct Autocasting {
    bool on;
    at::ScalarType dtype;
  };
  static Autocasting autocasting_now(at::DeviceType device) {
    return {at::autocast::is_autocast_enabled(device), at::autocast::get_autocast_dtype(device)};
  }

  base::ProcessState process = base::ProcessState::now();
  caffe2::TypeMeta dtype = c10::get_default_dtype();
  c10::AutogradState autograd = c10::AutogradState::get_tls_state();
  Autocasting autocast = autocasting_now(at::kCPU), autocast_cuda = autocasting_now(at::kCUDA);
  bool deterministic = at::globalContext().deterministicAlgorithms();
  bool only_warns = at::globalContext().deterministicAlgorithmsWarnOnly();
  bool benchmark = at::globalContext().benchmarkCuDNN();
  bool mkldnn = at::globalContext().userEnabledMkldnn();
  int threads = at::get_num_threads();
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
  at::Tensor generator_state = generator.get_state();

  void restore(std::vector<base::Change>& changes) const;

 private:
  void restore_autograd(std::vector<base::Change>& changes) const;
  void restore_context(std::vector<base::Change>& changes) const;
};

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
  if (context.benchmarkCuDNN() != benchmark) {
    context.setBenchmarkCuDNN(benchmark);
    changes.push_back({"LibTorch's cuDNN benchmark", on_or_off(benchmark), on_or_off(!benchmark), true});
  }
  if (context.userEnabledMkldnn() != mkldnn) {
    context.setUserEnabledMkldnn(mkldnn);
    changes.push_back({"LibTorch's use of oneDNN", on_or_off(mkldnn), on_or_off(!mkldnn), true});
  }
  if (const int now = at::get_num_threads(); now != threads) {
    at::set_num_threads(threads);
    changes.push_back({"the number of threads", std::to_string(threads), std::to_string(now),
                       at::get_num_threads() == threads});
  }
  at::Generator generator_now = generator;
  if (!generator_now.get_state().equal(generator_state)) {
    generator_now.set_state(generator_state);
    changes.push_back({"LibTorch's global generator of random numbers", "at one place of its sequence",
                       "at another", true});
  }
}

// The processor's modes first: all that follows computes.
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

std::vector<std::string> AmbientState::restore() const {
  std::vector<base::Change> changes;
  kept_->restore(changes);
  std::vector<std::string> texts;
  for (const base::Change& change : changes) texts.push_back(change.text());
  return texts;
}

std::string changed_text(const std::string& who, const std::vector<std::string>& changes) {
  if (changes.empty()) return {};
  std::string text = who + ", changed what belongs to the whole program: ";
  for (std::size_t i = 0; i < changes.size(); ++i) text += (i > 0 ? "; " : "") + changes[i];
  return text + ".";
}

}  // namespace variform::plugins
