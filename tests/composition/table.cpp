// See table.h.

#include "table.h"

#include <algorithm>
#include <map>
#include <regex>

#include "compose.h"
#include "uses.h"

namespace variform::composition {
namespace {

// A reason without versions of plugins and places in the config.
std::string plainly(const std::string& reason) {
  std::string text = std::regex_replace(reason, std::regex(R"( \(org\.[^)]*\))"), "");
  return std::regex_replace(text, std::regex("^(composition\\.toml:[0-9]+:[0-9]+|not defined): "), "");
}

// The same without the names that row and column say already.
std::string shortened(const std::string& reason, const Combination& c) {
  std::string text = plainly(reason);
  for (const std::string& name :
       {"family " + c.family, "prior " + c.prior, "likelihood " + c.likelihood, "objective " + c.objective})
    text = std::regex_replace(text, std::regex("\\b" + name + "\\b(?!-)"),
                              "the " + name.substr(0, name.find(' ')));
  return text;
}

class Table {
 public:
  Table(std::string title, std::string corner) : title_(std::move(title)), corner_(std::move(corner)) {}

  void columns(const std::vector<std::string>& titles) { columns_ = titles; }
  void row(const std::string& name, const std::vector<Combination>& cells) {
    std::vector<std::string> texts;
    for (const Combination& combination : cells) {
      const std::string reason = shortened(refusal(combination), combination);
      texts.push_back(reason.empty() ? "✓" : std::to_string(number(reason)));
    }
    row_of(name, texts);
  }
  void row_of(const std::string& name, const std::vector<std::string>& cells) {
    std::string line = "| `" + name + "` |";
    for (const std::string& cell : cells) line += " " + cell + " |";
    rows_ += line + "\n";
  }
  // The number by which cells name a reason.
  std::size_t number(const std::string& reason) {
    for (std::size_t i = 0; i < reasons_.size(); ++i)
      if (reasons_[i] == reason) return i + 1;
    reasons_.push_back(reason);
    return reasons_.size();
  }
  std::string markdown() const {
    std::string head = "| " + corner_ + " |", rule = "|---|";
    for (const std::string& column : columns_) {
      head += " " + column + " |";
      rule += ":-:|";
    }
    std::string text = "\n## " + title_ + "\n\n" + head + "\n" + rule + "\n" + rows_;
    for (std::size_t i = 0; i < reasons_.size(); ++i)
      text += (i == 0 ? "\n" : "") + std::to_string(i + 1) + ". " + reasons_[i] + "\n";
    return text;
  }

