// Tests of readers on a file that they write themselves: its arrays are what they announce, whatever ranges are read,
// and of a damaged file they never give values that are not in it.

#include <variform/ext/reader.h>
#include <variform/random.h>
#include <variform/shuffle.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>

#include "base/file.h"
#include "conformance/process_settings.h"
#include "conformance/test.h"

namespace variform::conformance {
namespace {

namespace fs = std::filesystem;

// The file that the reader under test writes, in a folder that goes with it.
class Example {
 public:
  explicit Example(const Case& test)
      : rig_(test), folder_(fs::temp_directory_path(), base::Temporary::Kind::kPrivateFolder) {
    const auto* writer = variform::ability<ExampleFile>(reader());
    if (!writer)
      skip(
          "it writes no example (ability ExampleFile), so that there is no file to read; give it one to have it "
          "tested");
    const std::vector<std::string> suffixes = reader().suffixes();
    path_ = folder_.path() / ("example" + (suffixes.empty() ? std::string() : suffixes.front()));
    writer->write_example(path_.string());
    if (!fs::is_regular_file(path_)) skip("its example is not a file, and only files can be damaged");
    bytes_ = bytes_of(path_);
  }

  Reader& reader() { return rig_.as<Reader>(); }
  const fs::path& path() const { return path_; }
  const std::string& bytes() const { return bytes_; }
  std::unique_ptr<ArrayFile> open() { return open(path_); }
  std::unique_ptr<ArrayFile> open(const fs::path& path) {
    auto file = reader().open(path.string());
    if (!file) fail("open() returned no file; it throws variform::Error where it cannot");
    return file;
  }
  // A file beside it with other bytes.
  fs::path with(const std::string& bytes) const {
    const fs::path path = folder_.path() / ("damaged" + path_.extension().string());
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return path;
  }
  static std::string bytes_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  Rig rig_;
  base::Temporary folder_;
  fs::path path_;
  std::string bytes_;
};

std::string random_bytes(std::uint64_t seed) {
  SplitMix stream(hash(seed, "bytes"));
  std::string bytes(4096, '\0');
  for (char& byte : bytes) byte = static_cast<char>(stream.next() >> 56);
  return bytes;
}

void claims(const Case& test) {
  Example example(test);
  const std::vector<std::string> suffixes = example.reader().suffixes();
  for (const std::string& suffix : suffixes) {
    const bool is_lower =
        std::none_of(suffix.begin(), suffix.end(), [](unsigned char c) { return std::isupper(c) != 0; });
    if (suffix.size() < 2 || suffix.front() != '.' || !is_lower)
      fail("expected suffixes() in lower case with their dot, such as \".svm\", found \"" + suffix + "\"");
  }
  const std::string_view bytes = example.bytes();
  if (suffixes.empty() && !example.reader().recognises(bytes.substr(0, 4096)))
    fail(
        "it has no suffixes() and does not recognise the first bytes of its own example, so that it would never be "
        "chosen for a file");
  if (example.reader().recognises({})) fail("it recognises an empty file as its own");
  if (example.reader().recognises(random_bytes(test.seed)))
    fail("it recognises 4,096 random bytes as a file of its own; look for what only its format has");
}

bool is_read(at::ScalarType dtype) {
  constexpr at::ScalarType kRead[] = {at::kByte, at::kBool, at::kInt, at::kLong, at::kFloat, at::kDouble};
  return std::find(std::begin(kRead), std::end(kRead), dtype) != std::end(kRead);
}

void check_announced(const std::vector<ArrayInfo>& arrays) {
  if (arrays.empty()) fail("arrays() of its example lists none");
  std::set<std::string> names;
  for (const ArrayInfo& array : arrays) {
    const std::string name = "array '" + array.name + "'";
    if (!names.insert(array.name).second) fail(name + " is listed twice");
    if (array.name.empty() && arrays.size() > 1) fail("of several arrays one has no name");
    if (array.shape.empty() || *std::min_element(array.shape.begin(), array.shape.end()) < 1)
      fail(name + " has the shape " + to_text(array.shape) +
           "; expected one or more dimensions, none of them 0, of which the first counts the rows");
    if (!is_read(array.dtype))
      fail(name + " is of type " + c10::toString(array.dtype) +
           "; expected uint8, bool, int32, int64, float32 or float64");
  }
}

bool same(const std::vector<ArrayInfo>& a, const std::vector<ArrayInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ArrayInfo& x, const ArrayInfo& y) {
    return x.name == y.name && x.shape == y.shape && x.dtype == y.dtype && x.class_names == y.class_names;
  });
}

