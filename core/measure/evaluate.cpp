// See evaluate.h. One class goes through the batches; each of its small functions puts one group of values into the
// tally, or the sentence that says why it cannot. Metrics look at the same batches.

#include "measure/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/gaussian_posterior.h>
#include <variform/random.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "base/file.h"
#include "checkpoint/snapshot.h"
#include "measure/estimators.h"
#include "measure/metrics.h"
#include "measure/pass.h"
#include "measure/tally.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::measure {
namespace {

using nlohmann::json;

int64_t product(at::IntArrayRef shape) {
  int64_t product = 1;
  for (int64_t side : shape) product *= side;
  return product;
}

// Returns a reason of this file as a sentence.
std::string sentence(const std::string& text) { return "not defined: " + text + "."; }

std::string unit_of(const std::string& value) {
  if (value == "ratio_R" || value == "off_diagonal") return "";
  if (value.starts_with("is_effective_samples")) return "draws";
  return value == "bits_per_dimension" ? "bits per value" : "nats per example";
}

// The values of the current batch that only this file uses; undefined or empty where they cannot be computed.
struct Here {
  Tensor x, h;  // [B, data…], [B, d]
  std::shared_ptr<const Posterior> posterior;
  Tensor at_mean;  // ℓ(h), [B]
  Tensor hessian;  // H, [B, d, d]
  std::optional<Covariance> covariance;
  Tensor z, nll, kl;  // draws [K, B, d], ℓ of each [K, B], [B]
  Tensor
      even;  // ℓ averaged over each draw and its mirror image about h; ℓ of the draw where q is not symmetric
};

class Evaluator {
 public:
  Evaluator(model::Session& session, const EvaluateOptions& options)
      : session_(session),
        options_(options),
        model_(session.assembly->model()),
        pass_(session, options_),
        metrics_(session, options_, pass_.size()) {
    pass_.tell_with(telling(kExpectations));
  }

  json run() {
    const int64_t count = pass_.size(), batch = pass_.rows_at_a_time(options_.batch);
    if (!options_.dump.empty())
      base::require_writable(options_.dump, {.option = "--dump", .bytes = bytes_of_dump(count)});
    const int64_t seen = add_batches(count, batch);
    json result = report(seen);
    const data::Dataset* const data = pass_.rows().dataset();
    if (count < pass_.rows().size() && data != nullptr && data::are_of_one_class(*data, 0, count))
      result["one_class"] =
          "the first " + std::to_string(count) +
          " rows are all of one class: the file is sorted, and these values are of that class";
    if (seen < count) metrics_.stop(pass_, seen, result);
    else {
      if (column_sum_.defined()) result["grae_approx_variance"] = column_variances(seen);
      metrics_.finish(pass_, result);
    }
    if (!options_.dump.empty() && !result.contains("interrupted")) try {
        write_dump(result);
      } catch (const std::exception& error) {  // the values themselves are at hand
        result["dump_problem"] = error.what();
      }
    return result;
  }

 private:
  // Returns the number of rows that were added: all, or those before the batch in which the watch stopped it.
  int64_t add_batches(int64_t count, int64_t batch) {
    int64_t first = 0;
    try {
      for (; first < count; first += batch) {
        place_ = {first, std::min(batch, count - first), count};
        add_batch(first, place_.count);
      }
    } catch (const base::Interrupted&) {
      if (first == 0) throw;
      tally_.keep_first(first);
      return first;
    }
    base::tell(options_.watch, "values", count, count);
    return count;
  }

  // The parts of a batch, which may take a minute: each is reported, weighted by how often it decodes the batch.
  enum Part { kEncoded, kExpectations, kCurvature, kQuadratic, kOptimal, kImportance, kObjective, kParts };

