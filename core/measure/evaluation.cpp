// See evaluation.h.

#include "measure/evaluation.h"

#include <nlohmann/json.hpp>
#include <vector>

namespace variform::measure {
namespace {

using nlohmann::json;

// A section that is no metric's, shown as a separate table.
constexpr const char* kQuality = "quality";

}  // namespace

json evaluation(model::Session& session, const EvaluationRequest& request) {
  const EvaluateOptions& options = request.evaluate;
  if (request.only_metrics) return evaluate_metrics(session, options);
  json quality_section;  // first: it may need a training, and errors then show at once
  if (request.quality_images > 0)
    quality_section =
        quality(session, request.network,
                {.split = options.split, .images = request.quality_images, .watch = options.watch});
  json result;
  try {
    result = evaluate(session, options);
  } catch (const base::Interrupted&) {
    if (quality_section.is_null()) throw;
    result["interrupted"]["missing"] = {"values"};
  }
  if (!quality_section.is_null()) result["quality"] = quality_section;
  return result;
}

std::string text_of(const json& result, std::size_t width) {
  std::string text;
  if (result.contains("split")) text = base::folded(head_of(result), width);
  if (result.contains("values")) text += text_of_section(result, "values", width);
  else if (result.contains("interrupted")) text = "incomplete, since it was interrupted: no values\n";
  if (result.contains("ex_post"))
    text += "\nprior: " + result.at("model").at("prior").get<std::string>() + "; " +
            result.at("ex_post").at("sentence").get<std::string>() + ".\n";
  std::vector<std::string> sections;
  for (const json& metric : result.value("metrics", json::array())) sections.push_back(metric);
  if (result.contains(kQuality)) sections.emplace_back(kQuality);
  for (const std::string& section : sections)
    text += (text.empty() ? "" : "\n") + section + "\n" + text_of_section(result, section, width);
  return text;
}

}  // namespace variform::measure
