#pragma once
// Names of temporaries, which tell whether the process that made them is alive.

#include <cstdint>
#include <string>
#include <string_view>

namespace variform::base {

/// ".variform-tmp-PID-START-MACHINE-RANDOM": this process, when it started, where, and 64 random bits.
std::string temporary_name();

/// The owner of a name.
enum class Owner {
  kNobody,  ///< not a temporary of this program
  kAlive,
  kDead,
  kElsewhere,  ///< of another machine or container: whether it lives is unknown
};
Owner owner_of(std::string_view name);

}  // namespace variform::base
