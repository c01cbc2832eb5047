// A reader: a mark, numbers of rows and columns, and the values as they lie in memory.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using variform::Tensor;

constexpr std::string_view kMark = "SOURCE20";
constexpr int64_t kBegin = 24, kMost = int64_t{1} << 28, kSize = sizeof(float);

class Rows final : public variform::With<variform::ArrayFile, variform::InPlace> {
 public:
  explicit Rows(const std::string& path) : file_(path, std::ios::binary | std::ios::ate) {
    if (!file_) throw variform::Error("the file cannot be opened");
    const std::streamoff bytes = file_.tellg();
    std::string mark(kMark.size(), '\0');
    file_.seekg(0);
    file_.read(mark.data(), static_cast<std::streamsize>(mark.size()));
    file_.read(reinterpret_cast<char*>(sizes_.data()), sizeof sizes_);
    if (!file_ || mark != kMark)
      throw variform::Error("expected a file that begins with SOURCE20 and two sizes, found another");
    for (const int64_t size : sizes_)
      if (size < 1 || size > kMost) throw variform::Error("expected sizes from 1 on, found " + std::to_string(size));
    if (bytes != kBegin + sizes_[0] * sizes_[1] * kSize)
      throw variform::Error("expected " + std::to_string(sizes_[0]) + " rows of " + std::to_string(sizes_[1]) +
                            " values behind the header, found " + std::to_string(bytes) + " bytes in all");
  }

  std::vector<variform::ArrayInfo> arrays() const override { return {{"x", {sizes_[0], sizes_[1]}, at::kFloat, {}}}; }
  Tensor read(std::string_view array, int64_t first, int64_t count) override {
    require(array);
    if (first < 0 || count < 1 || first > sizes_[0] - count)
      throw variform::Error("it has " + std::to_string(sizes_[0]) + " rows; asked for " + std::to_string(count) +
                            " from row " + std::to_string(first));
    const Tensor rows = at::empty({count, sizes_[1]}, at::kFloat);
    file_.clear();
    file_.seekg(kBegin + first * sizes_[1] * kSize);
    file_.read(static_cast<char*>(rows.mutable_data_ptr()), count * sizes_[1] * kSize);
    if (!file_) throw variform::Error("the file has become shorter");
    return rows;
  }
  int64_t first_byte(std::string_view array) const override {
    require(array);
    return kBegin;
  }

 private:
  static void require(std::string_view array) {
    if (array != "x") throw variform::Error("its one array is x; asked for " + std::string(array));
  }

  std::ifstream file_;
  std::array<int64_t, 2> sizes_{};
};

class RowsReader final : public variform::With<variform::Reader, variform::ExampleFile> {
 public:
  explicit RowsReader(const variform::Build&) {}
  std::vector<std::string> suffixes() const override { return {".source20"}; }
  bool recognises(std::string_view first_bytes) const override { return first_bytes.starts_with(kMark); }
  std::unique_ptr<variform::ArrayFile> open(const std::string& path) override { return std::make_unique<Rows>(path); }
  void write_example(const std::string& path) const override {
    const std::array<int64_t, 2> sizes{40, 7};
    std::ofstream file(path, std::ios::binary);
    file << kMark;
    file.write(reinterpret_cast<const char*>(sizes.data()), sizeof sizes);
    for (int64_t i = 0; i < sizes[0] * sizes[1]; ++i) {
      const float value = 0.25F * static_cast<float>(i) - 9.0F;
      file.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }
};

}  // namespace

VARIFORM_COMPONENTS(
    variform::component<RowsReader>("source-rows", "Rows of float32 behind a short header.", "none is needed"))
