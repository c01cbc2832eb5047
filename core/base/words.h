#pragma once
// Numbers in words, for people, and the words of a text.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace variform::base {

/// "1 h 02 min", "3 min 20 s", "12 s".
std::string duration_text(double seconds);
/// "loss 103.4, kl 12.1": parts in order, the loss first, five significant digits; "lr" is left out.
std::string values_text(const std::map<std::string, double>& values);
/// "an encoder", "a prior".
std::string with_article(const std::string& noun);
/// The parts of a text between separators, at least one; parts may be empty.
std::vector<std::string> split(std::string_view text, std::string_view separator);

}  // namespace variform::base
