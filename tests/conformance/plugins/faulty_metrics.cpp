// Two metrics that are right by themselves, one of a single model and one of several; the parameter `fault` switches on
// one error each, every one of which a test of `variform check` must catch.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace {

using variform::Findings;
using variform::Measured;
using variform::Quantity;
using variform::Tensor;

/// The mean of ‖h‖² and of ‖z − h‖² for one draw of the metric's own, and the largest code.
class FaultyMetric final : public variform::With<variform::Metric, variform::Finishes> {
 public:
  explicit FaultyMetric(const variform::Build& build) : fault_(build.text("fault")) {
    if (is("throws in create")) throw std::runtime_error("there is no room left on the moon");
  }

  std::vector<Quantity> quantities() const override {
    if (is("declares nothing")) return {};
    std::vector<Quantity> all{{"square_norm", "", "mean of ‖h‖² over the rows"},
                              {"largest", "", "largest coordinate of a code"},
                              {"jitter", "", "mean of a standard normal draw"}};
    if (is("bad name")) all[0].name = "Square norm";
    if (is("no meaning")) all[0].meaning.clear();
    if (is("full stop")) all[0].meaning += ".";
    if (is("declared twice")) all.push_back(all[0]);
    return all;
  }

  void measure(Measured& at, Findings& findings) override {
    const Tensor h = at.codes();
    if (is("throws")) throw std::runtime_error("the moon is full");
    if (is("changes the model"))
      for (Tensor& parameter : at.model().decoder().parameters()) parameter.mul_(2);
    if (is("switches mode")) at.model().decoder().train(true);
    if (is("draws globally")) at::randn({1});
    if (is("draws unseeded")) h_noise_ = at::randn({1}, at.model().rng, h.options()).item<double>();
    Tensor squares = h.square().sum(1) + h_noise_;
    if (is("not finite")) squares = squares / 0;
    if (is("batch mean")) squares = squares.mean().square().expand_as(squares);
    if (is("undeclared")) findings.rows("secret", squares);
    if (is("wrong shape")) findings.rows("square_norm", h);
    findings.rows("square_norm", squares);
    largest_ = is("last batch only") ? h.max().item<double>() : std::max(largest_, h.max().item<double>());
  }

  void finish(Measured& at, Findings& findings) override {
    if (is("forgets")) return findings.number("largest", largest_);
    findings.number("largest", largest_);
    findings.number("jitter", at::randn({4}, at.random("jitter"), at::kDouble).mean().item<double>());
  }

 private:
  bool is(const char* name) const { return fault_ == name; }
  const std::string fault_;
  double largest_ = -1e300, h_noise_ = 0;
};

/// The mean square of the codes of all runs.
class FaultyComparison final : public variform::With<variform::Metric, variform::Compares> {
 public:
  explicit FaultyComparison(const variform::Build& build) : fault_(build.text("fault")) {}

  std::vector<Quantity> quantities() const override { return {}; }
  void measure(variform::Measured&, Findings&) override {}
  std::vector<Quantity> comparisons() const override {
    return {{"mean_square", "", "mean square of all codes"}};
  }
  void compare(variform::Compared& runs, Findings& findings) override {
    if (fault_ == "forgets") return;
    Tensor sum = at::zeros({}, at::kDouble);
    for (int64_t run = 0; run < runs.runs(); ++run) sum += runs.codes(run).square().mean();
    if (fault_ == "depends on order") sum = runs.codes(0).square().mean();
    findings.number("mean_square", sum.item<double>() / static_cast<double>(runs.runs()));
  }

 private:
  const std::string fault_;
};

}  // namespace

VARIFORM_PLUGIN("org.variform.test.faulty-metrics", "1.0.0",
                variform::component<FaultyMetric>(
                    "faulty", "Makes one error.", "tests/conformance",
                    {variform::text("fault", "").doc("The error that it makes; empty: none.")}),
                variform::component<FaultyComparison>(
                    "comparing", "Makes one error in comparing.", "tests/conformance",
                    {variform::text("fault", "").doc("The error that it makes; empty: none.")}))
