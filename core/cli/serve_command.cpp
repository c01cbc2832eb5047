// runs serve: shows runs on a page of this machine, while they are trained.

#include "cli/commands.h"
#include "cli/console.h"
#include "serve/server.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

struct ServeOptions {
  std::vector<std::string> folders;
  std::int64_t port = 0;
};

int serve_runs(const Common& common, const ServeOptions& options) {
  std::vector<fs::path> folders;
  for (const std::string& folder : options.folders.empty() ? std::vector{common.runs} : options.folders) {
    if (!fs::is_directory(folder))
      throw config::Error("expected a folder with runs, found none: " + folder + ".");
    folders.push_back(folder);
  }
  serve::Runs runs(folders);
  const serve::Answers answers(runs);
  serve::serve(answers, static_cast<int>(options.port), [&common](const std::string& url) {
    write_result(url);
    common.log.info("runs are shown there, for browsers on this machine, until Ctrl-C");
  });
}

}  // namespace

void add_serve_command(Command runs, Common& common, Action& action) {
  auto options = std::make_shared<ServeOptions>();
  Command command = runs.add_command(
      "serve",
      "Show runs on a page for this machine's browsers: lists, curves that grow, images, comparison");
  command.add_option("folder", options->folders, "FOLDER...: folders with runs; default: that of --runs");
  command.add_option("--port", options->port, "Port of 127.0.0.1; 0: one that is free")
      .type_name("PORT")
      .between(0, 65535)
      .shows_default();
  command.on_chosen(
      [&common, &action, options] { action = [&common, options] { return serve_runs(common, *options); }; });
}

}  // namespace variform::cli
