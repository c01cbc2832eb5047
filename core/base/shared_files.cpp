// See shared_files.h.

#include "base/shared_files.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace variform::base {
namespace fs = std::filesystem;

namespace {

// The folders that hold configs/, datasets/ and template/, best first: VARIFORM_HOME, share/variform of an
// installation or of a build folder, the checkout. They may not exist.
std::vector<fs::path> homes() {
  std::vector<fs::path> homes;
  if (const char* home = std::getenv("VARIFORM_HOME"); home && *home) homes.emplace_back(home);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    homes.push_back(program.parent_path() / "../../share/variform");  // <prefix>/libexec/variform/variform
    homes.push_back(program.parent_path() / "share/variform");        // <build>/variform
    homes.push_back(program.parent_path() / "../..");                 // <checkout>/build/<preset>/variform
  }
  return homes;
}

}  // namespace

bool is_file_name(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

fs::path shared_folder(const std::string& name) {
  const std::vector<fs::path> found = shared_folders(name);
  return found.empty() ? fs::path() : found.front();
}

std::vector<fs::path> shared_folders(const std::string& name) {
  std::vector<fs::path> found;
  for (const fs::path& home : homes()) {
    if (!fs::is_directory(home / name)) continue;
    const fs::path folder = fs::weakly_canonical(home / name);
    if (std::find(found.begin(), found.end(), folder) == found.end()) found.push_back(folder);
  }
  return found;
}

fs::path shared_file(const std::string& given) {
  fs::path file = given;
  for (const fs::path& home : homes())
    if (!is_file_name(file) && file.is_relative() && is_file_name(home / given))
      file = fs::weakly_canonical(home / given);
  return file;
}

}  // namespace variform::base
