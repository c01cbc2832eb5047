#pragma once
// The exception without a more specific one: a sentence that says what was expected and found, where, and what to do.

#include <stdexcept>

namespace variform::base {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace variform::base
