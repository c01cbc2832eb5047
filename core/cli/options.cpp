// See options.h.

#include "cli/options.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <sstream>
#include <string_view>
#include <type_traits>

#include "base/file.h"
#include "base/quote.h"
#include "cli/terminal.h"

namespace variform::cli {
namespace {

// Returns what is wrong with "~" in a path, or in the value of KEY=PATH.
std::string tilde_problem_of(std::string& text) {
  const std::size_t value = text.find("=~");
  return base::tilde_problem(value == std::string::npos ? std::string_view(text)
                                                        : std::string_view(text).substr(value + 1));
}

// "TEXT:{last,best}" -> last, best
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return choices;
  std::istringstream words(type.substr(begin + 1, end - begin - 1));
  for (std::string word; std::getline(words, word, ',');) choices.push_back(word);
  return choices;
}

OptionDescription described(const CLI::Option& option) {
  OptionDescription found;
  for (const std::string& name : option.get_snames()) found.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) found.names.push_back("--" + name);
  found.argument = option.get_single_name();
  const std::string type = option.get_type_name();
  if (option.get_items_expected_max() > 0) found.value = type.empty() ? "VALUE" : type;
  found.choices = choices_in(type);
  found.text = option.get_description();
  return found;
}

void add_commands(const CLI::App& app, const std::vector<std::string>& words,
                  std::vector<CommandDescription>& found) {
  CommandDescription command{words, app.get_description(), {}};
  for (const CLI::Option* option : app.get_options()) command.options.push_back(described(*option));
  found.push_back(std::move(command));
  for (const CLI::App* inner : app.get_subcommands([](const CLI::App*) { return true; })) {
    std::vector<std::string> longer = words;
    longer.push_back(inner->get_name());
    add_commands(*inner, longer, found);
  }
}

}  // namespace

Option& Option::required() {
  option_->required();
  return *this;
}
Option& Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}
Option& Option::shows_default() {
  option_->capture_default_str();
  return *this;
}
Option& Option::group(const std::string& heading) {
  option_->group(heading);
  return *this;
}
Option& Option::positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}
Option& Option::non_negative() {
  option_->check(CLI::NonNegativeNumber);
  return *this;
}
Option& Option::between(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}
Option& Option::one_of(const std::vector<std::string>& texts) {
  option_->check(CLI::IsMember(texts));
  return *this;
}
Option& Option::existing_file() {
  option_->check(CLI::ExistingFile);
  return *this;
}
Option& Option::takes(int least, int most) {
  option_->expected(least, most);
  return *this;
}
Option& Option::repeatable() {
  option_->expected(1)->take_all();
  return *this;
}
Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}
Option& Option::excludes(const std::string& other) {
  option_->excludes(other);
  return *this;
}

Command Command::add_command(const std::string& name, const std::string& description) {
  return Command(app_->add_subcommand(name, description));
}
void Command::require_command() { app_->require_subcommand(1); }
void Command::on_chosen(std::function<void()> chosen) { app_->callback(std::move(chosen)); }

template <class Value>
Option Command::add_option(const std::string& name, Value& value, const std::string& description) {
  CLI::Option* option = app_->add_option(name, value, description);
  if constexpr (!std::is_arithmetic_v<Value>) option->check(CLI::Validator(&tilde_problem_of, ""));
  return Option(option);
}
template Option Command::add_option(const std::string&, std::string&, const std::string&);
template Option Command::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Option Command::add_option(const std::string&, int&, const std::string&);
template Option Command::add_option(const std::string&, std::int64_t&, const std::string&);
template Option Command::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option Command::add_option(const std::string&, double&, const std::string&);

template <class Value>
Option Command::add_flag(const std::string& name, Value& value, const std::string& description) {
  return Option(app_->add_flag(name, value, description));
}
template Option Command::add_flag(const std::string&, bool&, const std::string&);
template Option Command::add_flag(const std::string&, std::int64_t&, const std::string&);

void require_argument(const std::string& what) { throw CLI::RequiredError(what); }

Parser::Parser(const std::string& description, const std::string& program)
    : app_(std::make_unique<CLI::App>(description, program)) {
  app_->require_subcommand(1);
  app_->fallthrough();
  app_->set_help_all_flag("--help-all", "Help of all commands");
}
Parser::~Parser() = default;

void Parser::set_version(const std::string& text) { app_->set_version_flag("--version", text); }

std::vector<CommandDescription> Parser::commands() const {
  std::vector<CommandDescription> found;
  add_commands(*app_, {}, found);
  return found;
}

Command Parser::program() { return Command(app_.get()); }

bool Parser::parse(int argc, char** argv, bool& usage) {
  try {
    app_->parse(argc, argv);
    return true;
  } catch (const CLI::ParseError& error) {
    std::ostringstream help, complaint;
    usage = app_->exit(error, help, complaint) != 0;
    if (!help.view().empty()) write_result(help.str());
    if (!complaint.view().empty()) write_lines(base::shown_lines(complaint.str()));
    return false;
  }
}

}  // namespace variform::cli
