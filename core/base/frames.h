#pragma once
// Messages of LibTorch's errors without the stack frames that they end with: those are for who mends a program.

#include <string>
#include <string_view>

namespace variform::base {

/// Whether messages keep them: after `-vv`, or with VARIFORM_BACKTRACE set (not to 0).
bool shows_frames();
void show_frames();

/// `message` without "Exception raised from …" and the lines "frame #N: …" after it, wherever in it they stand; as it is
/// when frames are shown.
std::string without_frames(std::string_view message);

}  // namespace variform::base
