// See files.h.

#include "data/files.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "config/node.h"
#include "data/readers/cifar10.h"
#include "data/readers/csv.h"
#include "data/readers/hdf5.h"
#include "data/readers/idx.h"
#include "data/readers/images.h"
#include "data/readers/npy.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDebianFolder = "/usr/share/datasets";

/// By the file's name; empty when it tells nothing.
std::string format_of(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return "images";
  std::string name = path.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  const std::string type = fs::path(name).extension().string();
  if (type == ".npy") return "npy";
  if (type == ".npz") return "npz";
  if (type == ".h5" || type == ".hdf5" || type == ".hdf") return "hdf5";
  if (type == ".csv" || type == ".tsv" || type == ".txt") return "csv";
  if (name.find("idx") != std::string::npos) return "idx";
  return "";
}

std::string join(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

Array read_npz_source(const fs::path& path, const std::string& member) {
  if (!member.empty()) return read_npz(path, member);
  const auto members = npz_members(path);
  if (members.size() != 1)
    throw ReadError(path.string() + ": expected the description to say which member (\"" +
                    path.filename().string() + ":NAME\"), found " + join(members) + " in the file.");
  return read_npz(path, members.front());
}

/// The columns of a table that are wanted: the named one as [N], or all but those claimed by others as [N, P].
Array read_csv_source(const fs::path& path, const std::string& member,
                      const std::vector<std::string>& claimed) {
  const Table table = read_csv(path);
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const bool is_claimed = std::find(claimed.begin(), claimed.end(), table.columns[i]) != claimed.end();
    if (member.empty() ? !is_claimed : table.columns[i] == member) wanted.push_back(i);
  }
  if (wanted.empty())
    throw ReadError(path.string() + ": expected a column \"" + member + "\", found " + join(table.columns) +
                    ".");
  const auto rows = table.values.shape[0];
  Array array{Element::kFloat64, {rows}, {}};
  if (member.empty()) array.shape.push_back(static_cast<std::int64_t>(wanted.size()));
  array.bytes.resize(static_cast<std::size_t>(rows) * wanted.size() * sizeof(double));
  std::uint8_t* out = array.bytes.data();
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
    for (std::size_t column : wanted) {
      std::memcpy(out, table.values.bytes.data() + (row * table.columns.size() + column) * sizeof(double),
                  sizeof(double));
      out += sizeof(double);
    }
  return array;
}

std::vector<fs::path> split_paths(const char* text) {
  std::vector<fs::path> paths;
  for (std::string rest = text == nullptr ? "" : text; !rest.empty();) {
    const auto end = rest.find(':');
    if (end != 0) paths.emplace_back(rest.substr(0, end));
    rest = end == std::string::npos ? "" : rest.substr(end + 1);
  }
  return paths;
}

}  // namespace

struct SplitReader::Loaded {
  Array values;
  Array labels;  // those that the format brings along
  std::vector<std::string> class_names;
};

std::vector<fs::path> data_folders(const std::vector<std::string>& given) {
  std::vector<fs::path> folders;
  for (const auto& text : given)
    for (auto& path : split_paths(text.c_str())) folders.push_back(std::move(path));
  for (auto& path : split_paths(std::getenv("VARIFORM_DATA"))) folders.push_back(std::move(path));
  folders.emplace_back(kDebianFolder);
  return folders;
}

SplitReader::SplitReader(const Descriptor& descriptor, std::vector<fs::path> folders)
    : descriptor_(descriptor), folders_(std::move(folders)) {
  // The description's own folder comes first: a table in a config names files beside the config.
  if (!descriptor.folder.empty()) folders_.insert(folders_.begin(), descriptor.folder);
}

SplitReader::~SplitReader() = default;

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
    for (const char* suffix : {"", ".gz"})
      if (fs::path path = place / (file + suffix); fs::exists(path, error)) return path;
  std::vector<std::string> searched;
  for (const fs::path& folder : folders_) searched.push_back(folder.string());
  throw MissingData(
      "data set \"" + descriptor_.name + "\": expected the file " + file + " (or " + file +
      ".gz), found it neither in " + join(searched) + " nor in a sub-folder " +
      (descriptor_.folders.empty() ? "named for it" : join(descriptor_.folders)) + "; " +
      (descriptor_.obtain.empty() ? "name its folder with --data or VARIFORM_DATA." : descriptor_.obtain));
}

std::shared_ptr<const SplitReader::Loaded> SplitReader::load(
    const Source& source, const std::vector<std::string>& claimed_columns) {
  const std::string key =
      join(source.files) + "\n" + source.member + "\n" + source.format + "\n" + join(claimed_columns);
  for (const auto& [known, loaded] : cache_)
    if (known == key) return loaded;
  auto loaded = std::make_shared<Loaded>();
  for (const auto& file : source.files) {
    const fs::path path = locate(file);
    const std::string format = source.format.empty() ? format_of(path) : source.format;
    for (const FileFacts& facts : descriptor_.files)
      if (facts.name == path.filename().string() && facts.bytes != 0 &&
          static_cast<std::uintmax_t>(facts.bytes) != fs::file_size(path))
        throw ReadError(path.string() + ": expected " + std::to_string(facts.bytes) + " bytes, found " +
                        std::to_string(fs::file_size(path)) + "; the file is truncated or another one.");
    Labelled pair;
    if (format == "idx") pair.x = read_idx(path);
    else if (format == "npy") pair.x = read_npy(path);
    else if (format == "npz") pair.x = read_npz_source(path, source.member);
    else if (format == "hdf5") pair.x = read_hdf5(path, source.member.empty() ? "/x" : source.member);
    else if (format == "cifar10") pair = read_cifar10(path);
    else if (format == "csv") pair.x = read_csv_source(path, source.member, claimed_columns);
    else if (format == "images") {
      ImageFolder images = read_images(path);
      pair = {std::move(images.x), std::move(images.labels)};
      if (!loaded->values.bytes.empty() && images.classes != loaded->class_names)
        throw ReadError(path.string() + ": expected the sub-folders " + join(loaded->class_names) +
                        " as in the folder before it, found " + join(images.classes) + ".");
      loaded->class_names = std::move(images.classes);
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

SplitArrays SplitReader::read(const Split& split) {
  SplitArrays arrays;
  std::vector<std::string> claimed;
  for (const Source* source : {&split.labels, &split.factors, &split.latents})
    if (!source->member.empty()) claimed.push_back(source->member);
  const auto x = load(split.x, claimed);
  arrays.x = {x, &x->values};
  arrays.class_names = x->class_names;
  if (!x->labels.bytes.empty()) arrays.labels = {x, &x->labels};
  const auto also = [&](const Source& source, std::shared_ptr<const Array>& to, const char* what) {
    if (source.empty()) return;
    const auto loaded = load(source, {});
    if (loaded->values.rows() != arrays.x->rows())
      throw ReadError("data set \"" + descriptor_.name + "\", split \"" + split.name + "\": expected " +
                      std::to_string(arrays.x->rows()) + " " + what + ", one a datum, found " +
                      std::to_string(loaded->values.rows()) + " in " + join(source.files) + ".");
    to = {loaded, &loaded->values};
  };
  also(split.labels, arrays.labels, "labels");
  also(split.factors, arrays.factors, "rows of factors");
  also(split.latents, arrays.latents, "rows of latents");
  return arrays;
}

}  // namespace variform::data
