#pragma once
// A folder for files of a test, which goes with it.

#include <filesystem>

#include "base/file.h"

namespace variform::composition {

class Folder : public base::Temporary {
 public:
  Folder() : Temporary(std::filesystem::temp_directory_path(), Kind::kPrivateFolder) {}
};

}  // namespace variform::composition
