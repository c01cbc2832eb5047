// See multirun.h.

#include "study/multirun.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"
#include "base/name.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "config/experiment.h"
#include "config/load.h"
#include "config/text.h"
#include "study/file.h"

namespace variform::study {
namespace fs = std::filesystem;
namespace {

using config::Diagnostics;
using config::Node;
using config::Position;

constexpr int kMostValues = 100'000;  // of an axis, as of a stage's cells
constexpr std::string_view kBlanks = " \t";

/// KEY=VALUES of the command line.
struct Assignment {
  std::string text;
  int line;  ///< its place among all overrides, for messages

  std::size_t begin() const { return std::min(text.find('='), text.size() - 1) + 1; }  ///< of the values
};

struct Value {
  std::size_t at;  ///< where it begins in the text
  std::string text;
};

struct GivenAxis {
  std::string key;
  Node::Array values;
};

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin));
}

// Returns the places of the commas that separate values. A quote within a word is an apostrophe.
std::vector<std::size_t> separators(std::string_view text) {
  std::vector<std::size_t> found;
  int depth = 0;
  char quoted = 0, before = ',';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\' && quoted == '"') ++i;
      else if (c == quoted) quoted = 0;
    } else if ((c == '"' || c == '\'') && std::string_view(",[{=").find(before) != std::string_view::npos) {
      quoted = c;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth <= 0) {
      found.push_back(i);
    }
    if (kBlanks.find(c) == std::string_view::npos) before = c;
  }
  return found;
}

std::vector<Value> pieces_of(const Assignment& assignment) {
  const std::string_view all = std::string_view(assignment.text).substr(assignment.begin());
  std::vector<Value> values;
  std::size_t begin = 0;
  std::vector<std::size_t> ends = separators(all);
  ends.push_back(all.size());
  for (const std::size_t end : ends) {
    values.push_back({assignment.begin() + begin, trimmed(all.substr(begin, end - begin))});
    begin = end + 1;
  }
  return values;
}

// Returns the column of a byte, which counts characters.
int column_of(const std::string& text, std::size_t at) {
  return static_cast<int>(base::utf8_count(std::string_view(text).substr(0, at))) + 1;
}

// ------------------------------------------------------------------------------------------------------- ranges

// Whether a value is meant as a range: numbers with a colon, as opposed to "cuda:1".
bool is_like_range(const std::string& text) {
  const std::size_t colon = text.find(':');
  return colon != std::string::npos && text.find_first_of("0123456789+-.:") == 0 &&
         text.find_first_not_of("0123456789+-.eE") == colon;
}

std::optional<std::vector<std::int64_t>> integers_of(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || end != part.data() + part.size()) return {};
    numbers.push_back(number);
    if (colon == std::string_view::npos) return numbers;
    text.remove_prefix(colon + 1);
  }
}

// Returns the values of FIRST:LAST or FIRST:LAST:STEP; none if it is not a range, or reports that it is too long.
std::vector<std::int64_t> values_of_range(const std::string& text) {
  const auto numbers = integers_of(text);
  if (!numbers || numbers->size() < 2 || numbers->size() > 3) return {};
  const std::int64_t first = (*numbers)[0], last = (*numbers)[1],
                     step = numbers->size() == 3 ? (*numbers)[2] : 1;
  if (step == 0) return {};
  const double count =
      std::floor((static_cast<double>(last) - static_cast<double>(first)) / static_cast<double>(step)) + 1;
  if (count > kMostValues)
    throw config::Error("the range " + text + " has more than " + std::to_string(kMostValues) + " values.");
  std::vector<std::int64_t> values;
  for (int i = 0; i < count; ++i) values.push_back(first + i * step);
  return values;
}

// ------------------------------------------------------------------------------------------------- assignments

void refuse(const Assignment& assignment, std::size_t at, const std::string& message,
            Diagnostics& diagnostics) {
  diagnostics.error(
      {std::string(config::kCommandLine), assignment.line, column_of(assignment.text, at)}, message,
      "expected KEY=VALUE,VALUE or a range of integers, such as seed=1:5 or train.batch=64:256:64; "
      "a text with a comma or colon goes into double quotes");
}

// Reads one value, or a range of them, into the axis.
void add_values(const Assignment& assignment, const Value& value, GivenAxis& axis, Diagnostics& diagnostics) {
  if (value.text.empty())
    return refuse(assignment, value.at,
                  "A value of " + config::quote(config::shorten(assignment.text)) + " is empty.",
                  diagnostics);
  if (is_like_range(value.text)) {
    const std::vector<std::int64_t> numbers = values_of_range(value.text);
    if (numbers.empty())
      refuse(assignment, value.at,
             "This is not a range of integers, or one without a value: " + config::shorten(value.text) + ".",
             diagnostics);
    for (const std::int64_t number : numbers)
      axis.values.emplace_back(number, Position{std::string(config::kCommandLine), assignment.line,
                                                column_of(assignment.text, value.at)});
    return;
  }
  // Blanks in place of the values before it keep its column.
  const int column = column_of(assignment.text, value.at),
            first = column_of(assignment.text, assignment.begin());
  const std::string alone = assignment.text.substr(0, assignment.begin()) +
                            std::string(static_cast<std::size_t>(column - first), ' ') + value.text;
  if (auto parsed = config::parse_assignment(alone, assignment.line, diagnostics))
    axis.values.push_back(std::move(parsed->second));
}

