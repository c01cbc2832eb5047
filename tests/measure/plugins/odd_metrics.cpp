// Metrics for tests of the engine: one that fails, one that wants few rows, one that is computed on request only, one
// that needs what no model has, and one whose quantity stands in `values`.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cstdio>
#include <stdexcept>
#include <vector>

namespace {

using variform::Findings;
using variform::Measured;
using variform::Quantity;
using variform::Tensor;

class Failing final : public variform::Metric {
 public:
  explicit Failing(const variform::Build&) {}
  std::vector<Quantity> quantities() const override {
    return {{"seen", "rows", "rows before it failed"}, {"never", "", "what it never reports"}};
  }
  void measure(Measured& at, Findings& findings) override {
    rows_ += at.batch().x.size(0);
    std::printf("seen %d rows\n", static_cast<int>(rows_));
    findings.number("seen", static_cast<double>(rows_));
    if (rows_ >= 20) throw std::runtime_error("the moon is full");
  }

 private:
  int64_t rows_ = 0;
};

/// The numbers of the rows that it is given.
class Few final : public variform::With<variform::Metric, variform::Finishes, variform::MostRows> {
 public:
  explicit Few(const variform::Build&) {}
  std::vector<Quantity> quantities() const override { return {{"few_rows", "rows", "rows that it saw"}}; }
  int64_t most_rows() const override { return 10; }
  void measure(Measured& at, Findings&) override {
    rows_.push_back(at.batch().context.index.to(at::kDouble));
  }
  void finish(Measured& at, Findings& findings) override {
    variform::log(variform::LogLevel::kNote, "saw few rows");
    findings.array("rows", at::cat(rows_));
    findings.number("few_rows", static_cast<double>(at.size()));
    findings.detail("few_rows", " of " + std::to_string(at.available()));
  }

 private:
  std::vector<Tensor> rows_;
};

class Asked final : public variform::With<variform::Metric, variform::Finishes, variform::OnRequest> {
 public:
  explicit Asked(const variform::Build& build) : factor_(build.number("factor")) {}
  std::vector<Quantity> quantities() const override { return {{"asked_value", "", "its factor"}}; }
  bool on_request() const override { return true; }
  void measure(Measured&, Findings&) override {}
  void finish(Measured&, Findings& findings) override { findings.number("asked_value", factor_); }

 private:
  double factor_;
};

class Needy final : public variform::Metric {
 public:
  explicit Needy(const variform::Build&) {}
  std::vector<Quantity> quantities() const override { return {{"factors_seen", "", "a factor's mean"}}; }
  void measure(Measured& at, Findings& findings) override {
    findings.rows("factors_seen", at.factors().select(1, 0));
  }
};

class Among final : public variform::With<variform::Metric, variform::InValues> {
 public:
  explicit Among(const variform::Build&) {}
  bool in_values() const override { return true; }
  std::vector<Quantity> quantities() const override {
    return {{"own_loss", "nats per example", "a loss of its own"}};
  }
  void measure(Measured& at, Findings& findings) override {
    findings.rows("own_loss", 2 * at.nll_of(at.codes().unsqueeze(0)).squeeze(0));
  }
};

}  // namespace

VARIFORM_PLUGIN("org.variform.test.odd-metrics", "1.0.0",
                variform::component<Failing>("failing", "Fails in the second batch.", "tests/measure"),
                variform::component<Among>("among", "Stands in `values`.", "tests/measure"),
                variform::component<Few>("few", "Wants ten rows.", "tests/measure"),
                variform::component<Asked>("asked", "On request.", "tests/measure",
                                           {variform::number("factor", 2.0).doc("What it reports.")}),
                variform::component<Needy>("needy", "Wants known factors.", "tests/measure"))
