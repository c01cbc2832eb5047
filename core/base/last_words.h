#pragma once
// What a process says and leaves behind when code that is not its own ends it in the midst of its work: by exit() and
// its relatives, by std::terminate, or by a fatal signal. Nothing of that may look like success, or stay without a name.

#include <filesystem>
#include <string>

#include "base/signal_text.h"

namespace variform::base {

/// Says what is being done at the moment ("family strange, in posterior, at step 18"), or nothing. Called by signal
/// handlers: no allocation, no locks.
using Whereabouts = void (*)(SignalText& text);

/// From now on every end of this process but end_in_order() is reported on stderr, leaves its mark in the run of
/// mark_run(), and has this exit code. Children that are forked end as they like. Nothing is done in builds with sanitizers
/// about signals, which these report themselves. With VARIFORM_BACKTRACE set, a fatal signal is raised again after that, for
/// a core file or a debugger.
void guard_ending(Whereabouts where, int code);

/// Handlers of exit() run in the reverse of the order in which they were set: to be called after code of others has been
/// loaded.
void guard_exits_first();

/// The run whose folder gets FAILED instead of DONE, and a line in its log.txt; `advice` ends the message.
void mark_run(const std::filesystem::path& folder, const std::string& advice);

/// Writes a line, which is shown() already, to stderr and to the log.txt of that run; for threads beside the one that
/// works.
void write_beside(const std::string& line);

/// What the guard knows of the present moment; empty: nothing is being called.
SignalText whereabouts();

/// Ends the process now, without destructors, as asked for.
[[noreturn]] void end_in_order(int code);

/// Ends the process, without a word and without what the C library does.
[[noreturn]] void leave(int code);

/// To be called by the program's own _exit() and _Exit(), which plugins then call: returns where the end is in order.
void leaving_by(const char* function, int status);

/// Puts terminate and signal handlers back where code of others has changed them; whether it had.
bool restore_ending_guard();

}  // namespace variform::base
