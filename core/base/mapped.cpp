// See mapped.h.

#include "base/mapped.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/descriptor.h"
#include "base/retry.h"

namespace variform::base {
namespace {

std::size_t page() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

// Gives advice on the pages that bytes lie on. It is a hint: nothing depends on whether it is taken.
void advise(const void* bytes, std::size_t size, int advice) {
  const auto at = reinterpret_cast<std::uintptr_t>(bytes), first = at / page() * page();
  ::madvise(reinterpret_cast<void*>(first), at + size - first, advice);
}

}  // namespace

Room mapped_room(const std::filesystem::path& path, std::uint64_t place, std::size_t size) {
  const auto fail = [&](int error) {
    throw std::system_error(error, std::generic_category(), path.string());
  };
  const Descriptor file(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!file.open()) fail(errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) fail(errno);
  if (static_cast<std::uint64_t>(facts.st_size) < place + size) fail(ENODATA);
  const std::uint64_t begin = place / page() * page();
  const std::size_t all = size + static_cast<std::size_t>(place - begin);
  void* const bytes = ::mmap(nullptr, all, PROT_READ, MAP_SHARED, file.get(), static_cast<off_t>(begin));
  if (bytes == MAP_FAILED) fail(errno);
  ::madvise(bytes, all, MADV_RANDOM);  // rows come in any order: what lies beside one is not the next
  const std::shared_ptr<std::byte> mapping(static_cast<std::byte*>(bytes),
                                           [all](std::byte* at) { ::munmap(at, all); });
  return {std::shared_ptr<std::byte>(mapping, mapping.get() + (place - begin)), size};
}

void forget(const void* bytes, std::size_t size) { advise(bytes, size, MADV_DONTNEED); }
void foresee(const void* bytes, std::size_t size) { advise(bytes, size, MADV_WILLNEED); }

}  // namespace variform::base
