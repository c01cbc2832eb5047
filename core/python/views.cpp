// See views.h.

#include "python/views.h"

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include <variform/ext/posterior.h>

#include <utility>

#include "python/words.h"

namespace variform::python {

Known known_of(const Context& context) {
  const auto given = [](const Tensor& tensor) {
    return tensor.defined() ? std::optional(tensor) : std::nullopt;
  };
  return {given(context.labels), given(context.condition), given(context.mask), given(context.index)};
}

Context context_of(const Known& known) {
  const auto taken = [&](std::size_t i) { return i < known.size() && known[i] ? *known[i] : Tensor(); };
  Context context;
  context.labels = taken(0);
  context.condition = taken(1);
  context.mask = taken(2);
  context.index = taken(3);
  return context;
}

Model& ViewedCall::the_model() const {
  if (!is_open)
    throw Error(
        "the model that a component was given is used after the call that gave it; use the one of each call.");
  if (!model)
    throw Error("a posterior that a prior is given knows no model, so that it has no draws and no kl.");
  return *model;
}

PosteriorView::PosteriorView(std::shared_ptr<ViewedCall> call, const variform::Posterior& q, Context context)
    : call_(std::move(call)), q_(&q), context_(std::move(context)) {}

PosteriorView::PosteriorView(std::shared_ptr<ViewedCall> call, std::unique_ptr<variform::Posterior> q,
                             Context context)
    : call_(std::move(call)), owned_(std::move(q)), q_(owned_.get()), context_(std::move(context)) {}

const variform::Posterior& PosteriorView::q() const {
  if (!call_->is_open)
    throw Error(
        "a posterior is used after the call of the component that was given it; use the one of each call.");
  return *q_;
}

Tensor PosteriorView::entropy() const {
  const std::optional<Tensor> entropy = q().entropy();
  if (!entropy) throw Unsupported("this posterior has no closed entropy.");
  return *entropy;
}

Covariance PosteriorView::moments() const {
  const std::optional<Covariance> covariance = q().covariance();
  if (!covariance) throw Unsupported("this posterior does not know its covariance.");
  return *covariance;
}

Tensor PosteriorView::covariance() const { return moments().dense(); }
Tensor PosteriorView::variance() const { return moments().variances(); }

Tensor PosteriorView::rsample(int64_t n) {
  Model& model = call_->the_model();
  drawn_ = q().rsample(n, model.rng);
  return drawn_.z;
}

Draw PosteriorView::draw_of(const Tensor& z) const {
  return drawn_.z.defined() && z.is_same(drawn_.z) ? drawn_ : Draw{z, {}};
}

Tensor PosteriorView::log_prob(const Tensor& z) const { return q().log_prob(draw_of(z)); }
Tensor PosteriorView::log_marginals(const Tensor& z) const { return q().log_marginals(draw_of(z)); }
Tensor PosteriorView::kl(const Tensor& z) const { return call_->the_model().kl(q(), draw_of(z), context_); }
bool PosteriorView::has_closed_kl() const { return call_->the_model().has_closed_kl(q(), context_); }

bool PosteriorView::has(const std::string& what) const {
  if (what == "entropy") return ability<ClosedEntropy>(q()) != nullptr;
  if (what == "log_marginals") return ability<LogMarginals>(q()) != nullptr;
  return what == "covariance" && q().covariance().has_value();
}

c10::intrusive_ptr<PosteriorView> ModelView::posterior(const Tensor& x, const Known& known) const {
  Context context = context_of(known);
  std::unique_ptr<variform::Posterior> q = model().posterior(x, context);
  return c10::make_intrusive<PosteriorView>(call_, std::move(q), std::move(context));
}

Tensor ModelView::latent_hessian(const Tensor& x, const Tensor& z, const Known& known) const {
  return model().latent_hessian(x, z, model().unit_tangents(z.size(0)), context_of(known)).hessian;
}

Tensor ModelView::jacobian(const Tensor& z, const Known& known) const {
  return model().pushforward(z, model().unit_tangents(z.size(0)), context_of(known)).jv.movedim(0, -1);
}

namespace {

using Q = c10::intrusive_ptr<PosteriorView>;
using M = c10::intrusive_ptr<ModelView>;

void bind_posterior(torch::class_<PosteriorView>& q) {
  q.def("location", [](const Q& self) { return in_words([&] { return self->location(); }); });
  q.def("entropy", [](const Q& self) { return in_words([&] { return self->entropy(); }); });
  q.def("covariance", [](const Q& self) { return in_words([&] { return self->covariance(); }); });
  q.def("variance", [](const Q& self) { return in_words([&] { return self->variance(); }); });
  q.def("rsample", [](const Q& self, int64_t n) { return in_words([&] { return self->rsample(n); }); });
  q.def("log_prob",
        [](const Q& self, const Tensor& z) { return in_words([&] { return self->log_prob(z); }); });
  q.def("log_marginals",
        [](const Q& self, const Tensor& z) { return in_words([&] { return self->log_marginals(z); }); });
  q.def("kl", [](const Q& self, const Tensor& z) { return in_words([&] { return self->kl(z); }); });
  q.def("has_closed_kl", [](const Q& self) { return in_words([&] { return self->has_closed_kl(); }); });
  q.def("has",
        [](const Q& self, const std::string& what) { return in_words([&] { return self->has(what); }); });
}

void bind_model(torch::class_<ModelView>& model) {
  model.def("posterior", [](const M& self, const Tensor& x, const Known& known) {
    return in_words([&] { return self->posterior(x, known); });
  });
  model.def("decode", [](const M& self, const Tensor& z, const Known& known) {
    return in_words([&] { return self->model().decode(z, context_of(known)); });
  });
  model.def("nll", [](const M& self, const Tensor& x, const Tensor& g, const Known& known) {
    return in_words([&] { return self->model().nll(x, g, context_of(known)); });
  });
  model.def("log_prior", [](const M& self, const Tensor& z, const Known& known) {
    return in_words([&] { return self->model().log_prior(z, context_of(known)); });
  });
  model.def("sample_prior", [](const M& self, int64_t n, const Known& known) {
    return in_words([&] { return self->model().sample_prior(n, context_of(known)); });
  });
  model.def("data_mean", [](const M& self, const Tensor& g) {
    return in_words([&] { return self->model().data_mean(g); });
  });
  model.def("latent_hessian", [](const M& self, const Tensor& x, const Tensor& z, const Known& known) {
    return in_words([&] { return self->latent_hessian(x, z, known); });
  });
  model.def("jacobian", [](const M& self, const Tensor& z, const Known& known) {
    return in_words([&] { return self->jacobian(z, known); });
  });
  model.def("rng", [](const M& self) { return in_words([&] { return self->model().rng; }); });
  model.def("latent", [](const M& self) { return in_words([&] { return self->model().latent; }); });
  model.def("step", [](const M& self) { return in_words([&] { return self->model().step(); }); });
}

}  // namespace

void bind_views(torch::Library& library) {
  auto q = library.class_<PosteriorView>("PosteriorView");
  bind_posterior(q);
  auto model = library.class_<ModelView>("ModelView");
  bind_model(model);
}

}  // namespace variform::python
