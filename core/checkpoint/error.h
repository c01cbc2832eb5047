// The one exception of this subsystem: a sentence that says what was expected, what was found, where, what to
// do.
#pragma once

#include <stdexcept>

namespace variform::checkpoint {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace variform::checkpoint
