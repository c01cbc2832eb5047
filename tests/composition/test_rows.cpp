// Whoever asks an encoder or a likelihood about rows says what is known of them: objectives, metrics and commands are
// tried with ones that refuse to work without. Stock components would compute in silence.

#include "catch.h"
#include "compose.h"
#include "uses.h"

#include <variform/ext/likelihood.h>
#include <variform/host.h>

#include <stdexcept>

#include "model/batches.h"
#include "model/session.h"

namespace variform::composition {
namespace {

void require_mask(const Tensor& x, const Context& context) {
  if (!context.mask.defined()) throw std::logic_error("the mask was not handed on");
  if (context.mask.size(0) != x.size(0)) throw std::logic_error("the mask is of other rows");
}

class StrictEncoder final : public Encoder {
 public:
  explicit StrictEncoder(Encoder& inner) : inner_(inner) {}
  Tensor encode(const Tensor& x, const Context& context) override {
    require_mask(x, context);
    return inner_.encode(x, context);
  }
  const void* ability(std::string_view id) const override { return inner_.ability(id); }

 private:
  Encoder& inner_;
};

class StrictLikelihood final : public With<Likelihood, CurvatureForm> {
 public:
  explicit StrictLikelihood(Likelihood& inner) : inner_(inner) {}
  int64_t outputs() const override { return inner_.outputs(); }
  Domain domain() const override { return inner_.domain(); }
  Tensor nll(const Tensor& x, const Tensor& g, const Context& context) override {
    require_mask(x, context);
    return inner_.nll(x, g, context);
  }
  Tensor curvature_form(const Tensor& x, const Tensor& g, const Tensor& t, Curvature curvature,
                        const Context& context) override {
    require_mask(x, context);
    return static_cast<Likelihood&>(inner_).curvature_form(x, g, t, curvature, context);
  }
  Tensor mean(const Tensor& g) override { return inner_.mean(g); }
  Tensor sample(const Tensor& g, Generator& rng) override { return inner_.sample(g, rng); }
  const void* ability(std::string_view id) const override {
    const void* own = With::ability(id);
    return own ? own : inner_.ability(id);
  }

 private:
  Likelihood& inner_;
};

// A trained model of incomplete rows, some of whose components are then strict.
struct Strict {
  std::unique_ptr<model::Session> session;
  std::shared_ptr<Component> encoder, likelihood;  // the own ones, which stay alive

  explicit Strict(const std::string& objective) {
    Combination combination;
    combination.rows = Rows::kMissing;
    combination.objective = objective;
    session = trained_session(combination);
    HostModel& model = session->assembly->model();
    encoder = model.component(Kind::kEncoder);
    likelihood = model.component(Kind::kLikelihood);
    model.set(Kind::kEncoder, std::make_shared<StrictEncoder>(dynamic_cast<Encoder&>(*encoder)), "strict");
    model.set(Kind::kLikelihood, std::make_shared<StrictLikelihood>(dynamic_cast<Likelihood&>(*likelihood)),
              "strict");
  }
};

void check(const std::vector<Answer>& answers) {
  for (const Answer& answer : answers)
    for (const auto& [quantity, reason] : answer.without) {
      INFO(answer.name << " " << quantity);
      CHECK_THAT(reason, !testing::ContainsSubstring("the mask"));
    }
}

TEST_CASE("every objective hands the mask on to encoder and likelihood") {
  for (const std::string& objective : offered().objectives) {
    const Strict strict(objective);
    INFO(objective);
    CHECK_NOTHROW(strict.session->assembly->model().evaluate(strict.session->batches->training(0)));
  }
}

TEST_CASE("every metric and every command hands the mask on to encoder and likelihood") {
  const Strict one("beta-vae"), two("beta-vae");
  check(answers_of_metrics(*one.session));
  check(answers_of_commands(*one.session, *two.session));
}

}  // namespace
}  // namespace variform::composition
