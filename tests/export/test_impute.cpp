// Imputed values: against the conditional expectation of a linear Gaussian model, which has a closed form.

#include "export/impute.h"

#include "measure/models.h"

#include <variform/testing.h>

#include <cmath>
#include <fstream>

#include "base/interrupt.h"
#include "checkpoint/snapshot.h"

namespace variform::exports {
namespace test = measure::test;
namespace {

using test::Folder;
using testing::ContainsSubstring;

constexpr int64_t kRows = 40, kColumns = 6;
constexpr double kVariance = 0.5;

// A table with holes, and a linear model of it that is as it was initialised. `holes`: none are made without.
std::unique_ptr<model::Session> session_on(const std::filesystem::path& folder, at::Tensor& x,
                                           bool holes = true) {
  at::Generator rng = testing::generator(4);
  x = at::randn({kRows, kColumns}, rng, at::kDouble);
  if (holes) x.masked_fill_(at::rand({kRows, kColumns}, rng, at::kDouble) < 0.3, std::nan(""));
  std::ofstream file(folder / "table.csv");
  file.precision(17);
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kColumns; ++j) {
      const double value = x[i][j].item<double>();
      if (!std::isnan(value)) file << value;
      file << (j + 1 < kColumns ? "," : "\n");
    }
  file.close();
  return test::open(
      "name = \"holes\"\nseed = 3\n[data]\nmissing = \"mask\"\n[data.dataset.splits]\n"
      "train = { x = \"" +
      (folder / "table.csv").string() +
      "\", rows = [0, 20] }\n"
      "test = { x = \"" +
      (folder / "table.csv").string() +
      "\", rows = [0, 40] }\n"
      "[model]\nlatent = 2\nencoder = { type = \"linear\" }\ndecoder = { type = \"linear\" }\n"
      "family = { type = \"full\" }\nprior = { type = \"gaussian\" }\n"
      "likelihood = { type = \"gaussian\", variance = 0.5 }\n"
      "[objective]\ntype = \"beta-vae\"\n"
      "[train]\nsteps = 10\nbatch = 10\ndevice = \"cpu\"\nprecision = \"float64\"\n");
}

TEST_CASE("imputed values are the model's expectation given the observed ones; those stay as they are") {
  const Folder folder;
  at::Tensor x;
  const auto session = session_on(folder / "", x);
  const at::NoGradGuard no_grad;
  const double effective = exports::impute(*session, folder / "imputed.h5", {"test", 20000, {}});
  const checkpoint::Snapshot written = checkpoint::read(folder / "imputed.h5");
  const at::Tensor seen = x.isnan().logical_not(), found = written.tensors.at("x"),
                   sd = written.tensors.at("sd");
  REQUIRE(found.sizes() == x.sizes());
  CHECK(at::equal(written.tensors.at("mask").to(at::kBool), seen));
  CHECK(test::largest((found - x).masked_select(seen)) < 1e-12);
  CHECK(test::largest(sd.masked_select(seen)) == 0);
  CHECK(at::equal(written.tensors.at("index"), at::arange(kRows)));
  CHECK(effective == testing::Approx(written.tensors.at("effective").mean().item<double>()));
  CHECK(effective > 500);
  const at::Tensor w = test::state(*session, "model/decoder/parameters/network.0.weight"),  // [D, d]
      b = test::state(*session, "model/decoder/parameters/network.0.bias");
  int rows_used = 0;
  double worst = 0, worst_sd = 0;
  for (int64_t n = 0; n < kRows; ++n) {
    const at::Tensor is_seen = seen[n], rows = w.index_select(0, is_seen.nonzero().squeeze(1));
    const at::Tensor residual = (x[n] - b).masked_select(is_seen);
    const at::Tensor covariance = at::linalg_inv(rows.t().mm(rows) / kVariance + at::eye(2, at::kDouble));
    const at::Tensor mean = b + w.mv(covariance.mv(rows.t().mv(residual) / kVariance));
    const at::Tensor deviation = w.mm(covariance).mul(w).sum(1).sqrt();
    const double draws = written.tensors.at("effective")[n].item<double>();
    if (is_seen.all().item<bool>() || draws < 500) continue;  // of so few draws the estimate is rough
    ++rows_used;
    const at::Tensor hidden = is_seen.logical_not();
    const at::Tensor errors = (found[n] - mean) / deviation * std::sqrt(draws);  // in standard errors
    worst = std::max(worst, test::largest(errors.masked_select(hidden)));
    worst_sd = std::max(worst_sd, test::largest((sd[n] / deviation - 1).masked_select(hidden)));
  }
  CHECK(rows_used > 20);
  CHECK(worst < 5);
  CHECK(worst_sd < 0.2);
}

TEST_CASE("a split that lacks nothing is refused, and an interrupted call leaves no file") {
  const Folder folder;
  at::Tensor x;
  const auto whole = session_on(folder / "", x, /*holes=*/false);
  CHECK_THROWS_WITH(exports::impute(*whole, folder / "a.h5"), ContainsSubstring("lacks no values"));
  const auto session = session_on(folder / "", x);
  const base::Watch watch = [](const char*, std::int64_t, std::int64_t) { return false; };
  CHECK_THROWS_AS(exports::impute(*session, folder / "a.h5", {"test", 10, watch}), base::Interrupted);
  CHECK_FALSE(std::filesystem::exists(folder / "a.h5"));
}

}  // namespace
}  // namespace variform::exports
