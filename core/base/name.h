#pragma once
// Names that become parts of paths (runs, studies, stages, figures, tables, comparisons, pictures, evaluations, dumps).

#include <string>
#include <string_view>

namespace variform::base {

/// Returns what is wrong with a name that becomes part of a path, as "it holds a \"/\""; empty: nothing. A name must
/// not lead elsewhere, be taken for an option, hide, or change what a terminal shows.
std::string name_problem(std::string_view name);

/// The rule of name_problem(), for messages.
inline constexpr const char* kNameRule =
    "a name of 1 to 100 characters without \"/\", \"\\\", \"..\" and control characters, and with no \"-\", "
    "\".\" or space at its start";

}  // namespace variform::base
