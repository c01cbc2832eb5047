// Every error that the reader of faulty_readers.cpp can make is caught by one test of `variform check`, the one that is
// named here, and by no other; without an error everything passes.

#include "faults.h"

namespace variform::conformance {
namespace {

constexpr const char* kReaders = "faulty-readers.so";

TEST_CASE("A right reader passes everything") {
  const Results results = check_component(kReaders, "reader:faulty", "");
  CAPTURE(text_of(results, false));
  CHECK(found_in(results).empty());
  CHECK(results.count(Outcome::kPass) == 8);
}

TEST_CASE("Errors of a reader") {
  const std::vector<Fault> faults{
      {"throws in create", "create", "no room left on the moon"},
      {"capitals", "claims", "expected suffixes() in lower case"},
      {"claims nothing's", "claims", "it recognises an empty file"},
      {"claims anything", "claims", "it recognises 4,096 random bytes"},
      {"never chosen", "claims", "would never be chosen"},
      {"no arrays", "arrays", "lists none"},
      {"named twice", "arrays", "array 'x' is listed twice"},
      {"no rows", "arrays", "none of them 0"},
      {"half", "arrays", "array 'x' is of type Half"},
      {"moody", "arrays", "lists others when it is asked again"},
      {"few rows", "arrays", "no array of its example has five rows"},
      {"opens nothing", "arrays", "open() returned no file"},
      {"wrong shape", "ranges", "returned [16]; expected [8, 2]"},
      {"wrong type", "ranges", "expected Double on the CPU"},
      {"shifted", "ranges", "are others by themselves than among all rows"},
      {"wraps", "ranges", "found none"},
      {"any name", "ranges", "an array that the file does not have"},
      {"uneven", "in-place", "not a multiple of the size of a value"},
      {"misplaced", "in-place", "the file has other bytes"},
      {"lies anywhere", "in-place", "expected an exception for the first byte of an array"},
      {"pads", "damaged", "that the whole file does not have"},
      {"draws globally", "quiet", "draws from the global random generator"},
      {"writes", "quiet", "it changes the file that it reads"},
  };
  for (const Fault& fault : faults) check_fault(kReaders, "reader:faulty", fault);
}

}  // namespace
}  // namespace variform::conformance