  void tell_part(Part part, double share = 0) const {
    const auto S = static_cast<double>(options_.samples),
               K = static_cast<double>(options_.importance_samples), d = static_cast<double>(model_.latent);
    const std::array<double, kParts> weights = {1, S, d, S, 2 * S + K, K, 1};
    const double all = std::accumulate(weights.begin(), weights.end(), 0.0),
                 before = std::accumulate(weights.begin(), weights.begin() + part, 0.0);
    const double done = (before + share * weights[part]) / all * static_cast<double>(place_.count);
    base::tell(options_.watch, "values", place_.first + static_cast<int64_t>(done), place_.all);
  }
  Between telling(Part part) const {
    return [this, part](double share) { tell_part(part, share); };
  }

  void add_batch(int64_t first, int64_t count) {
    tell_part(kEncoded);
    pass_.begin(first, count);
    const Batch& batch = pass_.batch();
    Here here;
    here.x = batch.x;
    here.posterior = pass_.posterior();
    here.h = pass_.codes();
    here.at_mean = pass_.nll_at_codes();
    tally_.add("nll_at_mean", here.at_mean);
    keep("x", here.x);
    keep("index", batch.index);
    keep("labels", batch.labels);
    keep("h", here.h);

    add_expectations(here);
    tell_part(kCurvature);
    add_curvature(here);
    add_quadratic(here);
    add_full_hessian(here, first);
    add_deterministic(here);
    add_optimal(here);
    add_importance(here);
    tell_part(kObjective);
    add_objective(batch);
    metrics_.measure(pass_);
  }

  // Adds E_q ℓ, KL, and the values that follow from them.
  void add_expectations(Here& here) {
    const auto draw = tally_.attempt({"nll", "kl", "elbo", "loss_beta"}, [&] { return pass_.draws(); });
    if (!draw) return;
    here.z = draw->z;
    here.nll = pass_.nll();
    tally_.add("nll", here.nll.mean(0));
    keep("z", here.z.transpose(0, 1));
    keep("nll_of_draws", here.nll.transpose(0, 1));
    const auto kl = tally_.attempt({"kl", "elbo", "loss_beta", "taylor"}, [&] {
      closed_kl_ = model_.has_closed_kl(*here.posterior);
      return pass_.kl();
    });
    if (!kl) return;
    here.kl = *kl;
    tally_.add("kl", here.kl);
    tally_.add("elbo", here.nll.mean(0) + here.kl);
    if (!beta()) return tally_.undefined({"loss_beta", "taylor"}, sentence(pass_.no_beta()));
    tally_.add("loss_beta", here.nll.mean(0) + *beta() * here.kl);
  }

  void add_curvature(Here& here) {
    const Tally::Names names{"hessian",           "taylor",          "taylor_gap",
                             "half_trace",        "ratio_R",         "grae",
                             "diagonal_bound",    "isotropic_bound", "grae_approx",
                             "contrast",          "off_diagonal",    "elbo_optimal",
                             "loss_beta_optimal", "is_nll_optimal",  "is_effective_samples_optimal",
                             "gauss_newton_rest"};
    const auto hessian = tally_.attempt(names, [&] { return pass_.hessian(); });
    if (!hessian) return;
    here.hessian = *hessian;
    keep("hessian", here.hessian);
    tally_.add("off_diagonal", off_diagonal_share(here.hessian));
  }

  // Adds the second-order expansion about the mean (§3).
  void add_quadratic(Here& here) {
    try {
      here.covariance = pass_.covariance();
    } catch (const Unsupported& lacks) {
      return tally_.undefined({"taylor", "taylor_gap", "half_trace", "ratio_R", "taylor_full",
                               "taylor_full_gap", "gauss_newton_rest"},
                              sentence(lacks.what()));
    }
    keep("covariance", here.covariance->dense());
    if (here.nll.defined()) {
      const bool symmetric = is_symmetric(*here.posterior, here.z);
      here.even = here.nll;
      if (symmetric)
        here.even = 0.5 * (here.nll + nll_of_draws(model_, here.x, 2 * here.h - here.z, telling(kQuadratic)));
    }
    if (!here.hessian.defined()) return;
    const Tensor half_trace = 0.5 * here.covariance->trace(here.hessian);
    tally_.add("half_trace", half_trace);
    if (here.kl.defined() && beta()) tally_.add("taylor", here.at_mean + half_trace + *beta() * here.kl);
    if (!here.nll.defined())
      return tally_.undefined({"taylor_gap", "ratio_R"}, sentence("there are no draws of q"));
    tally_.add("spread", here.nll.mean(0) - here.at_mean);
    tally_.add("taylor_gap", beyond_quadratic(here, here.hessian));
  }

