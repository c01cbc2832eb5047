// Readers for tests: "numbers" reads files that begin with NUMBERS, rows, columns and then as many float64 values, with
// labels in a second array; "rival" claims the same first bytes; "liar" announces what it does not give.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cstring>
#include <fstream>
#include <iterator>

namespace {

using variform::ArrayInfo;
using variform::Tensor;

constexpr std::string_view kMark = "NUMBERS ";

class NumbersFile final : public variform::With<variform::ArrayFile, variform::InPlace> {
 public:
  explicit NumbersFile(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (!bytes.starts_with(kMark))
      throw variform::Error("expected it to begin with NUMBERS, found another beginning");
    int64_t sizes[2];
    if (bytes.size() < kMark.size() + sizeof sizes) throw variform::Error("the header is cut short");
    std::memcpy(sizes, bytes.data() + kMark.size(), sizeof sizes);
    const std::size_t begin = kMark.size() + sizeof sizes;
    if (sizes[0] < 1 || sizes[1] < 1 || sizes[0] > 1000 || sizes[1] > 1000 ||
        bytes.size() != begin + static_cast<std::size_t>(sizes[0] * sizes[1]) * sizeof(double))
      throw variform::Error("its size is not that of its header");
    values_ = at::empty({sizes[0], sizes[1]}, at::kDouble);
    std::memcpy(values_.mutable_data_ptr(), bytes.data() + begin, bytes.size() - begin);
  }
  std::vector<ArrayInfo> arrays() const override {
    return {{"x", values_.sizes().vec(), at::kDouble, {}},
            {"labels", {values_.size(0)}, at::kLong, {"even", "odd"}}};
  }
  Tensor read(std::string_view array, int64_t first, int64_t count) override {
    if (first < 0 || count < 1 || first + count > values_.size(0)) throw variform::Error("no such rows");
    if (array == "x") return values_.narrow(0, first, count);
    if (array == "labels") return at::arange(first, first + count, at::kLong).remainder(2);
    throw variform::Error("no such array");
  }
  int64_t first_byte(std::string_view array) const override {
    if (array == "x") return kMark.size() + 2 * sizeof(int64_t);
    throw variform::Error("found labels, which are counted and not stored");
  }

 private:
  Tensor values_;
};

class Numbers : public variform::With<variform::Reader, variform::ExampleFile> {
 public:
  explicit Numbers(const variform::Build& build) : limit_(build.integer("most_rows")) {}
  std::vector<std::string> suffixes() const override { return {".numbers"}; }
  bool recognises(std::string_view first_bytes) const override { return first_bytes.starts_with(kMark); }
  std::unique_ptr<variform::ArrayFile> open(const std::string& path) override {
    auto file = std::make_unique<NumbersFile>(path);
    if (file->arrays().front().shape.front() > limit_)
      throw variform::Error("it has more rows than most_rows = " + std::to_string(limit_));
    return file;
  }
  void write_example(const std::string& path) const override {
    const int64_t sizes[2] = {7, 3};
    std::ofstream out(path, std::ios::binary);
    out << kMark;
    out.write(reinterpret_cast<const char*>(sizes), sizeof sizes);
    for (int i = 0; i < 21; ++i) {
      const double value = 0.5 * i - 3;
      out.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }

 private:
  int64_t limit_;
};

class Rival final : public variform::Reader {
 public:
  explicit Rival(const variform::Build&) {}
  std::vector<std::string> suffixes() const override { return {}; }
  bool recognises(std::string_view first_bytes) const override { return first_bytes.starts_with(kMark); }
  std::unique_ptr<variform::ArrayFile> open(const std::string& path) override {
    return std::make_unique<NumbersFile>(path);
  }
};

class LyingFile final : public variform::ArrayFile {
 public:
  std::vector<ArrayInfo> arrays() const override { return {{"x", {5, 2}, at::kFloat, {}}}; }
  Tensor read(std::string_view, int64_t, int64_t count) override { return at::zeros({count, 3}, at::kFloat); }
};
class Liar final : public variform::Reader {
 public:
  explicit Liar(const variform::Build&) {}
  std::vector<std::string> suffixes() const override { return {".lies"}; }
  bool recognises(std::string_view) const override { return false; }
  std::unique_ptr<variform::ArrayFile> open(const std::string&) override {
    return std::make_unique<LyingFile>();
  }
};

}  // namespace

VARIFORM_PLUGIN(
    "test.readers", "1.0.0",
    variform::component<Numbers>("numbers", "Files of numbers.", "a test",
                                 {variform::integer("most_rows", 100).at_least(1).doc("Rows at most.")}),
    variform::component<Rival>("rival", "The same files.", "a test"),
    variform::component<Liar>("liar", "Announces other shapes.", "a test"))
