// See descriptor.h.

#include "data/descriptor.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "config/load.h"
#include "config/reader.h"
#include "config/text.h"
#include "data/guess.h"
#include "data/other_readers.h"
#include "data/readers/array.h"
#include "data/readers/sniff.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;
using config::Diagnostics;
using config::Node;
using config::Reader;

const std::vector<std::string> kDomains{"real", "unit interval", "binary", "count", "categorical"};
/// Files that hold several arrays, so that "file:member" has a meaning.
constexpr std::array<std::string_view, 8> kMemberSuffixes{".npz", ".h5",  ".hdf5", ".hdf",
                                                          ".mat", ".csv", ".tsv",  ".txt"};

bool has_members(std::string_view name, const OtherReaders* readers) {
  const std::string file = plain_name(name);
  return std::any_of(kMemberSuffixes.begin(), kMemberSuffixes.end(),
                     [&](std::string_view suffix) { return file.ends_with(suffix); }) ||
         (readers && readers->has_suffix(file));
}

/// Splits "faces.npz:images" into file and member; a colon in another kind of file belongs to its name.
void add_file(Source& source, const std::string& text, const OtherReaders* readers) {
  const auto colon = text.rfind(':');
  if (colon != std::string::npos && has_members(std::string_view(text).substr(0, colon), readers)) {
    source.member = text.substr(colon + 1);
    source.files.push_back(text.substr(0, colon));
  } else {
    source.files.push_back(text);
  }
}

/// Parses the format of files: one of formats(), or one of a reader, which may have parameters.
std::string parse_format(Reader& reader, const std::string& fallback, const OtherReaders* readers) {
  if (!reader.has("format")) return fallback;
  const Node& node = *reader.node("format", true);
  if (!node.is_table() && !node.if_text()) {
    reader.error("format",
                 "@ must be a format's name, or a table with the type of a reader and its parameters.");
    return fallback;
  }
  const std::string format = node.is_table() ? config::print_value(node) : *node.if_text();
  if (std::find(formats().begin(), formats().end(), format) != formats().end()) return format;
  std::vector<std::string> known = formats();
  if (readers) {
    const std::vector<std::string> others = readers->formats();
    known.insert(known.end(), others.begin(), others.end());
    const bool is_theirs = node.is_table() || std::find(others.begin(), others.end(), format) != others.end();
    const std::string problem = is_theirs ? readers->problem(format) : std::string();
    if (!problem.empty()) reader.error("format", "@: " + problem);
    if (is_theirs) return format;
  }
  const std::string near = config::did_you_mean(format, known);
  reader.error("format", "@ must be one of " + config::join(known) + ", or a reader of a plugin, found " +
                             config::quote(format) + (near.empty() ? "." : "; " + near));
  return fallback;
}

/// Parses a file's name, a list of names, or { files = [...], member = "...", format = "..." }.
Source parse_source(Reader& reader, const std::string& key, const std::string& format, bool required,
                    const OtherReaders* readers) {
  Source source;
  source.format = format;
  const Node* node = reader.node(key, required);
  if (node == nullptr) return source;
  if (node->if_text() != nullptr) {
    add_file(source, reader.text(key), readers);
  } else if (node->if_array() != nullptr) {
    for (const auto& text : reader.texts(key, {.least = 1})) add_file(source, text, readers);
  } else if (node->is_table()) {
    Reader table = reader.table(key);
    for (const auto& text : table.texts("files", {.least = 1})) add_file(source, text, readers);
    source.member = table.text("member", {.fallback = source.member});
    source.columns = table.texts("columns", {.fallback = std::vector<std::string>{}});
    if (!source.member.empty() && !source.columns.empty())
      table.error("columns", "@ and member exclude each other; give one of them.");
    source.format = parse_format(table, format, readers);
    table.finish();
  } else {
    reader.error(key,
                 "@ must be a file's name, a list of names or a table with files, member (or columns) and "
                 "format, found " +
                     node->describe() + ".");
  }
  return source;
}

