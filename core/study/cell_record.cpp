// See cell_record.h.

#include "study/cell_record.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json_file.h"

namespace variform::study {
namespace fs = std::filesystem;

fs::path record_file(const fs::path& folder, std::size_t cell) {
  return folder / "cells" / (cell_number(cell) + ".json");
}

std::string cell_number(std::size_t cell) {
  std::string text = std::to_string(cell + 1);
  return std::string(text.size() < 3 ? 3 - text.size() : 0, '0') + text;
}

std::optional<CellRecord> read_record(const fs::path& folder, std::size_t cell) try {
  const base::JsonFile file(record_file(folder, cell));
  const base::JsonValue root = file.root();
  return CellRecord{.key = root.at("key").text(),
                    .run = root.at("run").text(),
                    .why_failed = root.at("failed").text(),
                    .seconds = root.at("seconds").number(),
                    .host = root.at("host").text(),
                    .job = root.at("job").text(),
                    .mark = root.at("mark").text()};
} catch (const base::JsonError&) {
  return {};
}

void write_record(const fs::path& folder, std::size_t cell, const CellRecord& record) {
  const nlohmann::json text = {
      {"key", record.key},   {"run", record.run}, {"failed", record.why_failed}, {"seconds", record.seconds},
      {"host", record.host}, {"job", record.job}, {"mark", record.mark}};
  const fs::path file = record_file(folder, cell);
  base::make_folder_inside(folder, file.parent_path());
  base::write_text_file(file, text.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace variform::study
