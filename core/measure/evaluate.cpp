// See evaluate.h. One class goes through the batches; each of its small functions puts one group of values into the
// tally, or the sentence that says why it cannot. What needs all data at once (the sections) comes at the end.

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
#include "measure/disentanglement/section.h"
#include "measure/estimators.h"
#include "measure/geometry.h"
#include "measure/sections.h"
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

// The sections about all data at once, which are computed last.
constexpr std::array<const char*, 3> kLateSections = {"information", "geometry", "covariance"};

// Returns a reason of this file as a sentence.
std::string sentence(const std::string& text) { return "not defined: " + text + "."; }

// The values of the current batch; undefined or empty where they cannot be computed.
struct Here {
  Tensor x, h;  // [B, data…], [B, d]
  std::unique_ptr<Posterior> posterior;
  Tensor at_mean;  // ℓ(h), [B]
  Tensor hessian;  // H, [B, d, d]
  std::optional<Covariance> covariance;
  Draw draw;
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
        rows_(session, options.split) {
    if (options.samples < 1 || options.importance_samples < 0 || options.batch < 1 ||
        options.hessian_rows < 0)
      throw std::invalid_argument("an evaluation needs at least one sample and one row per batch.");
    beta_ = options.beta ? options.beta : model_.objective().final_beta();
    if (beta_ && !(*beta_ >= 0)) throw std::invalid_argument("β must not be negative.");
    if (const auto gaussian = model_.prior().gaussian())
      prior_ = Gaussian{gaussian->mean, gaussian->covariance.to(at::kDouble)};
    if (prior_) precision_ = optimum_precision_ = prior_->covariance.precision()[0];
    else if (session.trained)  // q stays as it was trained under the former prior
      if (const auto former = session.trained->model().prior().gaussian())
        optimum_precision_ = former->covariance.to(at::kDouble).precision()[0];
    if (options.block > 0) blocks_ = Structure::named("block", model_.latent, options.block).blocks;
  }

  json run() {
    const int64_t all = rows_.size();
    const int64_t count = options_.limit > 0 ? std::min(options_.limit, all) : all;
    const int64_t batch = rows_at_a_time(options_.batch);
    if (!options_.dump.empty())
      base::require_writable(options_.dump, {.option = "--dump", .bytes = bytes_of_dump(count)});
    gathered_.keep_matrices(model_.latent, rows_at_a_time(EvaluateOptions().batch));
    short_jacobian_.emplace(model_, count);
    const int64_t seen = add_batches(count, batch);
    json result = report(seen);
    if (count < all && rows_.dataset() != nullptr && data::are_of_one_class(*rows_.dataset(), 0, count))
      result["one_class"] =
          "the first " + std::to_string(count) +
          " rows are all of one class: the file is sorted, and these values are of that class";
    if (seen < count)
      result["interrupted"] = {{"data", seen}, {"of", count}, {"missing", json(kLateSections)}};
    else add_sections(result);
    if (!options_.dump.empty() && !result.contains("interrupted")) try {
        write_dump(result);
      } catch (const std::exception& error) {  // the values themselves are at hand
        result["dump_problem"] = error.what();
      }
    return result;
  }

 private:
  // Bounds the memory of a batch's tangents, the largest tensors: d·P numbers per row in float64, and hidden layers.
  int64_t rows_at_a_time(int64_t most) const {
    constexpr int64_t kNumbers = int64_t{1} << 25;
    const int64_t each =
        model_.latent * std::max<int64_t>(1024, product(model_.data) * model_.likelihood().outputs());
    return std::clamp<int64_t>(kNumbers / each, 1, most);
  }

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

