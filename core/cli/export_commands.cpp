// export and import: a trained model given to other programs, and taken from others.

#include "base/file.h"
#include "cli/revision.h"
#include "cli/trained.h"
#include "export/exchange.h"
#include "export/pytorch.h"
#include "train/run.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

int export_safetensors(const Common& common, const ModelOptions& options) {
  const fs::path file = destination(common, options, "model.safetensors");
  if (base::is_special(file))
    throw config::Error("export writes two files, NAME.safetensors and NAME.md; " + file.string() +
                        " cannot hold both");
  base::require_writable(file.extension() == ".safetensors" ? file : fs::path(file.string() + ".safetensors"));
  const Opened opened = open(common, options, model::DataUse::kNone);
  for (const fs::path& written : exports::give(opened.run, file, std::string(VARIFORM_VERSION) + " " + revision()))
    write_result(written.string());
  return kDone;
}

int export_command(const Common& common, ModelOptions options) {
  if (options.format == "safetensors") return export_safetensors(common, options);
  const fs::path file = destination(common, options, "model.pt");
  if (base::is_special(file))
    throw config::Error("export writes two files, NAME.pt and NAME.py; " + file.string() +
                        " cannot hold both");
  base::require_writable(file.extension() == ".pt" ? file : fs::path(file.string() + ".pt"));
  Opened opened = open(common, options, model::DataUse::kNone);
  const exports::Exported exported = exports::export_weights(opened.session(), file);
  for (const std::string& note : exported.notes) common.log.info(note);
  for (const fs::path& written : exported.files) write_result(written.string());
  return kDone;
}

int import_command(const Common& common, const std::string& file, const std::string& folder) {
  const auto folder_for = [&](const config::Experiment& experiment) {
    return folder.empty() ? train::folder_of(experiment, common.runs) : fs::path(folder);
  };
  write_result(exports::take(file, folder_for, common.workplace()).string());
  return kDone;
}

}  // namespace

void add_export_commands(Command app, Common& common, Action& action) {
  ModelCommand given = add_model_command(app, common, action, "export",
                                         "Weights and networks for PyTorch, or the whole model", export_command);
  given.command
      .add_option("--format", given.options->format,
                  "torch: weights and Python source; safetensors: the whole model, which `import` takes")
      .one_of({"torch", "safetensors"})
      .shows_default();

  auto file = std::make_shared<std::string>(), folder = std::make_shared<std::string>();
  Command import = app.add_command("import", "A run from a model that `export --format safetensors` wrote");
  import.add_option("file", *file, "FILE.safetensors").required();
  import.add_option("--folder", *folder, "Run folder instead of RUNS/NAME-HASH-SEED").type_name("DIR");
  import.on_chosen([&common, &action, file, folder] {
    action = [&common, file, folder] { return import_command(common, *file, *folder); };
  });
}

}  // namespace variform::cli
