#pragma once
// Creates a new plugin project from the template that comes with the program.

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/registry.h"

namespace variform::plugins {

struct NewPlugin {
  std::filesystem::path folder;
  std::string git;                    ///< a sentence about its git repository
  std::vector<std::string> commands;  ///< what to type next, from the folder above to the first training
};

/// Creates a project with one component of that kind in the folder `into`/`name`, which appears whole or not at all: it
/// builds, passes its tests and trains as it is. Throws config::Error where the name cannot be a component's, is taken
/// in `registry`, or exists already; Error where the template is missing.
NewPlugin new_plugin(Kind kind, const std::string& name, const std::filesystem::path& into,
                     const Registry& registry);

}  // namespace variform::plugins
