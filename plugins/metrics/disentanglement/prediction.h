#pragma once
// Metrics that predict factors from latents: SAP, DCI, explicitness. Training and test rows are given separately, with
// the same columns; every factor has at least two values among the training rows.

#include <vector>

#include "arrays.h"

namespace variform::metrics {

struct Parts {
  Numbers train, test;        ///< codes [N, d]
  Classes train_of, test_of;  ///< factors [N, F]
};

/// Test accuracy of a linear SVM that predicts factor j from latent i alone, [d, F]: squared hinge loss, C = 0.01,
/// classes balanced, one classifier against the rest per value (Kumar, Sattigeri and Balakrishnan 2018, as Locatello et
/// al. 2019 compute it). A latent that is constant on the training rows predicts nothing: 0.
Numbers separate_accuracies(const Parts& parts);
/// SAP: the difference of the two best accuracies of every factor, averaged over the factors. d ≥ 2.
double attribute_predictability(const Numbers& accuracies);

/// The importances of DCI (Eastwood and Williams 2018) by boosted trees (boosting.h).
struct FactorImportance {
  Numbers matrix;                ///< [d, F]; columns sum to 1 (or are 0)
  std::vector<double> accuracy;  ///< [F], on the test rows: informativeness
};
FactorImportance importance(const Parts& parts);
/// 1 − entropy over the factors, base F, of each latent's importances, averaged with the latents' importance; F ≥ 2.
double importance_disentanglement(const Numbers& matrix);
/// 1 − entropy over the latents, base d, of each factor's importances, averaged with the factors' importance; d ≥ 2.
double importance_completeness(const Numbers& matrix);

/// Explicitness (Ridgeway and Mozer 2018) of each factor: the area under the ROC curve of logistic regression (C = 1)
/// on all latents, averaged over the factor's values, on the test rows, [F]. Not rescaled: chance is 0.5.
std::vector<double> explicitness(const Parts& parts);

}  // namespace variform::metrics
