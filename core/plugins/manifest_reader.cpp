// A small, distrustful ELF reader: header, section table, section names, one section. Nothing is allocated from a
// size in the file before that size was held against the file's own length.

#include "plugins/manifest_reader.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <system_error>

#include <variform/manifest.h>

namespace variform::plugins {
namespace {

constexpr std::string_view kSection = ".variform_manifest";
constexpr std::uint64_t kLargestManifest = 1u << 20;
constexpr std::uint64_t kLargestNames = 16u << 20;
#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
constexpr const char* kMachineName = "x86-64";
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
constexpr const char* kMachineName = "AArch64";
#else
#error "manifest_reader.cpp: this machine's ELF number is not known"
#endif

// Leaves the reader at once; never leaves this file.
struct Refusal {
  std::string problem;
};

[[noreturn]] void refuse(std::string problem) { throw Refusal{std::move(problem)}; }

[[noreturn]] void refuse_truncated(const std::string& what, std::uint64_t size) {
  refuse("the file is truncated or damaged: its " + what + " lies beyond the file's end at byte " +
         std::to_string(size) + "; copy or build it again");
}

// A file whose bytes are only reached through bounds checks.
class BoundedFile {
 public:
  explicit BoundedFile(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found)
      refuse("there is no such file; check the path");
    if (std::filesystem::is_directory(status)) refuse("expected a plugin file, found a folder");
    if (!std::filesystem::is_regular_file(status)) refuse("expected a plugin file, found no regular file");
    stream_.open(path, std::ios::binary | std::ios::ate);
    if (!stream_) refuse("the file cannot be opened: " + std::generic_category().message(errno));
    size_ = static_cast<std::uint64_t>(std::max<std::streamoff>(0, stream_.tellg()));
    if (size_ == 0) refuse("the file is empty; copy or build it again");
  }

  std::uint64_t size() const { return size_; }
  bool holds(std::uint64_t offset, std::uint64_t length) const {
    return offset <= size_ && length <= size_ - offset;
  }
  void read(std::uint64_t offset, void* to, std::uint64_t length, const std::string& what) {
    if (!holds(offset, length)) refuse_truncated(what, size_);
    stream_.seekg(static_cast<std::streamoff>(offset));
    stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(length));
    if (!stream_) refuse("the file cannot be read: its " + what + " is unreadable");
  }

 private:
  std::ifstream stream_;
  std::uint64_t size_ = 0;
};

void refuse_foreign_file(BoundedFile& file) {
  std::string start(std::min<std::uint64_t>(file.size(), 512), '\0');
  file.read(0, start.data(), start.size(), "beginning");
  const auto printable = [](unsigned char c) { return std::isprint(c) || std::isspace(c) || c >= 0x80; };
  if (!std::all_of(start.begin(), start.end(), printable))
    refuse("expected a shared library, found data of another format");
  const std::string line = start.substr(0, std::min(start.find_first_of("\r\n"), std::size_t{40}));
  refuse("expected a shared library, found a text file that begins \"" + line + "\"");
}

Elf64_Ehdr read_header(BoundedFile& file) {
  std::array<unsigned char, EI_NIDENT> ident{};
  const std::uint64_t known = std::min<std::uint64_t>(file.size(), SELFMAG);
  file.read(0, ident.data(), known, "beginning");
  if (std::memcmp(ident.data(), ELFMAG, known) != 0) refuse_foreign_file(file);
  file.read(0, ident.data(), ident.size(), "ELF header");
  if (ident[EI_CLASS] == ELFCLASS32)
    refuse(std::string("it is a 32-bit library, and this program is 64-bit; build it for ") + kMachineName);
  if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_VERSION] != EV_CURRENT)
    refuse("its ELF header is damaged; copy or build it again");
  if (ident[EI_DATA] != ELFDATA2LSB)
    refuse(std::string("it is a big-endian library; build it for ") + kMachineName);
  Elf64_Ehdr header{};
  file.read(0, &header, sizeof header, "ELF header");
  if (header.e_machine != kMachine)
    refuse("it was built for another machine (ELF number " + std::to_string(header.e_machine) +
           "); build it for " + kMachineName);
  if (header.e_type != ET_DYN) refuse("it is an ELF file, but no shared library; link it with -shared");
  return header;
}