 private:
  std::string title_, corner_, rows_;
  std::vector<std::string> columns_, reasons_;
};

std::vector<std::string> quoted(std::vector<std::string> names) {
  for (std::string& name : names) name = "`" + name + "`";
  return names;
}

// A table of two kinds; the others stand at their defaults.
std::string table(const std::string& title, const std::string& corner, const std::vector<std::string>& rows,
                  std::string Combination::*row, const std::vector<std::string>& columns,
                  std::string Combination::*column) {
  Table result(title, corner);
  result.columns(quoted(columns));
  for (const std::string& r : rows) {
    std::vector<Combination> cells;
    for (const std::string& c : columns) {
      Combination combination;
      combination.*row = r;
      combination.*column = c;
      cells.push_back(combination);
    }
    result.row(r, cells);
  }
  return result.markdown();
}

// Every component of one kind with a condition, with missing values, and with both.
std::string table_of_rows(const std::string& title, const std::string& corner,
                          const std::vector<std::string>& names, std::string Combination::*part) {
  Table result(title, corner);
  const Rows all[] = {Rows::kCondition, Rows::kMissing, Rows::kBoth};
  result.columns({"condition", "missing values", "both"});
  for (const std::string& name : names) {
    std::vector<Combination> cells;
    for (const Rows rows : all) {
      Combination combination;
      combination.*part = name;
      combination.rows = rows;
      cells.push_back(combination);
    }
    result.row(name, cells);
  }
  return result.markdown();
}

// A cell for an answer, beside that of a model without a condition whose rows have all values.
std::string cell_of(Table& table, const Answer& answer, const Answer& plain) {
  std::map<std::string, std::string> names;  // by their reason
  for (const auto& [quantity, reason] : answer.without) {
    const auto before = plain.without.find(quantity);
    if (before != plain.without.end() && (plain.answered || before->second == reason)) continue;
    std::string& list = names[reason];
    list += (list.empty() ? "`" : ", `") + quantity + "`";
  }
  if (names.empty()) return answer.answered ? "✓" : "–";
  std::string cell = answer.answered ? "✓ without" : "";
  for (const auto& [reason, list] : names) {
    const std::string number = std::to_string(table.number(plainly(reason)));
    cell += (&list == &names.begin()->second ? "" : ",");
    cell += answer.answered ? " " + list + ": " + number : (cell.empty() ? "" : " ") + number;
  }
  return cell;
}

std::vector<Answer> of_metrics(const Combination& combination) {
  return answers_of_metrics(*trained_session(combination));
}
std::vector<Answer> of_commands(const Combination& combination) {
  return answers_of_commands(*trained_session(combination), *trained_session(combination));
}

// What a trained model answers when it has a condition, a prior with one, or missing values.
std::string table_of_uses(const std::string& title, const std::string& corner,
                          std::vector<Answer> (*ask)(const Combination&)) {
  Combination complete, condition, prior, missing;
  complete.rows = Rows::kComplete;
  condition.rows = prior.rows = Rows::kCondition;
  prior.prior = "conditional";
  missing.rows = Rows::kMissing;
  Table result(title, corner);
  result.columns({"condition", "prior `conditional`", "missing values"});
  const std::vector<Answer> plain = ask(complete), others[] = {ask(condition), ask(prior), ask(missing)};
  for (std::size_t i = 0; i < plain.size(); ++i) {
    std::vector<std::string> cells;
    for (const std::vector<Answer>& other : others) cells.push_back(cell_of(result, other[i], plain[i]));
    result.row_of(plain[i].name, cells);
  }
  return result.markdown();
}

const char* const kAboutRows =
    "\n# With a condition, and with missing values\n\n"
    "The same for data that have classes as a condition (encoder and decoder are given it), that lack values, or both. "
    "A ✓ says more here: under another condition the loss is another one; with another mask, too; and values that are "
    "missing change nothing but what the encoder sees.\n";
const char* const kAboutUses =
    "\nOf a trained β-VAE: a ✓ is a metric or a command that gives what it gives of a model without a condition whose "
    "data have all values, and a number the reason why it refuses. – is not tried: it needs what this small model and its "
    "table do not have.\n";

std::string tables_of_rows() {
  const Offered& o = offered();
  return kAboutRows +
         table_of_rows("Objectives and rows", "objective", o.objectives, &Combination::objective) +
         table_of_rows("Families and rows", "family", o.families, &Combination::family) +
         table_of_rows("Priors and rows", "prior", o.priors, &Combination::prior) +
         table_of_rows("Likelihoods and rows", "likelihood", o.likelihoods, &Combination::likelihood) +
         kAboutUses + table_of_uses("Commands and rows", "command", of_commands) +
         table_of_uses("Metrics and rows", "metric", of_metrics);
}

}  // namespace

std::string tables() {
  const Offered& o = offered();
  return "# What composes\n\nFound by trying: a ✓ is a model that trained three steps and resumed bit for "
         "bit; a number is the "
         "reason why the config is refused, before any training. What a table does not name is family "
         "`diagonal`, prior "
         "`gaussian`, likelihood `gaussian`, objective `beta-vae`; objectives that use curvature take the "
         "Fisher information. Generated by `VARIFORM_UPDATE=1 ./variform test -R test-composition`, and held "
         "against the "
         "program by the same test; all combinations of the four kinds run with `./variform test --all`.\n" +
         table("Families and objectives", "family", o.families, &Combination::family, o.objectives,
               &Combination::objective) +
         table("Families and priors", "family", o.families, &Combination::family, o.priors,
               &Combination::prior) +
         table("Priors and objectives", "prior", o.priors, &Combination::prior, o.objectives,
               &Combination::objective) +
         table("Likelihoods and objectives", "likelihood", o.likelihoods, &Combination::likelihood,
               o.objectives, &Combination::objective) +
         tables_of_rows();
}

}  // namespace variform::composition
