// See safetensors.h.

#include "export/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_file.h"

namespace variform::exports {
namespace {

using base::JsonValue;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file's bytes are little-endian");

constexpr const char* kMetadata = "__metadata__";
constexpr std::string_view kOwn = "variform.";  // begins the names of attributes
constexpr const char* kBuffers =
    "variform-buffers";                             // the tensors that are not parameters, as a list in JSON
constexpr std::size_t kLength = 8;                  // bytes of the header's length
constexpr std::uint64_t kMostHeader = 100'000'000;  // as the format's own library allows

constexpr std::array<std::pair<at::ScalarType, const char*>, 7> kTypes{{{at::kDouble, "F64"},
                                                                        {at::kLong, "I64"},
                                                                        {at::kFloat, "F32"},
                                                                        {at::kInt, "I32"},
                                                                        {at::kBFloat16, "BF16"},
                                                                        {at::kByte, "U8"},
                                                                        {at::kBool, "BOOL"}}};

std::string path_of(const std::string& name, bool is_buffer) {
  const std::size_t dot = name.find('.');
  return "model/" + name.substr(0, dot) + (is_buffer ? "/buffers/" : "/parameters/") + name.substr(dot + 1);
}

bool is_buffer(const std::string& path) {
  return path.compare(path.find('/', path.find('/') + 1), 9, "/buffers/") == 0;
}

// A tensor and where its bytes are, from the end of the header on.
struct Entry {
  std::string name;
  at::Tensor tensor;
  std::size_t type = 0;  // in kTypes
};

// The widest types first, so that every tensor begins at a multiple of its numbers' size.
std::vector<Entry> entries_of(const checkpoint::Snapshot& snapshot) {
  std::vector<Entry> entries;
  for (const auto& [path, tensor] : snapshot.tensors) {
    if (!path.starts_with("model/")) continue;
    const auto known = std::find_if(kTypes.begin(), kTypes.end(),
                                    [&](const auto& type) { return type.first == tensor.scalar_type(); });
    if (known == kTypes.end())
      throw base::Error(path + " is " + c10::toString(tensor.scalar_type()) +
                        ", which safetensors cannot hold");
    entries.push_back({outer_name(path), tensor.detach().cpu().contiguous(),
                       static_cast<std::size_t>(known - kTypes.begin())});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.type < b.type; });
  return entries;
}

}  // namespace

std::string outer_name(const std::string& path) {
  const std::size_t slot = path.find('/') + 1, kind = path.find('/', slot), name = path.find('/', kind + 1);
  return path.substr(slot, kind - slot) + "." + path.substr(name + 1);
}

std::vector<std::byte> compose_safetensors(const checkpoint::Snapshot& snapshot) {
  json header, buffers = json::array();
  json& metadata = header[kMetadata] = {{"format", "pt"}};
  for (const auto& [name, text] : snapshot.attributes) metadata[std::string(kOwn) + name] = text;
  for (const auto& [path, tensor] : snapshot.tensors)
    if (path.starts_with("model/") && is_buffer(path)) buffers.push_back(outer_name(path));
  metadata[kBuffers] = buffers.dump();
  const std::vector<Entry> entries = entries_of(snapshot);
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    const std::uint64_t begin = std::exchange(end, end + entry.tensor.nbytes());
    header[entry.name] = {{"dtype", kTypes[entry.type].second},
                          {"shape", std::vector<std::int64_t>(entry.tensor.sizes().vec())},
                          {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + kLength - 1) / kLength * kLength, ' ');
  const std::uint64_t length = text.size();
  std::vector<std::byte> file(kLength + text.size() + end);
  std::memcpy(file.data(), &length, kLength);
  std::memcpy(file.data() + kLength, text.data(), text.size());
  std::byte* out = file.data() + kLength + text.size();
  for (const Entry& entry : entries) {
    if (entry.tensor.nbytes() > 0) std::memcpy(out, entry.tensor.const_data_ptr(), entry.tensor.nbytes());
    out += entry.tensor.nbytes();
  }
  return file;
}

