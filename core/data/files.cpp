// See files.h.

#include "data/files.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

#include "base/file.h"
#include "base/words.h"
#include "config/node.h"
#include "data/fingerprint.h"
#include "data/other_readers.h"
#include "data/readers/cifar10.h"
#include "data/readers/csv.h"
#include "data/readers/hdf5.h"
#include "data/readers/idx.h"
#include "data/readers/images.h"
#include "data/readers/npy.h"
#include "data/readers/sniff.h"
#include "data/verified.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDebianFolder = "/usr/share/datasets";

/// Returns the format by the file's name, else that which another reader claims, else by its first bytes; empty when
/// nothing tells.
std::string format_of(const fs::path& path, const OtherReaders* readers) {
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  const std::string foreign = is_folder ? "" : foreign_format(path);
  if (!is_folder && foreign.empty())
    if (std::string format = format_by_name(path); !format.empty()) return format;
  if (readers)
    if (std::string format = readers->claimant(path); !format.empty()) return format;
  if (!foreign.empty()) throw ReadError(path.string() + ": it is " + foreign);
  return is_folder ? "images" : format_by_bytes(path);
}

std::string join(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

Array read_npz_source(const fs::path& path, const std::string& member, const Bounds& bounds) {
  if (!member.empty()) return read_npz(path, member, bounds);
  const auto members = npz_members(path);
  if (members.size() != 1)
    throw ReadError(path.string() + ": expected the description to say which member (\"" +
                    path.filename().string() + ":NAME\"), found " + join(members) + " in the file.");
  return read_npz(path, members.front(), bounds);
}

/// Checks what the description says about the file.
void check_facts(const fs::path& path, const Descriptor& descriptor) {
  for (const FileFacts& facts : descriptor.files) {
    if (facts.name != path.filename().string()) continue;
    if (facts.bytes != 0 && static_cast<std::uintmax_t>(facts.bytes) != fs::file_size(path))
      throw ReadError(
          fmt::format("{}: expected {} bytes, found {}; the file is truncated or a different one.",
                      path.string(), facts.bytes, fs::file_size(path)));
    if (!facts.sha256.empty()) verify_sha256(path, facts.sha256);
  }
}

struct TableColumns {
  Array values;
  std::vector<std::string> classes;  // of a column of text
};

/// Returns the requested columns of a table: the named ones as [N, P], a single `member` as [N], else all but those
/// claimed by others. Text becomes classes, which have one column.
TableColumns wanted_columns(const Table& table, const Source& source, const std::vector<std::string>& claimed,
                            const std::string& file) {
  std::vector<std::string> names = source.columns;
  if (!source.member.empty()) names = {source.member};
  std::vector<std::size_t> wanted;
  for (const std::string& name : names) {
    const auto found = std::find(table.columns.begin(), table.columns.end(), name);
    if (found == table.columns.end())
      throw ReadError(file + ": expected a column \"" + name + "\", found " + join(table.columns) + ".");
    if (std::find(found + 1, table.columns.end(), name) != table.columns.end())
      throw ReadError(file + ": two columns are called \"" + name + "\"; give them different names.");
    wanted.push_back(static_cast<std::size_t>(found - table.columns.begin()));
  }
  for (std::size_t i = 0; names.empty() && i < table.columns.size(); ++i)
    if (std::find(claimed.begin(), claimed.end(), table.columns[i]) == claimed.end()) wanted.push_back(i);
  if (wanted.empty())
    throw ReadError(file +
                    ": labels, factors, latents and condition take all columns, and leave none for x.");
  TableColumns columns;
  for (const std::size_t column : wanted)
    if (const auto& classes = table.classes[column]; !classes.empty()) {
      if (source.member.empty())
        throw ReadError(file + ": column \"" + table.columns[column] + "\" holds text (\"" + classes.front() +
                        "\"), not values; use it as labels = \"" + fs::path(file).filename().string() + ":" +
                        table.columns[column] + "\", or name the columns that are values: x = { files = [\"" +
                        fs::path(file).filename().string() + "\"], columns = […] }.");
      columns.classes = classes;
    }
  const auto rows = table.values.shape[0];
  columns.values = {Element::kFloat64, {rows}, {}};
  if (source.member.empty()) columns.values.shape.push_back(static_cast<std::int64_t>(wanted.size()));
  columns.values.bytes.resize(static_cast<std::size_t>(rows) * wanted.size() * sizeof(double));
  std::uint8_t* out = columns.values.bytes.data();
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
    for (std::size_t column : wanted) {
      std::memcpy(out, table.values.bytes.data() + (row * table.columns.size() + column) * sizeof(double),
                  sizeof(double));
      out += sizeof(double);
    }
  return columns;
}

std::vector<fs::path> split_paths(const char* text) {
  std::vector<fs::path> paths;
  for (const std::string& path : base::split(text == nullptr ? "" : text, ":"))
    if (!path.empty()) paths.emplace_back(path);
  return paths;
}

}  // namespace

