// What the checkpoint tests share: a folder that goes away, a snapshot with every tensor type, bitwise
// comparison.
#pragma once

#include <ATen/ATen.h>

#include "catch.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"

namespace checkpoint_test {

namespace fs = std::filesystem;
using variform::base::Error;
using variform::checkpoint::Snapshot;

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "variform-checkpoint-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder: " + pattern);
    path_ = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Values that depend on position and `seed` only, over the whole range of bit patterns that the type has.
inline at::Tensor pattern(at::IntArrayRef shape, at::ScalarType type, int seed = 1) {
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type));
  auto* const bytes = static_cast<unsigned char*>(tensor.mutable_data_ptr());
  std::uint32_t state = static_cast<std::uint32_t>(seed) * 2654435761u + 1;
  for (std::size_t i = 0; i < tensor.nbytes(); ++i) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = static_cast<unsigned char>(type == at::kBool ? state >> 31 : state >> 24);
  }
  return tensor;
}

inline const std::vector<at::ScalarType>& types() {
  static const std::vector<at::ScalarType> all = {at::kFloat, at::kDouble, at::kBFloat16, at::kLong,
                                                  at::kInt,   at::kByte,   at::kBool};
  return all;
}

inline Snapshot sample(int seed = 1) {
  Snapshot snapshot;
  snapshot.attributes = {{"config", "name = \"sample\"\nseed = " + std::to_string(seed) + "\n"},
                         {"plugins", "org.variform.encoders 1.0.0"},
                         {"empty", ""},
                         {"note", "Größe ∂ℓ/∂z"}};
  for (const at::ScalarType type : types()) {
    const std::string folder = "model/" + std::string(c10::toString(type)) + "/parameters/";
    snapshot.tensors[folder + "net.0.weight"] = pattern({3, 5}, type, seed);
    snapshot.tensors[folder + "net.0.bias"] = pattern({5}, type, seed + 1);
    snapshot.tensors[folder + "scalar"] = pattern({}, type, seed + 2);
    snapshot.tensors[folder + "empty"] = pattern({0, 3}, type, seed);
  }
  snapshot.tensors["progress/step"] = at::scalar_tensor(seed, at::kLong);
  return snapshot;
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  if (x.scalar_type() != y.scalar_type() || x.sizes() != y.sizes()) return false;
  return x.nbytes() == 0 || std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

inline bool same(const Snapshot& a, const Snapshot& b) {
  if (a.attributes != b.attributes || a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [path, tensor] : a.tensors) {
    const auto other = b.tensors.find(path);
    if (other == b.tensors.end() || !same_bits(tensor, other->second)) return false;
  }
  return true;
}

// The text of the Error that `action` throws; empty if it throws none.
inline std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr int kSkipped = 77;  // exit code of a child or script that cannot run here

// Runs `action` in a child process and returns its exit code (negative: the signal that ended it).
inline int in_child(const std::function<int()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 99;
    try {
      code = action();
    } catch (...) {
    }
    ::_exit(code);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Runs the project's Python with arguments in `folder`; exit code as above.
inline int python(const fs::path& folder, const std::vector<std::string>& arguments) {
  const char* const chosen = std::getenv("VARIFORM_PYTHON");
  const std::string program = chosen == nullptr || *chosen == '\0' ? "python3" : chosen;
  return in_child([&] {
    std::vector<std::string> words = {program, "-B"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    fs::current_path(folder);
    ::execvp(program.c_str(), argv.data());
    return 98;
  });
}

inline fs::path source_folder() {
  return fs::path(variform::testing::environment("VARIFORM_SOURCE")) / "tests/checkpoint";
}

}  // namespace checkpoint_test
