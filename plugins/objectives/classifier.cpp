// A classifier on the encoder's code, by which the feature networks of sample quality are trained.

#include <variform/nn/layers.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <memory>

namespace {

using variform::Tensor;

/// −log p(y|x) with p(y|x) = softmax(W h(x) + b)_y: multinomial logistic regression on the posterior's location h, W
/// and b the objective's own. Prior, decoder and likelihood are not used, so family `point` will do. The part
/// `accuracy` is 1 where y has the largest probability and 0 elsewhere.
class Classifier final : public variform::Objective {
 public:
  explicit Classifier(const variform::Build& build)
      : classes_(build.integer("classes")),
        head_(
            register_module("head", std::make_shared<variform::nn::Linear>(build, build.latent, classes_))) {}

  variform::Terms evaluate(variform::Model& model, const variform::Batch& batch) override {
    if (!batch.context.labels.defined())
      throw variform::Unsupported(
          "this objective needs labels, but the data have none; use data with labels, or another objective");
    const Tensor known = (batch.context.labels >= 0).logical_and(batch.context.labels < classes_).all();
    at::_assert_async(known, "expected labels from 0 to " + std::to_string(classes_ - 1) +
                                 " (parameter 'classes'), found others");
    const Tensor logits =
        head_->forward(model.posterior(batch.x, batch.context)->location());  // [B, classes]
    const Tensor nll = -logits.log_softmax(1).gather(1, batch.context.labels.unsqueeze(1)).squeeze(1);
    const Tensor right = logits.argmax(1).eq(batch.context.labels).to(logits.scalar_type());
    return {nll, {{"nll", nll}, {"accuracy", right}}};
  }

 private:
  int64_t classes_;
  std::shared_ptr<variform::nn::Linear> head_;
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Classifier>(
    "classifier", "Cross-entropy of the labels under a linear classifier on the encoder's code.",
    "Cox, The Regression Analysis of Binary Sequences, Journal of the Royal Statistical Society B, 1958 "
    "(logistic regression); Heusel et al., NeurIPS 2017 (a classifier's features for comparing images)",
    {variform::integer("classes", 10)
         .at_least(2)
         .in("classes")
         .doc("Number of classes; labels are 0 to classes − 1.")}))
