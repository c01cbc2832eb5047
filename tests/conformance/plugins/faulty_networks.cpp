// An encoder, a decoder and an objective that are right by themselves; the parameter `fault` switches on one error
// each, every one of which a test of `variform check` must catch. Errors of a descriptor, which is constant data, are
// components of their own.

#include <variform/ext/condition.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace {

using variform::Tensor;

// Which error a component makes, and those that any of them can make.
class Fault {
 public:
  explicit Fault(const variform::Build& build) : name_(build.text("fault")) {
    if (is("throws in create")) throw std::runtime_error("there is no room left on the moon");
    if (is("crashes in create")) std::raise(SIGSEGV);
    if (is("endless create")) wait_forever();
  }
  bool is(const char* name) const { return name_ == name; }
  void in_call() const {
    if (is("throws int")) throw 42;
    if (is("exits")) std::exit(0);
    if (is("aborts")) std::abort();
    if (is("endless call")) wait_forever();
  }

 private:
  [[noreturn]] static void wait_forever() {
    while (true) ::usleep(1000);
  }
  const std::string name_;
};

Tensor weight(const variform::Build& build, int64_t rows, int64_t columns) {
  variform::Generator rng = build.rng;
  return at::randn({rows, columns}, rng, build.options) / std::sqrt(static_cast<double>(rows));
}

// What has a state that moves in training, as running statistics and power iterations do, is right; it is no fault.
bool has_moving_state(const Fault& fault) { return fault.is("moving state"); }
Tensor moved(Tensor steps, bool training, const Tensor& value) {
  if (training) steps.add_(1);
  return value * (1 - 0.5 * (-steps).exp());
}

// What a conditioned encoder adds to each row: the sum of the row's own condition.
Tensor shift_by(const Fault& fault, const variform::Context& context, int64_t rows, int64_t size) {
  if (fault.is("asks for no condition")) return at::zeros({});
  if (fault.is("fails without a condition")) return context.condition.sum(1, true);
  const Tensor& condition = condition_in(context, rows, size);
  if (fault.is("ignores its condition")) return at::zeros({});
  if (fault.is("condition of the batch"))
    return condition.sum() / static_cast<double>(std::max<int64_t>(1, rows));
  return condition.sum(1, true);
}
bool is_of_condition(const Fault& fault) {
  for (const char* name : {"asks for no condition", "fails without a condition", "ignores its condition",
                           "condition of the batch", "conditioned"})
    if (fault.is(name)) return true;
  return false;
}

/// tanh(xA + a)B.
class FaultyEncoder final : public variform::With<variform::Encoder, variform::Conditioned> {
 public:
  explicit FaultyEncoder(const variform::Build& build)
      : fault_(build),
        outputs_(fault_.is("fixed outputs") ? 6 : build.outputs),
        condition_(build.condition),
        a_(register_parameter("a", weight(build, build.data_size(), build.integer("width")))),
        a0_(weight(build, 1, build.integer("width"))),
        b_(weight(build, build.integer("width"), outputs_)),
        rng_(build.rng) {
    static int constructions = 0;
    if (fault_.is("rejects a bound") && build.integer("width") == 16)
      throw std::runtime_error("vector::_M_range_check");
    if (fault_.is("counts constructions")) a0_.add_(0.1 * ++constructions);
    if (!fault_.is("unregistered state")) register_parameter("a0", a0_);
    if (fault_.is("single precision")) b_ = b_.to(at::kFloat);
    register_parameter("b", b_);
    if (fault_.is("unused parameter")) register_parameter("unused", weight(build, 2, 2));
    if (has_moving_state(fault_)) steps_ = register_buffer("steps", at::zeros({}, build.options));
    if (fault_.is("power iteration"))
      direction_ = register_buffer("direction", at::ones({outputs_}, build.options));
  }
  ~FaultyEncoder() override { *alive_ = false; }

  bool is_conditioned() const override { return is_of_condition(fault_); }

