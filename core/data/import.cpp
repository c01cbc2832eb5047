// See import.h.

#include "data/import.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/quote.h"
#include "base/sha256.h"
#include "base/whole_file.h"
#include "config/text.h"
#include "data/image_file.h"
#include "data/luma.h"
#include "data/readers/images.h"
#include "data/resample.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

// ---- Which split and which class

struct Plan {
  std::vector<std::size_t> train, test;  // indices into the list of images
  std::vector<std::int64_t> labels;      // of every image; empty without classes
};

std::int64_t test_count(double wanted, std::int64_t images) {
  const double exact = wanted < 1 ? wanted * static_cast<double>(images) : wanted;
  const auto count = static_cast<std::int64_t>(std::llround(exact));
  if (wanted >= 1 && exact != static_cast<double>(count))
    throw std::invalid_argument("--test is a whole number of images or a share below 1, found " +
                                config::format_plain(wanted) + ".");
  if (count >= images)
    throw std::invalid_argument(fmt::format("--test {} leaves nothing to train on: there are {} images.",
                                            config::format_plain(wanted), images));
  return count;
}

/// Takes the last part of each group of consecutive images for testing; the parts add up to `count`.
Plan make_plan(const ImportOptions& options, const ImageListing& found) {
  Plan plan;
  plan.labels = found.labels;
  const std::size_t n = found.images.size();
  const auto count = static_cast<std::size_t>(test_count(options.test, static_cast<std::int64_t>(n)));
  for (std::size_t begin = 0, end = 0; begin < n; begin = end) {
    end = begin + 1;
    while (end < n && (plan.labels.empty() || plan.labels[end] == plan.labels[begin])) ++end;
    const std::size_t held_out = end * count / n - begin * count / n;
    for (std::size_t i = begin; i < end; ++i) (i < end - held_out ? plan.train : plan.test).push_back(i);
  }
  return plan;
}

// ---- One image

void to_grey(Bytes& interleaved) {
  for (std::size_t p = 0; p < interleaved.size() / 3; ++p) {
    const std::uint8_t* pixel = interleaved.data() + 3 * p;
    interleaved[p] = static_cast<std::uint8_t>(luma(pixel[0], pixel[1], pixel[2]) + 0.5);
  }
  interleaved.resize(interleaved.size() / 3);
}

Bounds bounds_of(const ImportOptions& options) {
  return {.memory = static_cast<std::uint64_t>(options.memory * 1e9), .is_given = options.memory > 0};
}

class Converter {
 public:
  Converter(const ImportOptions& options, std::int64_t channels)
      : options_(options), channels_(channels), reader_(bounds_of(options)) {}

  /// Returns [channels, size, size].
  const Bytes& convert(const fs::path& path) {
    const ImageSize size = reader_.open(path);
    const std::int64_t shorter = std::min(size.width, size.height);
    const std::int64_t side = options_.crop > 0 ? options_.crop : shorter;
    if (side > shorter)
      throw ReadError(fmt::format("{}: expected at least {} x {} pixels (--crop), found {} x {}.",
                                  path.string(), side, side, size.width, size.height));
    if (channels_ == 1 && size.is_colour && options_.channels == "as-stored")
      throw std::invalid_argument(
          path.string() +
          " is in colour, but the first image is grey; say --channels colour or --channels grey for all of "
          "them.");
    const bool as_colour = channels_ == 3 || size.is_colour;
    interleaved_.resize(static_cast<std::size_t>(size.width * size.height) * (as_colour ? 3 : 1));
    reader_.decode({.as_colour = as_colour}, interleaved_.data());
    transparent_ += size.is_transparent;
    if (channels_ == 1 && size.is_colour) to_grey(interleaved_);
    const auto row_bytes = static_cast<std::size_t>(size.width * channels_);
    const std::int64_t left = (size.width - side) / 2, top = (size.height - side) / 2;
    const std::uint8_t* corner = interleaved_.data() + static_cast<std::size_t>(top) * row_bytes +
                                 static_cast<std::size_t>(left * channels_);
    const Bytes square = resample({corner, side, row_bytes}, options_.size, channels_);
    planes_.resize(square.size());
    const auto channels = static_cast<std::size_t>(channels_);
    const std::size_t pixels = square.size() / channels;
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < pixels; ++p) planes_[c * pixels + p] = square[p * channels + c];
    return planes_;
  }
  /// The number of images so far with transparent pixels.
  std::int64_t transparent() const { return transparent_; }

 private:
  const ImportOptions& options_;
  std::int64_t channels_, transparent_ = 0;
  ImageReader reader_;
  Bytes interleaved_, planes_;
};

// ---- The files

class Import {
 public:
  Import(const ImportOptions& options, const std::function<bool(std::int64_t, std::int64_t)>& go_on)
      : options_(options),
        go_on_(go_on),
        found_(list_images(options.folder, options.labels ? Classes::kRequired : Classes::kNone)),
        plan_(make_plan(options, found_)) {
    result_.file = options.file;
    result_.description = fs::path(options.file).replace_extension(".toml");
    result_.class_names = found_.classes;
    result_.account = found_.account;
    for (const fs::path& path : {result_.file, result_.description})
      if (std::error_code error; !options.overwrite && fs::exists(path, error))
        throw std::invalid_argument(
            path.string() + " exists already; replace it with --overwrite, or choose another with --out.");
    const std::int64_t channels = channels_of();
    result_.shape = {channels, options.size, options.size};
  }

