// The author's own test, linked with the plugin's sources: a condition, missing values, levels, a reader.

#include <variform/plugin.h>
#include <variform/testing.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <filesystem>
#include <numbers>
#include <string>
#include <vector>

namespace {

namespace t = variform::testing;
using variform::Kind;
using variform::Tensor;

const variform::ComponentInfo& component(Kind kind, const char* id) {
  return t::find_component(*variform_plugin(), kind, id);
}

void test_condition(t::Report& report) {
  t::Sizes sizes;
  sizes.condition = 2;
  const auto prior = t::make<variform::Prior>(component(Kind::kPrior, "source-guided"), {}, sizes);
  {
    const at::NoGradGuard no_grad;
    for (const Tensor& parameter : prior->parameters()) parameter.fill_(0.5);
  }
  const variform::Context context{.condition = at::ones({4, 2}, at::kDouble)};
  report.close("its mean", prior->gaussian(context)->mean, at::ones({4, 3}, at::kDouble), 1e-12);
  report.that("it is conditioned", variform::is_conditioned(*prior) && !variform::common_gaussian(*prior));
  bool thrown = false;
  try {
    prior->log_prob(at::zeros({4, 3}, at::kDouble), {});
  } catch (const variform::Error&) {
    thrown = true;
  }
  report.that("it asks for the condition", thrown);
}

void test_missing(t::Report& report) {
  const auto likelihood = t::make<variform::Likelihood>(component(Kind::kLikelihood, "source-patchy"));
  const Tensor x = at::zeros({2, 6}, at::kDouble), mask = at::zeros({2, 6}, at::kBool);
  mask.narrow(1, 0, 3).fill_(true);
  report.that("values may be missing", likelihood->admits_missing());
  report.close("three values of six", likelihood->nll(x, x.unsqueeze(1), {.mask = mask}),
               at::full({2}, 1.5 * std::log(2 * std::numbers::pi), at::kDouble), 1e-12);
}

void test_levels(t::Report& report) {
  const auto prior = t::make<variform::Prior>(component(Kind::kPrior, "source-stairs"));
  const auto family = t::make<variform::VariationalFamily>(component(Kind::kFamily, "source-steps"));
  report.that("two halves", variform::ability<variform::PriorLevels>(*prior)->levels() == std::vector<int64_t>{2, 1});
  const auto q = family->posterior(at::zeros({4, 6}, at::kDouble), Tensor(), {});
  auto rng = t::generator(1);
  const auto kl = variform::partly_closed_kl(*prior, *q, q->rsample(2, rng), {});
  report.that("closed level by level", kl.has_value());
  if (kl) report.close("both start as N(0, I)", *kl, at::zeros({2, 4}, at::kDouble), 1e-12);
}

void test_reader(t::Report& report) {
  const auto reader = t::make<variform::Reader>(component(Kind::kReader, "source-rows"));
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "source_2_0_test.source20";
  variform::ability<variform::ExampleFile>(*reader)->write_example(path.string());
  {
    const auto file = reader->open(path.string());
    report.close("row 5", file->read("x", 5, 1), 0.25 * at::arange(35, 42, at::kFloat).unsqueeze(0) - 9, 0);
    report.that("where values begin", variform::ability<variform::InPlace>(*file)->first_byte("x") == 24);
  }
  std::filesystem::remove(path);
}

}  // namespace

int main() {
  t::Report report;
  test_condition(report);
  test_missing(report);
  test_levels(report);
  test_reader(report);
  return report.exit_code();
}