  // Returns L_β − L_Taylor of the first rows, [rows], one for each Hessian. KL cancels; quadratic form and mirrored
  // draws remove most of the noise (§3).
  static Tensor beyond_quadratic(const Here& here, const Tensor& hessian) {
    const int64_t count = hessian.size(0);
    const Tensor off = (here.z - here.h).narrow(1, 0, count).to(at::kDouble);  // [K, data, d]
    const Tensor quadratic = 0.5 * at::einsum("kbi,bij,kbj->kb", {off, hessian, off});
    return (here.even.narrow(1, 0, count) - here.at_mean.narrow(0, 0, count) - quadratic).mean(0);
  }

  // Adds the expansion with the full Hessian (§3). Where the decoder is piecewise linear that is H; else only for the
  // first rows.
  void add_full_hessian(Here& here, int64_t first) {
    const Tally::Names names{"taylor_full", "taylor_full_gap", "gauss_newton_rest"};
    if (!here.covariance || options_.hessian_rows == 0) return;
    const bool known = model_.decoder().piecewise_linear() && options_.curvature == Curvature::kHessian &&
                       here.hessian.defined();
    const int64_t rows = known ? here.h.size(0) : std::min(here.h.size(0), options_.hessian_rows - first);
    if (rows <= 0) return;
    const auto full = tally_.attempt(names, [&] {
      return known ? here.hessian
                   : full_hessian(model_, here.x.narrow(0, 0, rows), here.h.narrow(0, 0, rows));
    });
    if (!full) return;
    const Tensor covariance = here.covariance->dense().narrow(0, 0, rows);
    const auto half_trace = [&](const Tensor& h) { return 0.5 * (h * covariance).sum({1, 2}); };
    if (here.hessian.defined())
      tally_.add("gauss_newton_rest", half_trace(*full - here.hessian.narrow(0, 0, rows)));
    if (here.kl.defined() && beta())
      tally_.add("taylor_full", (here.at_mean + *beta() * here.kl).narrow(0, 0, rows) + half_trace(*full));
    if (here.even.defined()) tally_.add("taylor_full_gap", beyond_quadratic(here, *full));
  }

  // Adds the losses at optimal covariances, for this decoder at this encoding (§4, §5).
  void add_deterministic(Here& here) {
    const Tally::Names names{"grae", "diagonal_bound", "isotropic_bound", "grae_approx", "contrast"};
    const std::optional<Gaussian>& prior = pass_.gaussian_prior();
    const Tensor& precision = pass_.precision();
    if (!prior) return tally_.undefined(names, sentence(pass_.no_optimum()));
    if (!beta()) return tally_.undefined(names, sentence(pass_.no_beta()));
    if (!here.hessian.defined()) return;
    const int64_t d = model_.latent, rows = here.h.size(0);
    const Tensor norm =
        0.5 * *beta() * prior->covariance.whiten((here.h - prior->mean).to(at::kDouble)).square().sum(-1);
    const auto penalty = [&](const Structure& structure) { return pass_.curvature_penalty(structure); };
    const Tensor base = here.at_mean + norm;
    const Tensor full = penalty(Structure::full(d)), diagonal = penalty(Structure::diagonal(d));
    tally_.add("grae", base + full);
    tally_.add("diagonal_bound", base + diagonal);
    tally_.add("isotropic_bound", base + penalty(Structure::isotropic(d)));
    if (const auto blocks = pass_.blocks(); !blocks.empty())
      tally_.add("block_bound", base + penalty(Structure{blocks}));
    if (const auto& structure = pass_.family_structure(); structure && structure->rank >= 0)
      tally_.add("low_rank_bound", base + penalty(*structure));
    if (*beta() > 0) tally_.add("contrast", (diagonal - full) / *beta());
    else tally_.undefined({"contrast"}, sentence("β is 0"));

    // c_i, the contributions of single columns; they sum to diagonal_bound but for a constant of the prior.
    const Tensor ratio = here.hessian.diagonal(0, 1, 2) / precision.diagonal();
    const Tensor columns =
        *beta() > 0 ? 0.5 * *beta() * (ratio / *beta()).log1p() : at::zeros_like(ratio);  // [B, d]
    const Tensor chosen =
        at::rand({rows, d}, pass_.random("column"), here.hessian.options()).argmax(1, /*keepdim=*/true);
    const Tensor one = static_cast<double>(d) * columns.gather(1, chosen).squeeze(1);
    tally_.add("grae_approx", base + diagonal - columns.sum(1) + one);
    const Tensor centred = columns - columns.mean(1, /*keepdim=*/true);
    column_sum_ = column_sum_.defined() ? column_sum_ + centred.sum(0) : centred.sum(0);
    column_squares_ += centred.square().sum().item<double>();
  }

