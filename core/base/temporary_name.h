#pragma once
// Names of temporaries say whose they are, so that what a dead process left can be told from what a living one needs.

#include <cstdint>
#include <string>
#include <string_view>

namespace variform::base {

/// ".variform-tmp-PID-START-MACHINE-RANDOM": this process, when it started, where, and 64 random bits.
std::string temporary_name();

/// Whose a name is.
enum class Owner {
  kNobody,  ///< not a temporary of this program
  kAlive,
  kDead,
  kElsewhere,  ///< of another machine or container: whether it lives cannot be told
};
Owner owner_of(std::string_view name);

}  // namespace variform::base