  Tensor encode(const Tensor& x, const variform::Context& context) override {
    fault_.in_call();
    if (is_conditioned()) return right(x) + shift_by(fault_, context, x.size(0), condition_);
    if (has_moving_state(fault_)) return moved(steps_, is_training(), right(x));
    if (fault_.is("power iteration")) return right(x) / norm_of_weights();
    if (fault_.is("wrong shape")) return right(x).unsqueeze(1);
    if (fault_.is("wrong dtype")) return right(x).to(at::kFloat);
    if (fault_.is("not finite")) return right(x) / (right(x) - right(x)).exp().sub(1);
    if (fault_.is("rows interact")) return right(x) - right(x).mean(0, true);
    if (fault_.is("changes inputs")) Tensor(x).mul_(0.5);
    if (fault_.is("global generator")) return right(x) + 0.1 * at::randn_like(right(x));
    if (fault_.is("not contiguous")) return right(by_address(x));
    if (fault_.is("gradient not finite")) return right(x) + (b_ - b_).sum().sqrt();
    if (fault_.is("half inside")) return right(x.to(at::kHalf).to(x.scalar_type()));
    if (fault_.is("counts calls")) return right(x) * (1 + 1e-3 * calls_++);
    if (fault_.is("loses digits")) return (right(x) + 1e5) - 1e5;
    if (fault_.is("draws in evaluation")) return right(x) * at::rand(right(x).sizes(), rng_, x.options());
    if (fault_.is("needs recording")) return with_inner_gradient(x);
    if (fault_.is("outlived")) return watched(right(x));
    if (fault_.is("no bfloat16")) return strict(x);
    if (fault_.is("counts in evaluation") || fault_.is("lazy buffer")) count(x);
    return right(x);
  }

 private:
  Tensor right(const Tensor& x) const {
    const Tensor hidden = (x.flatten(1).mm(a_) + a0_).tanh();
    return hidden.mm(fault_.is("detached parameter") ? b_.detach() : b_.to(hidden.scalar_type()));
  }
  // The largest singular value of b, about: as spectral normalisation has it, one step of a power iteration a call.
  Tensor norm_of_weights() {
    const Tensor b = b_.detach();
    if (is_training()) {
      const Tensor next = b.t().mv(b.mv(direction_));
      direction_.copy_(next / next.norm());
    }
    return b_.mv(direction_.clone()).norm();
  }
  // A gradient inside of encode, which is not to be had in evaluation.
  Tensor with_inner_gradient(const Tensor& x) const {
    const Tensor result = right(x);
    torch::autograd::grad({result.sum()}, {b_}, {}, /*retain_graph=*/true);
    return result;
  }
  // Backward needs the component itself, which may be gone by then.
  Tensor watched(const Tensor& result) const {
    if (result.requires_grad())
      result.register_hook([alive = alive_](const Tensor& gradient) {
        if (!*alive) throw std::runtime_error("the component is gone");
        return gradient;
      });
    return result;
  }
  Tensor strict(const Tensor& x) const {
    if (x.flatten(1).mm(a_).scalar_type() != a_.scalar_type())
      throw std::runtime_error("expected the weights' own type");
    return right(x);
  }
  // The values as they lie in memory, whatever the strides.
  static Tensor by_address(const Tensor& x) {
    return at::from_blob(
        x.data_ptr(), x.sizes(), [x](void*) {}, x.options());
  }
  // State that is registered in use, which no checkpoint of a fresh component can hold.
  void count(const Tensor& x) {
    if (named_buffers().is_empty()) register_buffer("calls", at::zeros({1}, x.options()));
    named_buffers()["calls"].add_(1);
  }

  Fault fault_;
  int64_t outputs_, condition_;
  Tensor a_, a0_, b_, steps_, direction_;
  variform::Generator rng_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  int calls_ = 0;
};

// tanh whose derivative cannot be differentiated again.
class OnceDifferentiable : public torch::autograd::Function<OnceDifferentiable> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x) {
    const Tensor y = x.tanh();
    context->save_for_backward({y});
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const at::NoGradGuard no_grad;
    const Tensor y = context->get_saved_variables()[0];
    return {gradients[0] * (1 - y.square())};
  }
};

