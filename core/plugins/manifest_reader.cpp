// Reads and parses the manifest; compares builds.

#include "plugins/manifest_reader.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <system_error>

#include <variform/manifest.h>

#include "base/quote.h"
#include "config/text.h"
#include "plugins/elf_file.h"

namespace variform::plugins {
namespace {

constexpr std::string_view kSection = ".variform_manifest";
constexpr std::uint64_t kLargestManifest = 1u << 20;

std::string read_section_text(ElfFile& file) {
  if (auto text = file.section(kSection, SHT_PROGBITS, kLargestManifest)) return *text;
  refuse(
      "it is a shared library, but not a Variform plugin: it has no section .variform_manifest, which "
      "VARIFORM_PLUGIN makes");
}

bool is_word(std::string_view text, std::string_view also) {
  return !text.empty() && text.size() <= 200 && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) || also.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

[[noreturn]] void refuse_damaged(const std::string& what) {
  refuse("its manifest is damaged: " + what + "; build the plugin again");
}

// Reads one line. Every key but "component" has one value in the whole manifest.
void read_line(std::string_view line, std::map<std::string, std::string, std::less<>>& values,
               Manifest& manifest) {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos) refuse_damaged("a line has no \": \"");
  const std::string_view key = line.substr(0, colon), value = line.substr(colon + 2);
  if (!is_word(key, "-")) refuse_damaged("a key is not a word");
  if (!is_word(value, key == "component" ? "-_.:" : "-_.+"))
    refuse_damaged("\"" + std::string(key) + "\" has no proper value");
  if (key == "component") {
    if (manifest.offers(value)) refuse_damaged("it names " + std::string(value) + " twice");
    manifest.components.emplace_back(value);
  } else if (!values.emplace(key, value).second) {
    refuse_damaged("it has two values for \"" + std::string(key) + "\"");
  }
}

Manifest parse(std::string_view text) {
  Manifest manifest;
  std::map<std::string, std::string, std::less<>> values;
  constexpr std::string_view kSeparators("\0\n", 2);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    if (end > at) read_line(text.substr(at, end - at), values, manifest);
    at = end + 1;
  }
  const auto take = [&](const char* key) -> std::string {
    const auto found = values.find(key);
    if (found == values.end()) refuse_damaged("it has no \"" + std::string(key) + "\"");
    return found->second;
  };
  if (const std::string format = take("variform-plugin"); format != "1")
    refuse("its manifest has format " + format + ", and this program reads format 1; use a newer Variform");
  manifest.id = take("id");
  manifest.version = take("version");
  manifest.sdk_abi = take("sdk-abi");
  manifest.libtorch = take("libtorch");
  manifest.cxx11_abi = take("cxx11-abi");
  manifest.sanitizer = take("sanitizer");
  manifest.fingerprint = take("fingerprint");
  if (manifest.components.empty()) refuse_damaged("it names no component");
  return manifest;
}

}  // namespace

bool Manifest::offers(std::string_view component) const {
  return std::find(components.begin(), components.end(), component) != components.end();
}

ManifestResult read_manifest(const std::filesystem::path& path) {
  try {
    ElfFile file(path);
    const std::string text = read_section_text(file);
    file.check_segments();
    return {parse(text), {}};
  } catch (const Refusal& refusal) {
    return {{}, refusal.problem};
  }
}

ManifestResult parse_manifest(std::string_view text) {
  try {
    return {parse(text), {}};
  } catch (const Refusal& refusal) {
    return {{}, refusal.problem};
  }
}

const Manifest& host_manifest() {
  static const Manifest host{"variform",
                             "",
                             std::to_string(kSdkAbi),
                             std::string(kLibTorchVersion),
                             VARIFORM_TEXT(_GLIBCXX_USE_CXX11_ABI),
                             VARIFORM_TEXT(VARIFORM_SANITIZER),
                             std::string(kFingerprint),
                             {}};
  return host;
}

std::string incompatibility(const Manifest& plugin, const Manifest& host) {
  std::string theirs, ours;
  const auto compare = [&](const char* name, const std::string& its, const std::string& own) {
    if (its == own) return;
    theirs += (theirs.empty() ? "" : ", ") + std::string(name) + " " + its;
    ours += (ours.empty() ? "" : ", ") + std::string(name) + " " + own;
  };
  compare("SDK ABI", plugin.sdk_abi, host.sdk_abi);
  compare("LibTorch", plugin.libtorch, host.libtorch);
  compare("C++11 string ABI", plugin.cxx11_abi, host.cxx11_abi);
  compare("sanitizer", plugin.sanitizer, host.sanitizer);
  if (theirs.empty()) compare("fingerprint", plugin.fingerprint, host.fingerprint);
  if (theirs.empty()) return {};
  return "the plugin was built for " + theirs + ", this program for " + ours + " (" + plugin.fingerprint +
         " against " + host.fingerprint + ")";
}

std::string how_to_rebuild(const std::filesystem::path& path, const std::filesystem::path& sdk_prefix) {
  const std::string sdk =
      sdk_prefix.empty()
          ? ""
          : " -DCMAKE_PREFIX_PATH=" + base::for_shell(std::filesystem::path(sdk_prefix).string());
  std::error_code error;
  for (auto folder = path.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    if (std::filesystem::exists(folder / "CMakeCache.txt", error))
      return "rebuild it against this program's SDK: cmake" + sdk + " " +
             base::for_shell(std::filesystem::path(folder).string()) + " && cmake --build " +
             base::for_shell(std::filesystem::path(folder).string());
  return "rebuild it against this program's SDK, in its source folder: cmake -S . -B build" + sdk +
         " && cmake --build build";
}

}  // namespace variform::plugins
