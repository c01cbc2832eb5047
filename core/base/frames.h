#pragma once
// Removes the stack frames at the end of LibTorch's messages, which only programmers need.

#include <string>
#include <string_view>

namespace variform::base {

/// Whether messages keep their frames: after `-vv`, or with VARIFORM_BACKTRACE set (not to 0).
bool shows_frames();
void show_frames();

/// Returns `message` without "Exception raised from …" and the lines "frame #N: …" after it, wherever they stand;
/// unchanged when frames are shown.
std::string without_frames(std::string_view message);

}  // namespace variform::base