  // Adds the values at the posterior of a GRAE model (§5), for every model.
  void add_optimal(Here& here) {
    const Tally::Names names{"elbo_optimal", "loss_beta_optimal", "is_nll_optimal",
                             "is_effective_samples_optimal"};
    if (!pass_.optimum_precision().defined()) return tally_.undefined(names, sentence(pass_.no_optimum()));
    if (!here.hessian.defined()) return;
    const auto loss = [&](const Posterior& posterior, double beta) {
      const Draw draw = posterior.rsample(options_.samples, model_.rng);
      return nll_of_draws(model_, here.x, draw.z).mean(0) + beta * model_.kl(posterior, draw).to(at::kDouble);
    };
    const GaussianPosterior one(here.h, pass_.optimal_covariance_at(1));
    keep("covariance_optimal", one.covariance()->dense());
    pass_.random("optimal");
    tally_.add("elbo_optimal", loss(one, 1));
    try {
      const Covariance best = pass_.optimal_covariance();
      tally_.add("loss_beta_optimal", loss(GaussianPosterior(here.h, best), *beta()));
    } catch (const Unsupported& lacks) {
      tally_.undefined({"loss_beta_optimal"}, sentence(lacks.what()));
    }
    if (options_.importance_samples == 0) return;
    pass_.random("importance optimal");
    const Importance found =
        importance_weighted(model_, one, here.x, options_.importance_samples, telling(kOptimal));
    tally_.add("is_nll_optimal", found.nll);
    tally_.add("is_effective_samples_optimal", found.effective);
  }

  void add_importance(Here& here) {
    if (options_.importance_samples == 0) return;
    const auto found = tally_.attempt({"is_nll", "is_effective_samples"}, [&] {
      pass_.random("importance");
      return importance_weighted(model_, *here.posterior, here.x, options_.importance_samples,
                                 telling(kImportance));
    });
    if (!found) return;
    tally_.add("is_nll", found->nll);
    tally_.add("is_effective_samples", found->effective);
    keep("importance_z", found->z.transpose(0, 1));
  }

  // Adds the trained loss, as the objective itself computes it.
  void add_objective(const Batch& batch) {
    const auto terms = tally_.attempt({"objective"}, [&] {
      pass_.random("objective");
      return model_.evaluate(batch);
    });
    if (terms) tally_.add("objective", terms->loss.expand({batch.x.size(0)}));
  }

  // ---------------------------------------------------------------------------------------------- the report

  std::optional<double> beta() const { return pass_.beta(); }

