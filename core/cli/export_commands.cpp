// Commands that give a trained model to others, and take one from them: encode, export, import, and reconstruct
// --impute.

#include <fmt/format.h>

#include "base/file.h"
#include "base/table.h"
#include "cli/progress.h"
#include "cli/revision.h"
#include "cli/trained.h"
#include "export/exchange.h"
#include "export/impute.h"
#include "export/pytorch.h"
#include "train/run.h"

namespace variform::cli {
namespace fs = std::filesystem;

int impute_command(const Common& common, ModelOptions options) {
  const std::string split = split_of(options);
  const fs::path file = destination(common, options, "imputed-" + split + ".h5");
  base::require_writable(file);
  const Opened opened = open(common, options);
  watch_signals();
  double effective = 0;
  const std::int64_t draws = options.n > 0 ? options.n : 100;
  try {
    Progress progress(common);
    effective = exports::impute(opened.session(), file, {split, draws, watch_with(progress)});
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing(common);
  }
  common.log.info(
      fmt::format("missing values are means over {} draws per row with importance weights, {} of them "
                  "effective on average",
                  draws, base::significant(effective, 3)));
  write_result(file.string());
  return kDone;
}

namespace {

int encode_command(const Common& common, ModelOptions options) {
  options.encode.split = split_of(options);
  const fs::path file = destination(common, options, "codes-" + options.encode.split + ".h5");
  base::require_writable(file);
  Opened opened = open(common, options);
  watch_signals();
  std::vector<std::string> notes;
  try {
    Progress progress(common);
    options.encode.watch = watch_with(progress);
    notes = exports::encode(opened.session(), file, options.encode);
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing(common);
  }
  for (const std::string& note : notes) common.log.info(note);
  write_result(file.string());
  return kDone;
}

int export_safetensors(const Common& common, const ModelOptions& options) {
  const fs::path file = destination(common, options, "model.safetensors");
  if (base::is_special(file))
    throw config::Error("export writes two files, NAME.safetensors and NAME.md; " + file.string() +
                        " cannot hold both");
  base::require_writable(file.extension() == ".safetensors" ? file
                                                            : fs::path(file.string() + ".safetensors"));
  const Opened opened = open(common, options, model::DataUse::kNone);
  for (const fs::path& written :
       exports::give(opened.run, file, std::string(VARIFORM_VERSION) + " " + revision()))
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
  const auto add = [&](const char* name, const char* description, RunsModelCommand run) {
    return add_model_command(app, common, action, name, description, run);
  };
  ModelCommand encode = add("encode", "Codes, covariances and labels to HDF5", encode_command);
  encode.command.add_option("--jacobians", encode.options->encode.jacobians, "Jacobians of the first N rows")
      .non_negative();
  encode.command.add_option("--limit", encode.options->encode.limit, "First rows only; 0: all")
      .non_negative();
  add_data_options(encode);

  ModelCommand given = add("export", "Weights and networks for PyTorch, or the whole model", export_command);
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
    action = [&common, file, folder] { return import_command(common, *file, *folder);
};
}  // namespace variform::cli
);
}

}  // namespace variform::cli
