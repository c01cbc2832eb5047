// See completion.h.

#include "cli/completion.h"

#include <algorithm>

#include "base/quote.h"
#include "config/node.h"

namespace variform::cli {
namespace {

using Commands = std::vector<CommandDescription>;

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// The words that may stand behind a command: the next words of longer commands, and its options.
std::vector<std::string> words_behind(const CommandDescription& command, const Commands& commands) {
  std::vector<std::string> words;
  for (const CommandDescription& other : commands)
    if (other.words.size() == command.words.size() + 1 &&
        std::equal(command.words.begin(), command.words.end(), other.words.begin()))
      words.push_back(other.words.back());
  for (const OptionDescription& option : command.options)
    for (const std::string& name : option.names)
      if (name.starts_with("--")) words.push_back(name);
  return words;
}

// "case" branches of the choices of options: --checkpoint) echo "last best" ;;
std::string choices_of(const Commands& commands) {
  std::string text;
  std::vector<std::string> seen;
  for (const CommandDescription& command : commands)
    for (const OptionDescription& option : command.options) {
      if (option.choices.empty() || option.names.empty()) continue;
      const std::string name = joined(option.names, "|");
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
      seen.push_back(name);
      text += "    " + name + ") COMPREPLY=($(compgen -W \"" + joined(option.choices) +
              "\" -- \"$current\")); return ;;\n";
    }
  return text;
}

std::string bash_script(const Commands& commands) {
  std::string text =
      "# Completes variform's command line; made by: variform completion bash\n"
      "_variform() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= word words\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case \"$command $word\" in\n";
  for (const CommandDescription& command : commands)
    if (!command.words.empty())
      text += "      \"" + joined({command.words.begin(), command.words.end() - 1}) + " " +
              command.words.back() + "\") command=\"" + joined(command.words) + "\" ;;\n";
  text += "    esac\n  done\n  case $before in\n" + choices_of(commands) + "  esac\n  case \"$command\" in\n";
  const CommandDescription& program = commands.front();
  for (const CommandDescription& command : commands) {
    std::vector<std::string> words = words_behind(command, commands);
    if (&command != &program)
      for (const std::string& word : words_behind(program, commands))
        if (word.starts_with("--")) words.push_back(word);
    text += "    \"" + joined(command.words) + "\") words=\"" + joined(words) + "\" ;;\n";
  }
  text +=
      "  esac\n"
      "  if [[ $current == -* || $command == \"\" || $command == data || $command == runs || "
      "$command == config ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
      "    compopt -o filenames 2>/dev/null\n"
      "  fi\n"
      "}\n"
      "complete -F _variform variform ./variform\n";
  return text;
}

std::string fish_script(const Commands& commands) {
  std::string text = "# Completes variform's command line; made by: variform completion fish\n";
  for (const CommandDescription& command : commands) {
    if (command.words.size() == 1)
      text += "complete -c variform -n __fish_use_subcommand -a " + command.words[0] + " -d " +
              base::for_shell(command.text) + "\n";
    else if (command.words.size() == 2)
      text += "complete -c variform -n '__fish_seen_subcommand_from " + command.words[0] + "' -a " +
              command.words[1] + " -d " + base::for_shell(command.text) + "\n";
    const std::string when =
        command.words.empty() ? "" : " -n '__fish_seen_subcommand_from " + command.words.back() + "'";
    for (const OptionDescription& option : command.options) {
      if (option.names.empty()) continue;
      text += "complete -c variform" + when;
      for (const std::string& name : option.names)
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.choices.empty()) text += " -x -a " + base::for_shell(joined(option.choices));
      else if (!option.value.empty()) text += " -r";
      text += " -d " + base::for_shell(option.text) + "\n";
    }
  }
  return text;
}

// Text in man's language: no line begins with a dot or an apostrophe, and hyphens are those of commands.
std::string in_man(const std::string& text) {
  std::string result;
  for (char c : text) {
    if (c == '\\') result += "\\e";
    else if (c == '-') result += "\\-";
    else result += c;
  }
  return result.starts_with('.') || result.starts_with('\'') ? "\\&" + result : result;
}

std::string options_in_man(const CommandDescription& command) {
  std::string text;
  for (const OptionDescription& option : command.options) {
    const std::string name = option.names.empty() ? option.argument : joined(option.names, ", ");
    text += ".TP\n.B " +
            in_man(name + (option.value.empty() || option.names.empty() ? "" : " " + option.value)) + "\n" +
            in_man(option.text) + "\n";
  }
  return text;
}

}  // namespace

std::string completion_script(const std::string& shell, const Commands& commands) {
  if (shell == "bash") return bash_script(commands);
  if (shell == "zsh")
    return "#compdef variform\n# Made by: variform completion zsh\nautoload -U +X bashcompinit && bashcompinit\n" +
           bash_script(commands);
  if (shell == "fish") return fish_script(commands);
  throw config::Error("completion knows bash, zsh and fish; found '" + shell + "'.");
}

std::string man_page(const Commands& commands, const std::string& version) {
  const CommandDescription& program = commands.front();
  std::string text = ".TH VARIFORM 1 \"\" \"Variform " + in_man(version) + "\"\n.SH NAME\nvariform \\- " +
                     in_man(program.text) + "\n.SH SYNOPSIS\n.B variform\n[options] command [arguments]\n" +
                     ".SH OPTIONS\nOf every command:\n" + options_in_man(program) + ".SH COMMANDS\n";
  for (const CommandDescription& command : commands) {
    if (command.words.empty()) continue;
    text +=
        ".SS " + in_man(joined(command.words)) + "\n" + in_man(command.text) + "\n" + options_in_man(command);
  }
  return text +
         ".SH EXIT STATUS\n0: done. 1: failed. 2: wrong usage or a wrong config. 130: interrupted.\n"
         ".SH ENVIRONMENT\n.TP\n.B VARIFORM_DATA\nFolders with data sets.\n.TP\n.B VARIFORM_PLUGIN_PATH\n"
         "Files or folders of plugins.\n.TP\n.B VARIFORM_LOG\nLevels of the log, such as debug,plugins=trace.\n.TP\n.B NO_COLOR\nNo "
         "colours.\n";
}

}  // namespace variform::cli
