#pragma once
// What the engine needs of the process that it is loaded into: where data, plugins and the program lie, which components
// are Python classes, and that it leaves the process's settings as they were.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/workplace.h"
#include "plugins/ambient.h"

namespace variform::python {

/// Where things are looked for.
struct Surroundings {
  std::string program;  ///< file of the program, beside which plugins are looked for
  std::vector<std::string> plugins, data, descriptors;
  std::vector<std::int64_t> classes;  ///< Python's, by their numbers (components.h)
};

/// Restores at its end what has changed of the process since its beginning: opening a model sets some of LibTorch's
/// switches, and a plugin may do worse.
class UnchangedProcess {
 public:
  UnchangedProcess() = default;
  ~UnchangedProcess() { before_.put_back(); }
  UnchangedProcess(const UnchangedProcess&) = delete;
  UnchangedProcess& operator=(const UnchangedProcess&) = delete;

 private:
  plugins::AmbientState before_ = plugins::AmbientState::now();
};

/// The places; what is said goes to messages().
model::Workplace workplace_of(const Surroundings& surroundings);

/// The plugins, with those of Python's classes first. `config_paths`: places that a config names.
std::unique_ptr<plugins::Registry> registry_of(const Surroundings& surroundings,
                                               const std::vector<plugins::ConfigPath>& config_paths);

}  // namespace variform::python
