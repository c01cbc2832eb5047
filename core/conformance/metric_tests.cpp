// Tests of metrics on a model of stand-ins: what they declare is what they report, the same however the rows are cut
// into batches, and without a trace in the model.

#include <ATen/core/grad_mode.h>

#include <variform/metric.h>
#include <variform/random.h>
#include <variform/testing_metric.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "conformance/process_settings.h"
#include "conformance/test.h"

namespace variform::conformance {
namespace {

constexpr int64_t kMeasuredRows = 96, kMeasuredBatch = 32;

// What a metric may ask for beside the model: two known factors, of three and four values.
testing::MeasuredOptions options_of(const Case& test, int64_t batch) {
  const Tensor index = at::arange(kMeasuredRows, at::kDouble);
  return {.batch = batch,
          .beta = 0.7,
          .factors = at::stack({index.remainder(3), at::floor_divide(index, 3).remainder(4)}, 1),
          .factor_names = {"a", "b"},
          .seed = test.seed};
}

// Sets all components to evaluation mode, as evaluate does.
void prepare(Rig& rig) {
  for (Kind kind : kAllKinds) rig.model().component(kind)->train(false);
  rig.component().train(false);
}

struct Measurement {
  testing::Found found;
  bool has_drawn_in_batch;
};

Measurement measure(Rig& rig, const Case& test, int64_t batch = kMeasuredBatch) {
  prepare(rig);
  testing::MeasuredRows rows(rig.model(), rig.data(kMeasuredRows, test.seed), options_of(test, batch));
  testing::Found found = rows.measure(rig.as<Metric>());
  return {std::move(found), rows.has_drawn_in_batch()};
}

Measurement measure(const Case& test, int64_t batch = kMeasuredBatch) {
  Rig rig(test);
  return measure(rig, test, batch);
}

void require_measuring(const Case& test) {
  Rig rig(test);
  if (rig.as<Metric>().quantities().empty()) skip("it measures no single model");
}

bool is_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c == '_' || (c < 0x80 && std::isalnum(c) != 0);
  }) && name.front() >= 'a';
}

void check_quantities(const std::vector<Quantity>& quantities, const char* where) {
  std::set<std::string> names;
  for (const Quantity& quantity : quantities) {
    const std::string name = "quantity '" + quantity.name + "' in " + where + "()";
    if (!is_name(quantity.name))
      fail(name + ": expected letters, digits and underscores, beginning with a lower-case letter");
    if (!names.insert(quantity.name).second) fail(name + " is declared twice");
    if (quantity.meaning.empty()) fail(name + " has no meaning; say what it is, for tables");
    if (quantity.meaning.ends_with('.'))
      fail(name + " has a meaning that ends with a full stop; tables add details behind it");
  }
}

void quantities(const Case& test) {
  Rig rig(test);
  const auto& metric = rig.as<Metric>();
  check_quantities(metric.quantities(), "quantities");
  check_quantities(metric.comparisons(), "comparisons");
  if (metric.quantities().empty() && metric.comparisons().empty())
    fail("it declares nothing, neither in quantities() nor in comparisons(), and could report nothing");
}

// Checks that every declared quantity has a value or a reason.
void check_reports(const testing::Found& found) {
  std::string reason;
  bool any = false;
  for (const auto& [name, entry] : found.entries()) {
    if (entry.is_absent) continue;
    if (std::isnan(entry.value) && entry.undefined.empty())
      fail("its quantity '" + name +
           "' is neither reported nor said to be undefined; Findings::undefined says why there is no number");
    if (entry.undefined == "not finite")
      fail("its quantity '" + name +
           "' is not finite for an ordinary model; say with Findings::undefined where it is not defined");
    any = any || entry.undefined.empty();
    if (!entry.undefined.empty()) reason = entry.undefined;
  }
  if (!any) warn("none of its quantities is defined for a Gaussian model of stand-ins: " + reason);
}

void reports(const Case& test) {
  require_measuring(test);
  check_reports(measure(test).found);
}

// Returns how two measurements differ; empty: not by more than `tolerance`, relative to values of size 1.
std::string difference(const testing::Found& a, const testing::Found& b, double tolerance) {
  for (const auto& [name, entry] : a.entries()) {
    const auto& other = b.entries().at(name);
    if (entry.undefined != other.undefined)
      return "'" + name + "' is defined in one of them only: " + entry.undefined + other.undefined;
    for (const auto& [x, y] : {std::pair(entry.value, other.value), std::pair(entry.error, other.error)})
      if (!(std::abs(x - y) <= tolerance * std::max(1.0, std::abs(x))) && !(std::isnan(x) && std::isnan(y)))
        return "'" + name + "' is " + text_of(x) + " and " + text_of(y);
  }
  return {};
}

void determinism(const Case& test) {
  require_measuring(test);
  Rig first(test), second(test);
  const Measurement one = measure(first, test);
  second.model().rng.set_current_seed(hash(test.seed, "another state"));
  if (const std::string found = difference(one.found, measure(second, test).found, 0); !found.empty())
    fail("from another state of the model's generator " + found +
         "; random numbers come from Measured::random(purpose), which seeds it");
}

