#pragma once
// Reads [study.search]: an axis whose values are drawn at random when the plan is read, as a function of the table
// alone. The trials are thus known before anything is trained, and are ordinary cells.

#include "config/reader.h"
#include "study/plan.h"

namespace variform::study {

/// Returns the axis "trial" of the table `search` of a study. Each value has a label such as "lr=0.002135 latent=12". A
/// trial does not depend on how many there are. Errors go to the reader's diagnostics.
Axis read_search(config::Reader& study);

}  // namespace variform::study
