// See session.h.

#include "model/session.h"

#include <ATen/ATen.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <dlfcn.h>
#include <torch/cuda.h>

#include <algorithm>

#include <fmt/format.h>

#include "config/load.h"
#include "data/descriptor.h"
#include "data/files.h"
#include "data/order.h"
#include "model/checkpoints.h"
#include "model/condition.h"
#include "model/independent_rows.h"
#include "model/plugin_readers.h"

namespace variform::model {
namespace fs = std::filesystem;
namespace {

// The table of a slot in a resolved config.
config::Node& slot_of(config::Node& resolved, Kind kind) {
  config::Node& parent = kind == Kind::kObjective ? resolved : *resolved.find("model");
  return *parent.find(to_string(kind));
}

// Erases `from` of a component and of those inside it.
void erase_sources(config::Node& component) {
  component.erase("from");
  std::vector<std::string> inner;
  for (const config::Node::Member& member : component.members())
    if (member.value.is_table()) inner.push_back(member.key);
  for (const std::string& key : inner) erase_sources(*component.find(key));
}

// Calls visit(component, its table) for a component and for those among its parameters.
template <class Spec, class Visit>
void visit_components(Spec& spec, config::Node& table, const Visit& visit) {
  visit(spec, table);
  for (auto& [name, value] : spec.parameters)
    if (auto* nested = std::get_if<std::shared_ptr<config::ComponentSpec>>(&value))
      visit_components(**nested, *table.find(name), visit);
}

// Writes type and parameters of components that name a run instead into the resolved config, from that run's config: a
// run's own copy must not need the other run. Returns whether there were any.
bool complete_components(config::Experiment& experiment, const plugins::Registry& registry) {
  bool any = false;
  const auto complete = [&](config::ComponentSpec& spec, config::Node& table) {
    if (!spec.from || !spec.type.empty()) return;
    config::Experiment source = experiment_of(checkpoint::read(checkpoint_of(*spec.from)), registry);
    config::Node& theirs = slot_of(source.resolved, spec.kind);
    erase_sources(theirs);
    for (const config::Node::Member& member : theirs.members())
      if (member.key != "frozen" && member.key != "optimizer") table.set(member.key, member.value);
    any = true;
  };
  for (auto& [kind, slot] : experiment.slots)
    visit_components(slot, slot_of(experiment.resolved, kind), complete);
  return any;
}

// Returns the absolute path of a run named in a config: it is looked for in the working folder, then beside the config.
std::string settled(const std::string& run, const config::Position& where) {
  const bool is_in_file = !where.is_command_line() && !where.is_default();
  const fs::path beside = is_in_file ? fs::path(where.file).parent_path() : fs::path();
  for (const fs::path& candidate : {fs::path(run), beside / run})
    if (fs::exists(candidate)) return fs::absolute(candidate).lexically_normal().string();
  return run;
}

// The resolved config is kept in the run's folder and its checkpoints, so no path in it may depend on where the
// config was written or the program was started.
void settle_paths(config::Experiment& experiment, const Places& places) {
  const auto settle = [](config::Node& table, std::optional<std::string>& from) {
    const config::Node* node = table.find("from");
    if (!node || !from) return;
    const config::Position where = node->where();
    from = settled(*from, where);
    table.set("from", config::Node(*from, where));
  };
  config::Node& resolved = experiment.resolved;
  config::Node& data = *resolved.find("data");
  if (experiment.data.model) settle(*data.find("dataset"), experiment.data.model->from);
  else
    data.set("dataset", data::portable(experiment.data.dataset, places.descriptors),
             experiment.data.dataset.where());
  experiment.data.dataset = *data.find("dataset");
  for (auto& [kind, slot] : experiment.slots)
    visit_components(slot, slot_of(resolved, kind),
                     [&](config::ComponentSpec& spec, config::Node& table) { settle(table, spec.from); });
}

ModelSpec model_spec(Session& session, at::TensorOptions options, bool mixed) {
  ModelSpec spec;
  spec.data = session.facts.shape;
  spec.latent = session.experiment.latent;
  spec.condition = session.facts.condition.size;
  spec.slots = session.experiment.slots;
  spec.seed = session.experiment.seed;
  spec.options = options;
  spec.mixed_precision = mixed;
  spec.horizon = session.horizon;
  spec.examples = [&session](int64_t n) {
    session.examples = std::max(session.examples, n);
    if (session.batches) return session.batches->examples(n);
    const bool is_fresh = session.experiment.data.model && session.experiment.data.model->fresh;
    return stand_ins(session.facts, is_fresh ? n : std::min(n, session.facts.rows), session.options);
  };
  return spec;
}

Domain domain_of(const std::string& name) {
  std::string all;
  for (Domain domain :
       {Domain::kReal, Domain::kUnitInterval, Domain::kBinary, Domain::kCount, Domain::kCategorical}) {
    if (name == to_string(domain)) return domain;
    all += (all.empty() ? "" : ", ") + std::string(to_string(domain));
  }
  throw Error("the data are of an unknown domain: expected one of " + all + ", found '" + name + "'.");
}

// Builds the model from facts and experiment, and checks that it composes.
void build_model(Session& session, const plugins::Registry& registry) {
  session.domain = session.facts.domain;
  session.horizon = horizon_of(session.experiment.train, session.facts.rows);
  const config::Precision precision = session.experiment.train.precision;
  const bool mixed = precision == config::Precision::kBfloat16, tf32 = precision == config::Precision::kTf32;
  at::globalContext().setAllowTF32CuBLAS(tf32);  // these settings of LibTorch hold for the whole process
  at::globalContext().setAllowTF32CuDNN(tf32);
  session.assembly = std::make_unique<Assembly>(model_spec(session, session.options, mixed), registry);
  for (const auto& [kind, slot] : session.experiment.slots)
    if (slot.from) session.assembly->load(checkpoint::read(checkpoint_of(*slot.from)).tensors, {kind});
  check_composition(session.assembly->model(), domain_of(session.domain), session.facts.has_missing);
  if (session.facts.condition.size > 0 && !is_conditioned(session))
    session.splits.notes.push_back(
        "data.condition = \"" + session.facts.condition.on +
        "\" is set, and no component uses it: write condition = true in model.encoder, "
        "model.decoder or both, or choose a prior that is given the condition.");
  const int64_t examples = std::min(session.examples, session.splits.train.size());
  if (data::are_of_one_class(session.splits.train, 0, examples))
    session.splits.notes.push_back(
        fmt::format("A component starts from the first {} training rows, which are all of one class: the "
                    "file is sorted. Write shuffle = 1 in the description of its split.",
                    examples));
}

}  // namespace

int64_t horizon_of(const config::TrainSpec& spec, int64_t size) {
  return spec.steps ? *spec.steps : data::BatchOrder(size, spec.batch, 0).steps(spec.epochs.value_or(1));
}

config::Experiment resolve_experiment(const config::Node& root, const plugins::Registry& registry,
                                      const Places& places, config::Diagnostics& diagnostics) {
  const auto readers = plugin_readers(registry);
  const auto check_dataset = [&](const config::Node& dataset, config::Diagnostics& found) {
    data::resolve_descriptor(dataset, places.descriptors, places.data, found, readers.get());
  };
  config::Experiment experiment = config::resolve(root, registry, diagnostics, check_dataset);
  diagnostics.throw_if_any();
  settle_paths(experiment, places);
  if (complete_components(experiment, registry)) {
    experiment = config::resolve(config::Node(experiment.resolved), registry, diagnostics, check_dataset);
    diagnostics.throw_if_any();
  }
  return experiment;
}

namespace {

// A program that was built with a CPU build of LibTorch, as that of a wheel, is not linked to libtorch_cuda; a CUDA build
// registers itself when that is loaded. To be called before LibTorch is asked for CUDA, whose first answer it keeps.
void load_cuda() { ::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL); }

bool has_cuda_driver() { return ::dlopen("libcuda.so.1", RTLD_LAZY) != nullptr; }

// Returns a GPU, or the device of another kind that somebody has registered with LibTorch in this process.
at::Device device_there() {
  if (has_cuda_driver()) load_cuda();  // which takes a second
  if (torch::cuda::is_available()) return {at::kCUDA, 0};
  if (at::isPrivateUse1HooksRegistered()) return {at::kPrivateUse1, 0};
  return at::kCPU;
}

}  // namespace

