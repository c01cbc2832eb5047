// See run_environment.h.

#include "config/run_environment.h"

#include <system_error>

#include "base/contents.h"
#include "base/json_file.h"

namespace variform::config {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostThreads = 1 << 16;

RunEnvironment::Plugin plugin_of(const base::JsonValue& entry) {
  return {entry.at("id").text(), entry.at("version").text(), entry.at("sha256").text()};
}

RunEnvironment::DataFile data_file_of(const base::JsonValue& entry) {
  return {entry.at("path").text(), entry.at("fingerprint").text(), entry.at("bytes").integer(0),
          entry.at("modified").integer()};
}

}  // namespace

RunEnvironment environment_of(const fs::path& run) {
  RunEnvironment found;
  const fs::path path = run / "environment.json";
  const auto attempt = [&](const auto& read) {
    try {
      read();
    } catch (const base::JsonError& error) {
      found.problems.emplace_back(error.what());
    }
  };
  if (!base::is_there(path) && !base::is_there(run / "checkpoints" / "last.h5")) return found;
  attempt([&] {
    const base::JsonFile file(path);
    const base::JsonValue root = file.root();
    if (!root.raw().is_object()) root.fail("an object");
    attempt([&] {
      if (const auto threads = root.find("threads")) found.threads = threads->integer(1, kMostThreads);
    });
    attempt([&] {
      if (const auto cpu = root.find("cpu")) found.cpu = cpu->text();
    });
    attempt([&] {
      if (const auto products = root.find("products")) found.products = products->text();
    });
    attempt([&] {
      const auto list = root.find("plugins");
      if (!list) return;
      std::vector<RunEnvironment::Plugin> plugins;
      for (const base::JsonValue& entry : list->elements()) plugins.push_back(plugin_of(entry));
      found.plugins = std::move(plugins);
    });
    attempt([&] {
      if (const auto fingerprint = root.find("data_fingerprint"))
        found.data_fingerprint = fingerprint->text();
    });
    attempt([&] {
      if (const auto list = root.find("data_files"))
        for (const base::JsonValue& entry : list->elements()) found.data_files.push_back(data_file_of(entry));
    });
  });
  return found;
}

}  // namespace variform::config