// Returns the key, by the rules of overrides; nothing after an error.
std::optional<std::string> axis_key(const Assignment& assignment, Diagnostics& diagnostics) {
  const auto parsed = config::parse_assignment(assignment.text.substr(0, assignment.begin()) + "0",
                                               assignment.line, diagnostics);
  if (!parsed) return {};
  const std::string top = parsed->first.substr(0, parsed->first.find('.'));
  for (const char* fixed : {"name", "include", "study", "plugins"})
    if (top == fixed) {
      refuse(assignment, 0, top + " is the same for all cells of a study, and cannot vary.", diagnostics);
      return {};
    }
  return parsed->first;
}

/// What the command line says: overrides of all cells, and axes.
struct GivenKeys {
  Node changes;
  std::vector<GivenAxis> axes;
};

// Whether an assignment has several values, or is a range of them. Mistakes count as several: they are reported there.
bool varies(const Assignment& assignment) {
  const std::vector<Value> values = pieces_of(assignment);
  return values.size() > 1 || is_like_range(values[0].text);
}

void add_axis(const Assignment& assignment, GivenKeys& given, Diagnostics& diagnostics) {
  const auto key = axis_key(assignment, diagnostics);
  if (!key) return;
  GivenAxis axis{*key, {}};
  for (const Value& value : pieces_of(assignment)) add_values(assignment, value, axis, diagnostics);
  const bool is_known = std::any_of(given.axes.begin(), given.axes.end(),
                                    [&](const GivenAxis& other) { return other.key == axis.key; });
  if (is_known) refuse(assignment, 0, "The axis " + *key + " is given twice.", diagnostics);
  else given.axes.push_back(std::move(axis));
}

GivenKeys read_given(const MultirunRequest& request, Diagnostics& diagnostics) {
  std::vector<std::string> overrides = request.overrides, varied;
  for (const std::string& text : request.axes)
    (text.find('=') != std::string::npos && varies({text, 0}) ? varied : overrides).push_back(text);
  GivenKeys given{config::parse_overrides(overrides, diagnostics), {}};
  if (const Node::Member* include = given.changes.member("include"))
    diagnostics.error(include->where, "include has its place in files.",
                      "give the file as one more argument");
  std::string source;
  for (const std::vector<std::string>& texts : {overrides, varied})
    for (std::string line : texts) {
      std::replace(line.begin(), line.end(), '\n', ' ');
      source += line + "\n";
    }
  diagnostics.add_source(std::string(config::kCommandLine), source);
  int line = static_cast<int>(overrides.size());
  for (const std::string& text : varied) add_axis({text, ++line}, given, diagnostics);
  return given;
}

// ------------------------------------------------------------------------------------------------------ the file

void require_some_but_not_too_many(const GivenKeys& given, const MultirunRequest& request) {
  double cells = 1;
  std::string product;
  for (const GivenAxis& axis : given.axes) {
    cells *= static_cast<double>(axis.values.size());
    product += (product.empty() ? "" : " x ") + std::to_string(axis.values.size());
  }
  if (cells < 2)
    throw config::Error(
        "nothing varies: --multirun takes keys with several values, such as seed=1:5 or "
        "model.family.type=diagonal,full" +
        (request.axes.empty() ? std::string(".") : ", found " + config::join(request.axes, " ") + "."));
  if (cells > static_cast<double>(request.most_cells))
    throw config::Error(fmt::format("these axes make {:.0f} cells ({}", cells, product) +
                        "), each a training; give --yes if that is meant, or fewer values.");
}

std::string name_of(const MultirunRequest& request, const GivenKeys& given, const Node& config) {
  if (!request.name.empty()) return request.name;
  const Node* own = given.changes.find("name");
  const Node* chosen = own ? own : config.find("name");
  const std::string* text = chosen ? chosen->if_text() : nullptr;
  std::string identity = config::print(given.changes);
  for (const GivenAxis& axis : given.axes)
    identity += "\n" + axis.key + "=" + config::print_value(Node(axis.values));
  constexpr std::size_t kLongest = 70;  // of the 80 characters that a name of runs may have
  return (text ? *text : config::default_name(config)).substr(0, kLongest) + "-" +
         config::short_hash(identity);
}

// Returns the axes that a table has rows for; what is the same in all rows, if only the seed varies.
Node table_rows(const std::vector<GivenAxis>& axes) {
  Node::Array rows;
  for (const GivenAxis& axis : axes)
    if (axis.key != "seed") rows.emplace_back(axis.key);
  if (rows.empty()) rows.emplace_back("evaluation");
  return Node(std::move(rows));
}

void name_rows(Node& study, const std::vector<GivenAxis>& axes) {
  const Node* tables = study.find("tables");
  if (!tables || !tables->if_array()) return;
  Node::Array all = *tables->if_array();
  for (Node& table : all)
    if (table.is_table() && !table.find("rows")) table.set("rows", table_rows(axes));
  study.set("tables", Node(std::move(all), tables->where()));
}

