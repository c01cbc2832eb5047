// See host_reads.h.

#include "plugins/host_reads.h"

#include <memory>
#include <string_view>

namespace variform::plugins {
namespace {

// The reads of the counting thread. Global, since LibTorch's observers are functions without data.
thread_local CountedHostReads::Reads* host_reads = nullptr;

// Ends together with its operation.
struct Nested final : at::ObserverContext {
  ~Nested() override {
    if (host_reads) --host_reads->depth;
  }
};

std::unique_ptr<at::ObserverContext> count_host_reads(const at::RecordFunction& function) {
  if (!host_reads) return nullptr;
  const std::string_view name = function.name();
  for (const char* reads :
       {"aten::item", "aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal", "aten::allclose"})
    host_reads->count += host_reads->depth == 0 && name == reads;
  ++host_reads->depth;
  return std::make_unique<Nested>();
}

}  // namespace

CountedHostReads::CountedHostReads()
    : handle_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(&count_host_reads).scopes({at::RecordScope::FUNCTION}))) {
  host_reads = &reads_;
}

CountedHostReads::~CountedHostReads() {
  at::removeCallback(handle_);
  host_reads = nullptr;
}

}  // namespace variform::plugins
