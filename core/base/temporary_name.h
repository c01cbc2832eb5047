#pragma once
// Names of temporaries, which tell whether the process that made them is alive.

#include <cstdint>
#include <string>
#include <string_view>

namespace variform::base {

/// "PID-START-MACHINE-RANDOM": this process, when it started, where, and 64 random bits. No two are equal.
std::string process_mark();

/// ".variform-tmp-" and a process_mark().
std::string temporary_name();

/// The process behind a mark or a name.
enum class Owner {
  kNobody,  ///< not a mark, not a temporary of this program
  kAlive,
  kDead,
  kElsewhere,  ///< of another machine or container: whether it lives is unknown
};
Owner owner_of_mark(std::string_view mark);
Owner owner_of(std::string_view name);

}  // namespace variform::base
