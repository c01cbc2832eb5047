// new: makes the folder of a new plugin.

#include <nlohmann/json.hpp>

#include "base/words.h"
#include "cli/commands.h"
#include "plugins/describe.h"
#include "plugins/new_plugin.h"

namespace variform::cli {
namespace {
namespace fs = std::filesystem;

Kind kind_of(const std::string& name) {
  try {
    return plugins::kind_named(name);
  } catch (const Error& error) {
    throw config::Error(error.what());
  }
}

int new_command(const Common& common, const std::string& kind_name, const std::string& name,
                const fs::path& into) {
  const Kind kind = kind_of(kind_name);
  const plugins::NewPlugin made = plugins::new_plugin(kind, name, into, *common.workplace().registry());
  if (common.json) {
    write_result(json_text(
        {{"folder", fs::absolute(made.folder).string()}, {"git", made.git}, {"commands", made.commands}}));
    return kDone;
  }
  std::string text = made.folder.string() + " is a plugin with " + base::with_article(to_string(kind)) +
                     ", which works as it is: src/" + name + ".cpp.\n" + made.git + " Next:\n\n";
  for (const std::string& command : made.commands) text += "  " + command + "\n";
  write_result(text);
  return kDone;
}

}  // namespace

void add_new_command(Command app, Common& common, Action& action) {
  auto kind = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  auto into = std::make_shared<std::string>(".");
  Command command =
      app.add_command("new", "A plugin of your own: builds, passes its tests and trains as it is");
  command.add_option("kind", *kind, "encoder, decoder, family, prior, likelihood, objective or metric")
      .required();
  command.add_option("name", *name, "Name of the component, of its plugin and of the new folder").required();
  command.add_option("--into", *into, "Where the new folder is made").type_name("DIR").shows_default();
  command.on_chosen([&common, &action, kind, name, into] {
    action = [&common, kind, name, into] { return new_command(common, *kind, *name, *into); };
  });
}

}  // namespace variform::cli
