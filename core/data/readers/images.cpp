// See images.h. libpng and libjpeg report errors by jumping: every function with a setjmp here holds nothing that
// would need a destructor between setjmp and the jump.

#include "data/readers/images.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

#include <jpeglib.h>
#include <png.h>

namespace variform::data {
namespace {

namespace fs = std::filesystem;

using Message = std::array<char, 256>;
using Line = std::vector<std::uint8_t>;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

File open(const fs::path& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) throw ReadError(path.string() + ": cannot be opened: " + std::strerror(errno) + ".");
  return file;
}

// ---- PNG

void png_fail(png_structp png, png_const_charp text) {
  auto* message = static_cast<Message*>(png_get_error_ptr(png));
  std::snprintf(message->data(), message->size(), "%s", text);
  png_longjmp(png, 1);
}
void png_ignore(png_structp, png_const_charp) {}

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  explicit PngReader(Message& message) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &message, png_fail, png_ignore);
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
};

bool png_header(PngReader& reader, std::FILE* file, ImageSize& size) {
  if (reader.info == nullptr || setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_init_io(reader.png, file);
  png_read_info(reader.png, reader.info);
  size.width = png_get_image_width(reader.png, reader.info);
  size.height = png_get_image_height(reader.png, reader.info);
  size.is_colour = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) != 0;
  size.bits = png_get_bit_depth(reader.png, reader.info);
  size.is_transparent = (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_ALPHA) != 0 ||
                        png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0;
  return true;
}

