#pragma once
// Conditions that no row of the data brings along: those that a user writes, and some to show.

#include <variform/context.h>

#include <string>

namespace variform::model {
struct Session;

/// Whether a component of the session's model is conditioned.
bool is_conditioned(const Session& session);

/// Reads conditions [R, c] as a user writes them: classes by number or name, each a condition of its own ("3", "0,3,8"); else
/// c numbers in the data's own units, several conditions separated by semicolons ("0.5,1;0.5,2"). Throws
/// std::invalid_argument with what is expected.
Tensor condition_from(const Session& session, const std::string& text);

/// Conditions [R, c] to show where the user names none: every class, or those of ten rows spread over the training data.
/// Undefined for a model without a condition. Throws std::runtime_error when they would be those of data that are missing.
Tensor shown_conditions(Session& session);

/// The context of `each` rows for every condition [R, c]: R·each rows. Empty for an undefined condition.
Context context_of(const Tensor& conditions, int64_t each);

}  // namespace variform::model
