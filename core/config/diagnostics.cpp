// Collects errors and renders them together: position, sentence, the line in question with a caret, a hint.

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/utf8.h"
#include "config/node.h"
#include "config/text.h"

namespace variform::config {
namespace {

constexpr std::size_t kShownCharacters = 100;

/// Splits a line into characters (UTF-8 sequences), with tabs and other control characters as blanks.
std::vector<std::string> characters(std::string_view line) {
  std::vector<std::string> out;
  for (const std::string_view part : base::utf8_characters(line)) {
    const bool is_control =
        part.size() == 1 && (static_cast<unsigned char>(part[0]) < 0x20 || part[0] == 0x7f);
    out.emplace_back(is_control ? " " : part);
  }
  return out;
}

/// Returns the line with the caret below it; of a long line, only the part around the column.
std::string excerpt(const std::string& label, std::string_view line, int column) {
  const std::vector<std::string> all = characters(line);
  const std::size_t at = column > 0 ? static_cast<std::size_t>(column - 1) : 0;
  const std::size_t begin = at > kShownCharacters / 2 && all.size() > kShownCharacters
                                ? std::min(at, all.size()) - kShownCharacters / 2
                                : 0;
  const std::size_t end = std::min(all.size(), begin + kShownCharacters);
  std::string out = "  " + label + " | " + (begin > 0 ? "…" : "");
  for (std::size_t i = begin; i < end; ++i) out += all[i];
  out += end < all.size() ? "…\n" : "\n";
  if (column <= 0) return out;
  out += "  " + std::string(label.size(), ' ') + " | " + (begin > 0 ? " " : "");
  std::size_t width = 0;  // of what stands before the column
  for (std::size_t i = begin; i < std::min(at, end); ++i) width += base::utf8_width(all[i]);
  return out + std::string(width, ' ') + "^\n";
}

/// Returns the edit distance with transpositions. Each edit costs 2; changing case, or `_` to `-`, costs 1.
int distance(std::string_view a, std::string_view b) {
  const auto fold = [](char c) {
    return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = 2 * static_cast<int>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = 2 * static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int change = a[i - 1] == b[j - 1] ? 0 : fold(a[i - 1]) == fold(b[j - 1]) ? 1 : 2;
      d[i][j] = std::min({d[i - 1][j] + 2, d[i][j - 1] + 2, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 2);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string near_match(std::string_view name, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 64;
  if (name.empty() || name.size() > kLongest) return {};
  const int allowed = 2 * std::max(1, static_cast<int>(name.size()) / 3);
  std::string best;
  int least = allowed + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongest || candidate.empty()) continue;
    int cost = distance(name, candidate);
    if (cost >= 2 * static_cast<int>(std::min(name.size(), candidate.size()))) cost = allowed + 1;
    const bool abbreviates = name.size() >= 3 && candidate.starts_with(name);
    if (abbreviates) cost = std::min(cost, allowed);
    if (cost < least) {
      least = cost;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string near = near_match(name, candidates);
  return near.empty() ? std::string() : "did you mean " + quote(near) + "?";
}

void Diagnostics::error(Position where, std::string message, std::string hint) {
  const bool repeated = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.message == message && to_string(e.where) == to_string(where);
  });
  if (!repeated) entries_.push_back({std::move(where), std::move(message), std::move(hint)});
}

void Diagnostics::add_source(const std::string& file, std::string_view text) {
  const std::size_t rank = sources_.size();
  Source& source = sources_.try_emplace(file, Source{rank, {}}).first->second;
  source.lines.clear();
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    source.lines.emplace_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

void Diagnostics::render_entry(const Entry& entry, bool says_error, std::string& out) const {
  if (!entry.where.is_default()) out += to_string(entry.where) + ": ";
  out += (says_error ? "error: " : "") + entry.message + "\n";
  const auto source = sources_.find(entry.where.file);
  const auto line = static_cast<std::size_t>(std::max(entry.where.line, 0));
  if (source != sources_.end() && line >= 1 && line <= source->second.lines.size()) {
    const std::string label = entry.where.is_command_line() ? "" : std::to_string(line);
    out += excerpt(label, source->second.lines[line - 1], entry.where.column);
  }
  if (!entry.hint.empty()) out += "  hint: " + entry.hint + "\n";
}

std::string Diagnostics::render(bool says_error) const {
  const auto order = [&](const Entry& entry) {
    const auto source = sources_.find(entry.where.file);
    const std::size_t rank =
        source == sources_.end() ? std::numeric_limits<std::size_t>::max() : source->second.rank;
    return std::tuple(rank, entry.where.file, entry.where.line, entry.where.column);
  };
  std::vector<Entry> sorted = entries_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Entry& a, const Entry& b) { return order(a) < order(b); });
  std::string out;
  for (const Entry& entry : sorted) render_entry(entry, says_error, out);
  if (sorted.size() > 1) out += std::to_string(sorted.size()) + " errors.\n";
  return out;
}

void Diagnostics::throw_if_any() const {
  if (!entries_.empty()) throw Mistakes(render(), render(/*says_error=*/false));
}

}  // namespace variform::config