// The system's loader maps segments without looking at the file's length: reading beyond it kills the process.
void check_segments(BoundedFile& file, const Elf64_Ehdr& header) {
  if (header.e_phnum == 0 || header.e_phentsize != sizeof(Elf64_Phdr))
    refuse("its program headers are damaged; copy or build it again");
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  file.read(header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr), "table of segments");
  for (const Elf64_Phdr& segment : segments)
    if (segment.p_type == PT_LOAD && !file.holds(segment.p_offset, segment.p_filesz))
      refuse_truncated("code or data", file.size());
}

std::string read_section_text(BoundedFile& file, const Elf64_Ehdr& header) {
  if (header.e_shoff == 0 || header.e_shnum == 0)
    refuse(
        "it has no section table, hence no manifest; do not strip plugins with sstrip or "
        "--strip-section-headers");
  if (header.e_shentsize != sizeof(Elf64_Shdr))
    refuse("its section table is damaged; copy or build it again");
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  file.read(header.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr), "section table");
  if (header.e_shstrndx >= sections.size()) refuse("its section table is damaged; copy or build it again");
  const Elf64_Shdr& names_header = sections[header.e_shstrndx];
  if (names_header.sh_size > kLargestNames) refuse("its section names are damaged; copy or build it again");
  if (!file.holds(names_header.sh_offset, names_header.sh_size))
    refuse_truncated("section names", file.size());
  std::string names(names_header.sh_size, '\0');
  file.read(names_header.sh_offset, names.data(), names.size(), "section names");

  for (const Elf64_Shdr& section : sections) {
    if (section.sh_name >= names.size()) continue;
    // c_str() ends every name inside the buffer.
    if (kSection != names.c_str() + section.sh_name) continue;
    if (section.sh_type != SHT_PROGBITS || section.sh_size == 0 || section.sh_size > kLargestManifest)
      refuse("its manifest is damaged (a section of " + std::to_string(section.sh_size) +
             " bytes); copy or build it again");
    if (!file.holds(section.sh_offset, section.sh_size)) refuse_truncated("manifest", file.size());
    std::string text(section.sh_size, '\0');
    file.read(section.sh_offset, text.data(), text.size(), "manifest");
    return text;
  }
  refuse(
      "it is a shared library, but no Variform plugin: it has no section .variform_manifest, which "
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

// Every key but "component" has one value in the whole manifest.
void read_line(std::string_view line, std::map<std::string, std::string, std::less<>>& values,
               Manifest& manifest) {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos) refuse_damaged("a line has no \": \"");
  const std::string_view key = line.substr(0, colon), value = line.substr(colon + 2);
  if (!is_word(key, "-")) refuse_damaged("a key is no word");
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

std::string in_shell(const std::filesystem::path& path) {
  const std::string text = path.string();
  return is_word(text, "/._-+") ? text : "'" + text + "'";
}

}  // namespace

bool Manifest::offers(std::string_view component) const {
  return std::find(components.begin(), components.end(), component) != components.end();
}

ManifestResult read_manifest(const std::filesystem::path& path) {
  try {
    BoundedFile file(path);
    const Elf64_Ehdr header = read_header(file);
    const std::string text = read_section_text(file, header);
    check_segments(file, header);
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
  const std::string sdk = sdk_prefix.empty() ? "" : " -DCMAKE_PREFIX_PATH=" + in_shell(sdk_prefix);
  std::error_code error;
  for (auto folder = path.parent_path(); folder.has_relative_path(); folder = folder.parent_path())
    if (std::filesystem::exists(folder / "CMakeCache.txt", error))
      return "rebuild it against this program's SDK: cmake" + sdk + " " + in_shell(folder) +
             " && cmake --build " + in_shell(folder);
  return "rebuild it against this program's SDK, in its source folder: cmake -S . -B build" + sdk +
         " && cmake --build build";
}

}  // namespace variform::plugins
