// See guess.h.

#include "data/guess.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>
#include <system_error>

#include "config/text.h"
#include "data/listing.h"
#include "data/other_readers.h"
#include "data/readers/array.h"
#include "data/readers/csv.h"
#include "data/readers/hdf5.h"
#include "data/readers/npy.h"
#include "data/readers/sniff.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;
using config::quote;
using Words = std::vector<std::string>;

constexpr std::array<std::string_view, 13> kFileEndings{".npy", ".npz",     ".h5",  ".hdf5", ".hdf",
                                                        ".mat", ".csv",     ".tsv", ".txt",  ".bin",
                                                        ".idx", ".parquet", ".pt"};

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Splits "/train/x", "xTrain", "train_images-2" into words in lower case.
Words words_of(const std::string& name) {
  Words words(1);
  bool was_lower = false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_upper = std::isupper(byte) != 0;
    if (std::isalnum(byte) == 0 || (is_upper && was_lower)) words.emplace_back();
    if (std::isalnum(byte) != 0) words.back() += static_cast<char>(std::tolower(byte));
    was_lower = std::isalpha(byte) != 0 && !is_upper;
  }
  std::erase(words, "");
  return words;
}

std::string split_word(const std::string& word) {
  if (is_one_of(word, {"train", "training", "tr"})) return "train";
  if (is_one_of(word, {"test", "testing", "te"})) return "test";
  if (is_one_of(word, {"val", "valid", "validation", "dev"})) return "validation";
  return "";
}

bool is_label_word(const std::string& word) {
  return is_one_of(word, {"y", "label", "labels", "target", "targets", "class", "classes"});
}

// ---- Files of several arrays

struct Member {
  std::string name, split, role;  // role: "x", "labels", "factors", "latents"; empty: not an array of numbers
  std::vector<std::int64_t> shape;
};

Member understood(std::string name, std::vector<std::int64_t> shape) {
  Member member{std::move(name), "", "x", std::move(shape)};
  const Words words = words_of(member.name);
  const auto has = [&](std::initializer_list<std::string_view> wanted) {
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& word) { return is_one_of(word, wanted); });
  };
  for (const std::string& word : words)
    if (const std::string split = split_word(word); !split.empty()) member.split = split;
  if (has({"factor", "factors"}) || (has({"latents"}) && has({"classes"}))) member.role = "factors";
  else if (has({"latents", "latent"})) member.role = "latents";
  else if (std::any_of(words.begin(), words.end(), is_label_word)) member.role = "labels";
  return member;
}

std::string listed(const std::vector<Member>& members) {
  std::string text;
  for (const Member& member : members)
    text += (text.empty() ? "" : ", ") + member.name +
            (member.role.empty() ? " (not an array of numbers)" : " [" + describe_shape(member.shape) + "]");
  return text.empty() ? "no array of numbers" : text;
}

/// Returns the array of a split that is x: the only one, the only one of images, or the one with such a name.
const Member* x_of(const std::vector<Member>& members, const std::string& split) {
  std::vector<const Member*> candidates, images;
  for (const Member& member : members)
    if (member.role == "x" && member.split == split && !member.shape.empty() && member.shape.front() > 1) {
      candidates.push_back(&member);
      if (member.shape.size() >= 3) images.push_back(&member);
    }
  for (const auto& found : {candidates, images})
    if (found.size() == 1) return found.front();
  for (const std::string_view name : {"x", "images", "imgs", "image", "data", "features", "inputs"})
    for (const Member* member : candidates) {
      const Words words = words_of(member->name);
      if (std::find(words.begin(), words.end(), name) != words.end()) return member;
    }
  return nullptr;
}

const Member* also_of(const std::vector<Member>& members, const Member& x, const std::string& role) {
  for (const Member& member : members)
    if (member.role == role && member.split == x.split && !member.shape.empty() &&
        member.shape.front() == x.shape.front() && member.shape.size() <= 2)
      return &member;
  return nullptr;
}

/// A file, and the reader of another format that claims it; empty: a format of this folder.
struct File {
  const fs::path& path;
  std::string reader = {};
};

std::string source_of(const File& file, const std::string& member) {
  const std::string name = file.path.filename().string();
  if (file.reader.empty()) return quote(name + (member.empty() ? "" : ":" + member));
  return "{ files = [" + quote(name) + "]" + (member.empty() ? "" : ", member = " + quote(member)) +
         ", format = " + quote(file.reader) + " }";
}