  void seed(const char* what, int64_t first) {
    model_.rng.set_current_seed(
        hash(session_.assembly->spec().seed, "evaluate", rows_.split(), what, static_cast<uint64_t>(first)));
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
    const Batch batch = rows_.range(first, count);
    Here here;
    here.x = batch.x;
    here.posterior = model_.posterior(batch.x);
    here.h = here.posterior->location();
    here.at_mean = model_.nll(here.x, model_.decode(here.h)).to(at::kDouble);
    tally_.add("nll_at_mean", here.at_mean);
    keep("x", here.x);
    keep("index", batch.index);
    keep("labels", batch.labels);
    keep("h", here.h);
    gathered_.codes.push_back(here.h);

    add_expectations(here, first);
    tell_part(kCurvature);
    add_curvature(here);
    add_quadratic(here);
    add_full_hessian(here, first);
    add_deterministic(here, first);
    add_optimal(here, first);
    add_importance(here, first);
    tell_part(kObjective);
    add_objective(batch, first);
    if (here.z.defined()) gathered_.add(model_, std::move(here.posterior), here.draw, prior_);
  }

  // Adds E_q ℓ, KL, and the values that follow from them.
  void add_expectations(Here& here, int64_t first) {
    const auto draw = tally_.attempt({"nll", "kl", "elbo", "loss_beta"}, [&] {
      seed("draws", first);
      return here.posterior->rsample(options_.samples, model_.rng);
    });
    if (!draw) return;
    here.draw = *draw;
    here.z = draw->z;
    here.nll = nll_of_draws(model_, here.x, here.z, telling(kExpectations));
    tally_.add("nll", here.nll.mean(0));
    keep("z", here.z.transpose(0, 1));
    keep("nll_of_draws", here.nll.transpose(0, 1));
    const auto kl = tally_.attempt({"kl", "elbo", "loss_beta", "taylor"}, [&] {
      closed_kl_ = model_.has_closed_kl(*here.posterior);
      return model_.kl(*here.posterior, *draw).to(at::kDouble);
    });
    if (!kl) return;
    here.kl = *kl;
    tally_.add("kl", here.kl);
    tally_.add("elbo", here.nll.mean(0) + here.kl);
    if (!beta_) return tally_.undefined({"loss_beta", "taylor"}, no_beta());
    tally_.add("loss_beta", here.nll.mean(0) + *beta_ * here.kl);
  }

  void add_curvature(Here& here) {
    const Tally::Names names{"hessian",           "taylor",          "taylor_gap",
                             "half_trace",        "ratio_R",         "grae",
                             "diagonal_bound",    "isotropic_bound", "grae_approx",
                             "contrast",          "off_diagonal",    "elbo_optimal",
                             "loss_beta_optimal", "is_nll_optimal",  "is_effective_samples_optimal",
                             "gauss_newton_rest"};
    const auto local = tally_.attempt(names, [&] {
      return local_derivatives(model_, *short_jacobian_, here.x, here.h, options_.curvature);
    });
    if (!local) return;
    gathered_.add(*local);
    if (!local->hessian.defined()) return tally_.undefined(names, "not defined: " + local->why);
    here.hessian = local->hessian;
    keep("hessian", here.hessian);
    tally_.add("off_diagonal",
               shares(here.hessian, at::ones({model_.latent}, here.hessian.options())).off_diagonal);
  }

  // Adds the second-order expansion about the mean (§3).
  void add_quadratic(Here& here) {
    const Tally::Names names{"half_trace", "taylor", "taylor_gap", "ratio_R"};
    const auto covariance = tally_.attempt(names, [&] { return here.posterior->covariance(); });
    if (covariance && *covariance) here.covariance = (*covariance)->to(at::kDouble);
    else
      return tally_.undefined(
          {"taylor", "taylor_gap", "half_trace", "ratio_R", "taylor_full", "taylor_full_gap",
           "gauss_newton_rest"},
          sentence("the posterior of family " + model_.label(Kind::kFamily) + " has no covariance"));
    keep("covariance", here.covariance->dense());
    if (!structure_) {
      structure_ = here.covariance->structure();
      const auto count = static_cast<int64_t>(structure_->blocks.size());
      if (blocks_.empty() && structure_->rank < 0 && !structure_->tied && count > 1 && count < model_.latent)
        blocks_ = structure_->blocks;
    }
    if (here.nll.defined()) {
      const bool symmetric = is_symmetric(*here.posterior, here.z);
      here.even = here.nll;
      if (symmetric)
        here.even = 0.5 * (here.nll + nll_of_draws(model_, here.x, 2 * here.h - here.z, telling(kQuadratic)));
    }
    if (!here.hessian.defined()) return;
    const Tensor half_trace = 0.5 * here.covariance->trace(here.hessian);
    tally_.add("half_trace", half_trace);
    if (here.kl.defined() && beta_) tally_.add("taylor", here.at_mean + half_trace + *beta_ * here.kl);
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
    if (here.kl.defined() && beta_)
      tally_.add("taylor_full", (here.at_mean + *beta_ * here.kl).narrow(0, 0, rows) + half_trace(*full));
    if (here.even.defined()) tally_.add("taylor_full_gap", beyond_quadratic(here, *full));
  }

