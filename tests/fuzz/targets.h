#pragma once
// Every reader of bytes that others wrote, as a function of bytes that must return: with an error of the reader or
// without, but never with a crash, a hang or gigabytes. fuzz.cpp gives them to libFuzzer, test_corpus_slow.cpp replays
// what is kept in corpus/.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace variform::fuzz {

using Input = std::span<const std::uint8_t>;

struct Target {
  const char* name;  ///< also of its folder in corpus/
  void (*run)(Input);
};

const std::vector<Target>& targets();
/// Null when there is none of that name.
const Target* find_target(const std::string& name);

}  // namespace variform::fuzz
