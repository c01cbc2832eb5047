#pragma once
// The exception of all that has no better one: a sentence that says what was expected, what was found, where, what to do.

#include <stdexcept>

namespace variform::base {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace variform::base
