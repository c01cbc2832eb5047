#pragma once
// How a cell ended the last time, for other processes and for `study --status`: a small file beside the cell's config.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace variform::study {

struct CellRecord {
  std::string key;         ///< of the work (CellRuns::key_of()): another one is that of a former plan
  std::string run;         ///< its folder's name
  std::string why_failed;  ///< empty: it is done
  double seconds = 0;      ///< at work on it
  std::string host, job;
  std::string mark;  ///< of the process, unlike any other's
};

/// "017", the name of all files of a cell.
std::string cell_number(std::size_t cell);

/// Returns the record of a cell of the study in `folder`; nothing if there is no record that can be read.
std::optional<CellRecord> read_record(const std::filesystem::path& folder, std::size_t cell);
/// Writes it. Throws std::runtime_error.
void write_record(const std::filesystem::path& folder, std::size_t cell, const CellRecord& record);
/// Returns its file.
std::filesystem::path record_file(const std::filesystem::path& folder, std::size_t cell);

}  // namespace variform::study