// A value that is a table with a key `set` would be taken for a label with its settings.
Node axis_value(const GivenAxis& axis, const Node& value) {
  if (!value.find("set")) return value;
  Node settings = Node::table(value.where()), labelled = Node::table(value.where());
  settings.set(axis.key, value, value.where());
  labelled.set("label", Node(config::plain_value(value), value.where()));
  labelled.set("set", std::move(settings));
  return labelled;
}

Node study_table(const MultirunRequest& request, const GivenKeys& given, Diagnostics& diagnostics) {
  Node study;
  if (!request.defaults.empty())
    if (const Node file = config::parse_file(request.defaults.string(), diagnostics); file.find("study"))
      study = *file.find("study");
  Node axes = Node::table({std::string(config::kCommandLine), 0, 0});
  for (const GivenAxis& axis : given.axes) {
    Node::Array values;
    for (const Node& value : axis.values) values.push_back(axis_value(axis, value));
    const Position where = axis.values.empty() ? Position{} : axis.values[0].where();
    axes.set(axis.key, Node(std::move(values), where), where);
  }
  study.set("axes", std::move(axes));
  if (const Node* own = given.changes.find("study")) config::merge(study, *own);
  name_rows(study, given.axes);
  return study;
}

std::string command_of(const MultirunRequest& request) {
  std::string command = "variform train";
  const auto add = [&](const std::vector<std::string>& words) {
    for (const std::string& word : words) command += " " + base::for_shell(word);
  };
  add(request.files);
  add(request.overrides);
  add({"-m"});
  add(request.axes);
  if (!request.name.empty()) add({"--name", request.name});
  return command;
}

std::string file_text(const MultirunRequest& request, const Node& own) {
  Node file = Node::table();
  Node::Array includes;
  for (const std::string& config : request.files)
    includes.emplace_back(fs::absolute(config).lexically_normal().string());
  file.set("include", Node(std::move(includes)));
  for (const Node::Member& member : own.members()) file.set(member.key, member.value);
  return "# Made by: " + command_of(request) + "\n" + config::print(file);
}

// A pipe cannot be read again by those who do the study's work.
bool is_pipe(const std::string& file) {
  std::error_code error;
  return file.starts_with("/dev/") || file.starts_with("/proc/") ||
         (fs::exists(file, error) && !fs::is_regular_file(file, error));
}

void require_files(const std::vector<std::string>& files) {
  for (const std::string& file : files)
    if (is_pipe(file))
      throw config::Error("--multirun makes a study that reads its config several times, but " +
                          base::shown(file) + " is not a file; write it into one.");
}

}  // namespace

std::vector<std::string> split_values(std::string_view values) {
  std::vector<std::string> texts;
  for (Value& value : pieces_of({"=" + std::string(values), 0})) texts.push_back(std::move(value.text));
  return texts;
}

MultirunFile multirun_file(const MultirunRequest& request, Diagnostics& diagnostics) {
  require_files(request.files);
  const GivenKeys given = read_given(request, diagnostics);
  if (diagnostics.empty()) require_some_but_not_too_many(given, request);
  MultirunFile file{Node::table(), config::load(request.files, {}, diagnostics), {}, {}};
  if (file.root.find("study"))
    throw config::Error(request.files.back() +
                        " describes a study already, whose axes are in its file; run: variform study " +
                        base::for_shell(request.files.back()));
  file.own.set("name", Node(name_of(request, given, file.root)));
  for (const Node::Member& member : given.changes.members())
    if (member.key != "name" && member.key != "study") file.own.set(member.key, member.value, member.where);
  file.own.set("study", study_table(request, given, diagnostics));
  config::merge(file.root, file.own, file.dropped);
  file.text = file_text(request, file.own);
  return file;
}

WrittenMultirun write_multirun(const MultirunRequest& request, const model::Workplace& place,
                               const fs::path& studies) {
  Diagnostics diagnostics;
  const MultirunFile made = multirun_file(request, diagnostics);
  diagnostics.throw_if_any();
  const StudyFile study = study_of(made.root, diagnostics, request.files.back(), {}, place);
  for (const Cell& cell : study.cells) {
    const config::Experiment experiment = experiment_of(cell.config, study, place);
    if (&cell == &study.cells.front())
      for (const std::string& note : config::notes_of(made.dropped, experiment.resolved))
        place.log.note(note);
  }
  const fs::path folder = studies / study.plan.name, file = folder / "plan.toml";
  base::require_writable(file, {.option = "--studies", .makes_folders = true});
  fs::create_directories(folder);
  const auto without_command = [](const std::string& text) {
    return text.substr(std::min(text.find('\n'), text.size()));
  };
  const std::string before = base::is_there(file) ? base::contents_of(file, base::kMostOfLog) : made.text;
  if (without_command(before) != without_command(made.text))
    place.log.note(file.string() + " was another plan, which is replaced; another --name would keep both.");
  if (before != made.text || !base::is_there(file)) base::write_text_file(file, made.text);
  return {file, study.cells.size()};
}

}  // namespace variform::study
