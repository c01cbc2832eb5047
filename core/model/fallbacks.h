#pragma once
// Notices layers without a push(), whose tangents are computed by double backward: correctly, but slowly.

#include <ATen/record_function.h>

#include <set>
#include <string>

namespace variform::model {

/// Collects the classes of such layers while it lives, in its own thread. Not to be nested.
class NoticedFallbacks {
 public:
  NoticedFallbacks();
  ~NoticedFallbacks();
  NoticedFallbacks(const NoticedFallbacks&) = delete;
  NoticedFallbacks& operator=(const NoticedFallbacks&) = delete;
  const std::set<std::string>& layers() const { return layers_; }

 private:
  std::set<std::string> layers_;
  at::CallbackHandle handle_;
};

}  // namespace variform::model
