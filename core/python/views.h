#pragma once
// The model and its posteriors as components in Python see them, while one of their functions runs: objectives compute
// with a model, priors with a posterior. Afterwards the view is closed, and its functions throw Error.

#include <ATen/core/ivalue.h>

#include <variform/model.h>

#include <memory>
#include <optional>
#include <vector>

namespace torch {
class Library;
}

namespace variform::python {

/// What is known of rows as Python hands it over: labels, condition, mask, index.
using Known = std::vector<std::optional<Tensor>>;
Known known_of(const Context& context);
Context context_of(const Known& known);

/// What the views of one call share: whether it goes on, and the model, which may be null.
struct ViewedCall {
  bool is_open = true;
  Model* model = nullptr;
  /// Throws Error once the call is over or where it has no model.
  Model& the_model() const;
};

/// q(z|x) of a batch.
class PosteriorView final : public torch::CustomClassHolder {
 public:
  /// Of a posterior that lives at least as long as the call.
  PosteriorView(std::shared_ptr<ViewedCall> call, const variform::Posterior& q, Context context);
  PosteriorView(std::shared_ptr<ViewedCall> call, std::unique_ptr<variform::Posterior> q, Context context);

  Tensor location() const { return q().location(); }  // [B, d]
  Tensor entropy() const;                             // [B]
  Tensor covariance() const;                          // [B or 1, d, d]
  Tensor variance() const;                            // [B or 1, d]
  /// n draws [n, B, d] from the model's own stream.
  Tensor rsample(int64_t n);
  Tensor log_prob(const Tensor& z) const;       // [..., B or 1, d] -> [..., B]
  Tensor log_marginals(const Tensor& z) const;  // [..., B or 1, d] -> [..., B, d]
  /// KL to the prior [B]: closed where it can be, else the mean over the draws z [n, B, d].
  Tensor kl(const Tensor& z) const;
  bool has_closed_kl() const;
  bool has(const std::string& what) const;  // "entropy", "covariance" or "log_marginals"

 private:
  const variform::Posterior& q() const;
  Draw draw_of(const Tensor& z) const;
  Covariance moments() const;

  std::shared_ptr<ViewedCall> call_;
  std::unique_ptr<variform::Posterior> owned_;
  const variform::Posterior* q_;
  Context context_;
  Draw drawn_ = {};  // the last, whose density may need how it was drawn
};

/// The model around an objective.
class ModelView final : public torch::CustomClassHolder {
 public:
  explicit ModelView(std::shared_ptr<ViewedCall> call) : call_(std::move(call)) {}

  Model& model() const { return call_->the_model(); }
  c10::intrusive_ptr<PosteriorView> posterior(const Tensor& x, const Known& known) const;
  Tensor latent_hessian(const Tensor& x, const Tensor& z, const Known& known) const;  // [B, d, d], float64
  Tensor jacobian(const Tensor& z, const Known& known) const;                         // [B, n, data…, d]

 private:
  std::shared_ptr<ViewedCall> call_;
};

/// Registers both classes with LibTorch.
void bind_views(torch::Library& library);

}  // namespace variform::python
