// See sealed_lines.h.

#include "base/sealed_lines.h"

#include <stdexcept>

#include "base/contents.h"
#include "base/json_file.h"
#include "base/short_hash.h"

namespace variform::base {
namespace {

constexpr std::size_t kDigits = 8;

// Returns what stands between a line's other members and the digits: `,"check":"`.
std::string before_check() { return ",\"" + std::string(kLineCheck) + "\":\""; }

// Splits a line into `body` and its check. Returns false if it has no check in its place.
bool take_check(std::string_view line, std::string& body, std::string& check) {
  const std::string before = before_check();
  const std::size_t tail = before.size() + kDigits + 2;  // and `"}`
  if (line.size() <= tail || !line.ends_with("\"}")) return false;
  const std::size_t at = line.size() - tail;
  if (line.substr(at, before.size()) != before) return false;
  check = line.substr(at + before.size(), kDigits);
  body = std::string(line.substr(0, at)) + "}";
  return true;
}

struct Line {
  std::size_t number;
  bool has_check, is_intact;
  nlohmann::json object;
};

Line read_line(std::string_view text, std::size_t number) {
  Line line{number, false, false, {}};
  std::string body(text), check;
  line.has_check = take_check(text, body, check);
  if (is_too_deep(body)) return line;
  line.object = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  // Lines of an earlier release end with a number. A text at the end is a check whose name was changed.
  line.is_intact =
      line.object.is_object() && (line.has_check ? check == short_hash(body) : !text.ends_with("\"}"));
  return line;
}

// "line 7", "lines 7, 9 and 12", "lines 7, 9, 12 and 40 more"
std::string in_words(const std::vector<std::size_t>& numbers) {
  constexpr std::size_t kShown = 5;
  if (numbers.size() == 1) return "line " + std::to_string(numbers[0]);
  const std::size_t shown = numbers.size() <= kShown ? numbers.size() - 1 : kShown;
  std::string text = "lines ";
  for (std::size_t i = 0; i < shown; ++i) text += (i ? ", " : "") + std::to_string(numbers[i]);
  return text + " and " +
         (shown + 1 == numbers.size() ? std::to_string(numbers.back())
                                      : std::to_string(numbers.size() - shown) + " more");
}

}  // namespace

std::string sealed_line(const nlohmann::json& object) {
  const std::string body = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return body.substr(0, body.size() - 1) + before_check() + short_hash(body) + "\"}\n";
}

SealedLines sealed_lines_in(std::string_view text, IsRight is_right) {
  SealedLines found;
  bool seen_check = false;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      if (text.front() == '{') found.is_cut = true;
      else found.damaged.push_back(++number);  // not the beginning of a line
      break;
    }
    Line line = read_line(text.substr(0, end), ++number);
    seen_check = seen_check || line.has_check;
    line.is_intact = line.is_intact && (!is_right || is_right(line.object));
    if (line.is_intact && line.has_check == seen_check) found.lines.push_back(std::move(line.object));
    else found.damaged.push_back(line.number);
    text.remove_prefix(end + 1);
  }
  return found;
}

SealedLines read_sealed_lines(const std::filesystem::path& file, IsRight is_right) {
  if (!is_there(file)) return {};
  try {
    return sealed_lines_in(contents_of(file, kMostOfLog), is_right);
  } catch (const std::runtime_error& error) {
    SealedLines nothing;
    nothing.problem = error.what();
    return nothing;
  }
}

std::string SealedLines::sentence(const std::filesystem::path& file) const {
  if (!problem.empty()) return problem;
  if (damaged.empty()) return {};
  return file.string() + ": " + in_words(damaged) +
         (damaged.size() == 1 ? " is not as it was written and is left out."
                              : " are not as they were written and are left out.");
}

}  // namespace variform::base