  json report(int64_t count) {
    json result = {
        {"split", pass_.split()},
        {"data", count},
        {"batch", pass_.rows_at_a_time(options_.batch)},
        {"samples", options_.samples},
        {"importance_samples", options_.importance_samples},
        {"step", model_.step},
        {"curvature", to_string(options_.curvature)},
        {"gauss_newton", model_.decoder().piecewise_linear()
                             ? "all of the Hessian almost everywhere (the decoder is piecewise linear)"
                             : "an approximation of the Hessian"},
        {"posterior", "family " + model_.label(Kind::kFamily)}};
    for (Kind kind : session_.assembly->kinds()) result["model"][to_string(kind)] = model_.label(kind);
    result["kl"] = closed_kl_ ? json(*closed_kl_ ? "closed" : "Monte Carlo") : json(nullptr);
    result["beta"] = beta() ? json(*beta()) : json(sentence(pass_.no_beta()));
    if (const std::optional<Structure>& optimum = pass_.optimum_if_used()) {
      const std::string& source = pass_.source_of_structure();
      result["structure"] = optimum->name();
      result["posterior_optimal"] =
          "Gaussian at the family's location with the covariance that is optimal for the decoder (" +
          optimum->name() + (source.empty() ? "" : ": " + source) +
          "; β = 1 for elbo and is_nll, the training β for loss_beta)";
    }
    add_reference(result);
    result["values"] = tally_.entries(
        options_.curvature == Curvature::kHessian
            ? "; where H + β times the prior's precision is not positive definite, use the Fisher "
              "curvature (theory §4)"
            : "");
    for (const char* internal : {"hessian"}) result["values"].erase(internal);
    if (options_.importance_samples == 0)
      for (const char* name : {"is_nll_optimal", "is_effective_samples_optimal"})
        result["values"].erase(name);
    add_ratio(result["values"]);
    add_bits(result["values"]);
    for (auto& [name, entry] : result["values"].items()) entry["unit"] = unit_of(name);
    for (auto& [name, entry] : result["values"].items())
      if (const Tensor values = tally_.values(name); values.defined() && values.size(0) < count)
        entry["rows"] = values.size(0);
    return result;
  }

  // Adds β_eff, and the constant of a Gaussian likelihood (§2, §10).
  void add_reference(json& result) const {
    const std::optional<Tensor> variance = model_.likelihood().reference_variance();
    if (!variance) {
      result["beta_eff"] =
          sentence("likelihood " + model_.label(Kind::kLikelihood) + " has no reference variance");
      return;
    }
    const double value = variance->to(at::kDouble).mean().item<double>();
    if (beta()) result["beta_eff"] = *beta() * value;
    else result["beta_eff"] = sentence(pass_.no_beta());
    if (model_.likelihood().domain() == Domain::kReal)
      result["constant"] =
          0.5 * static_cast<double>(product(model_.data)) * std::log(2 * std::numbers::pi * value);
  }

  // Adds R = ½ tr(HΣ) / (E_q ℓ − ℓ(h)), a ratio of means, with its error by linearisation.
  void add_ratio(json& values) const {
    const Tensor above = tally_.values("half_trace"), below = tally_.values("spread");
    if (!above.defined() || !below.defined()) return;
    const auto n = static_cast<double>(above.size(0));
    const double denominator = below.mean().item<double>(), ratio = above.mean().item<double>() / denominator;
    if (!std::isfinite(ratio)) {
      values["ratio_R"] = {{"undefined", sentence("the posterior has no spread")}};
      return;
    }
    values["ratio_R"] = {{"mean", ratio}, {"se", nullptr}};
    if (n > 1)
      values["ratio_R"]["se"] =
          (above - ratio * below).std().item<double>() / (std::sqrt(n) * std::abs(denominator));
  }

  // Adds bits per dimension for bytes with uniform noise: their density gives a code length for the bytes.
  void add_bits(json& values) const {
    if (!session_.experiment.data.dequantise || !pass_.rows().dataset() ||
        model_.likelihood().domain() != Domain::kReal)
      return;
    const std::string of = tally_.values("is_nll").defined() ? "is_nll" : "elbo";
    Tensor nats = tally_.values(of);
    if (!nats.defined()) return;
    const auto size = static_cast<double>(product(model_.data));
    if (const Tensor& sd = pass_.rows().dataset()->sd(); sd.defined())
      nats = nats + sd.to(at::kCPU, at::kDouble).log().expand(model_.data).sum();
    values["bits_per_dimension"] = mean_and_error(nats / (size * std::numbers::ln2) + 8);
    values["bits_per_dimension"]["of"] = of;
  }

