// See hdf5_access.h.

#include "data/readers/hdf5_access.h"

#include <fcntl.h>
#include <liblzf/lzf.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "data/readers/array.h"

namespace variform::data::hdf5_access {
namespace {

// ---- Locks

enum class Lock { kFree, kHeld, kUnknown };

/// Whether the file is locked now, or there are no locks here: HDF5 locks whole files (flock) while it writes them.
Lock lock_of(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Lock::kFree;  // opening reports the reason
  Lock lock = Lock::kFree;
  if (::flock(descriptor, LOCK_SH | LOCK_NB) != 0) lock = errno == EWOULDBLOCK ? Lock::kHeld : Lock::kUnknown;
  ::close(descriptor);
  return lock;
}

/// Returns " (process 4711, python3)" for the process that holds the lock, as far as the system tells.
std::string holder_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, how, what, process, place;
    words >> number >> kind >> how >> what >> process >> place;
    unsigned major_number = 0, minor_number = 0;
    unsigned long long inode = 0;
    if (std::sscanf(place.c_str(), "%x:%x:%llu", &major_number, &minor_number, &inode) != 3 ||
        inode != status.st_ino || major_number != major(status.st_dev) ||
        minor_number != minor(status.st_dev))
      continue;
    std::string name;
    std::getline(std::ifstream("/proc/" + process + "/comm"), name);
    return " (process " + process + (name.empty() ? "" : ", " + name) + ")";
  }
  return "";
}

// ---- LZF

constexpr H5Z_filter_t kLzf = 32000;  // registered by h5py

/// H5Z_func_t. Only reads.
std::size_t unpack_lzf(unsigned flags, std::size_t count, const unsigned values[], std::size_t packed,
                       std::size_t* buffer_size, void** buffer) {
  constexpr std::size_t kRatio = 300;  // the most that LZF makes of a byte
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;
  std::size_t room = count > 2 && values[2] > 0 ? values[2] : *buffer_size;
  for (; room <= packed * kRatio + *buffer_size; room *= 2) {
    void* unpacked = H5allocate_memory(room, false);
    if (unpacked == nullptr) return 0;
    const unsigned size =
        lzf_decompress(*buffer, static_cast<unsigned>(packed), unpacked, static_cast<unsigned>(room));
    if (size > 0) {
      H5free_memory(*buffer);
      *buffer = unpacked;
      *buffer_size = room;
      return size;
    }
    H5free_memory(unpacked);
    if (errno != E2BIG) return 0;
  }
  return 0;
}

void register_lzf() {
  static constexpr H5Z_class2_t kClass{H5Z_CLASS_T_VERS, kLzf, 0, 1, "lzf", nullptr, nullptr, unpack_lzf};
  if (H5Zfilter_avail(kLzf) <= 0) H5Zregister(&kClass);
}

}  // namespace

OneFile::OneFile() : access_(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose) {
  if (const char* asked = std::getenv("HDF5_PLUGIN_PATH"); asked == nullptr || *asked == 0)
    H5PLset_loading_state(0);
}

hid_t OneFile::access(bool follow) {
  const auto refuse = [](const char*, const char*, const char* file, const char* object, unsigned*, hid_t,
                         void* out) -> herr_t {
    *static_cast<std::string*>(out) = std::string(file) + ":" + object;
    return -1;
  };
  if (!follow) H5Pset_elink_cb(access_.get(), refuse, &refused_);
  return access_.get();
}

std::string reason() {
  std::string text = "no reason given";
  auto keep = [](unsigned, const H5E_error2_t* entry, void* out) -> herr_t {
    if (entry->desc != nullptr) *static_cast<std::string*>(out) = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &text);
  return text;
}

hid_t open(const std::filesystem::path& path, std::string& note) {
  const std::string name = path.string();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    throw ReadError(name + ": expected a file, found none.");
  const char* wish = std::getenv("HDF5_USE_FILE_LOCKING");
  const bool is_off = wish != nullptr && (std::strcmp(wish, "FALSE") == 0 || std::strcmp(wish, "0") == 0);
  const Lock lock = is_off ? Lock::kFree : lock_of(path);
  if (lock == Lock::kHeld)
    throw ReadError(
        name + ": another process has it open for writing" + holder_of(path) +
        "; close it there first, or read what is there now by setting HDF5_USE_FILE_LOCKING=FALSE.");
  if (lock == Lock::kUnknown) note = name + ": read without a lock, since its file system has none.";
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  if (access) H5Pset_file_locking(access.get(), lock == Lock::kFree && !is_off, true);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access ? access.get() : H5P_DEFAULT);
  if (file < 0)
    throw ReadError(name + ": expected an HDF5 file, found one that the HDF5 library refuses (" + reason() +
                    ").");
  return file;
}

void check_compression(const std::string& where, hid_t dataset) {
  register_lzf();
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  const int filters = properties ? H5Pget_nfilters(properties.get()) : 0;
  for (int i = 0; i < filters; ++i) {
    std::array<char, 100> name{};
    unsigned flags = 0, configuration = 0;
    std::size_t count = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties.get(), static_cast<unsigned>(i), &flags, &count,
                                               nullptr, name.size() - 1, name.data(), &configuration);
    if (H5Zfilter_avail(filter) > 0) continue;
    throw ReadError(
        fmt::format("{}: it is compressed by {} (HDF5 filter {}), which the HDF5 library here lacks. Set "
                    "HDF5_PLUGIN_PATH to a folder that has it (in Python: import hdf5plugin; "
                    "print(hdf5plugin.PLUGIN_PATH)), or write the dataset again with compression=\"gzip\".",
                    where, name[0] == 0 ? "something unnamed" : name.data(), filter));
  }
}

}  // namespace variform::data::hdf5_access