  // Adds the losses at optimal covariances, for this decoder at this encoding (§4, §5).
  void add_deterministic(Here& here, int64_t first) {
    const Tally::Names names{"grae", "diagonal_bound", "isotropic_bound", "grae_approx", "contrast"};
    if (!prior_) return tally_.undefined(names, not_gaussian());
    if (!beta_) return tally_.undefined(names, no_beta());
    if (!here.hessian.defined()) return;
    const int64_t d = model_.latent, rows = here.h.size(0);
    const Tensor beta = at::full({}, *beta_, here.hessian.options());
    const Tensor norm =
        0.5 * *beta_ * prior_->covariance.whiten((here.h - prior_->mean).to(at::kDouble)).square().sum(-1);
    const auto penalty = [&](const Structure& structure) {
      return curvature_penalty(structure, here.hessian, beta, precision_);
    };
    const Tensor base = here.at_mean + norm;
    const Tensor full = penalty(Structure::full(d)), diagonal = penalty(Structure::diagonal(d));
    tally_.add("grae", base + full);
    tally_.add("diagonal_bound", base + diagonal);
    tally_.add("isotropic_bound", base + penalty(Structure::isotropic(d)));
    if (!blocks_.empty()) tally_.add("block_bound", base + penalty(Structure{blocks_}));
    if (structure_ && structure_->rank >= 0) tally_.add("low_rank_bound", base + penalty(*structure_));
    if (*beta_ > 0) tally_.add("contrast", (diagonal - full) / *beta_);
    else tally_.undefined({"contrast"}, sentence("β is 0"));

    // c_i, the contributions of single columns; they sum to diagonal_bound but for a constant of the prior.
    const Tensor ratio = here.hessian.diagonal(0, 1, 2) / precision_.diagonal();
    const Tensor columns =
        *beta_ > 0 ? 0.5 * *beta_ * (ratio / *beta_).log1p() : at::zeros_like(ratio);  // [B, d]
    seed("column", first);
    const Tensor chosen = at::rand({rows, d}, model_.rng, here.hessian.options()).argmax(1, /*keepdim=*/true);
    const Tensor one = static_cast<double>(d) * columns.gather(1, chosen).squeeze(1);
    tally_.add("grae_approx", base + diagonal - columns.sum(1) + one);
    const Tensor centred = columns - columns.mean(1, /*keepdim=*/true);
    column_sum_ = column_sum_.defined() ? column_sum_ + centred.sum(0) : centred.sum(0);
    column_squares_ += centred.square().sum().item<double>();
  }

