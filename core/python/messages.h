#pragma once
// Keeps what the engine and plugins say until Python asks for it and makes warnings and log records of it.

#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"

namespace variform::python {

/// Messages in the order in which they came; of more than a thousand the first ones.
class Messages final : public base::Log {
 public:
  void write(base::Level level, std::string_view topic, const std::string& text) override;
  bool wants(base::Level level, std::string_view topic) const override;
  /// Returns "warning: …", "note: …", "info: …" for each message since the last call.
  std::vector<std::string> take();

 private:
  std::mutex mutex_;
  std::vector<std::string> kept_;
};

/// The one of this process: the SDK has one place for what plugins say. Sends it here from the first call on.
Messages& messages();

}  // namespace variform::python
