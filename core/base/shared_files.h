#pragma once
// The files that come with the program: configs, descriptions of data sets, the template of plugins.

#include <filesystem>
#include <string>
#include <vector>

namespace variform::base {

/// The folder `name` in the first home that has it ("template"); empty if none has.
std::filesystem::path shared_folder(const std::string& name);

/// Every home's folder of that name, each once.
std::vector<std::filesystem::path> shared_folders(const std::string& name);

/// `given` if it is there or absolute, else the file of that name in the last home that has it.
std::filesystem::path shared_file(const std::string& given);

/// Whether anything has that name; false for what is too long for a name.
bool is_file_name(const std::filesystem::path& path);

}  // namespace variform::base
