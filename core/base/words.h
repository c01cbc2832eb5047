#pragma once
// Numbers in words, for people.

#include <map>
#include <string>

namespace variform::base {

/// "1 h 02 min", "3 min 20 s", "12 s".
std::string duration_text(double seconds);
/// "loss 103.4, kl 12.1": parts in order, the loss first, five significant digits; "lr" is left out.
std::string values_text(const std::map<std::string, double>& values);

}  // namespace variform::base