void parse_rows(Reader& reader, Split& split) {
  const auto rows = reader.integers("rows", {.fallback = std::vector<std::int64_t>{}, .low = 0});
  if (rows.empty()) return;
  if (rows.size() != 2 || rows[0] >= rows[1])
    reader.error("rows", "@ must be [first, end] with first < end (the end is not included).");
  else split.first = rows[0], split.last = rows[1];
}

/// Parses the keys of a split, which may also stand at the top of a descriptor that has only one.
Split parse_split(Reader& reader, const std::string& name, const std::string& format,
                  const OtherReaders* readers) {
  Split split;
  split.name = name;
  split.x = parse_source(reader, "x", format, true, readers);
  split.labels = parse_source(reader, "labels", format, false, readers);
  split.factors = parse_source(reader, "factors", format, false, readers);
  split.latents = parse_source(reader, "latents", format, false, readers);
  split.condition = parse_source(reader, "condition", format, false, readers);
  split.mask = parse_source(reader, "mask", format, false, readers);
  parse_rows(reader, split);
  if (reader.has("shuffle"))
    split.shuffle = static_cast<std::uint64_t>(reader.integer("shuffle", {.fallback = 0, .low = 0}));
  split.count = reader.integer("count", {.fallback = 0, .low = 0});
  return split;
}

void parse_splits(Reader& reader, Descriptor& descriptor, const std::string& format,
                  const OtherReaders* readers) {
  if (!reader.has("splits")) {
    descriptor.splits.push_back(parse_split(reader, "all", format, readers));
    return;
  }
  Reader splits = reader.table("splits");
  for (const auto& member : splits.source().members()) {
    Node short_form = Node::table(member.value.where());
    const bool is_short = !member.value.is_table();
    if (is_short) short_form.set("x", member.value);
    Reader split(is_short ? short_form : member.value, reader.diagnostics(), splits.full(member.key));
    splits.know(member.key);
    descriptor.splits.push_back(parse_split(split, member.key, format, readers));
    split.finish();
  }
  if (descriptor.splits.empty()) reader.error("splits", "@ must hold at least one split.");
  splits.finish();
}

/// Parses [files] "name" = { bytes = N, sha256 = "..." }.
void parse_files(Reader& reader, Descriptor& descriptor) {
  if (!reader.has("files")) return;
  Reader files = reader.table("files");
  for (const auto& member : files.source().members()) {
    Reader facts = files.table(member.key);
    FileFacts file;
    file.name = member.key;
    file.bytes = facts.integer("bytes", {.fallback = 0, .low = 1});
    file.sha256 = facts.text("sha256", {.fallback = ""});
    const bool is_hex = file.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (facts.has("sha256") && (file.sha256.size() != 64 || !is_hex))
      facts.error("sha256", "@ must be 64 lower-case hexadecimal digits.");
    facts.finish();
    descriptor.files.push_back(std::move(file));
  }
  files.finish();
}

