#pragma once
// What a training says of itself before its first step.

#include "train/compose.h"
#include "train/trainer.h"

namespace variform::train {

/// Data, model, preflight and β at the start, in a line each.
void introduce(Observer& observer, const model::Session& session, const model::Preflight& preflight);

}  // namespace variform::train
