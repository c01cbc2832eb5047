// See images.h.

#include "data/readers/images.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "base/interrupt.h"
#include "base/retry.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMostImageBytes = std::uintmax_t{1} << 30;

struct CloseImage {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

void read_whole(const fs::path& path, std::vector<std::uint8_t>& bytes) {
  const std::unique_ptr<std::FILE, CloseImage> file(base::open_stream(path.c_str(), "rb"));
  if (!file) throw ReadError(shown(path) + ": cannot be opened: " + std::strerror(errno) + ".");
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) throw ReadError(shown(path) + ": cannot be read: " + error.message() + ".");
  if (size > kMostImageBytes)
    throw ReadError(
        fmt::format("{}: expected an image of at most 1 GiB, found {} bytes.", shown(path), size));
  bytes.resize(size);
  bytes.resize(base::read_stream(bytes.data(), bytes.size(), file.get()));
  if (std::ferror(file.get()) != 0)
    throw ReadError(shown(path) + ": cannot be read to its end: " + std::strerror(errno) + ".");
}

const ImageCodec* codec_of(ImageBytes bytes) {
  for (const ImageCodec* codec :
       {&png_codec(), &jpeg_codec(), &gif_codec(), &bmp_codec(), &webp_codec(), &tiff_codec()})
    if (codec->matches(bytes)) return codec;
  return nullptr;
}

/// Returns the Python code that reduces more bits to 8.
std::string python_for_bits(const fs::path& path) {
  const std::string name = shown(path.filename()), stem = shown(path.stem());
  return "import numpy, PIL.Image; a = numpy.asarray(PIL.Image.open(\"" + name +
         "\")); PIL.Image.fromarray((255.0 * a / a.max()).round().astype(\"uint8\")).save(\"" + stem +
         "-8.png\")";
}

}  // namespace

void ImageReader::refuse(const std::string& reason) const {
  throw ReadError(shown(path_) + ": expected an intact " + codec_->name +
                  " image, found one that cannot be decoded (" + reason + ").");
}

const ImageSize& ImageReader::open(const fs::path& path) {
  base::stop_if_interrupted();
  path_ = path;
  read_whole(path, bytes_);
  codec_ = codec_of(bytes_);
  if (codec_ == nullptr)
    throw ReadError(
        shown(path) +
        ": expected an image (PNG, JPEG, GIF, BMP, WebP, TIFF), found a file that begins like none of them.");
  size_ = {};
  if (const std::string reason = codec_->measure(bytes_, size_); !reason.empty()) refuse(reason);
  if (size_.bits > 8)
    throw ReadError(fmt::format(
        "{}: it has {} bits per value, of which 8 are kept here; choose them by converting it, in Python: {}",
        shown(path), size_.bits, python_for_bits(path)));
  const auto sides = fmt::format("{} x {} pixels", size_.width, size_.height);
  if (size_.width < 1 || size_.height < 1 || size_.width > kMostPixels / size_.height)
    throw ReadError(fmt::format("{}: expected an image of 1 to {} pixels, found a header that claims {}.",
                                shown(path), kMostPixels, sides));
  // PNG and JPEG pack at most about 8,000 pixels into a byte, whatever a damaged header says.
  constexpr std::uint64_t kPixelsPerByte = 8 * 1040;
  if (codec_ != &webp_codec() && codec_ != &tiff_codec() &&
      static_cast<std::uint64_t>(size_.width * size_.height) / kPixelsPerByte > bytes_.size())
    throw ReadError(shown(path) + ": its header claims " + sides +
                    ", more than a file of its length can hold; it is damaged.");
  // What decoding takes: the pixels, and the codec's copies of them.
  check_fits(shown(path) + " (" + sides + ")",
             static_cast<std::uint64_t>(size_.width * size_.height) * (size_.is_colour ? 7 : 2), bounds_,
             bytes_.size());
  return size_;
}

void ImageReader::decode(const PixelLayout& layout, std::uint8_t* out) {
  if (const std::string reason = codec_->decode(bytes_, size_, layout, out); !reason.empty()) refuse(reason);
}

