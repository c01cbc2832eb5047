// A reader that makes every mistake that `variform check` looks for, one at a time. Its files begin with "ROWS OF " and
// the number of rows, and hold two float64 values per row.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <cstring>
#include <fstream>
#include <iterator>

namespace {

using variform::ArrayInfo;
using variform::Tensor;

constexpr std::string_view kMark = "ROWS OF ";
constexpr std::size_t kHeader = kMark.size() + sizeof(int64_t);

class FaultyFile final : public variform::With<variform::ArrayFile, variform::InPlace> {
 public:
  FaultyFile(std::string path, std::string fault) : path_(std::move(path)), fault_(std::move(fault)) {
    std::ifstream in(path_, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (!bytes.starts_with(kMark) || bytes.size() < kHeader) throw variform::Error("not a file of rows");
    int64_t rows = 0;
    std::memcpy(&rows, bytes.data() + kMark.size(), sizeof rows);
    if (rows < 1 || rows > 1000) throw variform::Error("an impossible number of rows");
    values_ = at::zeros({rows, 2}, at::kDouble);
    const std::size_t left = bytes.size() - kHeader;
    if (left != values_.nbytes() && fault_ != "pads")
      throw variform::Error("its size is not that of its header");
    std::memcpy(values_.mutable_data_ptr(), bytes.data() + kHeader,
                std::min<std::size_t>(left, values_.nbytes()));
  }

  std::vector<ArrayInfo> arrays() const override {
    if (fault_ == "no arrays") return {};
    ArrayInfo x{"x", values_.sizes().vec(), fault_ == "half" ? at::kHalf : at::kDouble, {}};
    if (fault_ == "no rows") x.shape = {0, 2};
    if (fault_ == "moody" && asked_++ > 0) x.name = "y";
    if (fault_ == "named twice") return {x, x};
    return {x};
  }

  Tensor read(std::string_view array, int64_t first, int64_t count) override {
    if (fault_ == "writes") std::ofstream(path_, std::ios::binary | std::ios::app) << '!';
    if (fault_ == "draws globally") at::rand({1});
    if (array != "x" && fault_ != "any name") throw variform::Error("no such array");
    if (fault_ == "wraps" && first + count > values_.size(0)) return at::zeros({count, 2}, at::kDouble);
    if (first < 0 || count < 1 || first + count > values_.size(0)) throw variform::Error("no such rows");
    if (fault_ == "wrong shape") return values_.narrow(0, first, count).flatten();
    if (fault_ == "wrong type") return values_.narrow(0, first, count).to(at::kFloat);
    return values_.narrow(0, fault_ == "shifted" ? 0 : first, count);
  }
  int64_t first_byte(std::string_view array) const override {
    if (array != "x" && fault_ != "lies anywhere") throw variform::Error("no such array");
    if (fault_ == "uneven") return kHeader + 1;
    return fault_ == "misplaced" ? 0 : kHeader;
  }

 private:
  std::string path_, fault_;
  Tensor values_;
  mutable int asked_ = 0;
};

class Faulty final : public variform::With<variform::Reader, variform::ExampleFile> {
 public:
  explicit Faulty(const variform::Build& build) : fault_(build.text("fault")) {
    if (fault_ == "throws in create") throw variform::Error("no room left on the moon");
  }
  std::vector<std::string> suffixes() const override {
    if (fault_ == "never chosen") return {};
    return {fault_ == "capitals" ? ".Rows" : ".rows"};
  }
  bool recognises(std::string_view first_bytes) const override {
    if (fault_ == "never chosen") return false;
    if (fault_ == "claims nothing's") return true;
    if (fault_ == "claims anything") return !first_bytes.empty();
    return first_bytes.starts_with(kMark);
  }
  std::unique_ptr<variform::ArrayFile> open(const std::string& path) override {
    if (fault_ == "opens nothing") return nullptr;
    return std::make_unique<FaultyFile>(path, fault_);
  }
  void write_example(const std::string& path) const override {
    const int64_t rows = fault_ == "few rows" ? 3 : 8;
    std::ofstream out(path, std::ios::binary);
    out << kMark;
    out.write(reinterpret_cast<const char*>(&rows), sizeof rows);
    for (int64_t i = 1; i <= 2 * rows; ++i) {
      const double value = 1.0 / static_cast<double>(i);
      out.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }

 private:
  std::string fault_;
};

}  // namespace

VARIFORM_PLUGIN("test.faulty-readers", "1.0.0",
                variform::component<Faulty>("faulty", "Files of rows, with a fault.", "a test",
                                            {variform::text("fault", "").doc("Which fault; empty: none.")}))
