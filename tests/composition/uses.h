#pragma once
// What a trained model is asked for: every metric, and every command that looks at rows or draws them.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "compose.h"

namespace variform::composition {

/// How one of them went.
struct Answer {
  std::string name;       ///< "information", "sample"
  bool answered = false;  ///< it gave something
  std::map<std::string, std::string>
      without;  ///< the quantities that it did not give, and why; {"", why}: of a command
};

/// The result of an evaluation with all metrics, those on request among them.
nlohmann::json evaluated(model::Session& session);

/// Every metric of an evaluation, whether it must be asked for or not; in the order of their names. Throws
/// std::runtime_error when one failed instead of refusing.
std::vector<Answer> answers_of_metrics(model::Session& session);
/// Every command. `another`: a model to compare with.
std::vector<Answer> answers_of_commands(model::Session& session, model::Session& another);

}  // namespace variform::composition
