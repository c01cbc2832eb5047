// data import: turns a folder of images into a data set.

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/table.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/progress.h"
#include "config/node.h"
#include "data/import.h"

namespace variform::cli {
namespace {
namespace fs = std::filesystem;

struct ImportCommand {
  data::ImportOptions import;
  std::string folder, out, labels = "none";
};

nlohmann::json to_json(const data::Imported& made) {
  return {{"description", made.description.string()},
          {"file", made.file.string()},
          {"shape", made.shape},
          {"train", made.train},
          {"test", made.test},
          {"class_names", made.class_names},
          {"bytes", made.bytes},
          {"sha256", made.sha256},
          {"damaged", made.damaged},
          {"account", made.account}};
}

void report(base::Log& log, const data::Imported& made) {
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < std::min(kShown, made.damaged.size()); ++i) log.info("left out: " + made.damaged[i]);
  if (made.damaged.size() > kShown)
    log.info(fmt::format("left out: {} more (--json names all)", made.damaged.size() - kShown));
  for (const std::string& sentence : made.account) log.info(sentence);
  std::string classes;
  if (!made.class_names.empty()) classes = fmt::format(", {} classes", made.class_names.size());
  log.info(fmt::format("{}: {} images for training, {} for testing, of shape {}{}; {} MB", made.file.string(),
                       made.train, made.test, to_text(made.shape), classes,
                       base::significant(static_cast<double>(made.bytes) / 1e6, 3)));
}

// Returns "faces-64.h5" in the working folder for "faces/" and size 64.
fs::path output_of(const ImportCommand& command) {
  if (!command.out.empty()) return chosen(command.out);
  const fs::path name = (fs::absolute(command.folder) / "").lexically_normal().parent_path().filename();
  return fmt::format("{}-{}.h5", name.string(), command.import.size);
}

int import_command(const Common& common, ImportCommand command) {
  command.import.folder = command.folder;
  command.import.file = output_of(command);
  command.import.labels = command.labels == "folders";
  command.import.memory = common.memory;
  if (command.import.file.extension() != ".h5")
    throw config::Error("--out must end with .h5, found " + command.import.file.string());
  watch_signals();
  for (const char* suffix : {".h5", ".toml"})
    base::require_writable(fs::path(command.import.file).replace_extension(suffix));
  std::optional<data::Imported> made;
  int64_t done = 0;
  {
    Progress progress(common);
    made = data::import_images(command.import, [&](int64_t images, int64_t total) {
      progress.show("import", "images", done = images, total);
      return !interrupted();
    });
  }
  if (!made) {
    common.log.info(fmt::format("interrupted after {} images; nothing was written", done));
    return kInterrupted;
  }
  report(common.log, *made);
  write_result(common.json ? json_text(to_json(*made)) : made->description.string());
  return kDone;
}

}  // namespace

void add_data_commands(Command app, Common& common, Action& action) {
  auto options = std::make_shared<ImportCommand>();
  Command data = app.add_command("data", "List, show and import data sets");
  data.require_command();
  add_list_command(data, common, action);
  add_show_command(data, common, action);
  Command import = data.add_command(
      "import", "A folder of images, cropped and resized, as one HDF5 file with its description");
  import
      .add_option("folder", options->folder,
                  "Images, also in sub-folders; their order is that of their paths")
      .required()
      .type_name("DIR");
  import
      .add_option("--out", options->out,
                  "NAME.h5 to write; NAME.toml goes beside it (default: FOLDER-SIZE.h5)")
      .type_name("FILE");
  import.add_option("--size", options->import.size, "Width and height of the result, in pixels")
      .between(1, 4096)
      .shows_default();
  import
      .add_option("--crop", options->import.crop,
                  "Width and height of the square cut from the middle; 0: the largest that fits")
      .non_negative()
      .shows_default();
  import
      .add_option("--channels", options->import.channels, "grey, colour, or as-stored: as the first image is")
      .one_of({"as-stored", "grey", "colour"})
      .shows_default();
  import.add_option("--labels", options->labels, "folders: each sub-folder is a class; none: no labels")
      .one_of({"none", "folders"})
      .shows_default();
  import
      .add_option("--test", options->import.test,
                  "Images for testing, the last ones (of each class): a number, or a share below 1")
      .non_negative()
      .shows_default();
  import.add_flag("--skip-damaged", options->import.skip_damaged,
                  "Leave out images that cannot be read or are too small, and say which");
  import.add_flag("--overwrite", options->import.overwrite, "Replace the files if they exist");
  const auto import_images = [&common, options] { return import_command(common, *options); };
  import.on_chosen([&action, import_images] { action = import_images;
});
}  // namespace variform::cli

}  // namespace variform::cli
