#pragma once
// Lines of JSON, one object each, to which a program appends while others read: a run's metrics.jsonl. Every line
// carries a check, so that one changed byte is noticed and the line named.

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace variform::base {

/// The member that holds a line's check: eight hexadecimal digits (FNV-1a) of the line without it.
inline constexpr const char* kLineCheck = "check";

/// Returns an object as one line, including its check and newline.
std::string sealed_line(const nlohmann::json& object);

struct SealedLines {
  std::vector<nlohmann::json> lines;  ///< those that are as they were written, without their checks
  std::vector<std::size_t> damaged;   ///< numbers, from 1, of those that are not
  bool is_cut = false;  ///< the last one has no newline, since its writer was killed; it is in neither
  std::string problem;  ///< why the file could not be read at all; empty if it could, or does not exist

  /// Returns a sentence when something is not as it was written, else empty text.
  std::string sentence(const std::filesystem::path& file) const;
};

/// Lines before the first check are of an earlier release: they are judged by their form alone.
/// `is_right`, if given, says which objects are.
using IsRight = bool (*)(const nlohmann::json& object);
SealedLines read_sealed_lines(const std::filesystem::path& file, IsRight is_right = nullptr);
/// The same for a text.
SealedLines sealed_lines_in(std::string_view text, IsRight is_right = nullptr);

}  // namespace variform::base