void arrays(const Case& test) {
  Example example(test);
  const auto file = example.open();
  const std::vector<ArrayInfo> announced = file->arrays();
  check_announced(announced);
  if (!same(announced, file->arrays()) || !same(announced, example.open()->arrays()))
    fail("arrays() lists others when it is asked again, or when the file is opened again");
  const bool has_rows = std::any_of(announced.begin(), announced.end(),
                                    [](const ArrayInfo& array) { return array.shape.front() >= 5; });
  if (!has_rows) fail("no array of its example has five rows; ranges of them could not be tested");
}

// Reads a range, and checks that it is one.
Tensor read(ArrayFile& file, const ArrayInfo& array, int64_t first, int64_t count) {
  Tensor rows = file.read(array.name, first, count);
  Shape expected = array.shape;
  expected.front() = count;
  const std::string call =
      "read(\"" + array.name + "\", " + std::to_string(first) + ", " + std::to_string(count) + ")";
  if (!rows.defined()) fail(call + " returned an undefined tensor");
  if (rows.sizes() != at::IntArrayRef(expected))
    fail(call + " returned " + to_text(rows.sizes()) + "; expected " + to_text(expected) +
         " by what arrays() says");
  if (rows.scalar_type() != array.dtype || !rows.device().is_cpu())
    fail(call + " returned " + c10::toString(rows.scalar_type()) + " on " + rows.device().str() +
         "; expected " + c10::toString(array.dtype) + " on the CPU");
  return rows;
}

template <class Call>
void must_throw(const std::string& what, const Call& call) {
  try {
    call();
  } catch (const Verdict&) {
    throw;
  } catch (const std::exception&) {
    return;
  }
  fail("expected an exception for " + what + ", found none");
}

void ranges(const Case& test) {
  Example example(test);
  const auto file = example.open();
  for (const ArrayInfo& array : file->arrays()) {
    const int64_t rows = array.shape.front();
    const Tensor whole = read(*file, array, 0, rows).clone();
    for (const int64_t step : {int64_t{3}, int64_t{1}})
      for (int64_t first = (rows - 1) / step * step; first >= 0; first -= step) {  // from the end
        const int64_t count = std::min(step, rows - first);
        if (!at::equal(read(*file, array, first, count), whole.narrow(0, first, count)))
          fail("rows " + std::to_string(first) + " to " + std::to_string(first + count - 1) + " of '" +
               array.name + "' are others by themselves than among all rows");
      }
    must_throw("rows behind the last one", [&] { file->read(array.name, rows, 1); });
    must_throw("a range that ends behind the last row", [&] { file->read(array.name, rows - 1, 2); });
    must_throw("a negative row", [&] { file->read(array.name, -1, 1); });
  }
  must_throw("an array that the file does not have", [&] { file->read("no such array", 0, 1); });
}

