#pragma once
// Loads files that are not the program's own in a separate process first, where they can do no harm. Remembers where
// the code of loaded files lies.

#include <ATen/core/TensorBody.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/signal_text.h"
#include "plugins/manifest_reader.h"

namespace variform::plugins {

/// VARIFORM_PLUGIN_SECONDS, or 10 if it is not set to a number above 0.
std::chrono::milliseconds seconds_to_load();

struct ToTry {
  std::filesystem::path path;
  Manifest manifest;
  std::string rebuild;  ///< advice, as for open_plugin()
};
/// Loads each file in a child process, all at the same time. Returns for each a clause that says what is wrong, empty
/// if nothing is: "it ended the process (exit status 0) while it was loaded".
std::vector<std::string> problems_of_loading(const std::vector<ToTry>& files);

/// Remembers the addresses of a loaded file.
void remember_addresses(const std::filesystem::path& path, const std::string& name);
/// The plugin at an address, "org.example.strange 1.0.0"; nullptr: none. Signal handlers may call it.
const char* plugin_at(const void* address);

/// Describes the call in progress, with the plugin whose operation is being differentiated; for base::guard_ending().
void tell_whereabouts(base::SignalText& text);

/// Returns " (plugins have operations in it: org.example.strange 1.0.0)", the plugins whose own autograd operations
/// `loss` depends on; empty if there are none.
std::string guests_in(const at::Tensor& loss);

/// Returns the number of the outermost call in progress; 0: none. For base::LongCalls.
std::uint64_t number_of_call();

}  // namespace variform::plugins