at::TensorOptions tensor_options(const config::TrainSpec& spec) {
  at::Device device = at::kCPU;
  if (spec.device == "auto") {
    device = device_there();
  } else {
    device = at::Device(spec.device == "cuda" ? "cuda:0" : spec.device);
    if (device.is_cuda()) load_cuda();
    if (device.is_cuda() &&
        (!torch::cuda::is_available() || device.index() >= static_cast<int64_t>(torch::cuda::device_count())))
      throw std::runtime_error(
          fmt::format("train.device = \"{}\", but LibTorch sees {} CUDA devices here. Use device = \"auto\" "
                      "or \"cpu\", or a CUDA build of LibTorch.",
                      spec.device, torch::cuda::is_available() ? torch::cuda::device_count() : 0));
  }
  return at::TensorOptions().device(device).dtype(spec.precision == config::Precision::kFloat64 ? at::kDouble
                                                                                                : at::kFloat);
}

void forget_sources(config::Experiment& experiment) {
  for (auto& [kind, slot] : experiment.slots)
    visit_components(slot, slot_of(experiment.resolved, kind),
                     [](config::ComponentSpec& spec, config::Node&) { spec.from.reset(); });
}

Batch Session::rows(int64_t n) {
  Batch batch;
  batch.x = batches->examples(n);
  batch.context = batches->example_context(n);
  batch.context.index = at::arange(batch.x.size(0), options.dtype(at::kLong));
  batch.dataset_size = batches->size();
  return batch;
}

