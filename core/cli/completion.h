#pragma once
// Scripts by which shells complete the program's command line, and its man page. Both are made of the parser's
// commands.

#include <string>
#include <vector>

namespace variform::cli {

/// An option or argument as help shows it.
struct OptionDescription {
  std::vector<std::string> names;  ///< "-q", "--quiet"; empty: an argument
  std::string argument;            ///< the name of an argument ("config")
  std::string value;               ///< "FILE", "{last,best}"; empty: a flag
  std::vector<std::string> choices;
  std::string text;
};

/// A command of the program, "data import"; the program itself has no words.
struct CommandDescription {
  std::vector<std::string> words;
  std::string text;
  std::vector<OptionDescription> options;
};

/// The script for "bash", "zsh" or "fish". Throws config::Error for another shell.
std::string completion_script(const std::string& shell, const std::vector<CommandDescription>& commands);

/// variform(1) in the language of man.
std::string man_page(const std::vector<CommandDescription>& commands, const std::string& version);

}  // namespace variform::cli
