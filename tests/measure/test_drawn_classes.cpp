// Data drawn from a model with classes: x and z given the class have the model's own distribution, and a model of these
// data is shown the classes.

#include "models.h"

#include <variform/context.h>

#include "model/rows.h"

namespace variform::measure {
namespace {

using testing::ContainsSubstring;

constexpr int64_t kClasses = 5;

// A model whose prior and decoder have the seed, and so the parameters, of those that make the data.
std::string config_of(const std::string& rows, const std::string& condition = "condition = \"labels\"\n") {
  const std::string prior =
      "prior = { type = \"conditional\", hidden = [], start_location = [-2, 2], start_scale = [0.5, 3] }\n";
  const std::string decoder = "decoder = { type = \"linear\", condition = true }\n";
  const std::string likelihood = "likelihood = { type = \"gaussian\", variance = 0.1 }\n";
  return "name = \"classes\"\nseed = 7\nobjective = { type = \"beta-vae\" }\n[data]\n" + condition +
         "[data.dataset]\ntype = \"model\"\nseed = 7\nlatent = 3\nshape = [4]\nclasses = 5\n" + rows + prior +
         decoder + likelihood +
         "[model]\nlatent = 3\nencoder = { type = \"linear\" }\nfamily = { type = \"diagonal\" }\n" +
         (condition.empty() ? "prior = { type = \"gaussian\" }\ndecoder = { type = \"linear\" }\n"
                            : prior + decoder) +
         likelihood + "[train]\nsteps = 10\nbatch = 16\ndevice = \"cpu\"\nprecision = \"float64\"\n";
}

// Whether values are draws of N(0, 1): mean, variance and fourth moment, within 5 standard errors.
bool are_standard_normal(const at::Tensor& e) {
  const auto n = static_cast<double>(e.numel());
  const double mean = e.mean().item<double>(), square = e.square().mean().item<double>(),
               fourth = e.pow(4).mean().item<double>();
  INFO("moments " << mean << ", " << square << ", " << fourth);
  return std::abs(mean) < 5 / std::sqrt(n) && std::abs(square - 1) < 5 * std::sqrt(2 / n) &&
         std::abs(fourth - 3) < 5 * std::sqrt(96 / n);
}

TEST_CASE("data of a conditional model have its distribution given the class") {
  const auto session = test::open(config_of("size = 9000\ntest = 500\n"));
  const data::Dataset& train = session->splits.train;
  CHECK(session->facts.condition.on == "labels");
  CHECK(session->facts.condition.size == kClasses);
  CHECK(train.labels().equal(at::arange(9000, at::kLong).remainder(kClasses)));  // across chunks, too
  const at::Tensor u = at::one_hot(train.labels(), kClasses).to(at::kDouble);
  CHECK(train.gather_condition(at::arange(9000)).equal(u));

  // The tables of the prior, and the decoder's matrix, from the model's twin of the generator.
  const at::Tensor table = test::state(*session, "model/prior/parameters/network.0.weight");  // [2d, classes]
  const at::Tensor weight =
      test::state(*session, "model/decoder/parameters/network.0.weight");  // [P, d + classes]
  const at::Tensor bias = test::state(*session, "model/decoder/parameters/network.0.bias");
  const at::Tensor z = train.latents(), x = train.gather(at::arange(9000));
  const auto of_class = [&](const at::Tensor& rows, const at::Tensor& which) {
    return rows.index_select(1, which).t();
  };
  const auto standardised = [&](const at::Tensor& classes) {
    return (z - of_class(table.narrow(0, 0, 3), classes)) * (-of_class(table.narrow(0, 3, 3), classes)).exp();
  };
  const auto noise = [&](const at::Tensor& classes) {
    return (x - z.mm(weight.narrow(1, 0, 3).t()) - of_class(weight.narrow(1, 3, kClasses), classes) - bias) /
           std::sqrt(0.1);
  };
  CHECK(are_standard_normal(standardised(train.labels())));
  CHECK(are_standard_normal(noise(train.labels())));
  const at::Tensor others = (train.labels() + 1).remainder(kClasses);  // and not that of another class
  CHECK_FALSE(are_standard_normal(standardised(others)));
  CHECK_FALSE(are_standard_normal(noise(others)));
}

TEST_CASE("rows, training batches and examples of drawn data bring their classes along") {
  for (const char* rows : {"size = 100\ntest = 20\n", "fresh = true\ntest = 20\n"}) {
    INFO(rows);
    const auto session = test::open(config_of(rows));
    CHECK(session->facts.condition.size == kClasses);
    model::Rows test(*session, "test");
    const auto agrees = [](const Context& context, const at::Tensor& labels) {
      return context.labels.equal(labels) &&
             context.condition.equal(at::one_hot(labels, kClasses).to(at::kDouble));
    };
    CHECK(agrees(test.range(3, 4).context, at::tensor({3, 4, 0, 1}, at::kLong)));
    CHECK(agrees(test.at(at::tensor({9, 2}, at::kLong)).context, at::tensor({4, 2}, at::kLong)));
    CHECK(agrees(session->rows(7).context, at::tensor({0, 1, 2, 3, 4, 0, 1}, at::kLong)));
    const Batch batch = session->batches->training(3);
    CHECK(agrees(batch.context, batch.context.labels));
  }
}

TEST_CASE("a batch of fresh data is a function of its number, and classes go on from one to the next") {
  const auto session = test::open(config_of("fresh = true\n")),
             again = test::open(config_of("fresh = true\n"));
  const Batch third = session->batches->training(3);
  CHECK(third.context.labels.equal((at::arange(16, at::kLong) + 48).remainder(kClasses)));
  CHECK(again->batches->training(3).x.equal(third.x));
  CHECK_FALSE(session->batches->training(4).x.equal(third.x));
}

TEST_CASE(
    "drawn classes are labels alone where no condition is asked for, and are refused where nothing uses them") {
  for (const char* rows : {"size = 100\n", "fresh = true\n"}) {
    const auto session = test::open(config_of(rows, ""));
    CHECK(session->facts.condition.size == 0);
    const Batch batch = session->batches->training(0);
    CHECK(batch.context.labels.defined());
    CHECK_FALSE(batch.context.condition.defined());
  }
  std::string unused = config_of("size = 100\n", "");
  const std::string conditional =
      "prior = { type = \"conditional\", hidden = [], start_location = [-2, 2], start_scale = [0.5, 3] }";
  unused.replace(unused.find(conditional), conditional.size(), "prior = { type = \"gaussian\" }");
  unused.replace(unused.find("condition = true"), 16, "condition = false");
  CHECK_THROWS_WITH(test::open(unused),
                    ContainsSubstring("needs a prior or a decoder that is conditioned on them"));
}

}  // namespace
}  // namespace variform::measure
