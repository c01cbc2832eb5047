#pragma once
// The temporaries that exist now, in a form that a signal handler may use: a process that must end at once removes what
// it was writing. (What a kill -9 leaves, clean_temporaries() of file.h removes later.)

#include <filesystem>

namespace variform::base {

/// Registers a file or folder that is about to exist; returns its place, for forget_live(). There are places for 64 at
/// once; others get -1 and are left to clean_temporaries().
int note_live(const std::filesystem::path& path) noexcept;
void forget_live(int place) noexcept;

/// Removes all of them, folders with their contents. Async-signal-safe; does nothing in a child of fork(), which does
/// not own them.
void remove_live_temporaries() noexcept;

}  // namespace variform::base
