#pragma once
// Reports and marks the end of a process that foreign code ends in the middle of its work: by exit() and its relatives,
// by std::terminate, or by a fatal signal. No such end may look like success or go unexplained.

#include <filesystem>
#include <string>

#include "base/signal_text.h"

namespace variform::base {

/// Says what is being done at the moment ("family strange, in posterior, at step 18"), or nothing. Called by signal
/// handlers: no allocation, no locks.
using Whereabouts = void (*)(SignalText& text);

/// Makes every end of this process but end_in_order() say so on stderr, mark the run of mark_run(), and have this exit
/// code. Forked children end as they like. Builds with sanitizers leave signals to those, which report them too. With
/// VARIFORM_BACKTRACE set, a fatal signal is raised again afterwards, for a core file or a debugger.
void guard_ending(Whereabouts where, int code);

/// Registers the guard's exit() handlers again, so that they run before those of foreign code: call it after loading
/// that.
void guard_exits_first();

/// Sets the run whose folder gets FAILED instead of DONE, and a line in its log.txt; `advice` ends the message.
void mark_run(const std::filesystem::path& folder, const std::string& advice);

/// Writes a line, which is shown() already, to stderr and to the log.txt of that run; for threads other than the
/// working one.
void write_beside(const std::string& line);

/// Returns what is being called at the moment; empty: nothing.
SignalText whereabouts();

/// Ends the process now, in order, without destructors.
[[noreturn]] void end_in_order(int code);

/// Ends the process silently and bypasses the C library.
[[noreturn]] void leave(int code);

/// For the program's own _exit() and _Exit(), which plugins then call: returns only where the process may end.
void leaving_by(const char* function, int status);

/// Puts terminate and signal handlers back where foreign code has changed them; returns whether it had.
bool restore_ending_guard();

}  // namespace variform::base
