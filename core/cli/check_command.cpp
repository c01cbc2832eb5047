// check: tests a plugin's conformance, or a config.

#include <elf.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "config/load.h"
#include "conformance/guests.h"
#include "conformance/run.h"

namespace variform::cli {
namespace {

struct CheckOptions {
  std::vector<std::string> arguments, components;
  conformance::RunOptions run;
  bool all = false, list = false, markdown = false;
  int64_t quick = 0;  // seconds
};

// Adds a setting such as "family:student-t.df=3".
void add_setting(conformance::RunOptions& run, const std::string& text) {
  const std::size_t colon = text.find(':'), dot = text.find('.', colon), equals = text.find('=', dot);
  if (colon == std::string::npos || dot == std::string::npos || equals == std::string::npos)
    throw config::Error("check of a plugin takes settings such as family:student-t.df=3; found '" + text +
                        "'.");
  run.settings[text.substr(0, dot)][text.substr(dot + 1, equals - dot - 1)] = text.substr(equals + 1);
}

// Reads "1,28,28", "[1, 28, 28]" or "784".
Shape shape_of(const std::string& text) {
  Shape shape;
  std::string digits;
  for (char c : text + ",") {
    if (c >= '0' && c <= '9') digits += c;
    else if (std::string_view(",x[] ").find(c) == std::string_view::npos || digits.size() > 9) return {};
    else if (!digits.empty()) shape.push_back(std::stoll(std::exchange(digits, {})));
  }
  return std::find(shape.begin(), shape.end(), 0) == shape.end() ? shape : Shape{};
}

// Reads sizes from --data, which for a plugin is the shape of an example instead of a folder.
void read_sizes(const Common& common, CheckOptions& options) {
  if (common.data.empty()) return;
  options.run.wanted.data = shape_of(common.data.back());
  if (options.run.wanted.data.empty())
    throw config::Error(
        "check of a plugin takes --data as the shape of one example, such as 1,28,28 or 784; found '" +
        common.data.back() + "'. It needs no data set.");
}

int check_plugin(const Common& common, CheckOptions options) {
  read_sizes(common, options);
  options.run.quick = static_cast<double>(options.quick);
  options.run.components.insert(options.components.begin(), options.components.end());
  if (!std::filesystem::is_regular_file(options.arguments.front()))
    throw config::Error("there is no file " + options.arguments.front() + ".");
  for (std::size_t i = 1; i < options.arguments.size(); ++i) add_setting(options.run, options.arguments[i]);
  conformance::Results results;
  try {
    results = conformance::run(options.arguments.front(), options.run);
  } catch (const Error& error) {
    throw config::Error(std::string(error.what()) + ".");
  }
  write_result(common.json ? json_text(conformance::json_of(results))
                           : fitted(conformance::text_of(results, options.all)));
  return results.conforms() ? kDone : kFailed;
}

int list_tests(const Common& common, bool markdown) {
  write_result(markdown      ? conformance::tests_markdown()
               : common.json ? json_text(conformance::tests_json())
                             : fitted(conformance::tests_text()));
  return kDone;
}

// Whether a config has a table [study]. Errors are left to the two functions that read it.
bool is_study(const std::vector<std::string>& arguments) {
  const ConfigArguments split = split_arguments(arguments);
  config::Diagnostics ignored;
  return !split.files.empty() && config::load(split.files, split.overrides, ignored).find("study") != nullptr;
}

// Decides by the file's content: a plugin that is named directly may have any name. Pipes are configs.
bool is_about_a_plugin(const CheckOptions& options) {
  const std::string& name = options.arguments.front();
  if (options.quick > 0 || !options.components.empty() || name.ends_with(".so")) return true;
  std::error_code error;
  if (!std::filesystem::is_regular_file(name, error)) return false;
  std::string begin(SELFMAG, '\0');
  std::ifstream(name, std::ios::binary).read(begin.data(), SELFMAG);
  return begin == ELFMAG;
}

int check_command(const Common& common, const CheckOptions& options) {
  if (options.list) return list_tests(common, options.markdown);
  if (options.arguments.empty())
    throw config::Error("check takes a plugin (PLUGIN.so) or a config (CONFIG.toml).");
  if (is_about_a_plugin(options)) return check_plugin(common, options);
  return is_study(options.arguments) ? check_study(common, options.arguments)
                                     : check_config(common, options.arguments);
}

}  // namespace

void add_check_command(Command app, Common& common, Action& action) {
  auto options = std::make_shared<CheckOptions>();
  options->run.jobs = 2;
  Command check =
      app.add_command("check",
                      "Conformance of a plugin (PLUGIN.so), or a config built and run for one step "
                      "(CONFIG.toml); a study is tried without training. For a plugin, --data is the shape "
                      "of one example (1,28,28)");
  check.add_option("what", options->arguments,
                   "PLUGIN.so [KIND:ID.PARAMETER=VALUE...], or CONFIG.toml [more.toml...] [a.b=VALUE...]");
  const char* group = "For a plugin";
  check.add_option("--filter", options->run.filter, "Only tests or components whose name contains this")
      .group(group);
  check.add_option("--component", options->components, "Only this component, KIND:ID; may be repeated")
      .repeatable()
      .group(group);
  check
      .add_option("--latent", options->run.wanted.latent,
                  "Latent dimension that components are built with; 0: a usual one")
      .non_negative()
      .group(group);
  check
      .add_flag(fmt::format("--quick{{{}}}", conformance::kQuickSeconds), options->quick,
                "Only what precedes the first training with a plugin, in 4 s at most; --quick=N: in N s")
      .group(group);
  check.add_flag("--all", options->all, "Show also what passed and what does not apply").group(group);
  check.add_flag("--in-process", options->run.in_process, "No processes of their own, for a debugger")
      .group(group);
  check.add_option("--jobs", options->run.jobs, "Components tested at once")
      .positive()
      .shows_default()
      .group(group);
  check.add_option("--limit", options->run.limit, "Seconds that a test may take")
      .positive()
      .shows_default()
      .group(group);
  check.add_option("--seed", options->run.seed, "Seed of everything that the tests draw")
      .shows_default()
      .group(group);
  check.add_flag("--list", options->list, "List the tests").group(group);
  check.add_flag("--markdown", options->markdown, "With --list: as a Markdown table").group(group);
  check.on_chosen([&common, &action, options] {
    action = [&common, options] { return check_command(common, *options); };
  });
}

}  // namespace variform::cli
