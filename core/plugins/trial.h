#pragma once
// Files that are not the program's own are loaded in a process of their own first, where what they do to it is an
// observation. And what is known afterwards of where their code lies.

#include <ATen/core/TensorBody.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/signal_text.h"
#include "plugins/manifest_reader.h"

namespace variform::plugins {

/// VARIFORM_PLUGIN_SECONDS, or 10 where it is not set to a number above 0.
std::chrono::milliseconds seconds_to_load();

struct ToTry {
  std::filesystem::path path;
  Manifest manifest;
  std::string rebuild;  ///< advice, as for open_plugin()
};
/// Loads each of them in a child process, all at the same time. For each a clause that says what is wrong, empty if nothing
/// is: "it ended the process (exit status 0) while it was loaded".
std::vector<std::string> problems_of_loading(const std::vector<ToTry>& files);

/// Remembers in which addresses a loaded file lies.
void remember_addresses(const std::filesystem::path& path, const std::string& name);
/// "org.example.strange 1.0.0": the plugin that an address belongs to; nullptr: none. For signal handlers, too.
const char* plugin_at(const void* address);

/// The call in progress in words, with the plugin whose operation is being differentiated; for base::guard_ending().
void tell_whereabouts(base::SignalText& text);

/// " (plugins have operations in it: org.example.strange 1.0.0)": those whose own autograd operations `loss` depends on;
/// empty if there are none.
std::string guests_in(const at::Tensor& loss);

/// The number of the outermost call in progress; 0: none. For base::LongCalls.
std::uint64_t number_of_call();

}  // namespace variform::plugins