namespace {

// Returns a tensor's bytes as the header describes them. `data` follows the header.
at::Tensor tensor_of(const JsonValue& entry, std::span<const std::byte> data) {
  const std::string type = entry.at("dtype").text();
  const auto known =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& one) { return type == one.second; });
  if (known == kTypes.end()) entry.at("dtype").fail("F64, F32, BF16, I64, I32, U8 or BOOL");
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = c10::elementSize(known->first);
  for (const JsonValue& size : entry.at("shape").elements()) {
    shape.push_back(size.integer(0, std::int64_t{1} << 40));
    if (shape.back() != 0 && bytes > data.size() / static_cast<std::uint64_t>(shape.back()))
      size.fail("no more values than the file has");
    bytes *= static_cast<std::uint64_t>(shape.back());
  }
  const std::vector<JsonValue> offsets = entry.at("data_offsets").elements();
  if (offsets.size() != 2) entry.at("data_offsets").fail("two numbers");
  const std::uint64_t begin = offsets[0].unsigned_integer(), end = offsets[1].unsigned_integer();
  if (begin > end || end > data.size() || end - begin != bytes)
    entry.at("data_offsets").fail(fmt::format("{} bytes within the {} of the file", bytes, data.size()));
  at::Tensor tensor = at::empty(shape, known->first);
  if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), data.data() + begin, bytes);
  if (known->first == at::kBool)  // a byte that is neither would be undefined
    for (std::uint64_t i = 0; i < bytes; ++i)
      if (std::to_integer<int>(data[begin + i]) > 1) entry.at("dtype").fail("bytes 0 and 1 for BOOL");
  return tensor;
}

std::set<std::string> buffers_in(const JsonValue& metadata, const std::string& name) {
  const std::string text = metadata.at(kBuffers).text();
  if (base::is_too_deep(text)) metadata.at(kBuffers).fail("a list of names");
  const base::JsonFile list(text, name);
  std::set<std::string> names;
  for (const JsonValue& each : list.root().elements()) names.insert(each.text());
  return names;
}

checkpoint::Snapshot snapshot_of(const JsonValue& header, std::span<const std::byte> data,
                                 const std::string& name) {
  checkpoint::Snapshot snapshot;
  const auto metadata = header.find(kMetadata);
  if (!metadata || !metadata->find(std::string(kOwn) + "config"))
    throw base::Error(name +
                      ": expected a model that `variform export --format safetensors` wrote, found tensors "
                      "without a config; other programs' weights cannot be told which model they belong to.");
  for (const auto& [key, value] : metadata->members())
    if (key.starts_with(kOwn)) snapshot.attributes[key.substr(kOwn.size())] = value.text();
  const std::set<std::string> buffers = buffers_in(*metadata, name);
  for (const auto& [key, entry] : header.members()) {
    if (key == kMetadata) continue;
    if (key.find('.') == std::string::npos || key.find('/') != std::string::npos)
      throw base::Error(name + ": expected tensors called SLOT.NAME, found \"" + key + "\".");
    snapshot.tensors[path_of(key, buffers.contains(key))] = tensor_of(entry, data);
  }
  return snapshot;
}

}  // namespace

checkpoint::Snapshot parse_safetensors(std::span<const std::byte> file, const std::string& name) {
  std::uint64_t length = 0;
  if (file.size() >= kLength) std::memcpy(&length, file.data(), kLength);
  if (file.size() < kLength || length > std::min<std::uint64_t>(kMostHeader, file.size() - kLength))
    throw base::Error(name + ": expected a safetensors file, found one whose header does not fit into it.");
  const std::string text(reinterpret_cast<const char*>(file.data()) + kLength, length);
  if (base::is_too_deep(text)) throw base::Error(name + ": its header is not that of a safetensors file.");
  try {
    const base::JsonFile header(text, name);
    return snapshot_of(header.root(), file.subspan(kLength + length), name);
  } catch (const base::JsonError& error) {
    throw base::Error(error.what());
  }
}

}  // namespace variform::exports
