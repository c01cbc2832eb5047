// What is done with a trained model: evaluate, sample, reconstruct, traverse, interpolate, encode, export.

#include <variform/calls.h>

#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/progress.h"
#include "cli/revision.h"
#include "config/load.h"
#include "measure/disentanglement/section.h"
#include "export/codes.h"
#include "measure/evaluate.h"
#include "train/ex_post.h"
#include "train/features.h"
#include "export/pytorch.h"
#include "export/pictures.h"
#include "measure/gradient_noise.h"
#include "measure/linear_reference.h"
#include "measure/quality.h"
#include "plugins/ambient.h"
#include "model/process.h"
#include "model/checkpoints.h"
#include "model/run_config.h"

namespace variform::cli {
namespace fs = std::filesystem;
namespace {

// Parts of an evaluation's result, each a table of its own (evaluate.h, table_of_section).
constexpr const char* kSections[] = {"information", "geometry", "covariance", "disentanglement",
                                     "quality",     "linear",   "gradient"};

struct ModelOptions {
  std::string run, which = "last", on, out, only, curvature = "hessian", prior;
  std::vector<std::string> overrides;
  measure::EvaluateOptions evaluate;
  exports::EncodeOptions encode;
  std::string split, dump, features;
  std::int64_t quality_images = 0;  // 0: no sample quality
  std::int64_t gradient_draws = 0;  // 0: none
  double beta = -1;
  int64_t n = 0, datum = -1, latents = 16, columns = 11;
  bool noise = false, linear = false;
};

// Says at the end of a command what components have changed that is not theirs.
class Surroundings {
 public:
  Surroundings() = default;
  ~Surroundings() {
    for (const std::string& sentence : take_changed_modes()) write_message("warning: " + sentence);
    const std::string changes = plugins::changed_text("a component of this model", before_.restore());
    if (!changes.empty()) write_message("warning: " + changes);
  }
  Surroundings(Surroundings&&) = delete;

