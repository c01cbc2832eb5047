#pragma once
// The HDF5 file that `data import` makes: /SPLIT/x, uint8 [N, channels, height, width] in compressed chunks, and
// /SPLIT/labels, int64 [N]. Images are written as they come, so that memory does not depend on their number.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace variform::data {

class ImageFile {
 public:
  /// Creates the file `path`. Messages name `final_path`, which it will become, and the space that so many images of
  /// this shape need. Every member throws base::Error when writing to the disk fails.
  ImageFile(std::filesystem::path path, std::filesystem::path final_path, std::vector<std::int64_t> shape,
            std::int64_t images);
  ~ImageFile();
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;

  /// Starts a split of at most so many images, to which add() adds.
  void begin(const std::string& split, std::int64_t at_most);
  /// [channels, height, width]
  void add(std::span<const std::uint8_t> image);
  /// Ends the split and returns its number of images. One label per image, or none at all.
  std::int64_t end(std::span<const std::int64_t> labels);
  /// Adds a text to the file itself.
  void note(const std::string& name, const std::string& text);
  /// Hands everything to the operating system.
  void close();

 private:
  struct Open;
  void write_rows();
  template <class Act>
  void guarded(const char* what, Act act);

  std::filesystem::path path_, final_path_;
  std::vector<std::int64_t> shape_;
  std::size_t image_bytes_ = 1;
  std::int64_t images_ = 0, at_most_ = 0, count_ = 0, chunk_ = 1;  // rows
  std::string split_;
  std::vector<std::uint8_t> pending_;  // fewer rows than a chunk has
  std::vector<std::uint8_t> packed_;
  std::unique_ptr<Open> open_;
};

}  // namespace variform::data