std::string lines_of_split(const File& path, const std::vector<Member>& members, const Member& x) {
  std::string text = "x = " + source_of(path, x.name) + "  # " + describe_shape(x.shape) + "\n";
  for (const char* role : {"labels", "factors", "latents"})
    if (const Member* member = also_of(members, x, role))
      text += std::string(role) + " = " + source_of(path, member->name) + "  # " +
              describe_shape(member->shape) + "\n";
  return text;
}

/// Returns the arrays that no line of the description uses.
std::string unused_text(const std::string& description, const File& path,
                        const std::vector<Member>& members) {
  std::vector<Member> unused;
  for (const Member& member : members)
    if (description.find(source_of(path, member.name)) == std::string::npos) unused.push_back(member);
  return unused.empty() ? "" : std::string(kNotUsed) + listed(unused) + "\n";
}

std::string of_members(const File& file, const std::string& wanted, const std::vector<Member>& members) {
  const fs::path& path = file.path;
  if (!wanted.empty()) {
    for (const Member& member : members)
      if (!member.role.empty() && (member.name == wanted || member.name == "/" + wanted))
        return "x = " + source_of(file, member.name) + "  # " + describe_shape(member.shape) + "\n";
    throw ReadError(path.string() + ": expected an array " + wanted + ", found " + listed(members) + ".");
  }
  std::map<std::string, const Member*> splits;
  for (const char* split : {"", "train", "test", "validation"})
    if (const Member* x = x_of(members, split)) splits[split] = x;
  if (splits.contains("train") && splits.contains("test")) {
    std::string text;
    for (const char* split : {"train", "test", "validation"})
      if (splits.contains(split))
        text += "\n[splits." + std::string(split) + "]\n" + lines_of_split(file, members, *splits.at(split));
    return text + unused_text(text, file, members);
  }
  if (splits.size() == 1) {
    const std::string text = lines_of_split(file, members, *splits.begin()->second);
    return text + unused_text(text, file, members);
  }
  throw ReadError(path.string() + ": expected one array of data, found " + listed(members) +
                  "; say which: \"" + path.filename().string() + ":" +
                  (members.empty() ? "NAME" : members.front().name) + "\".");
}

std::vector<Member> members_of_npz(const fs::path& path) {
  std::vector<Member> members;
  for (NpzEntry& entry : npz_entries(path)) members.push_back(understood(entry.name, std::move(entry.shape)));
  for (const std::string& name : npz_members(path))
    if (std::none_of(members.begin(), members.end(), [&](const Member& known) { return known.name == name; }))
      members.push_back({name, "", "", {}});
  return members;
}

std::vector<Member> members_of_hdf5(const fs::path& path) {
  std::vector<Member> members;
  for (Hdf5Entry& entry : hdf5_entries(path)) {
    members.push_back(understood(entry.path, std::move(entry.shape)));
    if (!entry.is_numeric) members.back().role = "";
  }
  return members;
}

std::vector<Member> members_of(const OtherReaders& readers, const std::string& format, const fs::path& path) {
  std::vector<Member> members;
  const auto file = readers.open(format, path);
  for (const OtherArray& array : file->arrays()) members.push_back(understood(array.name, array.shape));
  return members;
}

// ---- Tables and folders

/// Returns the first lines, with the values that they lack: whether these are admitted is decided where data are loaded.
Table columns_of(const fs::path& path) {
  try {
    return read_csv_head(path, {.keep_missing = true});
  } catch (const ReadError&) {
    return read_csv_head(path);  // says what is wrong
  }
}

/// Takes a column of text as labels, if there is one, or one that is called label.
std::string of_table(const fs::path& path, const std::string& wanted) {
  if (!wanted.empty()) return "x = " + source_of({path}, wanted) + "\n";
  const Table table = columns_of(path);
  std::vector<std::string> texts, named;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Words words = words_of(table.columns[i]);
    if (!table.classes[i].empty()) texts.push_back(table.columns[i]);
    else if (words.size() == 1 && is_label_word(words.front()) && table.columns.size() > 1)
      named.push_back(table.columns[i]);
  }
  std::string text = "x = " + source_of({path}, "") + "  # all other columns\n";
  const auto& labels = texts.empty() ? named : texts;
  if (labels.size() > 1)
    throw ReadError(
        path.string() + ": the columns " + config::join(labels) +
        (texts.empty() ? " could all be labels" : " hold text, of which only labels can be made") +
        "; write a description that names the columns that are values: x = { files = [" +
        source_of({path}, "") + "], columns = [\"…\"] }.");
  if (labels.size() == 1) text += "labels = " + source_of({path}, labels.front()) + "\n";
  return text;
}

