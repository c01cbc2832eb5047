// See fallbacks.h.

#include "model/fallbacks.h"

#include <memory>
#include <string_view>

#include <variform/nn/layer.h>

namespace variform::model {
namespace {

// LibTorch's observers are functions without data.
thread_local std::set<std::string>* noticed = nullptr;

std::unique_ptr<at::ObserverContext> notice(const at::RecordFunction& function) {
  const std::string_view name = function.name(), prefix = nn::kPushFallback;
  if (noticed && name.starts_with(prefix)) noticed->emplace(name.substr(prefix.size()));
  return nullptr;
}

}  // namespace

NoticedFallbacks::NoticedFallbacks()
    : handle_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(&notice).scopes({at::RecordScope::USER_SCOPE}))) {
  noticed = &layers_;
}

NoticedFallbacks::~NoticedFallbacks() {
  at::removeCallback(handle_);
  noticed = nullptr;
}

}  // namespace variform::model