Preflight Session::preflight(const plugins::Registry& registry) {
  const Preflight found = run_preflight(*assembly, rows(2), [&] {
    return std::make_unique<Assembly>(model_spec(*this, options.dtype(at::kDouble), false), registry);
  });
  if (experiment.train.shards > 1)
    require_independent_rows(*assembly, rows(kRowsToCompare), experiment.train.shards);
  return found;
}

std::unique_ptr<Session> open_session(config::Experiment experiment, const plugins::Registry& registry,
                                      const Places& places, const data::Condition* trained) {
  auto session = std::make_unique<Session>();
  if (places.memory > 0) experiment.data.memory = places.memory;
  session->options = tensor_options(experiment.train);
  const at::ScalarType dtype = session->options.dtype().toScalarType();
  if (experiment.data.model && experiment.data.model->fresh) {
    session->batches = fresh_batches(experiment.data, registry, experiment.train.batch, session->options);
    session->splits.condition = session->batches->condition();
  } else {
    session->splits = experiment.data.model ? draw_data(experiment.data, registry, session->options)
                                            : data::load(experiment.data, places.data, places.descriptors,
                                                         experiment.seed, session->options.device(), dtype,
                                                         trained, plugin_readers(registry).get());
    session->batches = batches_of(session->splits, experiment.train.batch, experiment.seed, session->options);
  }
  session->facts = facts_of(session->splits, session->batches->examples(1).sizes().slice(1).vec(),
                            session->batches->size(), session->batches->domain());
  session->experiment = std::move(experiment);
  build_model(*session, registry);
  return session;
}

std::map<std::string, std::string> attributes_of(const Session& session, const plugins::Registry& registry) {
  auto attributes =
      attributes_of(session.experiment, session.facts.shape, session.facts.domain, plugins_json(registry));
  attributes["data"] = to_json(session.facts);
  return attributes;
}