void parse_facts(Reader& reader, Descriptor& descriptor) {
  const std::vector<std::string> none;
  const std::vector<std::int64_t> no_numbers;
  descriptor.name = reader.text("name", {.fallback = descriptor.name});
  descriptor.title = reader.text("title", {.fallback = ""});
  descriptor.licence = reader.text("licence", {.fallback = ""});
  descriptor.obtain = reader.text("obtain", {.fallback = ""});
  descriptor.folders = reader.texts("folders", {.fallback = none});
  if (reader.has("domain"))
    descriptor.domain = reader.text("domain", {.fallback = "real", .choices = kDomains});
  descriptor.shape = reader.integers("shape", {.fallback = no_numbers, .low = 1});
  if (descriptor.shape.size() != 0 && descriptor.shape.size() != 1 && descriptor.shape.size() != 3)
    reader.error("shape", "@ must be [channels, height, width] or [values].");
  descriptor.is_on_black =
      reader.text("background", {.fallback = "white", .choices = {"white", "black"}}) == "black";
  if (reader.has("header")) descriptor.table.header = reader.flag("header", {.fallback = true});
  descriptor.table.separator = reader.text("separator", {.fallback = ""});
  if (descriptor.table.separator.size() > 1 || descriptor.table.separator == "\n" ||
      descriptor.table.separator == "\"")
    reader.error("separator", "@ must be one character, such as \",\" or \"\\t\".");
  descriptor.table.decimal = reader.text("decimal", {.fallback = ""});
  if (!std::set<std::string>{"", ".", ","}.contains(descriptor.table.decimal))
    reader.error("decimal", "@ must be \".\" or \",\".");
  descriptor.table.index_column = reader.text("index_column", {.fallback = ""});
  if (reader.has("missing")) descriptor.table.missing = reader.texts("missing", {.fallback = none});
  if (reader.has("drop_missing"))
    descriptor.table.drop_missing = reader.flag("drop_missing", {.fallback = false});
  descriptor.other_files = reader.flag("other_files", {.fallback = false});
  if (reader.has("channels_last"))
    descriptor.channels_last = reader.flag("channels_last", {.fallback = false});
  descriptor.class_names = reader.texts("class_names", {.fallback = none});
  descriptor.factor_names = reader.texts("factor_names", {.fallback = none});
  descriptor.factor_sizes = reader.integers("factor_sizes", {.fallback = no_numbers, .low = 1});
  if (!descriptor.factor_sizes.empty() && descriptor.factor_sizes.size() != descriptor.factor_names.size())
    reader.error("factor_sizes", fmt::format("@ must hold one size for each of the {} factor_names.",
                                             descriptor.factor_names.size()));
}

Descriptor read_file(const fs::path& path, const config::Position& where, Diagnostics& diagnostics,
                     const OtherReaders* readers) {
  const std::size_t errors = diagnostics.size();
  const Node table = config::parse_file(path.string(), diagnostics);
  if (diagnostics.size() > errors) {
    diagnostics.error(where, "the data set's description " + path.string() + " could not be read.");
    return {};
  }
  return parse_descriptor(table, diagnostics, readers);
}

/// Treats a file of data as a data set.
Descriptor guessed(const NamedFile& file, Diagnostics& diagnostics, const OtherReaders* readers) {
  const std::string text = guess_description(file, readers);
  const std::string beside = (fs::absolute(file.path).parent_path() / "(guessed)").string();
  Descriptor descriptor = parse_descriptor(config::parse(text, beside, diagnostics), diagnostics, readers);
  descriptor.is_guessed = true;
  if (const auto at = text.find(kNotUsed); at != std::string::npos)
    descriptor.not_used = text.substr(at + kNotUsed.size(), text.find('\n', at) - at - kNotUsed.size());
  return descriptor;
}

/// Returns the folder of a table's file (empty: none), and within it the one that its key `folder` names.
fs::path folder_of(const Node& table, const std::string& folder) {
  const config::Position& where = table.where();
  const bool is_in_file = !where.is_default() && !where.is_command_line();
  const fs::path base = is_in_file ? fs::path(where.file).parent_path() : fs::path();
  return folder.empty() ? base : base / folder;
}

/// Resolves a path relative to the file in which it was written, else to the working folder.
fs::path resolve_path(const std::string& text, const config::Position& where) {
  std::error_code error;
  const fs::path beside = fs::path(where.file).parent_path() / text;
  return !where.is_command_line() && fs::exists(beside, error) ? beside : fs::path(text);
}

bool is_described(const std::string& name, const std::vector<fs::path>& folders) {
  std::error_code error;
  return std::any_of(folders.begin(), folders.end(), [&](const fs::path& folder) {
    return fs::is_regular_file(folder / (name + ".toml"), error);
  });
}

std::string joined(const std::vector<fs::path>& paths) {
  std::string text;
  for (const fs::path& path : paths) text += (text.empty() ? "" : ", ") + path.string();
  return text;
}

}  // namespace

const std::vector<std::string>& formats() {
  static const std::vector<std::string> all{"idx", "npy", "npz", "hdf5", "cifar10", "images", "csv"};
  return all;
}

const Split* Descriptor::find(const std::string& split) const {
  if (splits.size() == 1) return &splits.front();
  const auto found =
      std::find_if(splits.begin(), splits.end(), [&](const Split& s) { return s.name == split; });
  return found == splits.end() ? nullptr : &*found;
}