/// After png_header: width · (1 or 3) bytes per row into `rows`, what is transparent laid over a grey.
bool png_pixels(PngReader& reader, bool as_colour, std::uint8_t background, png_bytepp rows,
                std::size_t row_bytes) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  const int type = png_get_color_type(reader.png, reader.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader.png);
  if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(reader.png, reader.info) < 8)
    png_set_expand_gray_1_2_4_to_8(reader.png);
  if (png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0) png_set_tRNS_to_alpha(reader.png);
  png_color_16 grey{};
  grey.red = grey.green = grey.blue = grey.gray = background;
  if ((type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(reader.png, reader.info, PNG_INFO_tRNS) != 0) {
    png_set_gamma(reader.png, 1.0, 1.0);  // values are mixed as they are stored, as viewers and Pillow do
    png_set_background(reader.png, &grey, PNG_BACKGROUND_GAMMA_SCREEN, /*need_expand=*/0, 1.0);
  }
  if (as_colour && (type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(reader.png);
  png_read_update_info(reader.png, reader.info);
  if (png_get_rowbytes(reader.png, reader.info) != row_bytes) png_error(reader.png, "unexpected row size");
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

// ---- JPEG

struct JpegError {
  jpeg_error_mgr manager;  // first: libjpeg knows this part only
  std::jmp_buf jump;
  Message message;
};

void jpeg_fail(j_common_ptr info) {
  auto* error = reinterpret_cast<JpegError*>(info->err);
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  std::snprintf(error->message.data(), error->message.size(), "%.200s", text);
  std::longjmp(error->jump, 1);
}
/// Warnings mean damaged data (a premature end among them), which libjpeg would fill with grey.
void jpeg_warn(j_common_ptr info, int level) {
  if (level < 0) jpeg_fail(info);
}

struct JpegReader {
  jpeg_decompress_struct info{};
  JpegError error{};
  JpegReader() {
    info.err = jpeg_std_error(&error.manager);
    error.manager.error_exit = jpeg_fail;
    error.manager.emit_message = jpeg_warn;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
};

bool jpeg_header(JpegReader& reader, std::FILE* file, ImageSize& size) {
  if (setjmp(reader.error.jump) != 0) return false;
  jpeg_create_decompress(&reader.info);
  jpeg_stdio_src(&reader.info, file);
  jpeg_read_header(&reader.info, TRUE);
  size.width = reader.info.image_width;
  size.height = reader.info.image_height;
  size.is_colour = reader.info.num_components != 1;
  return true;
}

bool jpeg_pixels(JpegReader& reader, bool as_colour, JSAMPARRAY rows) {
  if (setjmp(reader.error.jump) != 0) return false;
  reader.info.out_color_space = as_colour ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_start_decompress(&reader.info);
  while (reader.info.output_scanline < reader.info.output_height)
    jpeg_read_scanlines(&reader.info, rows + reader.info.output_scanline, 1);
  jpeg_finish_decompress(&reader.info);
  return true;
}

// ---- Files and folders

std::string extension(const fs::path& path) {
  std::string text = path.extension().string();
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

ReadError bad_image(const fs::path& path, const Message& message) {
  return ReadError(path.string() + ": expected an intact " + (extension(path) == ".png" ? "PNG" : "JPEG") +
                   " image, found one that cannot be decoded (" + message.data() + ").");
}

/// Compression packs no more than about 8,000 pixels into a byte, whatever a damaged header says.
ImageSize check_size(const fs::path& path, const ImageSize& size) {
  constexpr std::uint64_t kPixelsPerByte = 8 * 1040;
  const std::uint64_t pixels =
      static_cast<std::uint64_t>(size.width) * static_cast<std::uint64_t>(size.height);
  if (pixels / kPixelsPerByte > fs::file_size(path))
    throw ReadError(path.string() + ": its header claims " + std::to_string(size.width) + " x " +
                    std::to_string(size.height) +
                    " pixels, more than a file of its length can hold; it is damaged.");
  return size;
}

std::vector<fs::path> sorted_entries(const fs::path& folder, bool folders) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (folders ? entry.is_directory() : entry.is_regular_file() && is_image(entry.path()))
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

struct Listing {
  std::vector<fs::path> files;
  std::vector<std::int64_t> labels;
  std::vector<std::string> classes;
};

Listing list(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw ReadError(folder.string() + ": expected a folder of images, found none.");
  Listing listing;
  listing.files = sorted_entries(folder, false);
  if (!listing.files.empty()) return listing;
  for (const fs::path& sub : sorted_entries(folder, true)) {
    const auto files = sorted_entries(sub, false);
    if (files.empty()) continue;
    listing.files.insert(listing.files.end(), files.begin(), files.end());
    listing.labels.insert(listing.labels.end(), files.size(),
                          static_cast<std::int64_t>(listing.classes.size()));
    listing.classes.push_back(sub.filename().string());
  }
  if (listing.files.empty())
    throw ReadError(folder.string() +
                    ": expected .png, .jpg or .jpeg files in it or in its sub-folders, found none.");
  return listing;
}

/// Every image's size, which must be one; colour when any is.
ImageSize common_size(const std::vector<fs::path>& files, std::vector<ImageSize>& sizes) {
  ImageSize common;
  for (const fs::path& path : files) {
    const ImageSize size = read_image_size(path);
    if (sizes.empty()) common = size;
    if (size.width != common.width || size.height != common.height)
      throw ReadError(path.string() + ": expected " + std::to_string(common.width) + " x " +
                      std::to_string(common.height) + " pixels as in " + files.front().filename().string() +
                      ", found " + std::to_string(size.width) + " x " + std::to_string(size.height) +
                      "; all images of a data set share one size.");
    common.is_colour = common.is_colour || size.is_colour;
    sizes.push_back(size);
  }
  return common;
}

}  // namespace

bool is_image(const fs::path& path) {
  const std::string type = extension(path);
  return type == ".png" || type == ".jpg" || type == ".jpeg";
}

ImageSize read_image_size(const fs::path& path) {
  const File file = open(path);
  ImageSize size;
  if (extension(path) == ".png") {
    Message message{};
    PngReader reader(message);
    if (!png_header(reader, file.get(), size)) throw bad_image(path, message);
  } else {
    JpegReader reader;
    if (!jpeg_header(reader, file.get(), size)) throw bad_image(path, reader.error.message);
  }
  if (size.bits > 8)
    throw ReadError(path.string() + ": it has " + std::to_string(size.bits) +
                    " bits per value, of which 8 are kept here; say which of them count by converting it, in "
                    "Python: import "
                    "numpy, PIL.Image; a = numpy.asarray(PIL.Image.open(\"" +
                    path.filename().string() +
                    "\")); PIL.Image.fromarray((255.0 * a / a.max()).round().astype(\"uint8\")).save(\"" +
                    path.stem().string() + "-8.png\")");
  return check_size(path, size);
}

void read_image(const fs::path& path, const ImageSize& expected, bool as_colour, Line& interleaved,
                std::uint8_t background) {
  const std::size_t row_bytes = static_cast<std::size_t>(expected.width) * (as_colour ? 3 : 1);
  interleaved.resize(row_bytes * static_cast<std::size_t>(expected.height));
  std::vector<std::uint8_t*> rows;
  for (std::size_t y = 0; y < static_cast<std::size_t>(expected.height); ++y)
    rows.push_back(interleaved.data() + y * row_bytes);
  const File file = open(path);
  ImageSize size;
  if (extension(path) == ".png") {
    Message message{};
    PngReader reader(message);
    if (!png_header(reader, file.get(), size) || size != expected ||
        !png_pixels(reader, as_colour, background, rows.data(), row_bytes))
      throw bad_image(path, message);
  } else {
    JpegReader reader;
    if (!jpeg_header(reader, file.get(), size) || size != expected ||
        !jpeg_pixels(reader, as_colour, rows.data()))
      throw bad_image(path, reader.error.message);
  }
}

ImageFolder read_images(const fs::path& folder, std::uint8_t background) {
  Listing listing = list(folder);
  std::vector<ImageSize> sizes;
  const ImageSize common = common_size(listing.files, sizes);
  const std::int64_t channels = common.is_colour ? 3 : 1, n = static_cast<std::int64_t>(listing.files.size());
  ImageFolder result;
  result.classes = std::move(listing.classes);
  result.x = {Element::kUint8, {n, channels, common.height, common.width}, {}};
  result.x.bytes.resize(byte_count(folder.string(), result.x.shape, Element::kUint8));
  const std::size_t pixels = static_cast<std::size_t>(common.width * common.height);
  std::uint8_t* out = result.x.bytes.data();
  Line interleaved;
  for (std::size_t i = 0; i < listing.files.size(); ++i) {
    read_image(listing.files[i], sizes[i], common.is_colour, interleaved, background);
    result.transparent += sizes[i].is_transparent;
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
      for (std::size_t p = 0; p < pixels; ++p)
        *out++ = interleaved[p * static_cast<std::size_t>(channels) + c];
  }
  if (!listing.labels.empty()) {
    result.labels = {Element::kInt64, {n}, {}};
    result.labels.bytes.resize(listing.labels.size() * sizeof(std::int64_t));
    std::memcpy(result.labels.bytes.data(), listing.labels.data(), result.labels.bytes.size());
  }
  return result;
}

}  // namespace variform::data
