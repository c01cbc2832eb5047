// See writer.h.

#include "checkpoint/writer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <utility>

#include "base/whole_file.h"

namespace variform::checkpoint {
namespace {

// Returns a copy of `from` in the CPU's memory, reusing that of `former` where it fits.
at::Tensor copied(const at::Tensor& from, const at::Tensor& former) {
  if (!from.defined() || from.layout() != at::kStrided) return from;  // compose() says what is wrong with it
  const bool fits =
      former.defined() && former.sizes() == from.sizes() && former.scalar_type() == from.scalar_type();
  at::Tensor copy =
      fits ? former : at::empty(from.sizes(), from.options().device(at::kCPU).requires_grad(false));
  return copy.copy_(from.detach());
}

}  // namespace

Writer::~Writer() {
  if (pending_.valid()) pending_.wait();
}

void Writer::write(const Snapshot& snapshot, std::vector<std::filesystem::path> paths,
                   std::function<void()> before) {
  finish();
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> former = std::move(copy_.tensors);
  copy_.attributes = snapshot.attributes;
  copy_.tensors.clear();
  for (const auto& [path, tensor] : snapshot.tensors) copy_.tensors[path] = copied(tensor, former[path]);
  pending_ = std::async(std::launch::async, [this, paths = std::move(paths), before = std::move(before)] {
    before();
    Composition composition(copy_);
    for (const std::filesystem::path& path : paths) checkpoint::write(composition, path);
  });
}

void Writer::check() {
  if (pending_.valid() && pending_.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
    pending_.get();
}

void Writer::finish() {
  if (pending_.valid()) pending_.get();
}

}  // namespace variform::checkpoint