  // Returns the variance of GRAE≈'s regularizer for one training batch (§5): d‖c̄‖² with one column for the whole batch
  // (its expectation over batches), and (d/n) mean‖c‖² with one column per example.
  json column_variances(int64_t count) const {
    const auto d = static_cast<double>(model_.latent);
    const auto batch = static_cast<double>(session_.experiment.train.batch);
    const double squares = column_squares_ / static_cast<double>(count);
    const double of_mean = (column_sum_ / count).square().sum().item<double>();
    const double per_batch = d * (of_mean + (squares - of_mean) / batch), per_example = d / batch * squares;
    json result = {{"batch", session_.experiment.train.batch},
                   {"one_column_a_batch", per_batch},
                   {"one_column_a_datum", per_example},
                   {"columns", json::array()}};
    for (int64_t k = 1; k < model_.latent;
         k *= 2) {  // without replacement: (1 − k/d)/k of d/(d − 1) times one column's
      const auto n = static_cast<double>(k);
      const double share = (d - n) / (n * (d - 1));
      result["columns"].push_back(
          {{"columns", k}, {"a_batch", share * per_batch}, {"a_datum", share * per_example}});
    }
    return result;
  }

  // ---------------------------------------------------------------------------------------------- the dump

  void keep(const std::string& name, const Tensor& tensor) {
    if (!options_.dump.empty() && tensor.defined()) kept_[name].push_back(tensor.detach().to(at::kCPU));
  }

  // Estimates the dump's size: per row x, draws of q and of the importance weights with their values, some matrices.
  std::uint64_t bytes_of_dump(int64_t count) const {
    const int64_t d = model_.latent, numbers = product(model_.data) +
                                               (options_.samples + options_.importance_samples) * (d + 1) +
                                               2 * d * d;
    return static_cast<std::uint64_t>(count * numbers) * model_.options.dtype().itemsize();
  }

  void write_dump(const json& result) const {
    checkpoint::Snapshot snapshot;
    snapshot.attributes["evaluation"] = result.dump();
    for (const auto& [name, parts] : kept_) snapshot.tensors[name] = at::cat(parts);
    for (const std::string& name : tally_.names())
      if (const Tensor values = tally_.values(name); values.defined())
        snapshot.tensors["terms/" + name] = values;
    checkpoint::write(snapshot, options_.dump);
  }

  model::Session& session_;
  const EvaluateOptions options_;
  Model& model_;
  Pass pass_;
  Metrics metrics_;
  std::optional<bool> closed_kl_;
  Tally tally_;
  struct Place {
    int64_t first, count, all;
  } place_{};                  // of the current batch, among all rows
  Tensor column_sum_;          // Σ_n c_n, [d]
  double column_squares_ = 0;  // Σ_n ‖c_n‖²

  std::map<std::string, std::vector<Tensor>> kept_;
};

void require_sizes(const EvaluateOptions& options) {
  if (options.samples < 1 || options.importance_samples < 0 || options.batch < 1 || options.hessian_rows < 0)
    throw std::invalid_argument("an evaluation needs at least one sample and one row per batch.");
}

}  // namespace

nlohmann::json evaluate(model::Session& session, const EvaluateOptions& options) {
  require_sizes(options);
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  return Evaluator(session, options).run();
}

nlohmann::json evaluate_metrics(model::Session& session, const EvaluateOptions& options) {
  require_sizes(options);
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  Pass pass(session, options);
  Metrics metrics(session, options, pass.size(), /*only_these=*/true);
  metrics.measure_all(pass);
  json result = json::object();
  metrics.finish(pass, result);
  return result;
}

}  // namespace variform::measure