std::string of_folder(const fs::path& path) {
  std::map<std::string, std::string> splits;
  bool has_others = false;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!entry->is_directory() || name.starts_with('.')) continue;
    if (const std::string split = split_word(config::lower_case(name)); !split.empty()) splits[split] = name;
    else has_others = true;
  }
  const std::string folder = fs::absolute(path / "").lexically_normal().parent_path().filename().string();
  if (has_others || !splits.contains("train") || !splits.contains("test"))
    return "x = " + quote(folder) + "\n";
  std::string text;
  for (const auto& [split, name] : splits)
    text += "\n[splits." + split + "]\nx = " + quote(folder + "/" + name) + "\n";
  return text;
}

fs::path without_slash(const fs::path& path) {
  const std::string text = path.string();
  const auto end = text.find_last_not_of('/');
  return end == std::string::npos ? path : fs::path(text.substr(0, end + 1));
}

}  // namespace

bool names_file(const std::string& text) {
  if (text.find('/') != std::string::npos) return true;
  const std::string plain = plain_name(text.substr(0, text.find(':')));
  return std::any_of(kFileEndings.begin(), kFileEndings.end(),
                     [&](std::string_view ending) { return plain.ends_with(ending); });
}

std::optional<NamedFile> find_file(const std::string& text, const config::Position& where,
                                   const std::vector<fs::path>& data_folders) {
  std::error_code error;
  const auto look = [&](const fs::path& folder, bool is_beside) -> std::optional<NamedFile> {
    if (fs::exists(folder / text, error)) return NamedFile{without_slash(folder / text), "", is_beside};
    const auto colon = text.rfind(':');
    if (colon == std::string::npos || !fs::is_regular_file(folder / text.substr(0, colon), error)) return {};
    return NamedFile{folder / text.substr(0, colon), text.substr(colon + 1), is_beside};
  };
  if (!where.is_command_line() && !where.is_default())
    if (auto found = look(fs::path(where.file).parent_path(), true)) return found;
  if (auto found = look("", true)) return found;
  for (const fs::path& folder : data_folders)
    if (auto found = look(folder, false)) return found;
  return {};
}

std::string guess_description(const NamedFile& file, const OtherReaders* readers) {
  const fs::path& path = file.path;
  std::error_code error;
  const bool is_folder = fs::is_directory(path, error);
  const std::string foreign = is_folder ? "" : foreign_format(path), plain = plain_name(path);
  const bool has_own_name = foreign.empty() && !is_folder && !format_by_name(path).empty();
  const std::string reader = readers && !has_own_name ? readers->claimant(path) : "";
  if (!foreign.empty() && reader.empty()) throw ReadError(path.string() + ": it is " + foreign);
  const std::string bytes = is_folder ? "" : format_by_bytes(path);
  std::string name = fs::path(plain).stem().string();
  if (name.empty() || is_folder) name = fs::absolute(path).lexically_normal().filename().string();
  std::string text =
      "# Guessed from " + shown(path.filename()) +
      "; change what is wrong. In a config: dataset = the path of this file.\nname = " + quote(name) + "\n";
  const auto is = [&](std::string_view ending) { return plain.ends_with(ending); };
  if (!reader.empty())
    return text + of_members({path, reader}, file.member, members_of(*readers, reader, path));
  if (is_folder) return text + of_folder(path);
  if (is(".npz") || bytes == "npz") return text + of_members({path}, file.member, members_of_npz(path));
  if (is(".h5") || is(".hdf5") || is(".hdf") || bytes == "hdf5")
    return text + of_members({path}, file.member, members_of_hdf5(path));
  if (is(".csv") || is(".tsv") || is(".txt")) return text + of_table(path, file.member);
  if (is_image(path))
    throw ReadError(path.string() + ": expected a data set, found one image; name the folder of the images.");
  if (is(".npy") || bytes == "npy" || plain.find("idx") != std::string::npos)
    return text + "x = " + source_of({path}, "") + "\n";
  throw ReadError(
      path.string() +
      ": expected a file of arrays (.npy, .npz, .h5, .mat of MATLAB 7.3, idx), a table (.csv, .tsv), a "
      "folder of images, or a file of a plugin's reader (variform list reader), found none of them by its name and its "
      "first bytes.");
}

}  // namespace variform::data
