// See search.h.

#include "study/search.h"

#include <variform/random.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "config/load.h"
#include "study/specs.h"

namespace variform::study {
namespace {

using config::Node;
using config::Reader;

/// What a key may become: one of some values, or a number of an interval.
struct Space {
  std::string key;
  config::Position where;
  Node::Array choices;
  double low = 0, high = 1;
  bool log = false, whole = false;
};

void read_interval(Reader& reader, Space& space) {
  space.low = reader.number("low");
  space.high = reader.number("high");
  space.log = reader.flag("log", {.fallback = false});
  const Node *low = reader.source().find("low"), *high = reader.source().find("high");
  space.whole = low && high && low->if_integer() && high->if_integer();
  if (low && high && !(space.low < space.high)) reader.error("high", "@ must be above low.");
  if (low && space.log && space.low <= 0)
    reader.error("low", "@ must be above 0 where numbers are drawn by their logarithm.");
  reader.finish();
}

Space read_space(const Node::Member& member, Reader& keys) {
  Space space{member.key, member.value.where(), {}};
  if (const Node::Array* choices = member.value.if_array()) {
    space.choices = *choices;
    if (choices->empty()) keys.error(member.key, "@ is a list without a value.");
  } else if (member.value.is_table()) {
    Reader interval(member.value, keys.diagnostics(), keys.full(member.key));
    read_interval(interval, space);
  } else {
    keys.error(member.key, "@ is a list of values, or an interval, found " + member.value.describe() + ".",
               "write [1, 2, 4] or { low = 1e-4, high = 1e-2, log = true }");
  }
  return space;
}

// Rounds to four digits, so that labels are readable and say the value that is used.
double rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::strtod(text, nullptr);
}

// `uniform`: from 0 to 1, which excludes 1.
Node drawn(const Space& space, double uniform) {
  if (!space.choices.empty())
    return space.choices[static_cast<std::size_t>(uniform * static_cast<double>(space.choices.size()))];
  const double margin = space.whole ? 0.5 : 0,  // the ends are as likely as other integers
      low = space.low - margin, high = space.high + margin;
  const double value = space.log ? std::exp(std::log(low) + uniform * (std::log(high) - std::log(low)))
                                 : low + uniform * (high - low);
  const double inside = std::clamp(space.whole ? std::round(value) : rounded(value), space.low, space.high);
  return space.whole ? Node(static_cast<std::int64_t>(inside), space.where) : Node(inside, space.where);
}

AxisValue trial_of(const std::vector<Space>& spaces, std::uint64_t seed, std::int64_t draw) {
  std::vector<std::string> keys;
  for (const Space& space : spaces) keys.push_back(space.key);
  const std::vector<std::string> names = short_names(keys);
  AxisValue trial;
  for (std::size_t i = 0; i < spaces.size(); ++i) {
    const std::uint64_t bits = hash(seed, "search", spaces[i].key, draw);
    const Node value = drawn(spaces[i], static_cast<double>(bits >> 11) * 0x1p-53);
    trial.label += (i == 0 ? "" : " ") + names[i] + "=" + config::plain_value(value);
    trial.settings.emplace_back(spaces[i].key, value);
  }
  return trial;
}

}  // namespace

Axis read_search(Reader& study) {
  Reader search = study.table("search", /*required=*/true);
  search.text("method", {.choices = {"random"}});
  const std::int64_t trials = search.integer("trials", {.fallback = {}, .low = 1, .high = 10'000}),
                     seed = search.integer("seed", {.fallback = 1, .low = 0});
  Reader keys = search.table("keys", /*required=*/true);
  search.finish();
  if (const Node* axes = study.source().find("axes"); axes && axes->find("trial"))
    study.error("axes", "@ have one called \"trial\", which is the name of what [study.search] draws.");
  std::vector<Space> spaces;
  for (const auto& member : keys.source().members()) spaces.push_back(read_space(member, keys));
  Axis axis{"trial", {}};
  if (spaces.empty() || !search.diagnostics().empty()) return axis;
  std::set<std::string> seen;
  const std::int64_t most_draws = 1000 + 100 * trials;  // equal trials are drawn again
  for (std::int64_t draw = 0; draw < most_draws && std::ssize(axis.values) < trials; ++draw)
    if (AxisValue trial = trial_of(spaces, static_cast<std::uint64_t>(seed), draw);
        seen.insert(trial.label).second)
      axis.values.push_back(std::move(trial));
  if (std::ssize(axis.values) < trials)
    search.error("trials", "@ is more than there are different values: " +
                               std::to_string(axis.values.size()) + " were found.");
  return axis;
}

}  // namespace variform::study