  // Adds the values at the posterior of a GRAE model (§5), for every model.
  void add_optimal(Here& here, int64_t first) {
    const Tally::Names names{"elbo_optimal", "loss_beta_optimal", "is_nll_optimal",
                             "is_effective_samples_optimal"};
    if (!optimum_precision_.defined()) return tally_.undefined(names, not_gaussian());
    if (!here.hessian.defined()) return;
    if (!optimum_) optimum_ = structure_of_optimum();
    const auto optimum = [&](double beta) {
      return optimal_covariance(*optimum_, here.hessian, at::full({}, beta, here.hessian.options()),
                                optimum_precision_);
    };
    const auto loss = [&](const Posterior& posterior, double beta) {
      const Draw draw = posterior.rsample(options_.samples, model_.rng);
      return nll_of_draws(model_, here.x, draw.z).mean(0) + beta * model_.kl(posterior, draw).to(at::kDouble);
    };
    seed("optimal", first);
    const GaussianPosterior one(here.h, optimum(1));
    keep("covariance_optimal", one.covariance()->dense());
    tally_.add("elbo_optimal", loss(one, 1));
    if (!beta_) tally_.undefined({"loss_beta_optimal"}, no_beta());
    else if (*beta_ == 0)
      tally_.undefined({"loss_beta_optimal"}, sentence("β is 0, and the optimal covariance with it"));
    else {
      const Covariance best = optimum(*beta_);
      tally_.add("loss_beta_optimal", loss(GaussianPosterior(here.h, best), *beta_));
      if (here.covariance) gathered_.add(*here.covariance, best);
    }
    if (options_.importance_samples == 0) return;
    seed("importance optimal", first);
    const Importance found =
        importance_weighted(model_, one, here.x, options_.importance_samples, telling(kOptimal));
    tally_.add("is_nll_optimal", found.nll);
    tally_.add("is_effective_samples_optimal", found.effective);
  }

  Structure structure_of_optimum() {
    if (!options_.structure.empty()) {
      structure_source_ = "as asked";
      return Structure::named(options_.structure, model_.latent, options_.block);
    }
    return structure_ ? *structure_ : structure_of_objective();
  }

  // Returns the structure of a deterministic model's covariance, which its family does not have: that of the
  // objective's parameter `structure`, else full.
  Structure structure_of_objective() {
    const auto& parameters = session_.experiment.slots.at(Kind::kObjective).parameters;
    const auto value = [&]<class T>(const char* name, T otherwise) {
      const auto found = parameters.find(name);
      const T* given = found == parameters.end() ? nullptr : std::get_if<T>(&found->second);
      return given ? *given : otherwise;
    };
    structure_source_ = "the objective's, since the family has no covariance";
    const auto name = value("structure", std::string());
    const int64_t d = model_.latent, block = value("block", int64_t{0}), rank = value("rank", int64_t{0});
    if (name == "low-rank") return Structure::low_rank(d, rank);
    if (name == "full" || name == "diagonal" || name == "isotropic" || (name == "block" && block > 0))
      return Structure::named(name, d, block);
    structure_source_ = "full, since neither family nor objective has one";
    return Structure::full(d);
  }

  void add_importance(Here& here, int64_t first) {
    if (options_.importance_samples == 0) return;
    const auto found = tally_.attempt({"is_nll", "is_effective_samples"}, [&] {
      seed("importance", first);
      return importance_weighted(model_, *here.posterior, here.x, options_.importance_samples,
                                 telling(kImportance));
    });
    if (!found) return;
    tally_.add("is_nll", found->nll);
    tally_.add("is_effective_samples", found->effective);
    keep("importance_z", found->z.transpose(0, 1));
  }

  // Adds the trained loss, as the objective itself computes it.
  void add_objective(const Batch& batch, int64_t first) {
    const auto terms = tally_.attempt({"objective"}, [&] {
      seed("objective", first);
      return model_.evaluate(batch);
    });
    if (terms) tally_.add("objective", terms->loss.expand({batch.x.size(0)}));
  }

  // ---------------------------------------------------------------------------------------------- the report

  std::string no_beta() const {
    return sentence("objective " + model_.label(Kind::kObjective) + " has no β; give one for the evaluation");
  }
  std::string not_gaussian() const {
    return sentence("§4's optimum needs a Gaussian prior, but prior " + model_.label(Kind::kPrior) +
                    " is not Gaussian");
  }

