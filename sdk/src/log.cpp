// Messages of plugins. The sink is global, since a plugin may speak in any function and thread.

#include <variform/calls.h>
#include <variform/log_sink.h>

#include <atomic>

namespace variform {
inline namespace v2 {
namespace {

std::atomic<LogSink*> current = nullptr;

}  // namespace

LogSink::~LogSink() = default;

LogSink* exchange_log_sink(LogSink* sink) noexcept { return current.exchange(sink); }

void log(LogLevel level, std::string_view text) {
  LogSink* const sink = current.load();
  if (!sink || !sink->wants(level)) return;
  const CallInProgress call = call_in_progress();
  sink->write(level, call.kind ? std::string(call.kind) + " " + call.label : std::string(), text);
}

bool wants_log(LogLevel level) {
  const LogSink* const sink = current.load();
  return sink && sink->wants(level);
}

}  // namespace v2
}  // namespace variform