void in_place(const Case& test) {
  Example example(test);
  const auto file = example.open();
  const auto* lies = variform::ability<InPlace>(*file);
  if (!lies) skip("its files do not say where values lie in them (ability InPlace), and cannot be mapped");
  for (const ArrayInfo& array : file->arrays()) {
    int64_t at = 0;
    try {
      at = lies->first_byte(array.name);
    } catch (const std::exception&) {
      continue;  // this one does not lie there as in memory
    }
    const Tensor values = read(*file, array, 0, array.shape.front()).contiguous();
    const std::string_view bytes(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
    const std::string where = "first_byte(\"" + array.name + "\") is " + std::to_string(at);
    if (at < 0 || at % static_cast<int64_t>(values.element_size()) != 0)
      fail(where + ", which is not a multiple of the size of a value");
    if (std::string_view(example.bytes())
            .substr(std::min<std::size_t>(at, example.bytes().size()))
            .substr(0, bytes.size()) != bytes)
      fail(where + ", where the file has other bytes than read() gives");
  }
  must_throw("the first byte of an array that the file does not have",
             [&] { static_cast<void>(lies->first_byte("no such array")); });
}

// Whether an array of a file cut short is the beginning of the whole one.
bool begins(ArrayFile& cut, const ArrayInfo& array, ArrayFile& whole, const std::vector<ArrayInfo>& all) {
  const auto known =
      std::find_if(all.begin(), all.end(), [&](const ArrayInfo& a) { return a.name == array.name; });
  if (known == all.end()) return false;
  const int64_t rows = array.shape.front();
  const Tensor values = read(cut, array, 0, rows);
  if (rows > known->shape.front()) return false;
  const Tensor expected = read(whole, *known, 0, rows);
  return values.sizes() == expected.sizes() && at::equal(values, expected);
}

void damaged(const Case& test) {
  Example example(test);
  const auto whole = example.open();
  const std::vector<ArrayInfo> all = whole->arrays();
  const std::string& bytes = example.bytes();
  constexpr std::size_t kCuts = 64;
  for (std::size_t i = 0; i < kCuts; ++i) {
    const std::size_t left = i * bytes.size() / kCuts;
    if (left > 0 && bytes[left - 1] == '\n') continue;  // nobody sees that a text lacks its last lines
    const fs::path path = example.with(bytes.substr(0, left));
    const std::string where =
        "cut to " + std::to_string(left) + " of its " + std::to_string(bytes.size()) + " bytes, its example ";
    try {
      const auto cut = example.open(path);
      for (const ArrayInfo& array : cut->arrays())
        if (!begins(*cut, array, *whole, all))
          fail(where + "gives values for '" + array.name +
               "' that the whole file does not have; refuse a file that ends too early");
    } catch (const Verdict&) {
      throw;
    } catch (const std::exception&) {
    }
  }
  must_throw("an empty file", [&] { example.open(example.with(""))->arrays(); });
  must_throw("a file of random bytes", [&] {
    const auto file = example.open(example.with(random_bytes(test.seed)));
    for (const ArrayInfo& array : file->arrays()) file->read(array.name, 0, array.shape.front());
  });
  must_throw("a file that does not exist",
             [&] { example.open(example.path().string() + ".missing")->arrays(); });
}

void quiet(const Case& test) {
  Example example(test);
  const ProcessSettings settings;
  {
    const auto file = example.open();
    for (const ArrayInfo& array : file->arrays()) read(*file, array, 0, array.shape.front());
  }
  const ProcessSettings after;
  if (after.has_drawn(settings)) fail("it draws from the global random generator");
  if (const std::string changed = after.difference(settings); !changed.empty())
    fail("it changes settings of the process: " + changed);
  if (Example::bytes_of(example.path()) != example.bytes()) fail("it changes the file that it reads");
}

}  // namespace

std::vector<Test> reader_tests() {
  const char* group = "reader";
  const std::vector<Kind> reader{Kind::kReader};
  return {
      {"claims",
       group,
       "It claims its own files, and neither an empty one nor random bytes.",
       reader,
       {"create"},
       claims},
      {"arrays",
       group,
       "It lists the arrays of a file with names, shapes and types, the same ones each time.",
       reader,
       {"create"},
       arrays},
      {"ranges",
       group,
       "Any range of rows has the same values as among all rows; other ranges and names are refused.",
       reader,
       {"arrays"},
       ranges},
      {"in-place",
       group,
       "Where values are said to lie in the file, the file has the bytes that are read.",
       reader,
       {"ranges"},
       in_place},
      {"damaged",
       group,
       "A file that is cut short, empty or of random bytes is refused, or gives values that it really has.",
       reader,
       {"ranges"},
       damaged},
      {"quiet",
       group,
       "It leaves the file, the global generator and the settings of the process as they are.",
       reader,
       {"ranges"},
       quiet},
  };
}

}  // namespace variform::conformance
