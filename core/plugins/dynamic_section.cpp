// See dynamic_section.h.

#include "plugins/dynamic_section.h"

#include <cstring>

#include "plugins/elf_file.h"

namespace variform::plugins {
namespace {

constexpr std::uint64_t kLargest = 256u << 20;

std::string string_at(const std::string& table, std::uint64_t offset) {
  if (offset >= table.size()) refuse("its table of strings is damaged; copy or build it again");
  return table.c_str() + offset;  // ends inside the buffer
}

// Returns the entries of a section whose content is a table of T.
template <class T>
std::vector<T> entries(const std::string& bytes) {
  std::vector<T> result(bytes.size() / sizeof(T));
  if (!result.empty()) std::memcpy(result.data(), bytes.data(), result.size() * sizeof(T));
  return result;
}

void read_entries(ElfFile& file, DynamicSection& result) {
  const Elf64_Shdr* header = file.header_of(SHT_DYNAMIC);
  if (!header) refuse("it has no dynamic section; link it with -shared");
  const std::string names = file.linked_section(header->sh_link, kLargest);
  const auto content = file.section(".dynamic", SHT_DYNAMIC, kLargest);
  for (const Elf64_Dyn& entry : entries<Elf64_Dyn>(content.value_or(""))) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_NEEDED) result.needed.push_back(string_at(names, entry.d_un.d_val));
    if (entry.d_tag == DT_RPATH || entry.d_tag == DT_RUNPATH)
      result.search_path = string_at(names, entry.d_un.d_val);
    if (entry.d_tag == DT_FLAGS_1) result.no_delete = (entry.d_un.d_val & DF_1_NODELETE) != 0;
    if (entry.d_tag == DT_TEXTREL || (entry.d_tag == DT_FLAGS && (entry.d_un.d_val & DF_TEXTREL) != 0))
      result.text_relocations = true;
  }
}

void read_symbols(ElfFile& file, DynamicSection& result) {
  const Elf64_Shdr* header = file.header_of(SHT_DYNSYM);
  if (!header) refuse("it has no dynamic symbols; link it with -shared");
  const std::string names = file.linked_section(header->sh_link, kLargest);
  const auto content = file.section(".dynsym", SHT_DYNSYM, kLargest);
  for (const Elf64_Sym& symbol : entries<Elf64_Sym>(content.value_or(""))) {
    const std::string name = string_at(names, symbol.st_name);
    const int binding = ELF64_ST_BIND(symbol.st_info), visibility = ELF64_ST_VISIBILITY(symbol.st_other);
    if (name.empty() || binding == STB_LOCAL) continue;
    if (symbol.st_shndx == SHN_UNDEF) result.imports.push_back(name);
    else if (visibility == STV_DEFAULT || visibility == STV_PROTECTED) result.exports.push_back(name);
  }
}

}  // namespace

DynamicResult read_dynamic_section(const std::filesystem::path& path) {
  try {
    ElfFile file(path);
    DynamicSection result;
    read_entries(file, result);
    read_symbols(file, result);
    for (const Elf64_Phdr& segment : file.segments())
      if (segment.p_type == PT_GNU_STACK && (segment.p_flags & PF_X) != 0) result.executable_stack = true;
    return {result, {}};
  } catch (const Refusal& refusal) {
    return {{}, refusal.problem};
  }
}

}  // namespace variform::plugins
