// See support.h.

#include "support.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

namespace variform::data::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "variform-data-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder could be made");
  path_ = name;
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

fs::path write(const fs::path& path, std::span<const std::uint8_t> bytes) {
  fs::create_directories(path.parent_path());
  fs::remove(path);  // some file systems flush a file that is truncated and written again
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}
fs::path write(const fs::path& path, const std::string& text) {
  return write(path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}
Bytes read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Bytes ramp(std::size_t n) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(i % 251);
  return bytes;
}

void add_number(Bytes& to, std::uint64_t value, std::size_t width, bool big_endian) {
  for (std::size_t i = 0; i < width; ++i)
    to.push_back(static_cast<std::uint8_t>(value >> 8 * (big_endian ? width - 1 - i : i)));
}

Bytes idx(std::uint8_t type, const std::vector<std::uint32_t>& sizes,
          std::span<const std::uint8_t> elements) {
  Bytes bytes{0, 0, type, static_cast<std::uint8_t>(sizes.size())};
  for (std::uint32_t size : sizes) add_number(bytes, size, 4, true);
  bytes.insert(bytes.end(), elements.begin(), elements.end());
  return bytes;
}

namespace {

/// window_bits as for deflateInit2: 15 + 16 writes gzip, -15 raw deflate.
Bytes deflate_all(std::span<const std::uint8_t> bytes, int window_bits) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2");
  Bytes out(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void add_text(Bytes& to, const std::string& text) { to.insert(to.end(), text.begin(), text.end()); }

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

Bytes gzip(std::span<const std::uint8_t> bytes) { return deflate_all(bytes, 15 + 16); }

Bytes npy(const std::string& descr, const std::string& shape, std::span<const std::uint8_t> elements,
          bool fortran) {
  std::string header = "{'descr': " + descr + ", 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  Bytes bytes;
  add_text(bytes, "\x93NUMPY");
  bytes.push_back(1);
  bytes.push_back(0);
  add_number(bytes, header.size(), 2);
  add_text(bytes, header);
  bytes.insert(bytes.end(), elements.begin(), elements.end());
  return bytes;
}

Bytes zip(const std::vector<Member>& members) {
  Bytes all, directory;
  for (const Member& member : members) {
    const Bytes data = member.deflated ? deflate_all(member.bytes, -15) : member.bytes;
    const auto crc = crc32(0, member.bytes.data(), static_cast<uInt>(member.bytes.size()));
    const std::uint64_t offset = all.size();
    const auto common = [&](Bytes& to, bool zip64) {
      add_number(to, 20, 2);
      add_number(to, 0, 2);
      add_number(to, member.deflated ? 8 : 0, 2);
      add_number(to, 0, 4);
      add_number(to, crc, 4);
      add_number(to, zip64 ? 0xffffffffu : data.size(), 4);
      add_number(to, zip64 ? 0xffffffffu : member.bytes.size(), 4);
      add_number(to, member.name.size(), 2);
      add_number(to, zip64 ? 20 : 0, 2);
    };
    const auto extra = [&](Bytes& to) {
      if (!member.zip64) return;
      add_number(to, 1, 2);
      add_number(to, 16, 2);
      add_number(to, member.bytes.size(), 8);
      add_number(to, data.size(), 8);
    };
    add_number(all, 0x04034b50, 4);
    common(all, member.zip64);
    add_text(all, member.name);
    extra(all);
    all.insert(all.end(), data.begin(), data.end());
    add_number(directory, 0x02014b50, 4);
    add_number(directory, 20, 2);
    common(directory, member.zip64);
    add_number(directory, 0, 8);  // no comment, first disk, no attributes
    add_number(directory, 0, 2);
    add_number(directory, offset, 4);
    add_text(directory, member.name);
    extra(directory);
  }
  const std::uint64_t start = all.size();
  all.insert(all.end(), directory.begin(), directory.end());
  add_number(all, 0x06054b50, 4);
  add_number(all, 0, 4);
  add_number(all, members.size(), 2);
  add_number(all, members.size(), 2);
  add_number(all, directory.size(), 4);
  add_number(all, start, 4);
  add_number(all, 0, 2);
  return all;
}

Bytes cifar10(const std::vector<std::uint8_t>& labels) {
  Bytes bytes;
  const Bytes image = ramp(3072);
  for (std::uint8_t label : labels) {
    bytes.push_back(label);
    for (std::uint8_t value : image) bytes.push_back(static_cast<std::uint8_t>(value ^ label));
  }
  return bytes;
}

fs::path write_png(const fs::path& path, int width, int height, int channels,
                   std::span<const std::uint8_t> pixels) {
  fs::create_directories(path.parent_path());
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr) == 0)
    throw std::runtime_error(image.message);
  return path;
}

fs::path write_jpeg(const fs::path& path, int width, int height, int channels,
                    std::span<const std::uint8_t> pixels) {
  fs::create_directories(path.parent_path());
  const std::unique_ptr<std::FILE, FileClose> file(std::fopen(path.c_str(), "wb"));
  jpeg_error_mgr errors;
  jpeg_compress_struct info{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, file.get());
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = channels;
  info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row =
        const_cast<JSAMPROW>(pixels.data()) + info.next_scanline * static_cast<std::size_t>(width * channels);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return path;
}

}  // namespace variform::data::testing