struct SplitReader::Loaded {
  Array values;
  Array labels;  // those that the format contains
  std::vector<std::string> class_names;

  /// Takes the classes of one more file, which must be those of the files before it.
  void take_classes(std::vector<std::string> classes, const fs::path& path) {
    if (!values.bytes.empty() && classes != class_names)
      throw ReadError(path.string() + ": expected the classes " + join(class_names) +
                      " as in the file before it, found " + join(classes) + ".");
    class_names = std::move(classes);
  }
};

std::vector<fs::path> data_folders(const std::vector<std::string>& given) {
  std::vector<fs::path> folders;
  const auto add = [&](const char* paths, const char* named_by) {
    for (auto& path : split_paths(paths)) {
      if (const std::string problem = base::tilde_problem(path.string()); !problem.empty())
        throw std::runtime_error(std::string(named_by) + ": " + problem + ".");
      folders.push_back(std::move(path));
    }
  };
  for (const auto& text : given) add(text.c_str(), "--data");
  add(std::getenv("VARIFORM_DATA"), "VARIFORM_DATA");
  folders.emplace_back(kDebianFolder);
  return folders;
}

SplitReader::SplitReader(const Descriptor& descriptor, std::vector<fs::path> folders, const Bounds& bounds,
                         const OtherReaders* readers)
    : descriptor_(descriptor), readers_(readers), bounds_(bounds), folders_(std::move(folders)) {
  bounds_.memory = bounds.bytes();
  bounds_.other_files = descriptor.other_files;
  // The description's own folder comes first: a table in a config names files beside the config.
  if (!descriptor.folder.empty()) folders_.insert(folders_.begin(), descriptor.folder);
}

SplitReader::~SplitReader() = default;

Bounds SplitReader::left() const {
  Bounds left = bounds_;
  left.in_place = false;  // x alone may stay in its file
  for (const auto& [key, loaded] : cache_) {
    const std::uint64_t values = loaded->values.in_place ? 0 : loaded->values.bytes.size();
    left.memory -= std::min<std::uint64_t>(left.memory, values + loaded->labels.bytes.size());
  }
  if (left.memory == 0) left.is_given = true;  // nothing is left; 0 would mean the default
  return left;
}

fs::path SplitReader::locate(const std::string& file) const {
  std::vector<fs::path> places;
  if (fs::path(file).is_absolute()) {
    places.emplace_back();
  } else {
    for (const fs::path& folder : folders_) {
      for (const auto& sub : descriptor_.folders) places.push_back(folder / sub);
      places.push_back(folder);
    }
  }
  std::error_code error;
  for (const fs::path& place : places)
    for (const std::string_view suffix : kCompressions)
      if (fs::path path = place / (file + std::string(suffix)); fs::exists(path, error)) return path;
  std::vector<std::string> searched;
  for (const fs::path& folder : folders_) searched.push_back(folder.string());
  throw MissingData(
      "data set \"" + descriptor_.name + "\": expected the file " + file + " (or " + file +
      ".gz), found it neither in " + join(searched) + " nor in a sub-folder " +
      (descriptor_.folders.empty() ? "named for it" : join(descriptor_.folders)) + "; " +
      (descriptor_.obtain.empty() ? "name its folder with --data or VARIFORM_DATA." : descriptor_.obtain));
}

Array SplitReader::table_columns(const fs::path& path, const Source& source,
                                 const std::vector<std::string>& claimed, Loaded& loaded) {
  auto table =
      std::find_if(tables_.begin(), tables_.end(), [&](const auto& known) { return known.first == path; });
  if (table == tables_.end()) {
    tables_.emplace_back(path, read_csv(path, descriptor_.table, left()));
    table = std::prev(tables_.end());
    notes_.insert(notes_.end(), table->second.notes.begin(), table->second.notes.end());
  }
  TableColumns columns = wanted_columns(table->second, source, claimed, path.string());
  loaded.take_classes(std::move(columns.classes), path);
  return std::move(columns.values);
}

Array SplitReader::other_array(const fs::path& path, const Source& source, const std::string& format,
                               const Bounds& bounds, Loaded& loaded) {
  std::vector<std::string> classes;
  Array array = read_other(*readers_, format, path, source.member, bounds, classes);
  loaded.take_classes(std::move(classes), path);
  std::string note = shown(path) + ": read by " + readers_->label(format) + ".";
  if (std::find(notes_.begin(), notes_.end(), note) == notes_.end()) notes_.push_back(std::move(note));
  return array;
}

