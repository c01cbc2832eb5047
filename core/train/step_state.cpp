// See step_state.h.

#include "train/step_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstring>

namespace variform::train {

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const Tensor s = a.detach().contiguous(), t = b.detach().contiguous();
  return s.numel() == 0 || std::memcmp(s.const_data_ptr(), t.const_data_ptr(), s.nbytes()) == 0;
}

namespace {

std::string first_difference(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  for (const auto& [name, tensor] : a) {
    const auto found = b.find(name);
    if (found == b.end() || !same_bits(tensor, found->second)) return name;
  }
  for (const auto& [name, tensor] : b)
    if (!a.contains(name)) return name;
  return {};
}

}  // namespace

KeptState::KeptState(const StepState& state)
    : tensors_(state.tensors()), rng_(Generator(state.rng).get_state()) {
  for (auto& [name, tensor] : tensors_) tensor = tensor.detach().clone();
}

void KeptState::put_back(const StepState& state) const {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : state.tensors())
    if (const auto found = tensors_.find(name); found != tensors_.end()) tensor.detach().copy_(found->second);
  Generator(state.rng).set_state(rng_);
}

std::string KeptState::difference(const KeptState& other) const {
  if (!same_bits(rng_, other.rng_)) return "the generator of random numbers";
  return first_difference(tensors_, other.tensors_);
}

std::string difference(const Terms& a, const Terms& b) {
  if (!same_bits(a.loss, b.loss)) return "loss";
  return first_difference(std::map<std::string, Tensor>{a.parts.begin(), a.parts.end()},
                          {b.parts.begin(), b.parts.end()});
}

std::vector<const void*> places_of(const StepState& state) {
  std::vector<const void*> places;
  for (const auto& [name, tensor] : state.tensors()) places.push_back(tensor.const_data_ptr());
  return places;
}

}  // namespace variform::train
