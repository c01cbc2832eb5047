// What of LibTorch's messages is kept.

#include "base/frames.h"

#include "catch.h"

#include <cstdlib>
#include <string>

namespace variform::base {
namespace {

const std::string kFrames =
    "Exception raised from meta at LinearAlgebra.cpp:192 (most recent call first):\n"
    "frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x94 (0x7f in libc10.so)\n"
    "frame #1: <unknown function> + 0x12 (0x7f in libtorch_cpu.so)\n";

TEST_CASE("stack frames are left out wherever they stand") {
  ::unsetenv("VARIFORM_BACKTRACE");
  CHECK(without_frames("wrong shape\n" + kFrames) == "wrong shape");
  CHECK(without_frames("in decode: wrong shape\n" + kFrames + "\nThe run is in runs/x.") ==
        "in decode: wrong shape\nThe run is in runs/x.");
  CHECK(without_frames("one\n" + kFrames + "\ntwo\n" + kFrames) == "one\ntwo");
}

TEST_CASE("messages without frames stay as they are") {
  ::unsetenv("VARIFORM_BACKTRACE");
  for (const char* text : {"", "one line", "two\nlines", "two\n\nwith a blank one\n", "frame #1 of a film"})
    CHECK(without_frames(text) == text);
}

TEST_CASE("frames are shown to who asks for them") {
  show_frames();
  CHECK(without_frames("wrong shape\n" + kFrames) == "wrong shape\n" + kFrames);
  ::setenv("VARIFORM_BACKTRACE", "0", 1);
  CHECK(without_frames("wrong shape\n" + kFrames) == "wrong shape");
  ::unsetenv("VARIFORM_BACKTRACE");
}

}  // namespace
}  // namespace variform::base