namespace {

/// Collects images as [N, channels, height, width]; grey until a coloured one comes.
class Pile {
 public:
  Pile(const ImageListing& listing, const fs::path& folder, std::uint8_t background, const Bounds& bounds)
      : listing_(listing), folder_(folder), background_(background), bounds_(bounds), reader_(bounds) {}

  ImageFolder take() {
    result_.x.element = Element::kUint8;
    for (std::size_t i = 0; i < listing_.images.size(); ++i) add(i);
    const auto n = static_cast<std::int64_t>(listing_.images.size());
    result_.x.shape = {n, static_cast<std::int64_t>(channels_), first_.height, first_.width};
    return std::move(result_);
  }

 private:
  void add(std::size_t i) {
    const fs::path path = folder_ / listing_.images[i];
    const ImageSize& size = reader_.open(path);
    if (i == 0) begin(size);
    if (size.width != first_.width || size.height != first_.height)
      throw ReadError(fmt::format(
          "{}: expected {} x {} pixels as in {}, found {} x {}; all images of a data set share one size. "
          "variform data import makes them equal.",
          shown(path), first_.width, first_.height, shown(listing_.images.front()), size.width, size.height));
    if (size.is_colour && channels_ == 1) become_colour(i);
    result_.transparent += size.is_transparent;
    std::uint8_t* out = result_.x.bytes.data() + i * channels_ * pixels_;
    if (channels_ == 1) return reader_.decode({false, background_}, out);
    reader_.decode({true, background_}, interleaved_.data());
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t p = 0; p < pixels_; ++p) *out++ = interleaved_[p * 3 + c];
  }

  void begin(const ImageSize& size) {
    first_ = size;
    pixels_ = static_cast<std::size_t>(size.width * size.height);
    interleaved_.resize(pixels_ * 3);
    if (size.is_colour) channels_ = 3;
    make_room();
  }

  void make_room() {
    const auto n = static_cast<std::int64_t>(listing_.images.size());
    const std::vector<std::int64_t> shape{n, static_cast<std::int64_t>(channels_), first_.height,
                                          first_.width};
    const std::uint64_t bytes = byte_count(shown(folder_), shape, Element::kUint8);
    check_fits(fmt::format("{}, {} images", shown(folder_), n), bytes, bounds_);
    result_.x.bytes.resize(bytes);
  }

  void become_colour(std::size_t done) {
    channels_ = 3;
    make_room();
    std::uint8_t* bytes = result_.x.bytes.data();
    for (std::size_t i = done; i-- > 0;)  // from the last: each moves up
      for (std::size_t c = 3; c-- > 0;)
        std::memmove(bytes + (3 * i + c) * pixels_, bytes + i * pixels_, pixels_);
  }

  const ImageListing& listing_;
  const fs::path& folder_;
  const std::uint8_t background_;
  const Bounds& bounds_;
  ImageReader reader_;
  ImageSize first_;
  std::size_t pixels_ = 0, channels_ = 1;
  std::vector<std::uint8_t> interleaved_;
  ImageFolder result_;
};

}  // namespace

ImageFolder read_images(const fs::path& folder, std::uint8_t background, const Bounds& bounds) {
  return read_images(folder, list_images(folder, Classes::kIfAny), background, bounds);
}

ImageFolder read_images(const fs::path& folder, ImageListing listing, std::uint8_t background,
                        const Bounds& bounds) {
  ImageFolder result = Pile(listing, folder, background, bounds).take();
  if (!listing.labels.empty()) {
    result.labels = {Element::kInt64, {result.x.rows()}, {}};
    result.labels.bytes.resize(listing.labels.size() * sizeof(std::int64_t));
    std::memcpy(result.labels.bytes.data(), listing.labels.data(), result.labels.bytes.size());
  }
  result.classes = std::move(listing.classes);
  result.account = std::move(listing.account);
  return result;
}

}  // namespace variform::data
