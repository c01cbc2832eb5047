#pragma once
// A small, distrustful ELF reader: every byte is reached through a bounds check, and no size in the file is allocated
// before it was compared with the file's own length. For this folder only.

#include <elf.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace variform::plugins {

/// Leaves the reader at once; never leaves this folder. The problem is a clause that follows "PATH: ".
struct Refusal {
  std::string problem;
};
[[noreturn]] void refuse(std::string problem);

/// A shared library for this machine, with header and tables read. All functions throw Refusal.
class ElfFile {
 public:
  explicit ElfFile(const std::filesystem::path& path);

  /// Returns the content of the first section of that name and type; empty if there is none. `largest` bounds its size.
  std::optional<std::string> section(std::string_view name, Elf64_Word type, std::uint64_t largest);
  /// Returns the content of the section at that index of the table (sh_link).
  std::string linked_section(std::uint64_t index, std::uint64_t largest);
  /// Returns the table's entry of the first section of that type; nullptr if there is none.
  const Elf64_Shdr* header_of(Elf64_Word type) const;
  /// Checks the segments: the system's loader maps them without looking at the file's length, and reading beyond it
  /// would kill the process.
  void check_segments();
  const std::vector<Elf64_Phdr>& segments();

 private:
  bool holds(std::uint64_t offset, std::uint64_t length) const;
  void read(std::uint64_t offset, void* to, std::uint64_t length, const std::string& what);
  void read_header();
  void read_sections();
  std::string content(const Elf64_Shdr& section, const std::string& what, std::uint64_t largest);
  [[noreturn]] void refuse_truncated(const std::string& what) const;
  void refuse_foreign_file();

  std::ifstream stream_;
  std::uint64_t size_ = 0;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
  std::vector<Elf64_Phdr> segments_;
  std::string names_;
};

}  // namespace variform::plugins
