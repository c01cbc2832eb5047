// See shared_state.h.

#include "train/shared_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstring>

#include <nlohmann/json.hpp>

namespace variform::train {

std::string text_of_first(ProcessGroup& group, const std::string& own) {
  Tensor size = at::full({1}, static_cast<int64_t>(own.size()), at::kLong);
  group.copy_from_first(size);
  Tensor bytes = at::zeros({size[0].item<int64_t>()}, at::kByte);
  if (group.rank() == 0) std::memcpy(bytes.mutable_data_ptr<uint8_t>(), own.data(), own.size());
  group.copy_from_first(bytes);
  return {reinterpret_cast<const char*>(bytes.const_data_ptr<uint8_t>()), static_cast<size_t>(bytes.numel())};
}

void copy_from_first(ProcessGroup& group, const std::map<std::string, Tensor>& tensors) {
  at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : tensors) {
    Tensor values = tensor.detach().cpu().contiguous();
    if (values.numel() == 0) continue;
    group.copy_from_first(values);
    if (!values.is_alias_of(tensor)) Tensor(tensor).copy_(values);
  }
}

Progress progress_of_first(ProcessGroup& group, const Progress& own, at::Device device) {
  std::map<std::string, Tensor> tensors = own.tensors();
  nlohmann::json names = nlohmann::json::object();  // name -> whether it is a whole number
  for (const auto& [name, tensor] : tensors) names[name] = tensor.scalar_type() == at::kLong;
  const std::string text = text_of_first(group, names.dump());
  if (group.rank() != 0) {
    tensors.clear();
    const auto theirs = nlohmann::json::parse(text);
    for (const auto& [name, is_whole] : theirs.items())
      tensors[name] = at::zeros({}, is_whole.get<bool>() ? at::kLong : at::kDouble);
  }
  copy_from_first(group, tensors);
  return Progress::from(tensors, device);
}

}  // namespace variform::train
