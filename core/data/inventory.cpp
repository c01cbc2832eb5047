// See inventory.h.

#include "data/inventory.h"

#include <algorithm>
#include <system_error>

#include "base/sha256.h"
#include "config/load.h"
#include "data/descriptor.h"
#include "data/files.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_of(const Descriptor& descriptor) {
  std::vector<std::string> files;
  for (const Split& split : descriptor.splits)
    for_each_source(split, [&](const Source& source) {
      for (const std::string& file : source.files)
        if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
    });
  return files;
}

void hold_against(const FileFacts& facts, bool verify, FileEntry& file) {
  const auto wrong = [&](const std::string& expected, const std::string& found) {
    file.state = FileState::kWrong;
    file.problem = file.path.string() + ": expected " + expected + ", found " + found + ".";
  };
  std::error_code error;
  const std::uintmax_t bytes = fs::file_size(file.path, error);
  if (facts.bytes != 0 && !error && bytes != static_cast<std::uintmax_t>(facts.bytes))
    return wrong(std::to_string(facts.bytes) + " bytes", std::to_string(bytes));
  if (!verify || facts.sha256.empty()) return;
  const std::string found = base::sha256_file(file.path);
  if (found != facts.sha256) return wrong("SHA-256 " + facts.sha256, found);
  file.state = FileState::kVerified;
}

FileEntry look_for(const std::string& name, const SplitReader& reader, const Descriptor& descriptor,
                   bool verify) {
  FileEntry file;
  file.name = name;
  try {
    file.path = reader.locate(name);
  } catch (const MissingData&) {
    return file;
  }
  file.state = FileState::kFound;
  for (const FileFacts& facts : descriptor.files)
    if (facts.name == file.path.filename().string()) hold_against(facts, verify, file);
  return file;
}

}  // namespace

const char* to_string(FileState state) {
  switch (state) {
    case FileState::kFound: return "found";
    case FileState::kVerified: return "verified";
    case FileState::kMissing: return "missing";
    case FileState::kWrong: return "wrong";
  }
  return "";
}

bool DatasetEntry::is_complete() const {
  return problem.empty() && std::all_of(files.begin(), files.end(), [](const FileEntry& file) {
           return file.state == FileState::kFound || file.state == FileState::kVerified;
         });
}

bool DatasetEntry::is_wrong() const {
  return !problem.empty() || std::any_of(files.begin(), files.end(), [](const FileEntry& file) {
    return file.state == FileState::kWrong;
  });
}

std::vector<DatasetEntry> inventory(const std::vector<std::string>& names,
                                    const std::vector<fs::path>& descriptor_folders,
                                    const std::vector<fs::path>& data_folders, bool verify,
                                    const OtherReaders* readers) {
  std::vector<DatasetEntry> entries;
  for (const std::string& name : names.empty() ? descriptor_names(descriptor_folders) : names) {
    DatasetEntry& entry = entries.emplace_back();
    entry.name = name;
    const bool is_path = name.ends_with(".toml") || name.find('/') != std::string::npos;
    entry.description =
        is_path ? fs::absolute(name).lexically_normal() : find_descriptor(name, descriptor_folders);
    config::Diagnostics diagnostics;
    const Descriptor descriptor = resolve_descriptor(config::Node(entry.description.string()),
                                                     descriptor_folders, data_folders, diagnostics, readers);
    if (!diagnostics.empty()) {
      entry.problem = diagnostics.render();
      continue;
    }
    entry.title = descriptor.title;
    entry.licence = descriptor.licence;
    entry.obtain = descriptor.obtain;
    entry.shape = descriptor.shape;
    const SplitReader reader(descriptor, data_folders);
    for (const std::string& file : files_of(descriptor))
      entry.files.push_back(look_for(file, reader, descriptor, verify));
  }
  return entries;
}

}  // namespace variform::data
