// Model: shape folding, precision, checks and error context around every call into a component.

#include <variform/model.h>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <variform/calls.h>

#include <deque>
#include <mutex>

namespace variform {
inline namespace v1 {
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

template <class Call>
auto Model::in(Kind kind, const char* method, const Call& call) const {
  const auto context = [&](const char* message) {
    std::string text = std::string(to_string(kind)) + " " + label(kind) + ", in " + method;
    if (step >= 0) text += ", at step " + std::to_string(step);
    return text + ": " + message;
  };
  const Calling calling(to_string(kind), label(kind).c_str(), method, step);
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

// Forwards to a family's posterior, checks its results, and names the family in errors.
class CheckedPosterior final : public Posterior {
 public:
  CheckedPosterior(const Model& model, std::unique_ptr<Posterior> inner, int64_t batch)
      : model_(model),
        inner_(std::move(inner)),
        batch_(batch),
        label_(model.label(Kind::kFamily).empty() ? "" : model.label(Kind::kFamily).c_str()),
        step_(model.step) {}
  ~CheckedPosterior() override {  // may run after the model's
    const Calling calling(to_string(Kind::kFamily), label_, "the posterior's destructor", step_);
    inner_.reset();
  }

  const Posterior& inner() const { return *inner_; }

  Tensor location() const override {
    return model_.in(Kind::kFamily, "location", [&] {
      return expect(inner_->location(), {batch_, model_.latent}, model_.options, "location");
    });
  }
  Draw rsample(int64_t K, Generator& rng) const override {
    return model_.in(Kind::kFamily, "rsample", [&] {
      Draw draw = inner_->rsample(K, rng);
      expect(draw.z, {K, batch_, model_.latent}, model_.options, "rsample");
      return draw;
    });
  }
  Tensor log_prob(const Draw& draw) const override {
    return model_.in(Kind::kFamily, "log_prob", [&] {
      return expect(inner_->log_prob(draw), density_shape(draw), model_.options, "log_prob");
    });
  }
  Tensor marginals(const Draw& draw) const override {
    return model_.in(Kind::kFamily, "marginals", [&] {
      Shape shape = density_shape(draw);
      shape.push_back(model_.latent);
      return expect(inner_->marginals(draw), shape, model_.options, "marginals");
    });
  }
  std::optional<Tensor> entropy() const override {
    return model_.in(Kind::kFamily, "entropy", [&] {
      std::optional<Tensor> result = inner_->entropy();
      if (result) expect(*result, {batch_}, model_.options, "entropy");
      return result;
    });
  }
  std::optional<Covariance> covariance() const override {
    return model_.in(Kind::kFamily, "covariance", [&] {
      std::optional<Covariance> result = inner_->covariance();
      if (result && result->dimension() != model_.latent)
        throw Error("covariance has dimension " + std::to_string(result->dimension()) + "; expected " +
                    std::to_string(model_.latent));
      return result;
    });
  }

 private:
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
      rng(std::move(generator)) {}
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
    const Calling calling(to_string(static_cast<Kind>(slot)), labels_[slot].c_str(), "its destructor", step);
    slots_[slot].reset();
  }
  for (std::string& label : labels_)
    if (!label.empty()) keep_label(std::move(label));
}

void Model::set(Kind kind, std::shared_ptr<Component> component, std::string label) {
  const auto slot = static_cast<size_t>(kind);
  label.reserve(kOnTheHeap);
  std::swap(labels_[slot], label);
  if (!label.empty()) keep_label(std::move(label));
  slots_[slot] = std::move(component);
}
std::shared_ptr<Component> Model::component(Kind kind) const { return slots_[static_cast<size_t>(kind)]; }
const std::string& Model::label(Kind kind) const { return labels_[static_cast<size_t>(kind)]; }

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

std::unique_ptr<Posterior> Model::posterior(const Tensor& x) {
  if (x.dim() != static_cast<int64_t>(data.size()) + 1 || x.sizes().slice(1) != at::IntArrayRef(data))
    throw Error("the model was built for data of shape [B, " + to_text(data).substr(1) + "; found " +
                to_text(x.sizes()));
  const int64_t batch = x.size(0);
  const int64_t outputs =
      in(Kind::kFamily, "parameter_count", [&] { return family().parameter_count(latent); });
  const Tensor params = in(Kind::kEncoder, "encode", [&] {
    const Autocast autocast(mixed_precision, options.device().type());
    const Tensor found = encoder().encode(x);
    return expect(found, {batch, outputs}, options, "encode").to(options.dtype().toScalarType());
  });
  return in(Kind::kFamily, "posterior", [&]() -> std::unique_ptr<Posterior> {
    std::unique_ptr<Posterior> inner = family().posterior(params, x);
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

Tensor Model::decode(const Tensor& z) {
  if (z.dim() < 1 || z.size(-1) != latent)
    throw Error("decode expects latents of shape [..., " + std::to_string(latent) + "]; found " +
                to_text(z.sizes()));
  const Tensor flat = z.reshape({-1, latent});
  const Tensor g = in(Kind::kDecoder, "decode", [&] {
    const Autocast autocast(mixed_precision, options.device().type());
    return expect(decoder().decode(flat), decoded_shape(*this, flat.size(0)), options, "decode");
  });
  return g.to(options.dtype().toScalarType()).reshape(natural_shape(*this, without_last(z.sizes())));
}

Tensor Model::nll(const Tensor& x, const Tensor& g) {
  return in(Kind::kLikelihood, "nll", [&] {
    const Shape shape = without_last(g.sizes().slice(0, g.dim() - static_cast<int64_t>(data.size())));
    return expect(likelihood().nll(x, g), shape, options, "nll");
  });
}

Tensor Model::log_prior(const Tensor& z) {
  return in(Kind::kPrior, "log_prob",
            [&] { return expect(prior().log_prob(z), without_last(z.sizes()), options, "log_prob"); });
}

Tensor Model::sample_prior(int64_t n) {
  return in(Kind::kPrior, "sample", [&] {
    return expect(prior().sample(n, rng), {n, latent}, options, "sample");
  });
}

namespace {
Shape data_shape(const Model& model, const Tensor& g) {
  const auto leading = g.sizes().slice(0, g.dim() - 1 - static_cast<int64_t>(model.data.size()));
  return joined(leading.vec(), model.data);
}
}  // namespace

Tensor Model::data_mean(const Tensor& g) {
  return in(Kind::kLikelihood, "mean",
            [&] { return expect(likelihood().mean(g), data_shape(*this, g), options, "mean"); });
}

Tensor Model::sample_data(const Tensor& g) {
  return in(Kind::kLikelihood, "sample",
            [&] { return expect(likelihood().sample(g, rng), data_shape(*this, g), options, "sample"); });
}

Tensor Model::kl(const Posterior& posterior, const Draw& draw) {
  const std::optional<Tensor> entropy = posterior.entropy();
  const std::optional<Tensor> cross = !entropy ? std::nullopt : in(Kind::kPrior, "cross_entropy", [&] {
    std::optional<Tensor> found = prior().cross_entropy(posterior);
    if (found) expect(*found, entropy->sizes(), options, "cross_entropy");
    return found;
  });
  if (entropy && cross) return *cross - *entropy;
  return (posterior.log_prob(draw) - log_prior(draw.z)).mean(0);
}

bool Model::has_closed_kl(const Posterior& posterior) {
  return posterior.entropy().has_value() &&
         in(Kind::kPrior, "cross_entropy", [&] { return prior().cross_entropy(posterior).has_value(); });
}

void Model::require_samplewise() const {
  if (!decoder().samplewise())
    throw Unsupported(
        "decoder " + label(Kind::kDecoder) +
        " mixes the rows of a batch, so that there is no Jacobian per row; use another normalisation");
}

Pushed Model::pushforward(const Tensor& z, const Tensor& v) {
  require_samplewise();
  const int64_t batch = z.size(0), tangents = v.size(0);
  const at::ScalarType dtype = options.dtype().toScalarType();
  const Pushed pushed = in(Kind::kDecoder, "pushforward", [&] {
    const Autocast autocast(mixed_precision, options.device().type());
    Pushed found = decoder().pushforward(z, v);
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
std::optional<Local> Model::short_latent_hessian(const Tensor& z, const Tensor& v) {
  if (reference || mixed_precision || !at::GradMode::is_enabled()) return {};
  const std::optional<Tensor> curvature =
      in(Kind::kLikelihood, "isotropic_curvature", [&] { return likelihood().isotropic_curvature(); });
  if (!curvature) return {};
  const int64_t batch = z.size(0), tangents = v.size(0);
  const PushedGram pushed = in(Kind::kDecoder, "pushforward_gram", [&] {
    PushedGram found = decoder().pushforward_gram(z, v);
    expect(found.g, decoded_shape(*this, batch), options, "pushforward_gram (g)");
    expect(found.gram, {batch, tangents, tangents}, options, "pushforward_gram (gram)");
    return found;
  });
  return Local{pushed.g.to(options.dtype().toScalarType()).reshape(natural_shape(*this, {batch})),
               *curvature * pushed.gram.to(at::kDouble)};
}

Local Model::latent_hessian(const Tensor& x, const Tensor& z, const Tensor& v, Curvature curvature) {
  require_samplewise();
  if (std::optional<Local> local = short_latent_hessian(z, v)) return *local;
  const Pushed pushed = pushforward(z, v);
  const int64_t batch = z.size(0), tangents = v.size(0);
  const Tensor jv = pushed.jv.to(at::kDouble);
  const Tensor h = in(Kind::kLikelihood, "gram", [&] {
    return expect(likelihood().gram(x, pushed.g, jv, curvature), {batch, tangents, tangents}, options,
                  "gram");
  });
  return {pushed.g, h};
}

Tensor Model::unit_tangents(int64_t batch) const {
  return at::eye(latent, options).unsqueeze(1).expand({latent, batch, latent});
}

Terms Model::evaluate(const Batch& batch) {
  return in(Kind::kObjective, "evaluate", [&] {
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

}  // namespace v1
}  // namespace variform