std::shared_ptr<const SplitReader::Loaded> SplitReader::load(const Source& source,
                                                             const std::vector<std::string>& claimed_columns,
                                                             bool in_place) {
  if (in_place && source.files.size() > 1)
    throw ReadError(locate(source.files.front()).string() +
                    ": data.stream = true needs all values in one file, found " + join(source.files) +
                    "; write them into one file, such as an HDF5 file.");
  const std::string key = std::string(in_place ? "in place " : "") + join(source.files) + "\n" +
                          source.member + "\n" + join(source.columns) + "\n" + source.format + "\n" +
                          join(claimed_columns);
  for (const auto& [known, loaded] : cache_)
    if (known == key) return loaded;
  auto loaded = std::make_shared<Loaded>();
  for (const auto& file : source.files) {
    const fs::path path = locate(file);
    const std::string format = source.format.empty() ? format_of(path, readers_) : source.format;
    if (std::find(paths_.begin(), paths_.end(), path) == paths_.end()) paths_.push_back(path);
    check_facts(path, descriptor_);
    Bounds bounds = left();
    bounds.in_place = in_place;
    if (in_place && (format == "npz" || format == "cifar10" || format == "csv" || format == "images"))
      refuse_in_place(path.string(), "the format " + format, "write them into an npy or HDF5 file");
    Labelled pair;
    if (format == "idx") pair.x = read_idx(path, bounds);
    else if (format == "npy") pair.x = read_npy(path, bounds);
    else if (format == "npz") pair.x = read_npz_source(path, source.member, left());
    else if (format == "hdf5") {
      pair.x = read_hdf5(path, source.member.empty() ? "/x" : source.member, &notes_, bounds);
      if (path.extension() == ".mat")
        notes_.push_back(
            path.string() +
            ": MATLAB stores dimensions in reverse, so its size(x) = [a b c] is c x b x a here; " +
            source.member + " was read as " + describe_shape(pair.x.shape) + ", the first of them the rows.");
    } else if (format == "cifar10") pair = read_cifar10(path, left());
    else if (format == "csv") pair.x = table_columns(path, source, claimed_columns, *loaded);
    else if (format == "images") {
      ImageFolder images = read_images(path, descriptor_.is_on_black ? 0 : 255, left());
      if (images.transparent > 0)
        notes_.push_back(fmt::format(
            "{}: {} of {} images are transparent in places and were laid over {} in the "
            "description uses the other.",
            path.string(), images.transparent, images.x.rows(),
            descriptor_.is_on_black ? "black; background = \"white\"" : "white; background = \"black\""));
      for (const std::string& sentence : images.account) notes_.push_back(shown(path) + ": " + sentence);
      pair = {std::move(images.x), std::move(images.labels)};
      if (!loaded->values.bytes.empty() && images.classes != loaded->class_names)
        throw ReadError(path.string() + ": expected the sub-folders " + join(loaded->class_names) +
                        " as in the folder before it, found " + join(images.classes) + ".");
      loaded->class_names = std::move(images.classes);
    } else if (readers_ && !format.empty()) {
      pair.x = other_array(path, source, format, bounds, *loaded);
    } else {
      throw ReadError(path.string() + ": its name does not tell its format; expected format = one of " +
                      join(formats()) + " in the description.");
    }
    append(loaded->values, std::move(pair.x), path.string());
    if (!pair.labels.bytes.empty()) append(loaded->labels, std::move(pair.labels), path.string());
  }
  cache_.emplace_back(key, loaded);
  return loaded;
}

std::string SplitReader::fingerprint() const {
  Fingerprint fingerprint;
  for (const auto& [key, loaded] : cache_) {
    fingerprint.add(loaded->values);
    fingerprint.add(loaded->labels);
    for (const std::string& name : loaded->class_names) fingerprint.add(name);
  }
  return fingerprint.hex();
}

SplitArrays SplitReader::read(const Split& split) {
  SplitArrays arrays;
  std::vector<std::string> claimed;
  for_each_source(split, [&](const Source& source) {
    if (&source == &split.x) return;
    if (!source.member.empty()) claimed.push_back(source.member);
    else claimed.insert(claimed.end(), source.columns.begin(), source.columns.end());
  });
  const auto x = load(split.x, claimed, bounds_.in_place);
  arrays.x = {x, &x->values};
  arrays.class_names = x->class_names;
  if (!x->labels.bytes.empty()) arrays.labels = {x, &x->labels};
  const auto also = [&](const Source& source, std::shared_ptr<const Array>& to, const char* what) {
    if (source.empty()) return;
    const auto loaded = load(source, {});
    if (loaded->values.rows() != arrays.x->rows())
      throw ReadError(fmt::format(
          "data set \"{}\", split \"{}\": expected {} {}, one per row of x, found {} in {}.",
          descriptor_.name, split.name, arrays.x->rows(), what, loaded->values.rows(), join(source.files)));
    to = {loaded, &loaded->values};
    if (&source == &split.labels && !loaded->class_names.empty()) arrays.class_names = loaded->class_names;
  };
  also(split.labels, arrays.labels, "labels");
  also(split.factors, arrays.factors, "rows of factors");
  also(split.latents, arrays.latents, "rows of latents");
  also(split.condition, arrays.condition, "rows of the condition");
  also(split.mask, arrays.mask, "rows of the mask");
  return arrays;
}

}  // namespace variform::data
