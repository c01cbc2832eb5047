// data list: lists the data sets that are described.

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/table.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "data/inventory.h"

namespace variform::cli {
namespace {
namespace fs = std::filesystem;

struct ListCommand {
  std::vector<std::string> names;
  bool verify = false;
};

nlohmann::json to_json(const data::DatasetEntry& entry) {
  nlohmann::json files = nlohmann::json::array();
  for (const data::FileEntry& file : entry.files)
    files.push_back({{"name", file.name},
                     {"state", data::to_string(file.state)},
                     {"path", file.path.string()},
                     {"problem", file.problem}});
  return {{"name", entry.name},       {"description", entry.description.string()},
          {"title", entry.title},     {"licence", entry.licence},
          {"shape", entry.shape},     {"complete", entry.is_complete()},
          {"problem", entry.problem}, {"files", files},
          {"obtain", entry.obtain}};
}

// Returns "verified", "found", "2 of 4 files missing" or "wrong".
std::string state_of(const data::DatasetEntry& entry) {
  if (entry.is_wrong()) return "wrong";
  size_t missing = 0, verified = 0;
  for (const data::FileEntry& file : entry.files) {
    missing += file.state == data::FileState::kMissing;
    verified += file.state == data::FileState::kVerified;
  }
  if (missing == entry.files.size()) return "missing";
  if (missing > 0) return fmt::format("{} of {} files missing", missing, entry.files.size());
  if (verified == entry.files.size()) return "verified";
  return verified > 0 ? fmt::format("{} of {} files verified", verified, entry.files.size()) : "found";
}

std::string place_of(const data::DatasetEntry& entry) {
  for (const data::FileEntry& file : entry.files)
    if (!file.path.empty()) return file.path.parent_path().string();
  return "";
}

std::string text_of(const std::vector<data::DatasetEntry>& entries, const std::vector<fs::path>& folders) {
  base::Table table({{"data set"}, {"an example"}, {"state"}, {"where"}, {"what it is"}});
  std::string problems, missing;
  for (const data::DatasetEntry& entry : entries) {
    std::string shape;
    for (int64_t side : entry.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(side);
    table.add(
        {entry.name, shape.empty() ? "" : "[" + shape + "]", state_of(entry), place_of(entry), entry.title});
    if (!entry.problem.empty()) problems += entry.problem + "\n";
    for (const data::FileEntry& file : entry.files)
      if (!file.problem.empty()) problems += file.problem + "\n";
    if (!entry.is_complete() && !entry.obtain.empty())
      missing += "\n" + entry.name + ": " + entry.obtain + "\n";
  }
  std::string text =
      table.text(output_width()) + (problems.empty() ? "" : "\n" + problems) + "\nlooked for in:";
  for (const fs::path& folder : folders) text += " " + folder.string();
  return text + " (--data, VARIFORM_DATA, Debian's), and beside each description\n" + missing;
}

int list_command(const Common& common, const ListCommand& options) {
  const model::Workplace place = common.workplace();
  const model::Places& places = place.places;
  const auto entries = data::inventory(options.names, places.descriptors, places.data, options.verify,
                                       place.readers().readers.get());
  if (common.json) {
    nlohmann::json result = nlohmann::json::array();
    for (const data::DatasetEntry& entry : entries) result.push_back(to_json(entry));
    write_result(json_text(result));
  } else {
    write_result(text_of(entries, places.data));
  }
  const bool wrong =
      std::any_of(entries.begin(), entries.end(), [](const auto& entry) { return entry.is_wrong(); });
  return wrong ? kFailed : kDone;
}

}  // namespace

void add_list_command(Command data, Common& common, Action& action) {
  auto options = std::make_shared<ListCommand>();
  Command list = data.add_command(
      "list", "The data sets that are described, whether their files are there, how to get them");
  list.add_option("dataset", options->names, "Names, or paths of descriptions, instead of all");
  list.add_flag("--verify", options->verify,
                "Also compare SHA-256, where the description has it: reads every file");
  list.on_chosen([&common, &action, options] {
    action = [&common, options] { return list_command(common, *options); };
  });
}

}  // namespace variform::cli
