// See compare.h.

#include "measure/compare.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "measure/agreement.h"
#include "measure/disentanglement/fixed_factor.h"
#include "model/latent_order.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::measure {
namespace {

using nlohmann::json;
using Value = std::optional<double>;
using Pairs = std::vector<std::vector<Value>>;  // [R][R], symmetric, nothing on the diagonal

constexpr std::int64_t kComparisonBatch = 500;
constexpr double kInformative = 0.01;  // nats (Duan et al. 2020)

Numbers numbers_of(const Tensor& tensor) {  // [N, d]
  const Tensor all = tensor.to(at::kCPU, at::kDouble).contiguous();
  Numbers numbers(static_cast<std::size_t>(all.size(0)), static_cast<std::size_t>(all.size(1)));
  std::copy_n(all.const_data_ptr<double>(), all.numel(), numbers.values.begin());
  return numbers;
}

// Returns the codes of a run's rows. `before`: rows of the earlier runs, out of `all`, for progress.
Numbers codes_of(model::Session& session, model::Rows& rows, std::int64_t count, const base::Watch& watch,
                 std::int64_t before, std::int64_t all) {
  const model::EvaluationMode mode(*session.assembly);
  Model& model = session.assembly->model();
  std::vector<Tensor> parts;
  for (std::int64_t first = 0; first < count; first += kComparisonBatch) {
    base::tell(watch, "codes", before + first, all);
    const Tensor x = rows.range(first, std::min(kComparisonBatch, count - first)).x;
    parts.push_back(model.posterior(x.to(model.options))->location().to(at::kCPU, at::kDouble));
  }
  return numbers_of(at::cat(parts));
}

std::vector<bool> informative_latents(model::Session& session, const std::string& split) {
  std::vector<bool> informative;
  for (double contribution : model::order_of_latents(session, split).contribution)
    informative.push_back(contribution > kInformative);
  return informative;
}

std::string quoted(const std::string& name) { return "'" + name + "'"; }

void require_runs(const std::vector<ComparedRun>& runs) {
  if (runs.size() < 2)
    throw std::invalid_argument("a comparison needs two runs or more, found " + std::to_string(runs.size()) +
                                ".");
}

// Returns how many of the first `count` rows differ: in their stored values where reading them adds noise, else in what
// the models see (up to the rounding of another precision).
std::int64_t rows_that_differ(model::Rows& rows, model::Rows& others, std::int64_t count) {
  const auto of = [&](model::Rows& from, bool stored, std::int64_t first, std::int64_t n) {
    const Tensor x = stored ? from.dataset()->stored().narrow(0, first, n) : from.range(first, n).x;
    return x.to(at::kCPU, at::kDouble).flatten(1);
  };
  const auto is_noisy = [](model::Rows& from) { return from.dataset() && from.dataset()->needs_generator(); };
  const bool noisy = is_noisy(rows);
  if (noisy != is_noisy(others)) return count;
  constexpr std::int64_t kAtOnce = 1024;
  constexpr double kRounding = 1e-6;
  std::int64_t different = 0;
  for (std::int64_t first = 0; first < count; first += kAtOnce) {
    const std::int64_t n = std::min(kAtOnce, count - first);
    const Tensor same =
        at::isclose(of(rows, noisy, first, n), of(others, noisy, first, n), kRounding, kRounding);
    different += n - same.all(1).sum().item<std::int64_t>();
  }
  return different;
}

// Throws unless the two runs' data have the same values, whatever their names.
void require_same_data(const ComparedRun& first, model::Rows& rows, const ComparedRun& run,
                       std::int64_t count) {
  const auto refuse = [&](const std::string& difference) {
    const auto described = [](const ComparedRun& one) {
      const std::string& data = one.session->splits.name;
      return quoted(one.name) + " was trained on " + quoted(data) + " " +
             to_text(one.session->assembly->model().data);
    };
    throw std::invalid_argument("runs are compared on the same data, but " + described(first) + " and " +
                                described(run) + difference + "; compare runs with one and the same [data].");
  };
  if (run.session->assembly->model().data != first.session->assembly->model().data) refuse("");
  std::unique_ptr<model::Rows> others;
  try {
    others = std::make_unique<model::Rows>(*run.session, rows.split());
  } catch (const std::runtime_error&) {
    refuse(", which has no split '" + rows.split() + "'");
  }
  if (others->size() < count)
    refuse(", where the split '" + rows.split() + "' has " + std::to_string(others->size()) + " rows, not " +
           std::to_string(count));
  if (const std::int64_t different = rows_that_differ(rows, *others, count))
    refuse(", whose values differ in " + std::to_string(different) + " of the first " +
           std::to_string(count) + " rows of split '" + rows.split() + "'");
}

Value mean(const std::vector<double>& values) {
  if (values.empty()) return {};
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Value median(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// Returns a run's values with the other runs among `kept`.
std::vector<double> others(const Pairs& pairs, std::size_t run, const std::vector<std::size_t>& kept) {
  std::vector<double> values;
  for (std::size_t other : kept)
    if (other != run && pairs[run][other]) values.push_back(*pairs[run][other]);
  return values;
}

using Statistic = std::function<Value(const std::vector<std::size_t>&)>;  // of the runs kept

Statistic mean_of_pairs(const Pairs& pairs) {
  return [&pairs](const std::vector<std::size_t>& kept) {
    std::vector<double> values;
    for (std::size_t run : kept)
      for (double value : others(pairs, run, kept)) values.push_back(value);
    return mean(values);
  };
}

Statistic mean_of_medians(const Pairs& pairs) {
  return [&pairs](const std::vector<std::size_t>& kept) {
    std::vector<double> values;
    for (std::size_t run : kept)
      if (const Value value = median(others(pairs, run, kept))) values.push_back(*value);
    return mean(values);
  };
}

Statistic mean_of_runs(const std::vector<Value>& of_run) {
  return [&of_run](const std::vector<std::size_t>& kept) {
    std::vector<double> values;
    for (std::size_t run : kept)
      if (of_run[run]) values.push_back(*of_run[run]);
    return mean(values);
  };
}

// Returns √((R − 1)/R Σ(θ₋ᵣ − mean)²), for means the usual standard error.
json jackknife_of_runs(std::size_t runs, const Statistic& statistic) {
  std::vector<double> without;
  if (runs < 3) return nullptr;
  for (std::size_t left_out = 0; left_out < runs; ++left_out) {
    std::vector<std::size_t> kept;
    for (std::size_t run = 0; run < runs; ++run)
      if (run != left_out) kept.push_back(run);
    const Value value = statistic(kept);
    if (!value) return nullptr;
    without.push_back(*value);
  }
  const double centre = *mean(without);
  double squares = 0;
  for (double value : without) squares += (value - centre) * (value - centre);
  return std::sqrt(squares * static_cast<double>(runs - 1) / static_cast<double>(runs));
}

json value_json(const Value& value) { return value ? json(*value) : json(nullptr); }
json values_json(const std::vector<Value>& values) {
  json list = json::array();
  for (const Value& value : values) list.push_back(value_json(value));
  return list;
}
json values_json(const Pairs& pairs) {
  json list = json::array();
  for (const std::vector<Value>& row : pairs) list.push_back(values_json(row));
  return list;
}

struct Codes {
  std::vector<Numbers> of_run;
  std::vector<std::vector<bool>> informative;
  std::optional<Numbers> truth;
};

class Comparison {
 public:
  Comparison(Codes codes, const base::Watch& watch)
      : codes_(std::move(codes)), watch_(watch), all_(codes_.of_run.size()) {
    std::iota(all_.begin(), all_.end(), std::size_t{0});
  }

  json run() {
    bool is_interrupted = false;
    for (const std::vector<bool>& flags : codes_.informative)
      arrays_["informative"].push_back(std::count(flags.begin(), flags.end(), true));
    try {
      add_angles();
      add_truth();
      add_correlations();
      add_rankings();
    } catch (const base::Interrupted&) {
      if (section_.empty()) throw;
      is_interrupted = true;
    }
    json result = {{"agreement", section_}, {"agreement_arrays", arrays_}};
    if (is_interrupted) result["interrupted"] = true;
    return result;
  }

 private:
  Pairs for_pairs(std::size_t count, const std::function<Value(std::size_t, std::size_t)>& value) {
    constexpr std::size_t kMeasures = 5;
    const auto all = static_cast<std::int64_t>(kMeasures * count * (count - 1) / 2);
    Pairs pairs(count, std::vector<Value>(count));
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t b = a + 1; b < count; ++b) {
        base::tell(watch_, "pairs", pairs_done_++, all);
        pairs[a][b] = pairs[b][a] = value(a, b);
      }
    return pairs;
  }

  const Numbers& of(std::size_t run) const { return codes_.of_run[run]; }
  bool two() const {
    return std::all_of(codes_.of_run.begin(), codes_.of_run.end(),
                       [](const Numbers& codes) { return codes.columns == 2; });
  }

  template <class Values>
  void add(const char* name, const std::string& what, const Values& values, const Statistic& statistic,
           const char* reason) {
    const Value value = statistic(all_);
    arrays_[name] = values_json(values);
    if (value)
      section_[name] = {{"value", *value}, {"se", jackknife_of_runs(all_.size(), statistic)}, {"what", what}};
    else section_[name] = {{"undefined", std::string("not defined: ") + reason + "."}, {"what", what}};
  }

  std::string floor() const {
    return two() ? "; two latents turned at random score 0.90 ± 0.09: see angle" : "";
  }

  void add_correlations() {
    const auto both_vary = [&](std::size_t a, std::size_t b) {
      return any_varies(of(a)) && any_varies(of(b));
    };
    const Pairs pearson = for_pairs(all_.size(), [&](std::size_t a, std::size_t b) {
      return both_vary(a, b) ? Value(mean_correlation(correlations(of(a), of(b)))) : Value();
    });
    const Pairs spearman = for_pairs(all_.size(), [&](std::size_t a, std::size_t b) {
      return both_vary(a, b) ? Value(mean_correlation(rank_correlations(of(a), of(b)))) : Value();
    });
    const std::string what = " correlation| of matched latents, mean over pairs of runs" + floor();
    add("mcc", "mean |Pearson" + what, pearson, mean_of_pairs(pearson), kNoPair);
    add("mcc_spearman", "mean |Spearman" + what, spearman, mean_of_pairs(spearman), kNoPair);
  }

  void add_rankings() {
    const auto strength = [&](Numbers (*similarity)(const Numbers&, const Numbers&)) {
      return for_pairs(all_.size(), [&, similarity](std::size_t a, std::size_t b) {
        return relative_strength(similarity(of(a), of(b)), codes_.informative[a], codes_.informative[b]);
      });
    };
    const Pairs spearman = strength(rank_correlations), lasso = strength(lasso_weights);
    const std::string what =
        "; latents with a KL above 0.01 nats; each run's median over the others, mean over the runs";
    constexpr const char* kReason = "no run has an informative latent together with another";
    add("udr", "unsupervised disentanglement ranking (Duan et al. 2020), Spearman" + what, spearman,
        mean_of_medians(spearman), kReason);
    add("udr_lasso", "the same with lasso weights, α = 0.1" + what, lasso, mean_of_medians(lasso), kReason);
  }

  static constexpr const char* kNoPair = "there is no pair of runs in which the latents of both vary";

  const char* why_no_angle() const {
    return two() ? "the codes do not vary" : "a rotation has one angle in two dimensions only";
  }

  void add_angles() {
    const Pairs angles =
        for_pairs(all_.size(), [&](std::size_t a, std::size_t b) { return folded_angle(of(a), of(b)); });
    add("angle",
        "degrees: the rotation between two runs' codes (Procrustes), folded to [0, 45], mean over pairs "
        "(§8); at random 22.5, sd 13",
        angles, mean_of_pairs(angles), why_no_angle());
  }

  void add_truth() {
    std::vector<Value> pearson(all_.size()), spearman(all_.size()), angles(all_.size());
    const char *reason = "the data have no known latents", *why = reason;
    if (codes_.truth) {
      why =
          codes_.truth->columns == of(0).columns ? why_no_angle() : "the data have another number of latents";
      for (std::size_t run : all_) {
        pearson[run] = mean_correlation(correlations(of(run), *codes_.truth));
        spearman[run] = mean_correlation(rank_correlations(of(run), *codes_.truth));
        angles[run] = folded_angle(of(run), *codes_.truth);
      }
    }
    const std::string what = " correlation| of matched latents with the true ones, mean over runs" + floor();
    add("mcc_truth", "mean |Pearson" + what, pearson, mean_of_runs(pearson), reason);
    add("mcc_truth_spearman", "mean |Spearman" + what, spearman, mean_of_runs(spearman), reason);
    add("angle_truth",
        "degrees: the rotation of a run's codes against the true latents, folded to [0, 45] (§8)", angles,
        mean_of_runs(angles), why);
  }

  Codes codes_;
  const base::Watch& watch_;
  std::int64_t pairs_done_ = 0;
  std::vector<std::size_t> all_;
  json section_, arrays_;
};

// Returns the latents of the wider run that the best matching leaves without a partner, counted from 0.
std::vector<std::size_t> without_partner(const Numbers& wide, const Numbers& narrow) {
  Numbers size = correlations(wide, narrow);
  for (double& value : size.values) value = std::abs(value);
  std::vector<std::size_t> unmatched;
  const auto assignment = best_assignment(size);
  for (std::size_t i = 0; i < assignment.size(); ++i)
    if (!assignment[i]) unmatched.push_back(i);
  return unmatched;
}

// Returns { run, other, latents } for each pair of runs with different numbers of latents.
json unmatched_latents(const std::vector<ComparedRun>& runs, const std::vector<Numbers>& codes) {
  json pairs = json::array();
  for (std::size_t a = 0; a < runs.size(); ++a)
    for (std::size_t b = a + 1; b < runs.size(); ++b) {
      if (codes[a].columns == codes[b].columns) continue;
      const std::size_t wide = codes[a].columns > codes[b].columns ? a : b, narrow = a + b - wide;
      pairs.push_back({{"run", runs[wide].name},
                       {"other", runs[narrow].name},
                       {"latents", without_partner(codes[wide], codes[narrow])}});
    }
  return pairs;
}

}  // namespace

json compare(const std::vector<ComparedRun>& runs, const CompareOptions& options) {
  require_runs(runs);
  const at::NoGradGuard no_grad;
  model::Session& first = *runs[0].session;
  model::Rows rows(first, options.split);
  const std::int64_t count = options.limit > 0 ? std::min(options.limit, rows.size()) : rows.size();
  if (count < 2)
    throw std::invalid_argument("a comparison needs two rows or more, found " + std::to_string(count) + ".");
  Codes codes;
  for (const ComparedRun& run : runs) {
    require_same_data(runs[0], rows, run, count);
    codes.of_run.push_back(codes_of(*run.session, rows, count, options.watch,
                                    count * static_cast<std::int64_t>(codes.of_run.size()),
                                    count * static_cast<std::int64_t>(runs.size())));
    codes.informative.push_back(informative_latents(*run.session, rows.split()));
  }
  if (const Tensor truth = rows.true_latents(0, count); truth.defined()) codes.truth = numbers_of(truth);
  json unmatched = unmatched_latents(runs, codes.of_run);
  json result = Comparison(std::move(codes), options.watch).run();
  if (!unmatched.empty()) result["unmatched"] = std::move(unmatched);
  for (const ComparedRun& run : runs) {
    result["runs"].push_back(run.name);
    result["latents"].push_back(run.session->assembly->model().latent);
  }
  if (!result.contains("unmatched")) result["latent"] = first.assembly->model().latent;
  result["data"] = first.splits.name;
  result["split"] = rows.split();
  result["rows"] = count;
  return result;
}

std::string notes_of(const json& comparison) {
  std::string notes;
  for (const json& pair : comparison.value("unmatched", json::array())) {
    std::string latents;
    for (const json& latent : pair.at("latents"))
      latents += (latents.empty() ? "" : ", ") + std::to_string(latent.get<std::int64_t>());
    notes += "latents of " + quoted(pair.at("run").get<std::string>()) + " without a partner in " +
             quoted(pair.at("other").get<std::string>()) + ", counted from 0: " + latents + "\n";
  }
  return notes;
}

base::Table table_of_runs(const json& comparison) {
  const json& arrays = comparison.at("agreement_arrays");
  const bool truth = arrays.at("mcc_truth").at(0).is_number();
  std::vector<base::Table::Column> columns{{"run"}};
  for (const char* name : {"informative latents", "udr", "mcc"})
    columns.push_back({name, base::Align::kRight});
  if (truth)
    for (const char* name : {"mcc_truth", "angle_truth"}) columns.push_back({name, base::Align::kRight});
  base::Table table(columns);
  const auto numbers = [](const json& row) {
    std::vector<double> values;
    for (const json& value : row)
      if (value.is_number()) values.push_back(value.get<double>());
    return values;
  };
  const auto text = [](const Value& value) {
    return value ? base::significant(*value, 4) : std::string("–");
  };
  const auto entry = [](const json& value) {
    return value.is_number() ? Value(value.get<double>()) : Value();
  };
  for (std::size_t run = 0; run < comparison.at("runs").size(); ++run) {
    std::vector<std::string> row{comparison.at("runs")[run].get<std::string>(),
                                 std::to_string(arrays.at("informative")[run].get<std::int64_t>()),
                                 text(median(numbers(arrays.at("udr")[run]))),
                                 text(mean(numbers(arrays.at("mcc")[run])))};
    if (truth)
      for (const char* name : {"mcc_truth", "angle_truth"}) row.push_back(text(entry(arrays.at(name)[run])));
    table.add(row);
  }
  return table;
}

}  // namespace variform::measure
