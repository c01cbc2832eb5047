// list, describe and doctor.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "plugins/describe.h"

namespace variform::cli {

void add_plugin_commands(CLI::App& app, Common& common, Action& action) {
  auto name = std::make_shared<std::string>();
  CLI::App* list = app.add_subcommand("list", "The components that there are");
  list->add_option("kind", *name, "encoder, decoder, family, prior, likelihood or objective");
  list->callback([&common, &action, name] {
    action = [&common, name] {
      const auto registry = common.registry();
      const std::optional<Kind> kind =
          name->empty() ? std::nullopt : std::optional(plugins::kind_named(*name));
      write_result(common.json ? plugins::list_json(*registry, kind).dump(2)
                               : plugins::list_text(*registry, kind));
      return kDone;
    };
  });
  CLI::App* describe = app.add_subcommand("describe", "A component: summary, source, every parameter");
  describe->add_option("component", *name, "KIND:ID, for instance objective:grae")->required();
  describe->callback([&common, &action, name] {
    action = [&common, name] {
      const auto registry = common.registry();
      write_result(common.json ? plugins::describe_json(*registry, *name).dump(2)
                               : plugins::describe_text(*registry, *name));
      return kDone;
    };
  });
  CLI::App* doctor =
      app.add_subcommand("doctor", "This build, where plugins are looked for, and why any was refused");
  doctor->callback([&common, &action] {
    action = [&common] {
      const auto registry = common.registry();
      write_result(common.json ? plugins::doctor_json(*registry).dump(2) : plugins::doctor_text(*registry));
      return kDone;
    };
  });
}

}  // namespace variform::cli
