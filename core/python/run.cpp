// See run.h.

#include "python/run.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/ext/posterior.h>
#include <variform/random.h>

#include <nlohmann/json.hpp>
#include <utility>

#include <fmt/format.h>

#include "config/load.h"
#include "model/checkpoints.h"
#include "model/condition.h"
#include "model/products.h"
#include "python/messages.h"
#include "python/work.h"

namespace variform::python {
namespace fs = std::filesystem;
namespace {

// A stream of random numbers of its own while it lives; without a seed the model's goes on. One seed gives different
// purposes different numbers: latents and the noise on what is decoded from them must not be alike.
class Seeded {
 public:
  Seeded(Generator& rng, std::optional<int64_t> seed, const char* purpose) : rng_(rng) {
    if (!seed) return;
    before_ = rng_.get_state();
    rng_.set_current_seed(hash(static_cast<uint64_t>(*seed), "python", purpose));
  }
  ~Seeded() {
    if (before_.defined()) rng_.set_state(before_);
  }
  Seeded(const Seeded&) = delete;
  Seeded& operator=(const Seeded&) = delete;

 private:
  Generator& rng_;
  Tensor before_;
};

std::string precision_of(const at::TensorOptions& options) {
  return options.dtype().toScalarType() == at::kDouble ? "float64" : "float32";
}

// The step at which a model was saved; 0 if it does not say.
int64_t step_of(const checkpoint::Snapshot& snapshot) {
  const auto found = snapshot.tensors.find("progress/step");
  return found == snapshot.tensors.end() ? 0 : found->second.item<int64_t>();
}

[[noreturn]] void refuse(const std::string& sentence) { throw Error(sentence); }

std::string text_of(const Shape& data, const char* leading) {
  return std::string(leading) + to_text(data).substr(1);  // "[B, 1, 28, 28]"
}

}  // namespace

Run::Run(const Opening& opening) : opening_(opening) {
  const UnchangedProcess unchanged;
  model::choose_products(messages());
  opened_ = std::make_shared<model::OpenedRun>(workplace_of(opening).open(
      opening.run, {.which = opening.which, .overrides = opening.overrides, .use = model::DataUse::kNone},
      registry_of(opening, model::plugin_paths_of(opening.run))));
  assembly_ = {opened_, session().assembly.get()};
  step_ = step_of(opened_->trained.snapshot);
  opened_->trained.snapshot.tensors.clear();  // the model has a copy, and the optimizer's state is not needed
  seed(0);
}

Run::Run(const Run& other, const at::TensorOptions& options)
    : opening_(other.opening_), opened_(other.opened_), is_training_(other.is_training_), step_(other.step_) {
  const UnchangedProcess unchanged;
  model::ModelSpec spec = other.spec();
  const at::ScalarType dtype = options.dtype().toScalarType();
  if (dtype != at::kFloat && dtype != at::kDouble)
    refuse(fmt::format("a model computes in float32 or float64; found {}.", c10::toString(dtype)));
  spec.mixed_precision &= dtype == spec.options.dtype().toScalarType();
  spec.options = at::TensorOptions().dtype(dtype).device(options.device());
  assembly_ = std::make_shared<model::Assembly>(spec, *opened_->registry);
  const auto values = other.assembly_->state();
  assembly_->load(values, assembly_->kinds());
  for (auto& [path, tensor] : assembly_->state()) {
    Tensor own = tensor;
    own.set_requires_grad(values.at(path).requires_grad());
  }
  assembly_->set_step(other.model().step());
  set_training(is_training_);
  seed(0);
}

c10::Dict<std::string, Tensor> Run::tensors() const {
  c10::Dict<std::string, Tensor> all;
  for (const auto& [path, tensor] : assembly_->state()) all.insert(path, tensor);
  return all;
}

std::string Run::facts() const {
  const model::DataFacts& data = session().facts;
  nlohmann::json all = {{"shape", data.shape},
                        {"latent", model().latent},
                        {"outputs", model().likelihood().outputs()},
                        {"step", step_},
                        {"seed", spec().seed},
                        {"mixed_precision", model().mixed_precision()},
                        {"dataset", data.name},
                        {"domain", data.domain},
                        {"rows", data.rows},
                        {"class_names", data.class_names},
                        {"condition", model::is_conditioned(session()) ? data.condition.size : 0},
                        {"condition_on", data.condition.on},
                        {"config", config::print(session().experiment.resolved)},
                        {"name", session().experiment.name},
                        {"classes", opening_.classes},
                        {"folder", opened_->folder.string()},
                        {"checkpoint", opened_->checkpoint.string()}};
  for (Kind kind : assembly_->kinds()) all["components"][to_string(kind)] = model().label(kind);
  all["plugins"] = nlohmann::json::array();
  for (const plugins::PluginRecord* plugin : opened_->registry->records())
    if (plugin->status == plugins::Status::kLoaded && !plugin->is_stock)
      all["plugins"].push_back(plugin->path.string());
  return all.dump();
}

void Run::set_training(bool on) {
  is_training_ = on;
  assembly_->set_training(on);
}

void Run::require(const Tensor& tensor, const char* name) const {
  const at::TensorOptions& options = spec().options;
  if (tensor.scalar_type() == options.dtype().toScalarType() &&
      tensor.device().type() == options.device().type())
    return;
  refuse(fmt::format("{} is {} on {}; the model computes in {} on {}: move one of them by .to(…).", name,
                     c10::toString(tensor.scalar_type()), tensor.device().str(),
                     c10::toString(options.dtype().toScalarType()), options.device().str()));
}

void Run::require_x(const Tensor& x) const {
  require(x, "x");
  const Shape& data = spec().data;
  if (x.dim() != static_cast<int64_t>(data.size()) + 1 || x.sizes().slice(1) != at::IntArrayRef(data))
    refuse(fmt::format("x has shape {}; expected {}, the data's shape after the batch.", to_text(x.sizes()),
                       text_of(data, "[B, ")));
}

int64_t Run::require_z(const Tensor& z, const char* name) const {
  require(z, name);
  if (z.dim() < 1 || z.size(-1) != spec().latent)
    refuse(fmt::format("{} has shape {}; expected [..., B, {}], the latents in the last dimension.", name,
                       to_text(z.sizes()), spec().latent));
  return z.dim() < 2 ? 1 : z.size(-2);
}

Context Run::context(int64_t rows, std::vector<std::optional<Tensor>> known) const {
  Shape values{rows};
  values.insert(values.end(), spec().data.begin(), spec().data.end());
  const int64_t size = model::is_conditioned(session()) ? session().facts.condition.size : 0;
  Context context;
  const auto take = [&](std::size_t i, const char* name, const Shape& shape, at::ScalarType dtype) -> Tensor {
    if (!known[i]) return {};
    const Tensor& given = *known[i];
    if (given.sizes() != at::IntArrayRef(shape) || given.scalar_type() != dtype)
      refuse(fmt::format("{} is {} {}; expected {} {}.", name, c10::toString(given.scalar_type()),
                         to_text(given.sizes()), c10::toString(dtype), to_text(shape)));
    return given.to(spec().options.device());
  };
  if (known[1] && size == 0)
    refuse("a condition was given, and no component of this model has condition = true.");
  context.labels = take(0, "labels", {rows}, at::kLong);
  context.condition = take(1, "condition", {rows, size}, spec().options.dtype().toScalarType());
  context.mask = take(2, "mask", values, at::kBool);
  context.index = take(3, "index", {rows}, at::kLong);
  if (context.mask.defined() && !model().likelihood().admits_missing())
    refuse("a mask was given, and likelihood " + model().label(Kind::kLikelihood) +
           " does not admit missing values.");
  return context;
}

Tensor Run::condition(const std::string& text) const {
  return model::condition_from(session(), text).to(spec().options);
}

c10::intrusive_ptr<Posterior> Run::posterior(const Tensor& x, const Context& context) {
  return c10::make_intrusive<Posterior>(c10::intrusive_ptr<Run>::reclaim_copy(this), x, context);
}

Tensor Run::decode(const Tensor& z, const Context& context) const {
  require_z(z);
  return model().decode(z, context);
}

Tensor Run::nll(const Tensor& x, const Tensor& z, const Context& context) const {
  require_x(x);
  if (require_z(z) != x.size(0) || z.dim() < 2)
    refuse(fmt::format("x has {} rows and z has shape {}; expected [..., {}, {}].", x.size(0),
                       to_text(z.sizes()), x.size(0), spec().latent));
  return model().nll(x, model().decode(z, context), context);
}

Tensor Run::log_prior(const Tensor& z, const Context& context) const {
  require_z(z);
  return model().log_prior(z, context);
}

namespace {
void require_rows(const Tensor& z, int64_t rows, int64_t latent) {
  if (z.dim() != 2 || z.size(0) != rows)
    refuse(fmt::format("z has shape {}; expected [{}, {}], one code per row.", to_text(z.sizes()), rows,
                       latent));
}
}  // namespace

Tensor Run::jacobian(const Tensor& z, const Context& context) const {
  require_rows(z, require_z(z), spec().latent);
  return model().pushforward(z, model().unit_tangents(z.size(0)), context).jv.movedim(0, -1);
}

Tensor Run::hessian(const Tensor& x, const Tensor& z, const Context& context, const std::string& form) const {
  require_x(x);
  require_z(z);
  require_rows(z, x.size(0), spec().latent);
  return model()
      .latent_hessian(x, z, model().unit_tangents(z.size(0)), context, curvature_named(form))
      .hessian;
}

Tensor Run::sample_prior(int64_t n, std::optional<int64_t> seed, const Context& context) const {
  if (n < 0) refuse(fmt::format("the number of samples is {}; expected 0 or more.", n));
  const at::NoGradGuard no_grad;
  const Seeded seeded(model().rng, seed, "prior");
  return model().sample_prior(n, context);
}

namespace {
void require_g(const Tensor& g, const Model& model) {
  Shape shape{model.likelihood().outputs()};
  shape.insert(shape.end(), model.data.begin(), model.data.end());
  const auto count = static_cast<int64_t>(shape.size());
  if (g.dim() <= count || g.sizes().slice(g.dim() - count) != at::IntArrayRef(shape))
    refuse(fmt::format("g has shape {}; expected {}, as decode() gives it.", to_text(g.sizes()),
                       text_of(shape, "[..., B, ")));
}
}  // namespace

Tensor Run::data_mean(const Tensor& g) const {
  require(g, "g");
  require_g(g, model());
  return model().data_mean(g);
}

Tensor Run::sample_data(const Tensor& g, std::optional<int64_t> seed) const {
  require(g, "g");
  require_g(g, model());
  const at::NoGradGuard no_grad;
  const Seeded seeded(model().rng, seed, "data");
  return model().sample_data(g);
}

Tensor Run::unscaled(const Tensor& x) const {
  const at::NoGradGuard no_grad;
  return model::unscaled(session(), x.to(session().options)).cpu();
}

c10::Dict<std::string, Tensor> Run::terms(const Tensor& x, std::optional<int64_t> step,
                                          const Context& context) const {
  require_x(x);
  if (x.size(0) == 0) refuse("x has no rows; an objective needs at least one.");
  if (step && *step < 0) refuse(fmt::format("step is {}; expected 0 or more.", *step));
  if (step) assembly_->set_step(*step);
  Terms terms = model().evaluate({x, context, session().facts.rows});
  c10::Dict<std::string, Tensor> all;
  all.insert("loss", terms.loss);
  for (const auto& [name, part] : terms.parts) all.insert(name, part);
  return all;
}

model::Session& Run::with_data() {
  if (!with_data_) {
    const UnchangedProcess unchanged;
    std::vector<std::string> overrides = opening_.overrides;
    overrides.push_back("train.device=\"" + spec().options.device().str() + "\"");
    overrides.push_back("train.precision=\"" + precision_of(spec().options) + "\"");
    with_data_ = std::make_unique<model::OpenedRun>(
        workplace_of(opening_).open(opened_->checkpoint, {.overrides = overrides}, opened_->registry));
  }
  return with_data_->session();
}

model::Rows Run::rows_of(const std::string& split) { return {with_data(), split}; }

std::string Run::evaluate(const std::string& split, const std::string& options) {
  const UnchangedProcess unchanged;
  model::Session& session = with_data();
  session.assembly->load(assembly_->state(), assembly_->kinds());
  return python::evaluate(session, *opened_->registry, split, options);
}

int64_t Run::size(const std::string& split) { return rows_of(split).size(); }

c10::Dict<std::string, Tensor> Run::rows(const std::string& split, int64_t first, int64_t count) {
  model::Rows rows = rows_of(split);
  if (first < 0 || count < 0 || first + count > rows.size())
    refuse(fmt::format("rows {} to {} were asked for; split '{}' has rows 0 to {}.", first, first + count - 1,
                       rows.split(), rows.size() - 1));
  const Batch batch = rows.range(first, count);
  c10::Dict<std::string, Tensor> all;
  all.insert("x", batch.x);
  const std::pair<const char*, const Tensor&> known[] = {{"labels", batch.context.labels},
                                                         {"condition", batch.context.condition},
                                                         {"mask", batch.context.mask},
                                                         {"index", batch.context.index}};
  for (const auto& [name, tensor] : known)
    if (tensor.defined()) all.insert(name, tensor);
  return all;
}

void Run::save(const std::string& file, int64_t step) const {
  checkpoint::Snapshot snapshot;
  snapshot.attributes = opened_->trained.snapshot.attributes;
  snapshot.attributes[model::kModelOnly] = "true";
  config::Diagnostics diagnostics;
  config::Node root =
      config::parse(snapshot.attributes.at("config"), "config in the checkpoint", diagnostics);
  const bool was_double = opened_->trained.session->experiment.train.precision == config::Precision::kFloat64;
  if (was_double != (precision_of(spec().options) == "float64")) {
    root.find("train")->set("precision", config::Node(precision_of(spec().options)));
    snapshot.attributes["config"] = config::print(root);
    snapshot.attributes["config_hash"] =
        config::experiment_hash(model::experiment_of(snapshot, *opened_->registry));
  }
  for (const auto& [path, tensor] : assembly_->state()) snapshot.tensors[path] = tensor.detach();
  snapshot.tensors["progress/step"] = at::scalar_tensor(step, at::kLong);
  checkpoint::write(snapshot, file);
}

Posterior::Posterior(c10::intrusive_ptr<Run> run, const Tensor& x, Context context)
    : run_(std::move(run)), rows_(x.dim() > 0 ? x.size(0) : 0), context_(std::move(context)) {
  run_->require_x(x);
  q_ = run_->model().posterior(x, context_);
}

Covariance Posterior::moments(const char* asked) const {
  const auto* known = ability<Moments>(*q_);
  std::optional<Covariance> covariance = known ? known->covariance() : std::nullopt;
  if (!covariance)
    throw Unsupported("family " + run_->model().label(Kind::kFamily) + " knows no " + asked +
                      " of q: take it from draws, or `location`, its centre.");
  return *covariance;
}

Tensor Posterior::mean() const {
  moments("mean");
  return q_->location();
}

Tensor Posterior::covariance() const {
  const Tensor dense = moments("covariance").dense();
  return dense.expand({rows_, dense.size(1), dense.size(2)});
}

Tensor Posterior::variance() const {
  const Tensor diagonal = moments("variance").variances();
  return diagonal.expand({rows_, diagonal.size(1)});
}

Tensor Posterior::entropy() const {
  const std::optional<Tensor> entropy = q_->entropy();
  if (!entropy)
    throw Unsupported("family " + run_->model().label(Kind::kFamily) +
                      " knows no closed entropy: estimate it as the mean of −log_prob over draws.");
  return *entropy;
}

Draw Posterior::draw(int64_t count, std::optional<int64_t> seed) const {
  if (count < 1) refuse(fmt::format("the number of draws is {}; expected at least 1.", count));
  const Seeded seeded(run_->model().rng, seed, "posterior");
  return q_->rsample(count, run_->model().rng);
}

Tensor Posterior::rsample(std::optional<int64_t> count, std::optional<int64_t> seed) {
  drawn_ = draw(count.value_or(1), seed);
  returned_ = count ? drawn_.z : drawn_.z.squeeze(0);
  return returned_;
}

Tensor Posterior::log_prob(const Tensor& z) const {
  const int64_t rows = run_->require_z(z), latent = z.size(-1);
  if (rows != rows_ && rows != 1)
    refuse(fmt::format("z has shape {}; expected [..., {}, {}], as many rows as x.", to_text(z.sizes()),
                       rows_, latent));
  const auto leading = z.sizes().slice(0, static_cast<std::size_t>(std::max<int64_t>(z.dim() - 2, 0)));
  Shape shape(leading.begin(), leading.end());
  shape.push_back(rows_);
  if (returned_.defined() && z.is_same(returned_)) return q_->log_prob(drawn_).reshape(shape);
  return q_->log_prob({z.reshape({-1, rows, latent}).expand({-1, rows_, latent}), {}}).reshape(shape);
}

Tensor Posterior::kl(int64_t draws, std::optional<int64_t> seed) {
  return run_->model().kl(*q_, has_closed_kl() ? Draw{} : draw(draws, seed), context_);
}

}  // namespace variform::python