namespace {

config::Node config_in(const checkpoint::Snapshot& snapshot, const std::vector<std::string>& overrides,
                       config::Diagnostics& diagnostics) {
  config::Node root =
      config::parse(snapshot.attributes.at("config"), "config in the checkpoint", diagnostics);
  config::merge(root, config::parse_overrides(overrides, diagnostics));
  return root;
}

std::unique_ptr<Session> open_with_data(const checkpoint::Snapshot& snapshot,
                                        const std::vector<std::string>& overrides,
                                        const plugins::Registry& registry, const Places& places) {
  config::Diagnostics diagnostics;
  const config::Node root = config_in(snapshot, overrides, diagnostics);
  config::Experiment experiment = resolve_experiment(root, registry, places, diagnostics);
  forget_sources(experiment);  // the tensors are in this checkpoint
  const std::optional<DataFacts> facts = facts_in(snapshot.attributes);
  return open_session(std::move(experiment), registry, places, facts ? &facts->condition : nullptr);
}

std::unique_ptr<Session> open_without_data(const checkpoint::Snapshot& snapshot, const DataFacts& facts,
                                           const std::vector<std::string>& overrides,
                                           const plugins::Registry& registry) {
  config::Diagnostics diagnostics;
  const config::Node root = config_in(snapshot, overrides, diagnostics);
  auto session = std::make_unique<Session>();
  session->experiment = config::resolve(root, registry, diagnostics);
  diagnostics.throw_if_any();
  forget_sources(session->experiment);
  session->options = tensor_options(session->experiment.train);
  session->facts = facts;
  for (Tensor* constant : {&session->facts.mean, &session->facts.sd})
    if (constant->defined()) *constant = constant->to(session->options);
  build_model(*session, registry);
  return session;
}

// Returns why a checkpoint's data are missing, as far as can be told without reading them; empty: they may be here.
std::string why_not_described(const checkpoint::Snapshot& snapshot, const plugins::Registry& registry,
                              const Places& places) {
  config::Diagnostics diagnostics;
  const config::Node root = config_in(snapshot, {}, diagnostics);
  const config::Node* data = root.find("data");
  const config::Node* dataset = data ? data->find("dataset") : nullptr;
  if (!dataset) return {};
  if (const config::Node* from = dataset->is_table() ? dataset->find("from") : nullptr;
      from && from->if_text())
    return fs::exists(*from->if_text())
               ? ""
               : "they are drawn from the run " + *from->if_text() + ", which is gone.";
  if (dataset->if_text()) try {
      config::Diagnostics found;
      data::resolve_descriptor(*dataset, places.descriptors, places.data, found,
                               plugin_readers(registry).get());
      found.throw_if_any();
    } catch (const std::exception& error) {
      return error.what();
    }
  return {};
}

// Opens a checkpoint for work that can do without data; `no_data` says why there are none.
std::unique_ptr<Session> open_if_there(const checkpoint::Snapshot& snapshot,
                                       const std::vector<std::string>& overrides,
                                       const plugins::Registry& registry, const Places& places, DataUse use,
                                       std::string& no_data) {
  const std::optional<DataFacts> facts = facts_in(snapshot.attributes);
  if (facts && use == DataUse::kNone) return open_without_data(snapshot, *facts, overrides, registry);
  no_data = why_not_described(snapshot, registry, places);
  try {
    if (no_data.empty()) return open_with_data(snapshot, overrides, registry, places);
  } catch (const data::MissingData& missing) {
    no_data = missing.what();
  }
  if (facts) return open_without_data(snapshot, *facts, overrides, registry);
  throw std::runtime_error(
      "this needs the data, since the checkpoint was written before checkpoints kept the data's number and "
      "scale, and they are missing: " +
      no_data);
}

}  // namespace

Trained open_trained(const std::filesystem::path& checkpoint, const std::vector<std::string>& overrides,
                     const plugins::Registry& registry, const Places& places, DataUse use) {
  Trained trained;
  trained.snapshot = checkpoint::read(checkpoint);
  const bool asks_for_data = std::any_of(overrides.begin(), overrides.end(),
                                         [](const std::string& text) { return text.starts_with("data."); });
  trained.session = use == DataUse::kNeeded || asks_for_data
                        ? open_with_data(trained.snapshot, overrides, registry, places)
                        : open_if_there(trained.snapshot, overrides, registry, places, use, trained.no_data);
  trained.session->assembly->load(trained.snapshot.tensors, trained.session->assembly->kinds());
  if (trained.snapshot.tensors.contains("progress/step"))
    trained.session->assembly->set_step(trained.snapshot.tensors.at("progress/step").item<int64_t>());
  trained.session->assembly->set_training(false);
  return trained;
}

}  // namespace variform::model