 private:
  plugins::AmbientState before_ = plugins::AmbientState::now();
};

struct Opened {
  std::unique_ptr<Surroundings> surroundings;  // first: it ends last
  std::unique_ptr<plugins::Registry> registry;
  model::Trained trained;
  fs::path checkpoint, folder;                  // folder: of the run; the checkpoint's own otherwise
  std::optional<config::GivenComponent> prior;  // of --prior
  std::optional<train::ExPostFit> ex_post;      // and what became of it
  model::Session& session() { return *trained.session; }
};

// Where a command writes: --out, or this name in the folder of the run.
fs::path destination(const Common& common, const ModelOptions& options, const fs::path& name) {
  if (!options.out.empty()) return chosen(options.out);
  const fs::path run = run_path(common, options.run);
  const fs::path folder =
      fs::is_directory(run) ? run : model::checkpoint_of(run, options.which).parent_path();
  base::require_inside(folder, folder / name);
  return folder / name;
}

// Whoever names a data set, a split or a row of it, or fits a prior to its latents, needs it.
Opened open(const Common& common, const ModelOptions& options, model::DataUse use = model::DataUse::kNeeded) {
  const fs::path run = run_path(common, options.run);
  const fs::path checkpoint = model::checkpoint_of(run, options.which);
  std::vector<std::string> overrides = options.overrides;
  if (!options.on.empty()) {
    const std::string dataset = options.on.substr(0, options.on.find(':'));
    if (!dataset.empty()) overrides.push_back("data.dataset=\"" + dataset + "\"");
  }
  Opened opened;
  config::Diagnostics diagnostics;
  opened.registry = common.registry(plugin_paths_of(run));
  model::set_threads(common.threads);
  if (!options.prior.empty()) {
    opened.prior =
        config::parse_component(options.prior, "--prior", Kind::kPrior, *opened.registry, diagnostics);
    diagnostics.throw_if_any();
  }
  const bool names_data =
      !options.on.empty() || !options.split.empty() || options.datum >= 0 || !options.prior.empty();
  opened.trained = model::open_trained(checkpoint, overrides, *opened.registry, common.places(),
                                       names_data ? model::DataUse::kNeeded : use);
  const auto records = opened.registry->records();
  if (std::any_of(records.begin(), records.end(), [](const plugins::PluginRecord* record) {
        return record->status == plugins::Status::kLoaded && !record->is_stock;
      }))
    opened.surroundings = std::make_unique<Surroundings>();
  opened.checkpoint = checkpoint;
  opened.folder = fs::is_directory(run) ? run : checkpoint.parent_path();
  if (fs::is_directory(run) && !common.quiet)
    if (const std::string edited = model::config_warning(run, opened.trained.snapshot, options.which);
        !edited.empty())
      write_message("warning: " + edited);
  const std::string changes = model::changed_plugins(opened.trained.snapshot, *opened.registry);
  if (!changes.empty() && !common.quiet) write_message("warning: " + changes);
  const auto facts = model::facts_in(opened.trained.snapshot.attributes);
  const bool are_own = std::none_of(overrides.begin(), overrides.end(),
                                    [](const std::string& text) { return text.starts_with("data."); });
  if (facts && are_own)
    if (const std::string other = model::changed_data(*facts, opened.session().facts); !other.empty())
      write_message("warning: " + other);
  return opened;
}

// Fits the prior of --prior to the latents of the run's own training data, whatever data are looked at, and puts it into
// the model.
void use_prior(const Common& common, Opened& opened, const ModelOptions& options) {
  if (!opened.prior) return;
  model::Trained own;
  if (!options.on.empty())
    own = model::open_trained(opened.checkpoint, options.overrides, *opened.registry, common.places());
  {
    Progress progress(common.quiet);
    opened.ex_post = train::use_ex_post_prior(opened.session(), own.session ? *own.session : opened.session(),
                                              *opened.prior, *opened.registry, opened.folder / "priors",
                                              watch_with(progress));
  }
  for (const std::string& note : opened.ex_post->notes) write_message("note: " + note);
  if (!common.quiet) write_message(opened.ex_post->sentence());
}

// "evaluation-test", or "evaluation-test-mixture-1a2b3c4d" under a fitted prior.
std::string named(const Opened& opened, const std::string& name) {
  return opened.ex_post ? name + "-" + opened.ex_post->id : name;
}

std::string split_of(const ModelOptions& options) {
  const size_t colon = options.on.find(':');
  if (!options.split.empty()) return options.split;
  return colon == std::string::npos ? std::string("test") : options.on.substr(colon + 1);
}

// What evaluate() found, then each section that was asked for.
std::string text_of(const nlohmann::json& result) {
  std::string text = "incomplete, since it was interrupted: no values\n";
  if (result.contains("values"))
    text = fitted(measure::head_of(result)) + measure::table_of(result).text(output_width()) +
           fitted(measure::foot_of(result));
  if (result.contains("ex_post"))
    text += "\nprior: " + result.at("model").at("prior").get<std::string>() + "; " +
            result.at("ex_post").at("sentence").get<std::string>() + ".\n";
  for (const char* section : kSections)
    if (result.contains(section))
      text += std::string("\n") + section + "\n" +
              measure::table_of_section(result.at(section)).text(output_width());
  return text;
}

// Where feature networks are kept: they can be made again, so in the user's cache.
fs::path feature_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  if (cache && fs::path(cache).is_absolute()) return fs::path(cache) / "variform" / "features";
  if (home && fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "variform" / "features";
  throw std::runtime_error(
      "there is no place to keep the feature network: neither XDG_CACHE_HOME nor HOME is an absolute path.");
}

nlohmann::json quality_of(const Common& common, const ModelOptions& options, Opened& opened,
                          const base::Watch& watch) {
  Console console(nullptr, common.quiet);
  const model::Places places = common.places();
  const fs::path config = options.features.empty() ? shared_folder("configs") / "features" / "conv.toml"
                                                   : fs::path(options.features);
  const train::FeatureSource source{config, feature_cache(), *opened.registry, places, console, interrupted};
  return measure::quality(
      opened.session(), [&] { return train::feature_network(opened.session(), source); },
      {.split = options.evaluate.split, .images = options.quality_images, .watch = watch});
}

std::string evaluation_name(const ModelOptions& options) {
  return (options.only.empty() ? "evaluation-" : options.only + "-") + options.evaluate.split;
}

int write_evaluation(const Common& common, const ModelOptions& options, const Opened& opened,
                     nlohmann::json result, const std::string& text) {
  result["run"] = options.run;
  result["checkpoint"] = options.which;
  result["commit"] = revision();
  result["plugins"] = model::plugin_digests(*opened.registry);
  result["data_fingerprint"] = opened.trained.session->facts.fingerprint;
  const fs::path file = destination(common, options, named(opened, evaluation_name(options)) + ".json");
  const std::string dumped = json_text(result) + "\n";
  if (result.contains("interrupted")) {
    write_result(common.json ? dumped : text);
    write_message("interrupted: what is complete was printed, and nothing was written");
    return kInterrupted;
  }
  const int problem = base::try_write_file(file, std::as_bytes(std::span(dumped)));
  write_result(common.json ? dumped : text);  // also when it could not be written: that was the work
  if (problem != 0) base::fail_on_file("write", file, problem);
  if (!common.quiet) write_message("written: " + file.string());
  return kDone;
}

int interrupted_with_nothing() {
  write_message("interrupted before anything was complete; nothing was written");
  return kInterrupted;
}

// What comes after the values: sections that look at the model in another way.
void add_more(nlohmann::json& result, const ModelOptions& options, Opened& opened) {
  const auto add = [&](const char* name, const auto& make) {
    if (result.contains("interrupted")) return result["interrupted"]["missing"].push_back(name);
    try {
      make();
    } catch (const base::Interrupted&) {
      const nlohmann::json& data = result.at("data");
      result["interrupted"] = {{"data", data}, {"of", data}, {"missing", {name}}};
    }
  };
  if (options.linear)
    add("linear", [&] {
      const measure::Section section = measure::linear_reference(opened.session(), options.evaluate, result);
      result["linear"] = section.entries();
      if (!section.arrays().empty()) result["linear_arrays"] = section.arrays();
    });
  if (options.gradient_draws > 0)
    add("gradient", [&] {
      result["gradient"] =
          measure::gradient_noise(opened.session(), options.gradient_draws, options.evaluate.watch);
    });
}

nlohmann::json evaluation_of(const Common& common, ModelOptions& options, Opened& opened) {
  Progress progress(common.quiet);
  options.evaluate.watch = watch_with(progress);
  if (options.only == "disentanglement")
    return measure::disentanglement(opened.session(), options.evaluate.split, options.evaluate.limit,
                                    options.evaluate.watch);
  use_prior(common, opened, options);
  nlohmann::json quality;  // first: it may have to be trained for, and what is missing is then said at once
  if (options.quality_images > 0) quality = quality_of(common, options, opened, options.evaluate.watch);
  nlohmann::json result;
  try {
    result = measure::evaluate(opened.session(), options.evaluate);
  } catch (const base::Interrupted&) {
    if (quality.is_null()) throw;
    result["interrupted"]["missing"] = {"values"};
  }
  if (!quality.is_null()) result["quality"] = quality;
  add_more(result, options, opened);
  if (opened.ex_post) {
    result["ex_post"] = opened.ex_post->json();
    result["ex_post"]["sentence"] = opened.ex_post->sentence();
  }
  return result;
}

int evaluate_command(const Common& common, ModelOptions options) {
  options.evaluate.split = split_of(options);
  if (!options.dump.empty()) options.dump = chosen(options.dump).string();
  options.evaluate.dump = options.dump;
  if (options.beta >= 0) options.evaluate.beta = options.beta;
  options.evaluate.curvature = options.curvature == "fisher" ? Curvature::kFisher : Curvature::kHessian;
  constexpr std::uint64_t kBytes = 1 << 14;  // at least
  base::require_writable(destination(common, options, evaluation_name(options) + ".json"), {.bytes = kBytes});
  if (!options.dump.empty()) base::require_writable(options.dump, {.option = "--dump"});
  Opened opened = open(common, options);
  watch_signals();  // from here on there is something to keep; before, Ctrl-C ends the process at once
  try {
    nlohmann::json result = evaluation_of(common, options, opened);
    const std::string problem = result.value("dump_problem", "");
    result.erase("dump_problem");
    const std::string text = options.only.empty()
                                 ? text_of(result)
                                 : measure::table_of_section(result.at(options.only)).text(output_width()) +
                                       fitted(measure::foot_of(result));
    const int code = write_evaluation(common, options, opened, std::move(result), text);
    if (!problem.empty()) throw std::runtime_error(problem);
    return code;
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing();
  }
}

void note_missing_data(const Common& common, const Opened& opened, const char* instead) {
  if (!common.quiet && !opened.trained.no_data.empty())
    write_message(std::string("note: the run's data are not here, so that ") + instead +
                  ". Why: " + opened.trained.no_data);
}

// Before the model is opened.
void require_picture(const Common& common, const ModelOptions& options, const std::string& name) {
  base::require_writable(destination(common, options, fs::path("figures") / (name + ".png")),
                         {.makes_folders = true});
}

int write_picture(const Common& common, const Opened& opened, const ModelOptions& options, const char* name,
                  const draw::Image& image) {
  const fs::path file = destination(common, options, fs::path("figures") / (named(opened, name) + ".png"));
  draw::write_png(file, image);
  write_result(file.string());
  return kDone;
}

int sample_command(const Common& common, const ModelOptions& options) {
  require_picture(common, options, "samples");
  Opened opened = open(common, options, model::DataUse::kNone);
  if (!options.prior.empty()) watch_signals();
  try {
    use_prior(common, opened, options);
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing();
  }
  return write_picture(common, opened, options, "samples",
                       exports::samples(opened.session(), options.n > 0 ? options.n : 100, options.noise));
}

int encode_command(const Common& common, ModelOptions options) {
  options.encode.split = split_of(options);
  const fs::path file = destination(common, options, "codes-" + options.encode.split + ".h5");
  base::require_writable(file);
  Opened opened = open(common, options);
  watch_signals();
  std::vector<std::string> notes;
  try {
    Progress progress(common.quiet);
    options.encode.watch = watch_with(progress);
    notes = exports::encode(opened.session(), file, options.encode);
  } catch (const base::Interrupted&) {
    return interrupted_with_nothing();
  }
  for (const std::string& note : notes) write_message(note);
  write_result(file.string());
  return kDone;
}

int export_command(const Common& common, const ModelOptions& options) {
  const fs::path file = destination(common, options, "model.pt");
  if (base::is_special(file))
    throw config::Error("error: export writes two files, NAME.pt and NAME.py; " + file.string() +
                        " is no place for two");
  base::require_writable(file.extension() == ".pt" ? file : fs::path(file.string() + ".pt"));
  Opened opened = open(common, options, model::DataUse::kNone);
  const exports::Exported exported = exports::export_weights(opened.session(), file);
  for (const std::string& note : exported.notes) write_message(note);
  for (const fs::path& written : exported.files) write_result(written.string());
  return kDone;
}

}  // namespace

void add_model_commands(Command app, Common& common, Action& action) {
  auto options = std::make_shared<ModelOptions>();
  const auto add = [&](const char* name, const char* description, auto run) {
    Command command = app.add_command(name, description);
    command.add_option("run", options->run, "Run folder, its name below --runs, or a checkpoint file")
        .required();
    command.add_option("overrides", options->overrides, "[a.b=VALUE...]: device, data ...");
    command.add_option("--checkpoint", options->which, "last or best")
        .one_of({"last", "best"})
        .shows_default();
    command.add_option("--out", options->out, "File to write instead of one in the run folder")
        .type_name("FILE");
    command.on_chosen([&common, &action, options, run] {
      action = [&common, options, run] { return run(common, *options); };
    });
    return command;
  };
  Command evaluate =
      add("evaluate", "All objective values with standard errors, to a table and JSON", evaluate_command);
  evaluate.add_option("--samples", options->evaluate.samples, "Latent draws per datum")
      .positive()
      .shows_default();
  evaluate
      .add_option("--importance-samples", options->evaluate.importance_samples,
                  "Of the importance-weighted NLL; 0: none")
      .non_negative()
      .shows_default();
  evaluate.add_option("--batch", options->evaluate.batch, "Rows at a time").positive().shows_default();
  evaluate.add_option("--limit", options->evaluate.limit, "First rows only; 0: all").non_negative();
  evaluate.add_option("--beta", options->beta, "Instead of the training's final beta").positive();
  evaluate.add_option("--curvature", options->curvature, "hessian or fisher")
      .one_of({"hessian", "fisher"})
      .shows_default();
  evaluate
      .add_option("--hessian-rows", options->evaluate.hessian_rows,
                  "First rows that taylor_full differentiates twice; 0: none")
      .non_negative()
      .shows_default();
  evaluate
      .add_option("--block", options->evaluate.block,
                  "Size of latent blocks for block_bound and geometry, for a family without blocks")
      .positive();
  evaluate
      .add_option(
          "--structure", options->evaluate.structure,
          "Of the covariance of the values at the optimum (full, diagonal, isotropic; block with --block), "
          "instead of the family's own")
      .one_of({"full", "diagonal", "isotropic", "block"});
  evaluate
      .add_option(
          "--gradient-draws", options->gradient_draws,
          "Also the noise of the objective's gradient, from as many draws of each of 8 training batches")
      .between(2, 1000);
  evaluate.add_option("--only", options->only, "One section of it: disentanglement (fast on many rows)")
      .one_of({"disentanglement"});
  evaluate.add_flag("--linear", options->linear,
                    "Also the closed form of the linear beta-VAE on the same data");
  evaluate.add_option("--dump", options->dump, "HDF5 file for x, latent draws and per-datum terms")
      .type_name("FILE");
  evaluate
      .add_flag(
          "--quality{10000}", options->quality_images,
          "Also sample quality, from as many images (--quality=N; 10000) in the features of a classifier, "
          "which is trained on first need")
      .non_negative();
  evaluate
      .add_option("--features", options->features,
                  "Config of that classifier instead of configs/features/conv.toml")
      .type_name("FILE")
      .existing_file();

  Command sample = add("sample", "A grid of samples from the prior", sample_command);
  sample.add_option("--n", options->n, "How many (100)").positive();
  sample.add_flag("--noise", options->noise, "Draw x from the likelihood instead of showing its mean");
  Command reconstruct = add(
      "reconstruct", "A grid of data and their reconstructions", [](const Common& c, const ModelOptions& o) {
        require_picture(c, o, "reconstructions");
        Opened opened = open(c, o);
        return write_picture(c, opened, o, "reconstructions",
                             exports::reconstructions(opened.session(), split_of(o), o.n > 0 ? o.n : 30));
      });
  reconstruct.add_option("--n", options->n, "How many (30)").positive();
  Command traverse =
      add("traverse", "One latent a row, ordered by their KL", [](const Common& c, const ModelOptions& o) {
        require_picture(c, o, "traversals");
        Opened opened = open(c, o, model::DataUse::kIfThere);
        note_missing_data(
            c, opened,
            "the latents are kept at the prior's mean, and the one that moves the picture most comes first");
        return write_picture(c, opened, o, "traversals",
                             exports::traversals(opened.session(), split_of(o), std::max<int64_t>(o.datum, 0),
                                                 o.latents, o.columns));
      });
  traverse.add_option("--datum", options->datum, "Row whose other latents are kept").non_negative();
  traverse.add_option("--latents", options->latents, "Rows of the grid at most").positive().shows_default();
  traverse.add_option("--columns", options->columns, "Columns of the grid").positive().shows_default();
  Command interpolate =
      add("interpolate", "Straight lines between codes", [](const Common& c, const ModelOptions& o) {
        require_picture(c, o, "interpolations");
        Opened opened = open(c, o, model::DataUse::kIfThere);
        note_missing_data(c, opened, "lines go from draws of the prior to others");
        return write_picture(
            c, opened, o, "interpolations",
            exports::interpolations(opened.session(), split_of(o), o.n > 0 ? o.n : 8, o.columns));
      });
  interpolate.add_option("--n", options->n, "Pairs (8)").positive();
  Command encode = add("encode", "Codes, covariances and labels to HDF5", encode_command);
  encode.add_option("--jacobians", options->encode.jacobians, "Jacobians of the first N rows").non_negative();
  encode.add_option("--limit", options->encode.limit, "First rows only; 0: all").non_negative();
  add("export", "Weights and networks for PyTorch", export_command);

  for (Command uses_prior : {evaluate, sample})
    uses_prior
        .add_option(
            "--prior", options->prior,
            "Another prior, fitted to the latents of the training split and kept in the run: an id, or a "
            "table as in a config, '{ type = \"mixture\", components = 10 }'")
        .type_name("PRIOR");
  for (Command looks_at_data : {evaluate, reconstruct, traverse, interpolate, encode}) {
    looks_at_data.add_option("--split", options->split, "train, validation or test (default)")
        .one_of({"train", "validation", "test"});
    looks_at_data.add_option("--on", options->on, "Another data set, DATASET[:SPLIT]")
        .type_name("DATASET[:SPLIT]");
  }
}

}  // namespace variform::cli
