#pragma once
// What logs share that keep messages in a file and pass them on to another one.

#include <string>
#include <string_view>

#include "base/log.h"

namespace variform::base {

/// A log that keeps every message from kInfo on, and passes on to `to`, which must outlive it.
class KeptLog : public Log {
 public:
  explicit KeptLog(Log& to) : to_(to) {}

  /// True for what is kept, and for what `to` wants.
  bool wants(Level level, std::string_view topic) const final {
    return keeps(level) || to_.wants(level, topic);
  }

 protected:
  static bool keeps(Level level) { return level >= Level::kInfo; }
  /// Returns the text as a file has it, after its level, which kInfo does not say: "warning: …".
  static std::string with_level(Level level, const std::string& text);
  Log& to() const { return to_; }

 private:
  Log& to_;
};

}  // namespace variform::base
