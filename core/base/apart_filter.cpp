// See apart_filter.h. A filter in the kernel's own language (BPF), written by hand since it is only a list of calls.

#include "base/apart_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <vector>

namespace variform::base {
namespace {

#if defined(__x86_64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr unsigned kArchitecture = 0;  // unknown: no filter
#endif

constexpr std::initializer_list<int> kAllowed = {
    // memory
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_ftruncate,
    // files that are open, and looking at others
    SYS_read, SYS_pread64, SYS_readv, SYS_preadv, SYS_write, SYS_writev, SYS_lseek, SYS_close, SYS_fstat,
    SYS_newfstatat, SYS_statx, SYS_fstatfs, SYS_statfs, SYS_getdents64, SYS_readlinkat, SYS_faccessat,
    SYS_flock, SYS_fadvise64, SYS_getcwd, SYS_fcntl, SYS_dup,
#if defined(__x86_64__)
    SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getrlimit, SYS_setrlimit, SYS_time,
#endif
#if defined(VARIFORM_SANITIZED)
    SYS_pipe2,  // how UndefinedBehaviorSanitizer asks whether memory can be read
#endif
#if defined(SYS_faccessat2)
    SYS_faccessat2,
#endif
    // itself
    SYS_exit, SYS_exit_group, SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
    SYS_getrusage, SYS_futex, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
    SYS_clock_gettime, SYS_gettimeofday, SYS_nanosleep, SYS_clock_nanosleep, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_getrandom, SYS_uname, SYS_sysinfo, SYS_getcpu};

sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset));
}
sock_filter allow() { return BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW); }
sock_filter refuse() { return BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM); }
/// Skips the next `skip` instructions unless the loaded value is `value`.
sock_filter unless_equal(unsigned value, unsigned char skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

/// Allows an open, with its flags in argument `flags`, for reading only.
void add_open(std::vector<sock_filter>& program, int call, int flags) {
  constexpr unsigned kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  program.push_back(unless_equal(static_cast<unsigned>(call), 4));
  program.push_back(load(offsetof(seccomp_data, args) + 8 * static_cast<std::size_t>(flags)));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kWriting, 0, 1));
  program.push_back(refuse());
  program.push_back(allow());
}

/// Allows a call whose first argument is `first`.
void add_only_with(std::vector<sock_filter>& program, int call, unsigned first) {
  program.push_back(unless_equal(static_cast<unsigned>(call), 4));
  program.push_back(load(offsetof(seccomp_data, args)));
  program.push_back(unless_equal(first, 1));
  program.push_back(allow());
  program.push_back(refuse());
}

std::vector<sock_filter> make_filter() {
  std::vector<sock_filter> program{load(offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0), refuse(),
                                   load(offsetof(seccomp_data, nr))};
#if defined(__x86_64__)
  add_open(program, SYS_open, 1);
#endif
  add_open(program, SYS_openat, 2);
  add_only_with(program, SYS_tgkill, static_cast<unsigned>(::getpid()));  // abort()
  add_only_with(program, SYS_prlimit64, 0);                               // its own limits
  for (const int call : kAllowed) {
    program.push_back(unless_equal(static_cast<unsigned>(call), 1));
    program.push_back(allow());
  }
  program.push_back(refuse());
  return program;
}

}  // namespace

void only_read_files() {
  if (kArchitecture == 0) return;
  std::vector<sock_filter> program = make_filter();
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

}  // namespace variform::base