void batches(const Case& test) {
  require_measuring(test);
  const Measurement whole = measure(test, kMeasuredRows);
  if (whole.has_drawn_in_batch)
    skip("it draws random numbers for each batch, which depend on where that begins");
  for (int64_t batch : {int64_t{17}, int64_t{1}})
    if (const std::string found = difference(whole.found, measure(test, batch).found, 1e-6); !found.empty())
      fail(
          fmt::format("with all rows at once and with {} at a time {}; numbers must not depend on how the "
                      "rows are cut into batches",
                      batch, found));
}

void traces(const Case& test) {
  require_measuring(test);
  Rig rig(test);
  prepare(rig);
  std::map<std::string, Tensor> before;
  const auto state = [&] {
    std::map<std::string, Tensor> all;
    for (Kind kind : kAllKinds) {
      const Component& component = *rig.model().component(kind);
      const std::string slot = to_string(kind);
      all[slot + "'s mode"] = at::full({}, component.is_training() ? 1 : 0);
      for (const auto& item : component.named_parameters())
        all[slot + "'s " + item.key()] = item.value().detach().clone();
      for (const auto& item : component.named_buffers())
        all[slot + "'s " + item.key()] = item.value().detach().clone();
    }
    return all;
  };
  before = state();
  const ProcessSettings settings;
  measure(rig, test);
  const ProcessSettings after;
  if (after.has_drawn(settings))
    fail("it draws from the global random generator; random numbers come from Measured::random(purpose)");
  if (const std::string changed = after.difference(settings); !changed.empty())
    fail("it changes settings of the process: " + changed);
  for (const auto& [name, value] : state())
    if (!before.contains(name) || !at::equal(before.at(name), value))
      fail("it changes " + name + " of the model that it measures");
}

// Codes of runs that are the same latents in another order, and with noise.
class FewRuns final : public Compared {
 public:
  FewRuns(std::uint64_t seed, std::vector<int64_t> order) : order_(std::move(order)) {
    Generator rng = testing::generator(hash(seed, "codes"));
    const Tensor truth = at::randn({kMeasuredRows, 2}, rng, at::kDouble);
    truth_ = truth;
    for (int64_t run = 0; run < runs(); ++run)
      codes_.push_back(truth.roll({run}, {1}) + 0.3 * at::randn({kMeasuredRows, 2}, rng, at::kDouble));
  }
  int64_t runs() const override { return static_cast<int64_t>(order_.size()); }
  std::string name(int64_t run) const override { return "run " + std::to_string(at(run)); }
  Tensor codes(int64_t run) override { return codes_[at(run)]; }
  Tensor informative(int64_t /*run*/) override { return at::ones({2}, at::kBool); }
  Tensor true_latents() override { return truth_; }
  void progress(int64_t /*done*/, int64_t /*all*/) override {}

 private:
  std::size_t at(int64_t run) const {
    return static_cast<std::size_t>(order_[static_cast<std::size_t>(run)]);
  }
  std::vector<int64_t> order_;
  std::vector<Tensor> codes_;
  Tensor truth_;
};

testing::Found compare(const Case& test, const std::vector<int64_t>& order) {
  const at::NoGradGuard no_grad;
  Rig rig(test);
  prepare(rig);
  FewRuns runs(test.seed, order);
  testing::Found found(rig.as<Metric>().comparisons());
  rig.as<Metric>().compare(runs, found);
  found.settle();
  return found;
}

void comparisons(const Case& test) {
  Rig rig(test);
  if (rig.as<Metric>().comparisons().empty()) skip("it does not compare models");
  const testing::Found found = compare(test, {0, 1, 2});
  check_reports(found);
  if (const std::string changed = difference(found, compare(test, {2, 0, 1}), 1e-9); !changed.empty())
    fail("with the runs in another order " + changed);
}

}  // namespace

std::vector<Test> metric_tests() {
  const char* group = "metric";
  const std::vector<Kind> metric{Kind::kMetric};
  return {
      {"quantities",
       group,
       "It declares what it reports: names, units, meanings.",
       metric,
       {"create"},
       quantities},
      {"reports",
       group,
       "It reports what it declares and nothing else, finite or with the reason why there is no number.",
       metric,
       {"quantities"},
       reports},
      {"metric-determinism",
       group,
       "The same seed gives the same bits, from the given generator alone.",
       metric,
       {"reports"},
       determinism},
      {"batches",
       group,
       "Its numbers do not depend on how the rows are cut into batches.",
       metric,
       {"metric-determinism"},
       batches},
      {"traces",
       group,
       "It leaves the model, the global generator and the settings of the process as they are.",
       metric,
       {"reports"},
       traces},
      {"comparisons",
       group,
       "It reports what it declares of several models, in whatever order they come.",
       metric,
       {"quantities"},
       comparisons},
  };
}

}  // namespace variform::conformance
