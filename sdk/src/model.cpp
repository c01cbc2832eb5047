// Model: shape folding, precision, checks and error context around every call into a component.

#include <variform/ext/levels.h>
#include <variform/ext/posterior.h>
#include <variform/host.h>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <variform/calls.h>

#include <array>
#include <deque>
#include <mutex>

namespace variform {
inline namespace v2 {
namespace {

// Enables bfloat16 autocast while it lives.
class Autocast {
 public:
  Autocast(bool enabled, at::DeviceType device) : enabled_(enabled), device_(device) {
    if (!enabled_) return;
    before_ = at::autocast::is_autocast_enabled(device_);
    dtype_before_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!enabled_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, before_);
    at::autocast::set_autocast_dtype(device_, dtype_before_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool enabled_, before_ = false;
  at::DeviceType device_;
  at::ScalarType dtype_before_ = at::kFloat;
};

// Throws unless `tensor` is defined and has the expected shape, dtype class and device.
const Tensor& expect(const Tensor& tensor, at::IntArrayRef shape, const at::TensorOptions& options,
                     const char* what) {
  if (!tensor.defined())
    throw Error(std::string(what) + " returned an undefined tensor; expected shape " + to_text(shape));
  if (tensor.sizes() != shape)
    throw Error(std::string(what) + " returned shape " + to_text(tensor.sizes()) + "; expected " +
                to_text(shape));
  if (!tensor.is_floating_point())
    throw Error(std::string(what) + " returned " + c10::toString(tensor.scalar_type()) +
                "; expected a floating-point tensor");
  if (tensor.device().type() != options.device().type())
    throw Error(std::string(what) + " returned a tensor on " + tensor.device().str() + "; expected " +
                options.device().str());
  return tensor;
}

// Returns [..., B, d] without d.
Shape without_last(at::IntArrayRef shape) { return {shape.begin(), shape.end() - 1}; }

Shape joined(Shape left, at::IntArrayRef right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

// Everything of a model that components do not see as a member.
struct Model::Impl {
  std::array<std::shared_ptr<Component>, kKinds> slots;
  std::array<std::string, kKinds> labels;
  int64_t step = -1;
  bool mixed_precision = false, reference = false;

  std::optional<Linearization> short_latent_hessian(Model& model, const Tensor& z, const Tensor& v,
                                                    const Context& context) const;
  void require_independent_rows(const Model& model) const;
};

namespace {

// Calls into a component of the model, and puts kind, component, function and step into the words of what it throws.
template <class Call>
auto in(const Model& model, Kind kind, const char* method, const Call& call) {
  const auto context = [&](const char* message) {
    std::string text = std::string(to_string(kind)) + " " + model.label(kind) + ", in " + method;
    if (model.step() >= 0) text += ", at step " + std::to_string(model.step());
    return text + ": " + message;
  };
  const Calling calling(to_string(kind), model.label(kind).c_str(), method, model.step());
  const KeptModes kept;
  try {
    return call();
  } catch (const ComponentError&) {
    throw;  // the innermost component is the one to name
  } catch (const Unsupported& error) {
    throw Unsupported(context(error.what()));
  } catch (const c10::Error& error) {
    throw ComponentError(context(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw ComponentError(context(error.what()));
  } catch (...) {
    throw ComponentError(context("an exception that does not derive from std::exception"));
  }
}

}  // namespace

// Forwards to a family's posterior, checks its results, and names the family in errors. It has the abilities of the posterior
// that it forwards to, checked; what it does not know it hands out unchecked.
class CheckedPosterior final : public Posterior,
                               private LogMarginals,
                               private ClosedEntropy,
                               private Moments,
                               private PosteriorLevels {
 public:
  CheckedPosterior(const Model& model, std::unique_ptr<Posterior> inner, int64_t batch)
      : model_(model),
        inner_(std::move(inner)),
        batch_(batch),
        label_(model.label(Kind::kFamily).empty() ? "" : model.label(Kind::kFamily).c_str()),
        step_(model.step()),
        entropy_(variform::ability<ClosedEntropy>(*inner_)),
        moments_(variform::ability<Moments>(*inner_)),
        levels_(variform::ability<PosteriorLevels>(*inner_)) {}
  ~CheckedPosterior() override {  // may run after the model's
    const Calling calling(to_string(Kind::kFamily), label_, "the posterior's destructor", step_);
    inner_.reset();
  }

  const Posterior& inner() const { return *inner_; }

  const void* ability(std::string_view id) const override {
    if (id == LogMarginals::kId)
      return static_cast<const LogMarginals*>(this);  // names the family when it has none
    if (id == ClosedEntropy::kId) return entropy_ ? static_cast<const ClosedEntropy*>(this) : nullptr;
    if (id == Moments::kId) return moments_ ? static_cast<const Moments*>(this) : nullptr;
    if (id == PosteriorLevels::kId) return levels_ ? static_cast<const PosteriorLevels*>(this) : nullptr;
    return inner_->ability(id);
  }

  Tensor location() const override {
    return in(model_, Kind::kFamily, "location", [&] {
      return expect(inner_->location(), {batch_, model_.latent}, model_.options, "location");
    });
  }
  Draw rsample(int64_t K, Generator& rng) const override {
    return in(model_, Kind::kFamily, "rsample", [&] {
      Draw draw = inner_->rsample(K, rng);
      expect(draw.z, {K, batch_, model_.latent}, model_.options, "rsample");
      return draw;
    });
  }
  Tensor log_prob(const Draw& draw) const override {
    return in(model_, Kind::kFamily, "log_prob", [&] {
      return expect(inner_->log_prob(draw), density_shape(draw), model_.options, "log_prob");
    });
  }

 private:
  Tensor log_marginals(const Draw& draw) const override {
    return in(model_, Kind::kFamily, "log_marginals", [&] {
      Shape shape = density_shape(draw);
      shape.push_back(model_.latent);
      return expect(inner_->log_marginals(draw), shape, model_.options, "log_marginals");
    });
  }
  Tensor entropy() const override {
    return in(model_, Kind::kFamily, "entropy",
              [&] { return expect(entropy_->entropy(), {batch_}, model_.options, "entropy"); });
  }
  std::optional<Covariance> covariance() const override {
    return in(model_, Kind::kFamily, "covariance", [&] {
      std::optional<Covariance> result = moments_->covariance();
      if (result && result->dimension() != model_.latent)
        throw Error("covariance has dimension " + std::to_string(result->dimension()) + "; expected " +
                    std::to_string(model_.latent));
      return result;
    });
  }
  std::vector<int64_t> levels() const override {
    return in(model_, Kind::kFamily, "levels", [&] { return levels_->levels(); });
  }
  LevelMoments level_moments(const Draw& draw) const override {
    return in(model_, Kind::kFamily, "level_moments", [&] {
      LevelMoments moments = levels_->level_moments(draw);
      Shape shape = density_shape(draw);
      shape.push_back(model_.latent);
      expect(moments.mean, shape, model_.options, "level_moments (mean)");
      expect(moments.log_deviation, shape, model_.options, "level_moments (log_deviation)");
      return moments;
    });
  }
  Shape density_shape(const Draw& draw) const {
    Shape shape = without_last(draw.z.sizes());
    if (!shape.empty()) shape.back() = batch_;  // one z for all rows is broadcast
    return shape;
  }

  const Model& model_;
  std::unique_ptr<Posterior> inner_;
  int64_t batch_;
  const char* label_;  // never freed (keep_label)
  int64_t step_;
  const ClosedEntropy* entropy_;
  const Moments* moments_;
  const PosteriorLevels* levels_;
};

const Posterior& innermost(const Posterior& posterior) {
  const Posterior* found = &posterior;
  while (const auto* checked = dynamic_cast<const CheckedPosterior*>(found)) found = &checked->inner();
  return *found;
}

Model::Model(Shape data_shape, int64_t latent_dimension, at::TensorOptions tensor_options,
             Generator generator)
    : data(std::move(data_shape)),
      latent(latent_dimension),
      options(tensor_options),
      rng(std::move(generator)),
      impl_(std::make_unique<Impl>()) {}

int64_t Model::step() const { return impl_->step; }
bool Model::mixed_precision() const { return impl_->mixed_precision; }
bool Model::reference() const { return impl_->reference; }

HostModel::HostModel(Shape data_shape, int64_t latent_dimension, at::TensorOptions tensor_options,
                     Generator generator)
    : Model(std::move(data_shape), latent_dimension, tensor_options, std::move(generator)) {}
HostModel::~HostModel() = default;
void HostModel::set_step(int64_t step) { impl_->step = step; }
void HostModel::set_mixed_precision(bool mixed) { impl_->mixed_precision = mixed; }
void HostModel::set_reference(bool reference) { impl_->reference = reference; }

namespace {
// Labels are kept for ever, since other threads may read the record of calls. They are on the heap: a short string
// would lie in the object that is moved.
constexpr size_t kOnTheHeap = 32;
void keep_label(std::string&& label) {
  static std::mutex mutex;
  static auto& kept = *new std::deque<std::string>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(label));
}
}  // namespace

Model::~Model() {
  for (size_t slot = kKinds; slot-- > 0;) {
    const Calling calling(to_string(static_cast<Kind>(slot)), impl_->labels[slot].c_str(), "its destructor",
                          impl_->step);
    impl_->slots[slot].reset();
  }
  for (std::string& label : impl_->labels)
    if (!label.empty()) keep_label(std::move(label));
}

void HostModel::set(Kind kind, std::shared_ptr<Component> component, std::string label) {
  const auto slot = static_cast<size_t>(kind);
  label.reserve(kOnTheHeap);
  std::swap(impl_->labels[slot], label);
  if (!label.empty()) keep_label(std::move(label));
  impl_->slots[slot] = std::move(component);
}
std::shared_ptr<Component> Model::component(Kind kind) const {
  return impl_->slots[static_cast<size_t>(kind)];
}
const std::string& Model::label(Kind kind) const { return impl_->labels[static_cast<size_t>(kind)]; }

namespace {
template <class Interface>
Interface& slot(const Model& model, Kind kind) {
  Component* component = model.component(kind).get();
  if (!component)
    throw Error(std::string("the model has no ") + to_string(kind) +
                " yet; use the slots from the first step on");
  return static_cast<Interface&>(*component);
}
}  // namespace

Encoder& Model::encoder() const { return slot<Encoder>(*this, Kind::kEncoder); }
Decoder& Model::decoder() const { return slot<Decoder>(*this, Kind::kDecoder); }
VariationalFamily& Model::family() const { return slot<VariationalFamily>(*this, Kind::kFamily); }
Prior& Model::prior() const { return slot<Prior>(*this, Kind::kPrior); }
Likelihood& Model::likelihood() const { return slot<Likelihood>(*this, Kind::kLikelihood); }
Objective& Model::objective() const { return slot<Objective>(*this, Kind::kObjective); }

std::unique_ptr<Posterior> Model::posterior(const Tensor& x, const Context& context) {
  if (x.dim() != static_cast<int64_t>(data.size()) + 1 || x.sizes().slice(1) != at::IntArrayRef(data))
    throw Error("the model was built for data of shape [B, " + to_text(data).substr(1) + "; found " +
                to_text(x.sizes()));
  const int64_t batch = x.size(0);
  const int64_t outputs =
      in(*this, Kind::kFamily, "parameter_count", [&] { return family().parameter_count(latent); });
  const Tensor params = in(*this, Kind::kEncoder, "encode", [&] {
    const Autocast autocast(mixed_precision(), options.device().type());
    const Tensor found = encoder().encode(x, context);
    return expect(found, {batch, outputs}, options, "encode").to(options.dtype().toScalarType());
  });
  return in(*this, Kind::kFamily, "posterior", [&]() -> std::unique_ptr<Posterior> {
    std::unique_ptr<Posterior> inner;
    try {
      inner = family().posterior(params, x, context);
    } catch (const c10::Error& error) {
      throw Error(std::string(error.what_without_backtrace()) + "; params are " + to_text(params.sizes()) +
                  ", with as many columns as parameter_count(" + std::to_string(latent) + ") says");
    }
    if (!inner) throw Error("posterior returned nothing");
    return std::make_unique<CheckedPosterior>(*this, std::move(inner), batch);
  });
}

namespace {
// Returns the shape that a decoder must return for n rows: [n, outputs·data[0], data[1]…].
Shape decoded_shape(const Model& model, int64_t n) {
  Shape shape = joined({n}, model.data);
  shape[1] *= model.likelihood().outputs();
  return shape;
}
// Returns leading sizes, then [outputs, data…].
Shape natural_shape(const Model& model, Shape leading) {
  leading.push_back(model.likelihood().outputs());
  return joined(std::move(leading), model.data);
}
}  // namespace

namespace {
// Repeats the rows of a batch for the leading dimensions of z [..., B, d].
Context repeated_for(const Context& context, const Tensor& z) {
  if (z.dim() < 3) return context;
  int64_t copies = 1;
  for (int64_t i = 0; i + 2 < z.dim(); ++i) copies *= z.size(i);
  return context.repeated(copies);
}
}  // namespace

Tensor Model::decode(const Tensor& z, const Context& context) {
  if (z.dim() < 1 || z.size(-1) != latent)
    throw Error("decode expects latents of shape [..., " + std::to_string(latent) + "]; found " +
                to_text(z.sizes()));
  const Tensor flat = z.reshape({z.numel() / latent, latent});
  const Tensor g = in(*this, Kind::kDecoder, "decode", [&] {
    const Autocast autocast(mixed_precision(), options.device().type());
    return expect(decoder().decode(flat, repeated_for(context, z)), decoded_shape(*this, flat.size(0)),
                  options, "decode");
  });
  return g.to(options.dtype().toScalarType()).reshape(natural_shape(*this, without_last(z.sizes())));
}

Tensor Model::nll(const Tensor& x, const Tensor& g, const Context& context) {
  return in(*this, Kind::kLikelihood, "nll", [&] {
    const Shape shape = without_last(g.sizes().slice(0, g.dim() - static_cast<int64_t>(data.size())));
    return expect(likelihood().nll(x, g, context), shape, options, "nll");
  });
}

Tensor Model::log_prior(const Tensor& z, const Context& context) {
  return in(*this, Kind::kPrior, "log_prob", [&] {
    return expect(prior().log_prob(z, context), without_last(z.sizes()), options, "log_prob");
  });
}

Tensor Model::sample_prior(int64_t n, const Context& context) {
  return in(*this, Kind::kPrior, "sample", [&] {
    return expect(prior().sample(n, rng, context), {n, latent}, options, "sample");
  });
}

namespace {
Shape data_shape(const Model& model, const Tensor& g) {
  const auto leading = g.sizes().slice(0, g.dim() - 1 - static_cast<int64_t>(model.data.size()));
  return joined(leading.vec(), model.data);
}
}  // namespace

Tensor Model::data_mean(const Tensor& g) {
  return in(*this, Kind::kLikelihood, "mean",
            [&] { return expect(likelihood().mean(g), data_shape(*this, g), options, "mean"); });
}

Tensor Model::sample_data(const Tensor& g) {
  return in(*this, Kind::kLikelihood, "sample",
            [&] { return expect(likelihood().sample(g, rng), data_shape(*this, g), options, "sample"); });
}

Tensor Model::kl(const Posterior& posterior, const Draw& draw, const Context& context) {
  const std::optional<Tensor> entropy = posterior.entropy();
  const std::optional<Tensor> cross = !entropy ? std::nullopt : in(*this, Kind::kPrior, "cross_entropy", [&] {
    std::optional<Tensor> found = prior().cross_entropy(posterior, context);
    if (found) expect(*found, entropy->sizes(), options, "cross_entropy");
    return found;
  });
  if (entropy && cross) return *cross - *entropy;
  const std::optional<Tensor> by_levels = in(*this, Kind::kPrior, "level_moments", [&] {
    return partly_closed_kl(prior(), posterior, draw, context);
  });
  if (by_levels) return by_levels->mean(0);
  return (posterior.log_prob(draw) - log_prior(draw.z, context)).mean(0);
}

bool Model::has_closed_kl(const Posterior& posterior, const Context& context) {
  return posterior.entropy().has_value() && in(*this, Kind::kPrior, "cross_entropy", [&] {
           return prior().cross_entropy(posterior, context).has_value();
         });
}

void Model::Impl::require_independent_rows(const Model& model) const {
  if (!model.decoder().rows_independent())
    throw Unsupported(
        "decoder " + model.label(Kind::kDecoder) +
        " mixes the rows of a batch, so that there is no Jacobian per row; use another normalisation");
}

Pushed Model::pushforward(const Tensor& z, const Tensor& v, const Context& context) {
  impl_->require_independent_rows(*this);
  const int64_t batch = z.size(0), tangents = v.size(0);
  const at::ScalarType dtype = options.dtype().toScalarType();
  const Pushed pushed = in(*this, Kind::kDecoder, "pushforward", [&] {
    const Autocast autocast(mixed_precision(), options.device().type());
    Pushed found = decoder().pushforward(z, v, context);
    const Shape shape = decoded_shape(*this, batch);
    expect(found.g, shape, options, "pushforward (g)");
    expect(found.jv, joined({tangents}, shape), options, "pushforward (jv)");
    return found;
  });
  return {pushed.g.to(dtype).reshape(natural_shape(*this, {batch})),
          pushed.jv.to(dtype).reshape(natural_shape(*this, {tangents, batch}))};
}

// Used where gradients are recorded: JᵀJ is formed in the network's precision, like the rest of the step. Evaluations
// form it in float64, since they look at its small eigenvalues. bfloat16 would not be precise enough.
std::optional<Linearization> Model::Impl::short_latent_hessian(Model& model, const Tensor& z, const Tensor& v,
                                                               const Context& context) const {
  if (reference || mixed_precision || context.mask.defined() || !at::GradMode::is_enabled()) return {};
  const std::optional<Tensor> curvature = in(model, Kind::kLikelihood, "isotropic_curvature",
                                             [&] { return model.likelihood().isotropic_curvature(); });
  if (!curvature) return {};
  const int64_t batch = z.size(0), tangents = v.size(0);
  const Pullback pulled = in(model, Kind::kDecoder, "pullback_metric", [&] {
    Pullback found = model.decoder().pullback_metric(z, v, context);
    expect(found.g, decoded_shape(model, batch), model.options, "pullback_metric (g)");
    expect(found.metric, {batch, tangents, tangents}, model.options, "pullback_metric (metric)");
    return found;
  });
  const at::ScalarType dtype = model.options.dtype().toScalarType();
  return Linearization{pulled.g.to(dtype).reshape(natural_shape(model, {batch})),
                       *curvature * pulled.metric.to(at::kDouble)};
}

Linearization Model::latent_hessian(const Tensor& x, const Tensor& z, const Tensor& v, const Context& context,
                                    Curvature curvature) {
  impl_->require_independent_rows(*this);
  if (std::optional<Linearization> found = impl_->short_latent_hessian(*this, z, v, context)) return *found;
  const Pushed pushed = pushforward(z, v, context);
  const int64_t batch = z.size(0), tangents = v.size(0);
  const Tensor jv = pushed.jv.to(at::kDouble);
  const Tensor hessian = in(*this, Kind::kLikelihood, "curvature_form", [&] {
    return expect(likelihood().curvature_form(x, pushed.g, jv, curvature, context),
                  {batch, tangents, tangents}, options, "curvature_form");
  });
  return {pushed.g, hessian};
}

Tensor Model::unit_tangents(int64_t batch) const {
  return at::eye(latent, options).unsqueeze(1).expand({latent, batch, latent});
}

Terms Model::evaluate(const Batch& batch) {
  return in(*this, Kind::kObjective, "evaluate", [&] {
    Terms terms = objective().evaluate(*this, batch);
    const auto fits = [&](const Tensor& t) {
      return t.defined() && t.is_floating_point() &&
             (t.dim() == 0 || t.sizes() == at::IntArrayRef{batch.x.size(0)});
    };
    if (!fits(terms.loss))
      throw Error("the loss must be a floating-point tensor of shape [B] or []; found " +
                  (terms.loss.defined() ? to_text(terms.loss.sizes()) : std::string("nothing")));
    for (const auto& [name, part] : terms.parts)
      if (!fits(part))
        throw Error("part '" + name + "' of the loss must have shape [B] or []; found " +
                    (part.defined() ? to_text(part.sizes()) : std::string("nothing")));
    return terms;
  });
}

}  // namespace v2
}  // namespace variform
