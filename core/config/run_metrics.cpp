// See run_metrics.h.

#include "config/run_metrics.h"

namespace variform::config {

bool is_metrics_line(const nlohmann::json& line) {
  const auto step = line.find("step"), split = line.find("split");
  return step != line.end() && step->is_number_unsigned() && split != line.end() && split->is_string();
}

base::SealedLines metrics_of(const std::filesystem::path& run) {
  return base::read_sealed_lines(run / "metrics.jsonl", is_metrics_line);
}

}  // namespace variform::config
