#pragma once
// The temporaries that exist now, in a form that a signal handler may use: a process that is told to end at once takes
// with it what it was writing. (What a kill -9 leaves, clean_temporaries() of file.h removes later.)

#include <filesystem>

namespace variform::base {

/// Takes note of a file or folder that is about to exist; returns its place, to be given to forget_live(). There are places
/// for 64 at once; others get -1 and are left to clean_temporaries().
int note_live(const std::filesystem::path& path) noexcept;
void forget_live(int place) noexcept;

/// Removes all of them, folders with what is in them. Async-signal-safe; does nothing in a child of fork(), whose
/// temporaries they are not.
void remove_live_temporaries() noexcept;

}  // namespace variform::base
