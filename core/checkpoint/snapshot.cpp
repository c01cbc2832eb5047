// Works on snapshots that were read: upgrades formats, compares tensors with what is expected.
#include "checkpoint/snapshot.h"

#include <fmt/format.h>

#include "checkpoint/dtype.h"
#include "checkpoint/layout.h"

namespace variform::checkpoint {
namespace {

std::string describe(at::IntArrayRef shape, at::ScalarType type) {
  const Dtype* const dtype = find_dtype(type);
  return layout::shape_text(shape) + " " + (dtype == nullptr ? c10::toString(type) : dtype->name);
}

void add(std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; }

}  // namespace

Upgrades upgrades() { return {}; }

void upgrade(Snapshot& snapshot, int from, int to, const Upgrades& steps, const std::string& name) {
  for (int format = from; format < to; ++format) {
    const auto step = steps.find(format);
    if (step == steps.end()) {
      throw base::Error(
          fmt::format("\"{}\" has checkpoint format {}, and this program cannot bring format {} up to date; "
                      "use the program that wrote it.",
                      name, from, format));
    }
    step->second(snapshot);
  }
}

std::string compare(const std::map<std::string, Expected>& expected, const Snapshot& snapshot,
                    std::string_view prefix) {
  std::string missing, different, unexpected;
  for (const auto& [name, wanted] : expected) {
    const auto found = snapshot.tensors.find(std::string(prefix) + name);
    if (found == snapshot.tensors.end()) {
      add(missing, name + " " + describe(wanted.shape, wanted.dtype));
    } else if (found->second.sizes() != at::IntArrayRef(wanted.shape) ||
               found->second.scalar_type() != wanted.dtype) {
      add(different, name + " is " + describe(found->second.sizes(), found->second.scalar_type()) +
                         ", expected " + describe(wanted.shape, wanted.dtype));
    }
  }
  for (const auto& [path, tensor] : snapshot.tensors) {
    if (!path.starts_with(prefix) || expected.contains(path.substr(prefix.size()))) continue;
    add(unexpected, path.substr(prefix.size()) + " " + describe(tensor.sizes(), tensor.scalar_type()));
  }
  std::string message;
  const auto section = [&message](const char* title, const std::string& list) {
    if (!list.empty()) message += (message.empty() ? "" : "; ") + std::string(title) + ": " + list;
  };
  section("missing", missing);
  section("unexpected", unexpected);
  section("different", different);
  return message;
}

}  // namespace variform::checkpoint
