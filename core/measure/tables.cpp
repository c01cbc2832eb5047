// An evaluation's result as tables and text: see evaluate.h.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "measure/evaluate.h"

namespace variform::measure {
namespace {

using nlohmann::json;

// Returns "0.1  0.2  0.4", or nothing.
std::string quartiles_of(const json& entry) {
  std::string text;
  if (entry.contains("quartiles"))
    for (const json& quartile : entry.at("quartiles"))
      text += (text.empty() ? "" : "  ") + base::significant(quartile.get<double>(), 3);
  return text;
}

// Says how many rows the values are of, and what is missing, when Ctrl-C ended the evaluation.
std::string interruption_of(const nlohmann::json& result) {
  if (!result.contains("interrupted")) return {};
  const json& interruption = result.at("interrupted");
  std::string missing;
  for (const json& section : interruption.at("missing"))
    missing += (missing.empty() ? "; missing: " : ", ") + section.get<std::string>();
  return "incomplete, since it was interrupted: values of the first " + interruption.at("data").dump() +
         " of " + interruption.at("of").dump() + " data" + missing + "\n";
}

}  // namespace

std::string head_of(const nlohmann::json& result) {
  const auto text = [&](const char* name) {
    const json& value = result.at(name);
    return value.is_number() ? base::significant(value.get<double>(), 6) : value.get<std::string>();
  };
  std::string head = interruption_of(result);
  head += fmt::format("{} data of split {}, model at step {}\n", result.at("data").get<int64_t>(),
                      text("split"), text("step"));
  head += "beta " + text("beta") + "; beta_eff " + text("beta_eff");
  if (result.at("beta_eff").is_number())
    head +=
        " (beta times the likelihood's variance: the β of ½‖x − g‖² + β KL, for comparison with other code)";
  head += "\nposterior: " + text("posterior") +
          (result.contains("structure") ? ", covariance " + text("structure") : "") + "; KL " +
          (result.at("kl") == "closed"   ? "in closed form"
           : result.at("kl").is_string() ? "by Monte Carlo"
                                         : "not defined") +
          "; " + text("samples") + " draws per example\n";
  head += "H = JᵀH_ℓJ: H_ℓ the likelihood's " + text("curvature") + "; Gauss–Newton is " +
          text("gauss_newton") + "\n";
  if (result.contains("batch"))
    head +=
        "draws are seeded batch by batch, " + text("batch") +
        " rows each: with another --batch values differ within their errors; objective may depend on it\n";
  if (result.contains("one_class")) head += text("one_class") + "\n";
  if (result.contains("constant"))
    head += "every nll holds the Gaussian likelihood's constant, " + text("constant") + " nats\n";
  return head + "\n";
}

base::Table table_of(const nlohmann::json& result) {
  base::Table table({{"value"}, {"nats per example", base::Align::kRight}, {"what it is"}});
  const json& values = result.at("values");
  std::vector<std::string> order = result.value("values_order", std::vector<std::string>{});
  if (order.empty())
    for (const auto& [name, entry] : values.items()) order.push_back(name);
  for (const std::string& name : order) {
    const json& entry = values.at(name);
    if (entry.contains("undefined")) continue;
    const double error = entry.at("se").is_number() ? entry.at("se").get<double>() : 0;
    const std::string rows =
        entry.contains("rows") ? fmt::format(" (first {} data)", entry.at("rows").get<int64_t>()) : "";
    table.add(
        {name, base::with_error(entry.at("mean").get<double>(), error), entry.value("what", "") + rows});
  }
  return table;
}

namespace {

// Adds the row of a value that is defined.
void add_row(base::Table& table, const std::string& name, const json& entry, bool units, bool spread) {
  const double error = entry.at("se").is_number() ? entry.at("se").get<double>() : 0;
  std::vector<std::string> cells{name, base::with_error(entry.at("value").get<double>(), error)};
  if (units) cells.push_back(entry.value("unit", ""));
  if (spread) cells.push_back(quartiles_of(entry));
  cells.push_back(entry.at("what").get<std::string>());
  table.add(cells);
}

// Returns one paragraph for each reason why values are not defined: "mig, sap: not defined: …".
std::string undefined_of(const json& section) {
  std::vector<std::pair<std::string, std::string>> names_of;  // reason, names
  for (const auto& [name, entry] : section.items()) {
    if (!entry.contains("undefined")) continue;
    const auto reason = entry.at("undefined").get<std::string>();
    const auto known = std::find_if(names_of.begin(), names_of.end(),
                                    [&](const auto& pair) { return pair.first == reason; });
    if (known == names_of.end()) names_of.emplace_back(reason, name);
    else known->second += ", " + name;
  }
  std::string text;
  for (const auto& [reason, names] : names_of) text += names + ": " + reason + "\n";
  return text;
}

}  // namespace

base::Table table_of_section(const nlohmann::json& section) {
  bool spread = false, units = false;
  for (const json& entry : section) {
    spread = spread || entry.contains("quartiles");
    units = units || !entry.value("unit", "").empty();
  }
  std::vector<base::Table::Column> columns{{"value"}, {"", base::Align::kRight}};
  if (units) columns.push_back({"unit"});
  if (spread) columns.push_back({"quartiles over data"});
  columns.push_back({"what it is"});
  base::Table table(columns);
  for (const auto& [name, entry] : section.items())
    if (!entry.contains("undefined")) add_row(table, name, entry, units, spread);
  return table;
}

std::string text_of_section(const nlohmann::json& result, const std::string& name, std::size_t width) {
  const json& section = result.at(name);
  const bool any = std::any_of(section.begin(), section.end(),
                               [](const json& entry) { return !entry.contains("undefined"); });
  std::string text;
  if (any) text = (name == "values" ? table_of(result) : table_of_section(section)).text(width);
  text += base::folded(undefined_of(section), width);
  for (const json& note : result.value(name + "_notes", json::array()))
    text += base::folded(note.get<std::string>() + "\n", width);
  return text;
}

std::string text_of(const nlohmann::json& result, std::size_t width) {
  std::string text;
  if (result.contains("split")) text = base::folded(head_of(result), width);
  if (result.contains("values")) text += text_of_section(result, "values", width);
  else if (result.contains("interrupted")) text = "incomplete, since it was interrupted: no values\n";
  if (result.contains("ex_post"))
    text += "\nprior: " + result.at("model").at("prior").get<std::string>() + "; " +
            result.at("ex_post").at("sentence").get<std::string>() + ".\n";
  for (const json& metric : result.value("metrics", json::array())) {
    const auto section = metric.get<std::string>();
    text += (text.empty() ? "" : "\n") + section + "\n" + text_of_section(result, section, width);
  }
  return text;
}

}  // namespace variform::measure
