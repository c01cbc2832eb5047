// See uses.h.

#include "uses.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <stdexcept>
#include <utility>

#include "config/experiment.h"
#include "export/codes.h"
#include "export/impute.h"
#include "export/pictures.h"
#include "export/pytorch.h"
#include "folder.h"
#include "measure/compare.h"
#include "measure/evaluate.h"
#include "measure/metrics.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform::composition {
namespace {

// The metric of this name with parameters at their defaults; null when it cannot be had.
std::shared_ptr<Metric> metric_of(model::Session& session, const std::string& id) {
  return measure::usual_metric(session, registry(), id).metric;
}

config::ComponentSpec spec_of(const std::string& id) {
  config::Diagnostics diagnostics;
  config::GivenComponent given =
      config::parse_component(id, "metric", Kind::kMetric, registry(), diagnostics);
  diagnostics.throw_if_any();
  return given.component;
}

// Notes what an evaluation says of one quantity.
void take(Answer& answer, const nlohmann::json& section, const std::string& quantity) {
  const auto found = section.find(quantity);
  if (found == section.end()) return;
  const auto undefined = found->find("undefined");
  if (undefined == found->end()) {
    answer.answered = true;
    return;
  }
  answer.without[quantity] = undefined->get<std::string>();
}

// Calls, and notes what is thrown as the reason; what is LibTorch's own is a fault.
Answer answer_of(const std::string& name, const std::function<void()>& call) {
  try {
    call();
    return {name, true, {}};
  } catch (const c10::Error& error) {
    throw std::runtime_error(name + ": LibTorch: " + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return {name, false, {{"", error.what()}}};
  }
}

}  // namespace

nlohmann::json evaluated(model::Session& session) {
  measure::EvaluateOptions options;
  options.registry = &registry();
  options.samples = 3;
  options.importance_samples = 3;
  for (const std::string& id : registry().ids(Kind::kMetric)) {
    const std::shared_ptr<Metric> metric = metric_of(session, id);
    if (metric && metric->on_request() && !metric->quantities().empty())
      options.metrics.push_back(spec_of(id));
  }
  return measure::evaluate(session, options);
}

std::vector<Answer> answers_of_metrics(model::Session& session) {
  const nlohmann::json result = evaluated(session);
  for (const nlohmann::json& warning : result.value("warnings", nlohmann::json::array()))
    if (warning.get<std::string>().find("failed") != std::string::npos)
      throw std::runtime_error(warning.get<std::string>());
  std::vector<Answer> answers;
  for (const std::string& id : registry().ids(Kind::kMetric)) {
    const std::shared_ptr<Metric> metric = metric_of(session, id);
    if (!metric || metric->quantities().empty()) continue;
    Answer answer{id, false, {}};
    const nlohmann::json& section =
        metric->in_values() ? result.at("values") : result.value(id, nlohmann::json::object());
    for (const Quantity& quantity : metric->quantities()) take(answer, section, quantity.name);
    answers.push_back(std::move(answer));
  }
  return answers;
}

std::vector<Answer> answers_of_commands(model::Session& session, model::Session& another) {
  const Folder folder;
  return {
      answer_of("compare",
                [&] {
                  measure::CompareOptions options;
                  options.registry = &registry();
                  measure::compare({{"one", &session}, {"two", &another}}, options);
                }),
      answer_of("encode", [&] { exports::encode(session, folder.path() / "codes.h5", {.jacobians = 3}); }),
      answer_of("export", [&] { exports::export_weights(session, folder.path() / "model.pt"); }),
      answer_of("interpolate", [&] { exports::interpolations(session, {}, 2); }),
      answer_of("reconstruct", [&] { exports::reconstructions(session, {}, 4); }),
      answer_of("reconstruct --impute",
                [&] { exports::impute(session, folder.path() / "imputed.h5", {.draws = 3}); }),
      answer_of("sample", [&] { exports::samples(session, 4); }),
      answer_of("sample --noise", [&] { exports::samples(session, 4, true); }),
      answer_of("traverse", [&] { exports::traversals(session, {}, 1); }),
  };
}

}  // namespace variform::composition
