// See caught_output.h.

#include "base/caught_output.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/retry.h"

namespace variform::base {
namespace {

void flush_stdout() {
  std::cout.flush();
  std::fflush(stdout);
}

}  // namespace

CaughtOutput::CaughtOutput() {
  flush_stdout();
  file_ = ::memfd_create("output", MFD_CLOEXEC);
  stdout_ = ::dup(STDOUT_FILENO);
  if (file_ >= 0 && stdout_ >= 0) ::dup2(file_, STDOUT_FILENO);
}

CaughtOutput::~CaughtOutput() {
  flush_stdout();
  if (file_ >= 0 && stdout_ >= 0) ::dup2(stdout_, STDOUT_FILENO);
  if (file_ >= 0) ::close(file_);
  if (stdout_ >= 0) ::close(stdout_);
}

bool CaughtOutput::any() const {
  flush_stdout();
  return file_ >= 0 && ::lseek(file_, 0, SEEK_CUR) > 0;
}

std::string CaughtOutput::text(std::size_t most) const {
  if (!any()) return {};
  std::string text(most, '\0');
  const ssize_t size = retried([&] { return ::pread(file_, text.data(), most, 0); });
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

}  // namespace variform::base
