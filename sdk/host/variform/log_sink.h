#pragma once
// Where variform::log() goes. Between the SDK's library and the engine alone: not installed, and no part of the SDK.

#include <variform/log.h>
#include <variform/types.h>

#include <string>

namespace variform {
inline namespace v2 {

/// Takes what plugins say; may be called by several threads.
class VARIFORM_API LogSink {
 public:
  virtual ~LogSink();
  /// `who`: "family student-t (org.example.student-t 1.0.0)"; empty when no component is being called.
  virtual void write(LogLevel level, const std::string& who, std::string_view text) = 0;
  virtual bool wants(LogLevel level) const = 0;
};

/// Sends messages to `sink` from now on (nullptr: to nobody), and returns the former one. No message may be under way in
/// another thread.
VARIFORM_API LogSink* exchange_log_sink(LogSink* sink) noexcept;

}  // namespace v2
}  // namespace variform