/// h = tanh(zA + a), g = hB + b, with a pushforward of its own: (1 − h²)(vA) B.
class FaultyDecoder final : public variform::With<variform::Decoder, variform::Pushforward,
                                                  variform::PiecewiseLinear, variform::RowsIndependent> {
 public:
  explicit FaultyDecoder(const variform::Build& build)
      : fault_(build),
        shape_(build.data),
        a_(register_parameter("a", weight(build, build.latent, 7))),
        a0_(register_parameter("a0", weight(build, 1, 7))),
        b_(register_parameter("b", weight(build, 7, outputs(build) * build.data_size()))),
        b0_(register_parameter("b0", weight(build, 1, outputs(build) * build.data_size()))) {
    shape_[0] *= outputs(build);
    shape_.insert(shape_.begin(), -1);
    if (has_moving_state(fault_)) steps_ = register_buffer("steps", at::zeros({}, build.options));
  }

  Tensor decode(const Tensor& z, const variform::Context&) override {
    fault_.in_call();
    if (has_moving_state(fault_))
      return moved(steps_, is_training(), (hidden(z).mm(b_) + b0_).reshape(shape_));
    if (fault_.is("wrong shape")) return (hidden(z).mm(b_) + b0_).reshape(shape_).unsqueeze(0);
    return (hidden(z).mm(b_) + b0_).reshape(shape_);
  }

  const void* ability(std::string_view id) const override {
    if (fault_.is("fused layer norm") && id == variform::Pushforward::kId) return nullptr;
    return With::ability(id);
  }
  variform::Pushed pushforward(const Tensor& z, const Tensor& v, const variform::Context&) override {
    const Tensor h = hidden(z);
    Tensor jv = (slope(h) * v.matmul(a_)).matmul(b_);
    if (fault_.is("non-linear pushforward")) jv = jv + 0.01 * jv.square();
    if (fault_.is("tangents interact")) jv = jv + jv.mean(0, true);
    if (fault_.is("rounded constant")) jv = jv * (static_cast<double>(0.1F) / 0.1);
    if (fault_.is("detached tangent")) jv = jv.detach();
    variform::Shape shape = shape_;
    shape.insert(shape.begin(), v.size(0));
    shape[1] = v.size(1);
    const Tensor constant = fault_.is("wrong g") ? b0_.abs() : b0_;
    const Tensor g = (h.mm(b_) + constant).reshape(shape_);
    if (!has_moving_state(fault_)) return {g, jv.reshape(shape)};
    const Tensor factor = moved(steps_, is_training(), at::ones({}, g.options()));
    return {factor * g, factor * jv.reshape(shape)};
  }

  bool rows_independent() const override {
    return !fault_.is("needlessly not rows_independent") && !has_batch_statistics();
  }
  bool piecewise_linear() const override { return fault_.is("claims to be piecewise linear"); }

 private:
  int64_t outputs(const variform::Build& build) const {
    return fault_.is("fixed outputs") ? 1 : build.outputs;
  }
  // As batch normalisation, which is right in a decoder that says so.
  bool has_batch_statistics() const { return fault_.is("batch statistics") && is_training(); }
  Tensor hidden(const Tensor& z) const {
    Tensor h = z.mm(a_) + a0_;
    if (has_batch_statistics()) {
      if (z.size(0) == 1) throw std::runtime_error("Expected more than 1 value per channel when training");
      h = h - 0.5 * h.mean(0, true);
    }
    if (fault_.is("fused layer norm")) h = at::layer_norm(h, {7});
    if (fault_.is("rows interact")) h = h - 0.5 * h.mean(0, true);
    if (fault_.is("once differentiable")) return OnceDifferentiable::apply(h);
    return fault_.is("is linear") ? h : h.tanh();
  }
  // dh/d(zA + a).
  Tensor slope(const Tensor& h) const {
    if (fault_.is("is linear")) return at::ones_like(h);
    if (fault_.is("wrong derivative")) return 1 - h;
    if (fault_.is("half detached")) return 1 - h.detach().square();
    return 1 - h.square();
  }

  Fault fault_;
  variform::Shape shape_;
  Tensor a_, a0_, b_, b0_, steps_;
};

