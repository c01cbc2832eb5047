// Two metrics: one that needs all rows at once and compares models, and one among the values that is asked for.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace {

using variform::Findings;
using variform::Measured;
using variform::Quantity;
using variform::Tensor;

/// How far the codes of some rows lie from their mean, and how alike several models are in that.
class Cloud final
    : public variform::With<variform::Metric, variform::Finishes, variform::Compares, variform::MostRows> {
 public:
  explicit Cloud(const variform::Build& build) : most_(build.integer("rows")) {}

  std::vector<Quantity> quantities() const override {
    return {{"source_cloud", "", "mean squared distance of the codes from their mean"}};
  }
  void measure(Measured& of, Findings&) override { codes_.push_back(of.codes().to(at::kCPU, at::kDouble)); }
  void finish(Measured& of, Findings& findings) override {
    if (of.size() < 2) return findings.undefined("source_cloud", "there is one row");
    findings.rows("source_cloud", distances(at::cat(codes_)));
    findings.array("distances", distances(at::cat(codes_)));
    findings.detail("source_cloud", "; of " + std::to_string(of.size()) + " rows");
  }
  int64_t most_rows() const override { return most_; }

  std::vector<Quantity> comparisons() const override {
    return {{"source_likeness", "", "mean correlation of the distances between pairs of runs"}};
  }
  void compare(variform::Compared& runs, Findings& findings) override {
    std::vector<Tensor> unit;
    for (int64_t run = 0; run < runs.runs(); ++run) {
      const Tensor d = distances(runs.codes(run)), centred = d - d.mean();
      unit.push_back(centred / centred.norm().clamp_min(1e-12));
    }
    double sum = 0, pairs = 0;
    for (size_t a = 0; a < unit.size(); ++a)
      for (size_t b = 0; b < a; ++b, ++pairs) sum += unit[a].dot(unit[b]).item<double>();
    findings.number("source_likeness", sum / pairs);
  }

 private:
  static Tensor distances(const Tensor& codes) { return (codes - codes.mean(0)).square().sum(1); }

  int64_t most_;
  std::vector<Tensor> codes_;
};

/// ½‖h‖², what the location of q alone adds to KL(q ‖ N(0, I)).
class Offset final : public variform::With<variform::Metric, variform::OnRequest, variform::InValues> {
 public:
  explicit Offset(const variform::Build&) {}
  std::vector<Quantity> quantities() const override {
    return {{"source_offset", "nats", "what the location of q adds to KL from the standard normal prior"}};
  }
  void measure(Measured& of, Findings& findings) override {
    findings.rows("source_offset", 0.5 * of.codes().square().sum(1));
  }
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<Cloud>("source-cloud", "How far codes lie from their mean.", "none is needed",
                               {variform::integer("rows", 24).at_least(2).in("rows").doc("Rows that are looked at.")}),
    variform::component<Offset>("source-offset", "The location's part of the divergence.", "theory §4"))
