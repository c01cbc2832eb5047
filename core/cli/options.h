#pragma once
// Commands and their options, over CLI11, which only options.cpp includes, since it takes a compiler longer than most
// files of this folder. All classes are handles to objects of the Parser; variables that options fill must outlive
// parse().

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/completion.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace variform::cli {

/// One option or argument of a command. Each function returns the option, to be chained.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  /// The name of its value in help: "FILE", "DIR".
  Option& type_name(const std::string& name);
  /// Makes help show the variable's present value as the default.
  Option& shows_default();
  /// The heading under which help lists it.
  Option& group(const std::string& heading);

  /// Numbers above 0.
  Option& positive();
  Option& non_negative();
  Option& between(int least, int most);
  Option& one_of(const std::vector<std::string>& texts);
  Option& existing_file();
  /// For an argument: from `least` to `most` values.
  Option& takes(int least, int most);
  /// For an option with a list: one value each time that it is given.
  Option& repeatable();
  /// An error if both are given.
  Option& excludes(const Option& other);
  Option& excludes(const std::string& other);

 private:
  CLI::Option* option_;
};

/// The program, a command, or a command of a command ("data import").
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  Command add_command(const std::string& name, const std::string& description);
  /// One of its commands must be given.
  void require_command();
  /// "--name" is an option, "name" an argument. Value: std::string, a vector of them, an integer or double.
  template <class Value>
  Option add_option(const std::string& name, Value& value, const std::string& description);
  /// Sets a bool, or a number that may be given ("--name{10000}": 10000 if it is not).
  template <class Value>
  Option add_flag(const std::string& name, Value& value, const std::string& description);
  /// Called when the command line names this command, after the variables have been filled.
  void on_chosen(std::function<void()> chosen);

 private:
  CLI::App* app_;
};

/// To be called in on_chosen(): ends parsing with the error that `what` is required.
[[noreturn]] void require_argument(const std::string& what);

/// Owns the commands, and reads the command line.
class Parser {
 public:
  Parser(const std::string& description, const std::string& program);
  ~Parser();

  Command program();
  /// "--version" prints this text.
  void set_version(const std::string& text);
  /// All commands, the program first.
  std::vector<CommandDescription> commands() const;
  /// Fills the variables and calls the chosen command's function. On help or a mistake it prints that and returns
  /// false; `usage` is whether it was a mistake.
  bool parse(int argc, char** argv, bool& usage);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace variform::cli
