// completion and man: what shells and man know of the program.

#include <torch/version.h>
#include <variform/manifest.h>

#include "cli/commands.h"
#include "cli/revision.h"

namespace variform::cli {

void add_shell_commands(Parser& parser, Action& action) {
  const std::string version = std::string(VARIFORM_VERSION) + " (" + revision() + ")";
  parser.set_version("variform " + version + ", SDK " + VARIFORM_SDK_VERSION + ", LibTorch " + TORCH_VERSION);
  auto shell = std::make_shared<std::string>();
  Command completion = parser.program().add_command(
      "completion",
      "A script by which a shell completes the command line: source <(variform completion bash)");
  completion.add_option("shell", *shell, "bash, zsh or fish").required();
  completion.on_chosen([&parser, &action, shell] {
    action = [&parser, shell] {
      write_result(completion_script(*shell, parser.commands()));
      return kDone;
    };
  });
  Command man = parser.program().add_command("man", "The man page: variform man | man -l -");
  man.on_chosen([&parser, &action, version] {
    action = [&parser, version] {
      write_result(man_page(parser.commands(), version));
      return kDone;
    };
  });
}

}  // namespace variform::cli
