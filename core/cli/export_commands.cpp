// Commands that write what others read of a trained model: encode, export, and reconstruct --impute.

#include <fmt/format.h>

#include "base/file.h"
#include "base/table.h"
#include "cli/progress.h"
#include "cli/trained.h"
#include "export/impute.h"
#include "export/pytorch.h"

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

int export_command(const Common& common, ModelOptions options) {
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

  add("export", "Weights and networks for PyTorch", export_command);
}

}  // namespace variform::cli