/// nll + β KL, one draw.
class FaultyObjective final
    : public variform::With<variform::Objective, variform::Weighted, variform::UsesTangents> {
 public:
  explicit FaultyObjective(const variform::Build& build)
      : fault_(build),
        beta_(fault_.is("reads its schedule once") ? at::full({}, build.number("beta"), at::kDouble)
                                                   : build.schedule("beta")),
        final_beta_(build.final_value("beta")) {
    if (has_moving_state(fault_)) steps_ = register_buffer("steps", at::zeros({}, build.options));
    if (trains_itself()) own_ = register_parameter("own", at::ones({}, build.options));
  }

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    fault_.in_call();
    const auto posterior = model.posterior(batch.x, {});
    if (fault_.is("refuses one row") && batch.x.size(0) == 1)
      throw variform::Error("it compares the data of a batch, and there is one");
    variform::Generator rng = model.rng;
    if (fault_.is("generator of its own")) {
      rng = model.rng.clone();
      rng.set_current_seed(7);
    }
    const variform::Draw draw = posterior->rsample(1, rng);
    const Tensor nll = model.nll(batch.x, model.decode(draw.z, {}), {}).mean(0),
                 kl = model.kl(*posterior, draw, {});
    variform::Terms terms{nll + beta_ * kl, {{"nll", nll}, {"kl", kl}}};
    if (fault_.is("takes the KL away")) terms.loss = nll - beta_ * kl;
    if (fault_.is("surrogate")) terms.loss = terms.loss + kl - kl.detach();
    if (fault_.is("trains itself alone")) terms.loss = nll.detach() + beta_ * kl;
    if (trains_itself()) terms.loss = terms.loss + own_.square();
    if (has_moving_state(fault_)) terms.loss = moved(steps_, is_training(), terms.loss);
    disturb(model, batch, draw.z, terms);
    return terms;
  }
  Tensor beta() const override { return fault_.is("negative beta") ? -beta_ : beta_; }
  double final_beta() const override {
    return fault_.is("another final beta") ? final_beta_ + 1 : final_beta_;
  }
  bool uses_tangents() const override { return fault_.is("needless tangents"); }

 private:
  bool trains_itself() const { return fault_.is("parameter of its own") || fault_.is("trains itself alone"); }
  void disturb(variform::Model& model, const variform::Batch& batch, const Tensor& z,
               variform::Terms& terms) const {
    Tensor& loss = terms.loss;
    if (fault_.is("column of losses")) loss = loss.unsqueeze(1);
    if (fault_.is("loss of the batch")) loss = loss.mean().expand_as(loss);
    if (fault_.is("part not finite")) terms.parts[1].second = terms.parts[1].second * NAN;
    if (fault_.is("parts of one name")) terms.parts[1].first = "nll";
    if (fault_.is("sign of the KL")) terms.parts[1].second = -terms.parts[1].second;
    if (fault_.is("KL is a mean over latents"))
      terms.parts[1].second = terms.parts[1].second / static_cast<double>(model.latent);
    if (fault_.is("reads its loss") && loss.sum().item<double>() > 1e9) loss = 2 * loss;
    if (fault_.is("part named step")) terms.parts[1].first = "step";
    if (fault_.is("needs labels")) loss = loss + batch.context.labels.to(loss.scalar_type());
    if (fault_.is("global generator")) loss = loss + at::randn({}, loss.options());
    if (fault_.is("freezes the decoder"))
      for (Tensor& parameter : model.component(variform::Kind::kDecoder)->parameters())
        parameter.requires_grad_(false);
    if (fault_.is("needs recording")) torch::autograd::grad({loss.sum()}, {z}, {}, /*retain_graph=*/true);
    if (fault_.is("undeclared tangents"))
      loss = loss + model.latent_hessian(batch.x, z[0], model.unit_tangents(z.size(1)), {})
                        .hessian.diagonal(0, 1, 2)
                        .sum(-1);
  }

  Fault fault_;
  Tensor beta_;
  double final_beta_;
  Tensor own_, steps_;
};

constexpr variform::Parameter kFault =
    variform::text("fault", "none").doc("The one error to make; anything unknown makes no error.");
constexpr variform::Parameter kWidth =
    variform::integer("width", 5).at_least(1).at_most(16).doc("Width of the hidden layer.");
constexpr const char* kSource = "Variform's tests of `check`";

}  // namespace

VARIFORM_PLUGIN(
    "org.variform.test.faulty-networks", "1.0.0",
    variform::component<FaultyEncoder>("faulty", "A small encoder with an error to choose.", kSource,
                                       {kFault, kWidth}),
    variform::component<FaultyEncoder>("undocumented", "A parameter without a meaning.", kSource,
                                       {kFault, kWidth, variform::number("rate", 1.0)}),
    variform::component<FaultyEncoder>(
        "bad-default", "A default outside of its bounds.", kSource,
        {kFault, kWidth, variform::number("rate", 2.0).at_most(1).doc("How fast nothing happens.")}),
    variform::component<FaultyEncoder>("no-source", "Nobody knows where it is from.", "", {kFault, kWidth}),
    variform::component<FaultyDecoder>("faulty", "A small decoder with an error to choose.", kSource,
                                       {kFault}),
    variform::component<FaultyObjective>(
        "faulty", "A β-VAE's loss with an error to choose.", kSource,
        {kFault,
         variform::number("beta", 0.5).at_least(0).schedulable().doc("Weight of the KL divergence.")}))
