// See elf_file.h.

#include "plugins/elf_file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace variform::plugins {
namespace {

constexpr std::uint64_t kLargestNames = 16u << 20;
#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
constexpr const char* kMachineName = "x86-64";
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
constexpr const char* kMachineName = "AArch64";
#else
#error "elf_file.cpp: this machine's ELF number is not known"
#endif

}  // namespace

void refuse(std::string problem) { throw Refusal{std::move(problem)}; }

void ElfFile::refuse_truncated(const std::string& what) const {
  refuse(
      fmt::format("the file is truncated or damaged: its {} lies beyond the file's end at byte {}; "
                  "copy or build it again",
                  what, size_));
}

ElfFile::ElfFile(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) refuse("there is no such file; check the path");
  if (std::filesystem::is_directory(status)) refuse("expected a plugin file, found a folder");
  if (!std::filesystem::is_regular_file(status))
    refuse("expected a plugin file, found something that is not a regular file");
  stream_.open(path, std::ios::binary | std::ios::ate);
  if (!stream_) refuse("the file cannot be opened: " + std::generic_category().message(errno));
  size_ = static_cast<std::uint64_t>(std::max<std::streamoff>(0, stream_.tellg()));
  if (size_ == 0) refuse("the file is empty; copy or build it again");
  read_header();
  read_sections();
}

bool ElfFile::holds(std::uint64_t offset, std::uint64_t length) const {
  return offset <= size_ && length <= size_ - offset;
}

void ElfFile::read(std::uint64_t offset, void* to, std::uint64_t length, const std::string& what) {
  if (!holds(offset, length)) refuse_truncated(what);
  stream_.seekg(static_cast<std::streamoff>(offset));
  stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(length));
  if (!stream_) refuse("the file cannot be read: its " + what + " is unreadable");
}

void ElfFile::refuse_foreign_file() {
  std::string start(std::min<std::uint64_t>(size_, 512), '\0');
  read(0, start.data(), start.size(), "beginning");
  const auto printable = [](unsigned char c) { return std::isprint(c) || std::isspace(c) || c >= 0x80; };
  if (!std::all_of(start.begin(), start.end(), printable))
    refuse("expected a shared library, found data of another format");
  const std::string line = start.substr(0, std::min(start.find_first_of("\r\n"), std::size_t{40}));
  refuse("expected a shared library, found a text file that begins \"" + line + "\"");
}

void ElfFile::read_header() {
  std::array<unsigned char, EI_NIDENT> ident{};
  const std::uint64_t known = std::min<std::uint64_t>(size_, SELFMAG);
  read(0, ident.data(), known, "beginning");
  if (std::memcmp(ident.data(), ELFMAG, known) != 0) refuse_foreign_file();
  read(0, ident.data(), ident.size(), "ELF header");
  if (ident[EI_CLASS] == ELFCLASS32)
    refuse(std::string("it is a 32-bit library, and this program is 64-bit; build it for ") + kMachineName);
  if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_VERSION] != EV_CURRENT)
    refuse("its ELF header is damaged; copy or build it again");
  if (ident[EI_DATA] != ELFDATA2LSB)
    refuse(std::string("it is a big-endian library; build it for ") + kMachineName);
  read(0, &header_, sizeof header_, "ELF header");
  if (header_.e_machine != kMachine)
    refuse(fmt::format("it was built for another machine (ELF number {}); build it for {}", header_.e_machine,
                       kMachineName));
  if (header_.e_type != ET_DYN) refuse("it is an ELF file, but not a shared library; link it with -shared");
}

void ElfFile::read_sections() {
  if (header_.e_shoff == 0 || header_.e_shnum == 0)
    refuse(
        "it has no section table, hence no manifest; do not strip plugins with sstrip or "
        "--strip-section-headers");
  if (header_.e_shentsize != sizeof(Elf64_Shdr))
    refuse("its section table is damaged; copy or build it again");
  sections_.resize(header_.e_shnum);
  read(header_.e_shoff, sections_.data(), sections_.size() * sizeof(Elf64_Shdr), "section table");
  if (header_.e_shstrndx >= sections_.size()) refuse("its section table is damaged; copy or build it again");
  const Elf64_Shdr& names = sections_[header_.e_shstrndx];
  if (names.sh_size > kLargestNames) refuse("its section names are damaged; copy or build it again");
  names_ = content(names, "section names", kLargestNames);
}

std::string ElfFile::content(const Elf64_Shdr& section, const std::string& what, std::uint64_t largest) {
  if (!holds(section.sh_offset, section.sh_size)) refuse_truncated(what);
  if (section.sh_size > largest)
    refuse(fmt::format("its {} is damaged ({} bytes); copy or build it again", what, section.sh_size));
  std::string text(section.sh_size, '\0');
  read(section.sh_offset, text.data(), text.size(), what);
  return text;
}

std::optional<std::string> ElfFile::section(std::string_view name, Elf64_Word type, std::uint64_t largest) {
  const std::string what(name == ".variform_manifest" ? "manifest" : name);
  for (const Elf64_Shdr& section : sections_) {
    // c_str() ends every name inside the buffer.
    if (section.sh_name >= names_.size() || name != names_.c_str() + section.sh_name) continue;
    if (section.sh_type != type || section.sh_size == 0 || section.sh_size > largest)
      refuse(fmt::format("its {} is damaged (a section of {} bytes); copy or build it again", what,
                         section.sh_size));
    return content(section, what, largest);
  }
  return {};
}

std::string ElfFile::linked_section(std::uint64_t index, std::uint64_t largest) {
  if (index >= sections_.size()) refuse("its section table is damaged; copy or build it again");
  return content(sections_[index], "table of strings", largest);
}

const Elf64_Shdr* ElfFile::header_of(Elf64_Word type) const {
  for (const Elf64_Shdr& section : sections_)
    if (section.sh_type == type) return &section;
  return nullptr;
}

const std::vector<Elf64_Phdr>& ElfFile::segments() {
  if (!segments_.empty()) return segments_;
  if (header_.e_phnum == 0 || header_.e_phentsize != sizeof(Elf64_Phdr))
    refuse("its program headers are damaged; copy or build it again");
  std::vector<Elf64_Phdr> segments(header_.e_phnum);
  read(header_.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr), "table of segments");
  return segments_ = std::move(segments);
}

void ElfFile::check_segments() {
  for (const Elf64_Phdr& segment : segments())
    if (segment.p_type == PT_LOAD && !holds(segment.p_offset, segment.p_filesz))
      refuse_truncated("code or data");
}

}  // namespace variform::plugins
