// See condition.h.

#include "model/condition.h"

#include <variform/ext/condition.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "base/words.h"
#include "config/text.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::model {
namespace {

// The parts of a text between separators, without blanks at their ends.
std::vector<std::string> parts_of(const std::string& text, std::string_view between) {
  std::vector<std::string> parts = base::split(text, between);
  for (std::string& part : parts) {
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
  }
  return parts;
}

[[noreturn]] void refuse(const std::string& expected, const std::string& found) {
  throw std::invalid_argument("--condition: expected " + expected + ", found " + config::quote(found) + ".");
}

std::int64_t class_of(const DataFacts& facts, const std::string& text) {
  const auto& names = facts.class_names;
  if (const auto named = std::find(names.begin(), names.end(), text); named != names.end())
    return named - names.begin();
  std::int64_t number = -1;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number >= facts.condition.size)
    refuse(fmt::format("classes from 0 to {}{}, separated by commas", facts.condition.size - 1,
                       names.empty() ? "" : ", or their names, such as " + config::quote(names.front())),
           text);
  return number;
}

Tensor classes_from(const DataFacts& facts, const std::string& text) {
  std::vector<std::int64_t> classes;
  for (const std::string& part : parts_of(text, ",")) classes.push_back(class_of(facts, part));
  return at::one_hot(at::tensor(classes, at::kLong), facts.condition.size);
}

Tensor numbers_from(const DataFacts& facts, const std::string& text) {
  const data::Condition& condition = facts.condition;
  std::vector<double> values;
  const std::vector<std::string> rows = parts_of(text, ";");
  for (const std::string& row : rows) {
    const std::vector<std::string> parts = parts_of(row, ",");
    for (const std::string& part : parts) {
      double value = 0;
      const char* const end = part.data() + part.size();
      const auto [stop, error] = std::from_chars(part.data(), end, value);
      if (error != std::errc() || stop != end || static_cast<std::int64_t>(parts.size()) != condition.size)
        refuse(std::to_string(condition.size) + " numbers separated by commas (and conditions by semicolons)",
               text);
      values.push_back(value);
    }
  }
  Tensor found =
      at::tensor(values, at::kDouble).reshape({static_cast<std::int64_t>(rows.size()), condition.size});
  if (!condition.mean.empty())
    found = (found - at::tensor(condition.mean, at::kDouble)) / at::tensor(condition.sd, at::kDouble);
  return found;
}

}  // namespace

bool is_conditioned(const Session& session) {
  for (Kind kind : session.assembly->kinds())
    if (variform::is_conditioned(*session.assembly->model().component(kind))) return true;
  return false;
}

Tensor condition_from(const Session& session, const std::string& text) {
  const DataFacts& facts = session.facts;
  if (!is_conditioned(session))
    throw std::invalid_argument(
        "--condition is for a model with a condition, and no component of this one has condition = true.");
  return (facts.condition.on == "labels" ? classes_from(facts, text) : numbers_from(facts, text))
      .to(session.options);
}

Tensor shown_conditions(Session& session) {
  constexpr std::int64_t kRows = 10;
  if (!is_conditioned(session)) return {};
  if (session.facts.condition.on == "labels") return at::eye(session.facts.condition.size, session.options);
  if (session.splits.train.size() == 0)
    throw std::runtime_error(
        fmt::format("this model is conditioned on {} numbers per row, and without data nothing says on "
                    "which: name them with --condition.",
                    session.facts.condition.size));
  return session.splits.train.gather_condition(spread_rows(kRows, session.splits.train.size()));
}

Context context_of(const Tensor& conditions, int64_t each) {
  Context context;
  if (conditions.defined()) context.condition = conditions.repeat_interleave(each, 0);
  return context;
}

}  // namespace variform::model