Descriptor parse_descriptor(const Node& table, Diagnostics& diagnostics, const OtherReaders* readers) {
  config::refuse_tildes(table, diagnostics);
  Reader reader(table, diagnostics, "dataset");
  Descriptor descriptor;
  parse_facts(reader, descriptor);
  parse_splits(reader, descriptor, parse_format(reader, "", readers), readers);
  parse_files(reader, descriptor);
  descriptor.folder = folder_of(table, reader.text("folder", {.fallback = ""}));
  reader.finish("the description of a data set");
  return descriptor;
}

std::vector<std::string> descriptor_names(const std::vector<fs::path>& folders) {
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
      if (entry->path().extension() == ".toml") names.insert(entry->path().stem().string());
  }
  return {names.begin(), names.end()};
}

fs::path find_descriptor(const std::string& name, const std::vector<fs::path>& folders) {
  std::string searched;
  for (const fs::path& folder : folders) {
    std::error_code error;
    const fs::path path = folder / (name + ".toml");
    if (fs::is_regular_file(path, error)) return path;
    searched += (searched.empty() ? "" : ", ") + folder.string();
  }
  const auto names = descriptor_names(folders);
  const std::string near = config::did_you_mean(name, names);
  std::string known;
  for (const auto& one : names) known += (known.empty() ? "" : ", ") + one;
  throw ReadError("there is no data set \"" + name + "\": expected " + name + ".toml in " +
                  (searched.empty() ? "a search folder" : searched) + ", found " +
                  (known.empty() ? "none" : known) + (near.empty() ? "." : "; " + near));
}

Descriptor resolve_descriptor(const Node& dataset, const std::vector<fs::path>& folders,
                              const std::vector<fs::path>& data_folders, Diagnostics& diagnostics,
                              const OtherReaders* readers) {
  if (dataset.is_table()) return parse_descriptor(dataset, diagnostics, readers);
  const std::string* text = dataset.if_text();
  if (text == nullptr) {
    diagnostics.error(dataset.where(),
                      "a data set must be a name, a path of a description or of a file, or a table, found " +
                          dataset.describe() + ".");
    return {};
  }
  try {
    if (text->ends_with(".toml"))
      return read_file(resolve_path(*text, dataset.where()), dataset.where(), diagnostics, readers);
    if (!names_file(*text) && is_described(*text, folders))
      return read_file(find_descriptor(*text, folders), dataset.where(), diagnostics, readers);
    if (const auto file = find_file(*text, dataset.where(), data_folders))
      return guessed(*file, diagnostics, readers);
    if (!names_file(*text)) find_descriptor(*text, folders);  // throws: there is none
    throw ReadError("there is no file or folder " + *text +
                    " of data: looked beside the config, in the working folder" +
                    (data_folders.empty() ? "" : ", and in " + joined(data_folders)) +
                    "; name its folder with --data or VARIFORM_DATA.");
  } catch (const ReadError& error) {
    diagnostics.error(dataset.where(), error.what());
    return {};
  }
}

Node portable(const Node& dataset, const std::vector<fs::path>& folders) {
  Node result = dataset;
  if (const std::string* text = dataset.if_text()) {
    const auto absolute = [](const fs::path& path) { return fs::absolute(path).lexically_normal().string(); };
    if (text->ends_with(".toml")) {
      result = Node(absolute(resolve_path(*text, dataset.where())), dataset.where());
    } else if (names_file(*text) || !is_described(*text, folders)) {
      if (const auto file = find_file(*text, dataset.where(), {}))
        result =
            Node(absolute(file->path) + (file->member.empty() ? "" : ":" + file->member), dataset.where());
    }
  } else if (dataset.is_table()) {
    const Node* folder = dataset.find("folder");
    const std::string* given = folder != nullptr ? folder->if_text() : nullptr;
    const fs::path path =
        (fs::current_path() / folder_of(dataset, given != nullptr ? *given : "")).lexically_normal();
    result.set("folder", Node(path.string(), dataset.where()));
  }
  return result;
}

}  // namespace variform::data
