// See trained.h.

#include "cli/trained.h"

#include <variform/calls.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/progress.h"
#include "config/load.h"
#include "model/checkpoints.h"
#include "model/process.h"
#include "model/products.h"
#include "plugins/ambient.h"

namespace variform::cli {
namespace fs = std::filesystem;

class Opened::Surroundings {
 public:
  explicit Surroundings(base::Log& log) : log_(log) {}
  ~Surroundings() {
    for (const std::string& sentence : take_changed_modes()) log_.warning(sentence);
    const std::string changes = plugins::changed_text("a component of this model", before_.restore());
    if (!changes.empty()) log_.warning(changes);
  }
  Surroundings(Surroundings&&) = delete;

 private:
  base::Log& log_;
  plugins::AmbientState before_ = plugins::AmbientState::now();
};

Opened::Opened() = default;
Opened::Opened(Opened&&) noexcept = default;
Opened::~Opened() = default;

fs::path destination(const Common& common, const ModelOptions& options, const fs::path& name) {
  if (!options.out.empty()) return chosen(options.out);
  const fs::path run = run_path(common, options.run);
  const fs::path folder =
      fs::is_directory(run) ? run : model::checkpoint_of(run, options.which).parent_path();
  base::require_inside(folder, folder / name);
  return folder / name;
}

Opened open(const Common& common, const ModelOptions& options, model::DataUse use) {
  const model::Workplace place = common.workplace();
  const fs::path run = run_path(common, options.run);
  model::OpenOptions how{.which = options.which, .overrides = options.overrides, .use = use};
  if (!options.on.empty()) {
    const std::string dataset = options.on.substr(0, options.on.find(':'));
    if (!dataset.empty()) how.overrides.push_back("data.dataset=\"" + dataset + "\"");
  }
  if (!options.on.empty() || !options.split.empty() || options.row >= 0 || !options.prior.empty())
    how.use = model::DataUse::kNeeded;
  std::shared_ptr<plugins::Registry> registry = place.registry(model::plugin_paths_of(run));
  model::set_threads(common.threads, common.log);
  model::choose_products(common.log);
  Opened opened;
  if (!options.prior.empty()) {
    config::Diagnostics diagnostics;
    opened.prior = config::parse_component(options.prior, "--prior", Kind::kPrior, *registry, diagnostics);
    diagnostics.throw_if_any();
  }
  opened.run = place.open(run, how, registry);
  const auto records = registry->records();
  if (std::any_of(records.begin(), records.end(), [](const plugins::PluginRecord* record) {
        return record->status == plugins::Status::kLoaded && !record->is_stock;
      }))
    opened.surroundings = std::make_unique<Opened::Surroundings>(common.log);
  return opened;
}

void use_prior(const Common& common, Opened& opened, const ModelOptions& options) {
  if (!opened.prior) return;
  model::Trained own;
  if (!options.on.empty())
    own = model::open_trained(opened.run.checkpoint, options.overrides, *opened.run.registry,
                              common.workplace().places);
  {
    Progress progress(common);
    opened.ex_post = train::use_ex_post_prior(opened.session(), own.session ? *own.session : opened.session(),
                                              *opened.prior, *opened.run.registry,
                                              opened.run.folder / "priors", watch_with(progress));
  }
  for (const std::string& note : opened.ex_post->notes) common.log.note(note);
  common.log.info(opened.ex_post->sentence());
}

namespace {

// Returns a text as a part of a file's name; what it loses or cuts is told apart by a digest.
std::string as_name(const std::string& text) {
  constexpr std::size_t kMost = 48, kDigits = 8;
  std::string name;
  for (const char c : text) {
    const bool stays = std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("=._+", c) != nullptr;
    if (stays) name += c;
    else if (!name.empty() && name.back() != '-') name += '-';
  }
  if (name != text || name.size() > kMost)
    name = name.substr(0, kMost) + "-" + base::sha256(text).substr(0, kDigits);
  return name;
}

}  // namespace

std::string named(const Opened& opened, const ModelOptions& options, const std::string& name) {
  std::string all = opened.ex_post ? name + "-" + opened.ex_post->id : name;
  for (const std::string& change : options.overrides)
    if (!change.starts_with("train.device=") && !change.starts_with("train.threads="))
      all += "-" + as_name(change);
  if (const std::string dataset = options.on.substr(0, options.on.find(':')); !dataset.empty())
    all += "-on-" + as_name(dataset);
  if (!options.condition.empty()) all += "-condition-" + as_name(options.condition);
  return options.noise ? all + "-noise" : all;
}

std::string split_of(const ModelOptions& options) {
  const size_t colon = options.on.find(':');
  if (!options.split.empty()) return options.split;
  return colon == std::string::npos ? std::string("test") : options.on.substr(colon + 1);
}

int interrupted_with_nothing(const Common& common) {
  common.log.info("interrupted before anything was complete; nothing was written");
  return kInterrupted;
}

ModelCommand add_model_command(Command app, Common& common, Action& action, const char* name,
                               const char* description, RunsModelCommand run) {
  auto options = std::make_shared<ModelOptions>();
  Command command = app.add_command(name, description);
  command.add_option("run", options->run, "Run folder, its name below --runs, or a checkpoint file")
      .required();
  command.add_option("overrides", options->overrides, "[a.b=VALUE...]: device, data ...");
  command.add_option("--checkpoint", options->which, "last or best").one_of({"last", "best"}).shows_default();
  command.add_option("--out", options->out, "File to write instead of one in the run folder")
      .type_name("FILE");
  command.on_chosen([&common, &action, options, run] {
    action = [&common, options, run] { return run(common, *options); };
  });
  return {command, options};
}

void add_prior_option(ModelCommand& model) {
  model.command
      .add_option(
          "--prior", model.options->prior,
          "Another prior, fitted to the latents of the training split and kept in the run: an id, or a "
          "table as in a config, '{ type = \"mixture\", components = 10 }'")
      .type_name("PRIOR");
}

void add_data_options(ModelCommand& model) {
  model.command.add_option("--split", model.options->split, "train, validation or test (default)")
      .one_of({"train", "validation", "test"});
  model.command.add_option("--on", model.options->on, "Another data set, DATASET[:SPLIT]")
      .type_name("DATASET[:SPLIT]");
}

}  // namespace variform::cli