  // Both files are complete before either has its name. A kill between the two renamings leaves the new images with the
  // former description, whose SHA-256 does not match: every reader refuses that, and importing again repairs it.
  std::optional<Imported> run() {
    base::Temporary described(result_.description.parent_path(), base::Temporary::Kind::kFile);
    if (described.error()) base::fail_on_file("write", result_.description, described.error());
    const auto fill = [&](const fs::path& temporary) {
      if (!write_images(temporary)) return false;
      result_.bytes = fs::file_size(temporary);
      result_.sha256 = base::sha256_file(temporary);
      const std::string text = description();
      if (const int problem = base::write_all(described.descriptor(), std::as_bytes(std::span(text))))
        base::fail_on_file("write", result_.description, problem);
      return true;
    };
    if (!base::commit(fill, result_.file)) return {};
    if (const int problem = described.become(result_.description))
      throw std::runtime_error("the images are in " + result_.file.string() + ", but their description " +
                               result_.description.string() + " cannot be written: " +
                               base::reason_of(problem) + "; fix that, and import again with --overwrite.");
    if (transparent_ > 0)
      result_.account.push_back(
          fmt::format("laid {} images that are transparent in places over white.", transparent_));
    return std::move(result_);
  }

 private:
  std::int64_t channels_of() const {
    if (options_.channels == "colour") return 3;
    if (options_.channels == "grey") return 1;
    for (const fs::path& image : found_.images) {
      try {
        return ImageReader(bounds_of(options_)).open(options_.folder / image).is_colour ? 3 : 1;
      } catch (const ReadError&) {
        if (!options_.skip_damaged) throw;
      }
    }
    throw nothing_intact();
  }

  ReadError nothing_intact() const {
    return ReadError(
        fmt::format("{}: expected images, found {} files, none of which can be used for training.",
                    options_.folder.string(), found_.images.size()));
  }

  std::string command() const {
    const std::string folder =
        (fs::absolute(options_.folder) / "").lexically_normal().parent_path().filename();
    std::string text =
        fmt::format("variform data import {} --size {}", base::for_shell(folder), options_.size);
    if (options_.crop > 0) text += " --crop " + std::to_string(options_.crop);
    if (options_.channels != "as-stored") text += " --channels " + options_.channels;
    if (options_.labels) text += " --labels folders";
    return text + " --test " + config::format_plain(options_.test) +
           (options_.skip_damaged ? " --skip-damaged" : "");
  }

  bool write_images(const fs::path& temporary) {
    ImageFile file(temporary, result_.file, result_.shape, static_cast<std::int64_t>(found_.images.size()));
    if (!write_split(file, "train", plan_.train, result_.train)) return false;
    if (result_.train == 0) throw nothing_intact();
    if (!plan_.test.empty() && !write_split(file, "test", plan_.test, result_.test)) return false;
    file.note("command", command());
    file.close();
    return true;
  }

  bool write_split(ImageFile& file, const std::string& name, const std::vector<std::size_t>& places,
                   std::int64_t& count) {
    Converter converter(options_, result_.shape[0]);
    std::vector<std::int64_t> labels;
    file.begin(name, static_cast<std::int64_t>(places.size()));
    for (std::size_t place : places) {
      try {
        file.add(converter.convert(options_.folder / found_.images[place]));
        if (!plan_.labels.empty()) labels.push_back(plan_.labels[place]);
      } catch (const base::Interrupted&) {
        return false;
      } catch (const ReadError& error) {
        if (!options_.skip_damaged) throw;
        result_.damaged.emplace_back(error.what());
      }
      if (!go_on_(++done_, static_cast<std::int64_t>(found_.images.size()))) return false;
    }
    count = file.end(labels);
    transparent_ += converter.transparent();
    return true;
  }

  std::string description() const {
    using config::quote;
    const std::string file = result_.file.filename().string(), name = result_.file.stem().string();
    const auto split = [&](const std::string& part, std::int64_t count) {
      std::string text = "\n[splits." + part + "]\nx = " + quote(file + ":/" + part + "/x") + "\n";
      if (!result_.class_names.empty()) text += "labels = " + quote(file + ":/" + part + "/labels") + "\n";
      return fmt::format("{}count = {}\n", text, count);
    };
    std::string text = fmt::format(
        "# Written by `variform data import`. In a config: dataset = the path of this file.\n"
        "name = {}\nobtain = {}\n"
        "domain = \"unit interval\"\n"
        "shape = [{}, {}, {}]\n",
        quote(name), quote("make " + file + " again: " + command() + "."), result_.shape[0], result_.shape[1],
        result_.shape[2]);
    if (!result_.class_names.empty())
      text += "class_names = [" + config::join_quoted(result_.class_names) + "]\n";
    text += split("train", result_.train);
    if (result_.test > 0) text += split("test", result_.test);
    return fmt::format("{}\n[files]\n{} = {{ bytes = {}, sha256 = \"{}\" }}\n", text, quote(file),
                       result_.bytes, result_.sha256);
  }

  const ImportOptions& options_;
  const std::function<bool(std::int64_t, std::int64_t)>& go_on_;
  ImageListing found_;
  Plan plan_;
  Imported result_;
  std::int64_t done_ = 0, transparent_ = 0;
};

}  // namespace

std::optional<Imported> import_images(const ImportOptions& options,
                                      const std::function<bool(std::int64_t, std::int64_t)>& go_on) {
  return Import(options, go_on).run();
}

}  // namespace variform::data
