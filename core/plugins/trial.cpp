// See trial.h.

#include "plugins/trial.h"

#include <link.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/node.h>

#include <variform/calls.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <set>
#include <system_error>
#include <typeinfo>
#include <utility>

#include <fmt/format.h>

#include "base/processes.h"
#include "plugins/library.h"

namespace variform::plugins {
namespace {

constexpr double kSecondsToLoad = 10;
constexpr int kAtOnce = 16;
constexpr std::size_t kKeptOutput = 200;

// Returns what a file printed before its end, in one line.
std::string shown_output(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (text.size() > kKeptOutput) text = "…" + text.substr(text.size() - kKeptOutput);
  return text.empty() ? "" : "; it had printed: " + text;
}

std::string seconds_text(std::chrono::milliseconds limit) {
  const long tenths = static_cast<long>(limit.count() / 100);
  return fmt::format("{}{} s", tenths / 10, tenths % 10 != 0 ? "." + std::to_string(tenths % 10) : "");
}

std::string problem_of(const base::Ended& ended, std::chrono::milliseconds limit) {
  constexpr std::string_view kByItself = "ended by itself, with exit status ";
  if (ended.answered) return ended.answer;
  if (ended.timed_out)
    return "it did not return within " + seconds_text(limit) +
           " while it was loaded (VARIFORM_PLUGIN_SECONDS sets the limit)" + shown_output(ended.output);
  if (ended.ending.starts_with(kByItself))
    return "it ended the process (exit status " + ended.ending.substr(kByItself.size()) +
           ") while it was loaded" + shown_output(ended.output);
  return "its process " + ended.ending + " while it was loaded" + shown_output(ended.output);
}

// The plugin `name` owns the addresses from `begin` to `end`. Signal handlers read it, hence global.
struct Addresses {
  std::uintptr_t begin = 0, end = 0;
  const char* name = nullptr;
};
std::array<Addresses, 256> known_addresses;
std::atomic<std::size_t> known_count = 0;

struct Sought {
  const std::string& path;
  const char* name;
};

int add_addresses(dl_phdr_info* info, std::size_t, void* data) {
  const auto& sought = *static_cast<const Sought*>(data);
  std::size_t count = known_count;
  if (sought.path != info->dlpi_name || count == known_addresses.size()) return 0;
  Addresses found{UINTPTR_MAX, 0, sought.name};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const std::uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    found.begin = std::min(found.begin, begin);
    found.end = std::max(found.end, begin + info->dlpi_phdr[i].p_memsz);
  }
  known_addresses[count] = found;
  known_count = count + 1;
  return 1;
}

}  // namespace

std::chrono::milliseconds seconds_to_load() {
  const char* text = std::getenv("VARIFORM_PLUGIN_SECONDS");
  const double asked = text ? std::strtod(text, nullptr) : 0;
  return std::chrono::milliseconds(
      static_cast<long>(1000 * (asked > 0 && asked < 1e6 ? asked : kSecondsToLoad)));
}

std::vector<std::string> problems_of_loading(const std::vector<ToTry>& files) {
  std::vector<std::function<std::string()>> functions;
  for (const ToTry& file : files)
    functions.emplace_back([&file] {
      ::on_exit([](int status, void*) { ::_exit(status); },
                nullptr);      // at once, without destructors
      at::set_num_threads(1);  // OpenMP's threads are not inherited, and would be waited for
      return open_plugin(file.path, file.manifest, file.rebuild).problem;
    });
  const std::chrono::milliseconds limit = seconds_to_load();
  std::vector<std::string> problems;
  try {
    for (const base::Ended& ended : base::run_in_processes(functions, kAtOnce, limit))
      problems.push_back(problem_of(ended, limit));
  } catch (const std::system_error&) {  // no process can be created: goes on without
    problems.assign(files.size(), {});
  }
  return problems;
}

void remember_addresses(const std::filesystem::path& path, const std::string& name) {
  // Never freed: loaded plugins stay.
  const auto* kept = new std::string(name);
  const std::string file = path.string();
  Sought sought{file, kept->c_str()};
  ::dl_iterate_phdr(&add_addresses, &sought);
}

const char* plugin_at(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (std::size_t i = 0; i < known_count; ++i)
    if (at >= known_addresses[i].begin && at < known_addresses[i].end) return known_addresses[i].name;
  return nullptr;
}

void tell_whereabouts(base::SignalText& text) {
  const CallInProgress call = call_in_progress();
  if (!call.function) return;
  if (call.kind) text << call.kind << " " << call.label << ", in ";
  text << call.function;
  if (call.step >= 0) text << ", at step " << call.step;
  // The operation's type lies in the same file as its code.
  if (const auto node = torch::autograd::get_current_node())
    if (const char* plugin = plugin_at(&typeid(*node))) text << ", in an operation of plugin " << plugin;
}

std::string guests_in(const at::Tensor& loss) {
  using torch::autograd::Node;
  std::vector<Node*> waiting;
  std::set<Node*> seen;
  std::set<std::string> names;
  if (const auto& function = loss.grad_fn()) waiting.push_back(function.get());
  while (!waiting.empty()) {
    Node* node = waiting.back();
    waiting.pop_back();
    if (!seen.insert(node).second) continue;
    if (const char* plugin = plugin_at(&typeid(*node))) names.insert(plugin);
    for (const auto& edge : node->next_edges())
      if (edge.function) waiting.push_back(edge.function.get());
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "" : " (plugins with operations of their own in it: " + text + ")";
}

std::uint64_t number_of_call() { return call_in_progress().outermost; }

}  // namespace variform::plugins