  json report(int64_t count) {
    json result = {
        {"split", rows_.split()},
        {"data", count},
        {"batch", rows_at_a_time(options_.batch)},
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
    result["beta"] = beta_ ? json(*beta_) : json(no_beta());
    if (optimum_) {
      result["structure"] = optimum_->name();
      result["posterior_optimal"] =
          "Gaussian at the family's location with the covariance that is optimal for the decoder (" +
          optimum_->name() + (structure_source_.empty() ? "" : ": " + structure_source_) +
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
    for (auto& [name, entry] : result["values"].items())
      if (const Tensor values = tally_.values(name); values.defined() && values.size(0) < count)
        entry["rows"] = values.size(0);
    return result;
  }

  // Adds the sections about all data at once.
  void add_sections(json& result) {
    const auto count = result.at("data").get<int64_t>();
    if (column_sum_.defined()) result["grae_approx_variance"] = column_variances(count);
    const auto add = [&](const std::string& name, const Section& section) {
      result[name] = section.entries();
      result[name + "_arrays"] = section.arrays();
    };
    add("covariance", covariance_section(gathered_, no_ratio_to_optimum()));
    try {
      add("information", information_section(gathered_, model_, beta_, options_.watch));
      seed("pairs", 0);
      add("geometry", geometry_section(gathered_, model_, blocks_, tally_.values("contrast"),
                                       tally_.entry("hessian", "").value("undefined", ""), options_.watch));
    } catch (const base::Interrupted&) {
      result["interrupted"] = {{"data", count}, {"of", count}, {"missing", json::array()}};
      for (const char* section : kLateSections)
        if (!result.contains(section)) result["interrupted"]["missing"].push_back(section);
    }
  }

  // Returns why q's covariance could not be compared with the optimal one; empty if it was.
  std::string no_ratio_to_optimum() const {
    const std::string none = tally_.entry("loss_beta_optimal", "").value("undefined", "");
    return none.empty() ? tally_.entry("half_trace", "").value("undefined", "") : none;
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
    if (beta_) result["beta_eff"] = *beta_ * value;
    else result["beta_eff"] = no_beta();
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
    if (!session_.experiment.data.dequantise || !rows_.dataset() ||
        model_.likelihood().domain() != Domain::kReal)
      return;
    const std::string of = tally_.values("is_nll").defined() ? "is_nll" : "elbo";
    Tensor nats = tally_.values(of);
    if (!nats.defined()) return;
    const auto size = static_cast<double>(product(model_.data));
    if (const Tensor& sd = rows_.dataset()->sd(); sd.defined())
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
  model::Rows rows_;
  std::optional<double> beta_;
  std::optional<Gaussian> prior_;  // float64
  Tensor precision_;               // Q [d, d]
  Tensor optimum_precision_;  // the same; beside a fitted prior that is not Gaussian, that of the former one
  std::optional<Structure> structure_;  // of the family's covariance
  std::optional<Structure> optimum_;    // of the optimal covariances: the same, or its substitute
  std::string structure_source_;        // its source, when that is not the family
  std::vector<int64_t> blocks_;         // the family's, or the option's; empty: none
  std::optional<bool> closed_kl_;
  std::optional<ShortJacobian> short_jacobian_;
  Tally tally_;
  struct Place {
    int64_t first, count, all;
  } place_{};                  // of the current batch, among all rows
  Tensor column_sum_;          // Σ_n c_n, [d]
  double column_squares_ = 0;  // Σ_n ‖c_n‖²

  Gathered gathered_;
  std::map<std::string, std::vector<Tensor>> kept_;
};

// Adds the section on disentanglement where factors are known.
void add_disentanglement(json& result, model::Session& session, const EvaluateOptions& options) {
  const model::Rows rows(session, options.split);
  if (!rows.dataset() || !rows.dataset()->factors().defined()) return;
  if (!result.contains("interrupted")) try {
      result.update(disentanglement(session, options.split, options.limit, options.watch));
      return;
    } catch (const base::Interrupted&) {
      result["interrupted"] = {
          {"data", result.at("data")}, {"of", result.at("data")}, {"missing", json::array()}};
    }
  result["interrupted"]["missing"].push_back("disentanglement");
}

}  // namespace

nlohmann::json evaluate(model::Session& session, const EvaluateOptions& options) {
  const at::NoGradGuard no_grad;
  const model::EvaluationMode mode(*session.assembly);
  json result = Evaluator(session, options).run();
  add_disentanglement(result, session, options);
  return result;
}

}  // namespace variform::measure
