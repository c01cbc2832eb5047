#pragma once
// Logs the facts about a training before its first step.

#include "base/log.h"
#include "train/compose.h"

namespace variform::train {

/// Reports data, model, preflight and β at the start, in one line each.
void introduce(base::Log& log, const model::Session& session, const model::Preflight& preflight);

}  // namespace variform::train
