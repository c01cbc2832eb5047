// See listing.h.

#include "data/listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "base/utf8.h"
#include "config/text.h"
#include "data/readers/array.h"

namespace variform::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 10> kImageEndings{".png", ".jpg",  ".jpeg", ".jpe",  ".jfif",
                                                         ".gif", ".webp", ".tif",  ".tiff", ".bmp"};
constexpr std::array<std::string_view, 11> kLitterNames{
    "thumbs.db",  "ehthumbs.db",  "desktop.ini",
    "icon\r",     "__macosx",     "@eadir",
    "#recycle",   "$recycle.bin", "system volume information",
    "lost+found", "recycler"};
constexpr std::array<std::string_view, 7> kLitterEndings{
    ".part", ".partial", ".crdownload", ".filepart", ".tmp", ".swp", "~"};
constexpr std::array<std::string_view, 3> kLitterParts{".sync-conflict-", "conflicted copy", "~syncthing~"};

bool is_litter(const fs::path& path) {
  const std::string name = config::lower_case(path.filename().string());
  return name.starts_with('.') || name.starts_with("~$") ||
         std::find(kLitterNames.begin(), kLitterNames.end(), name) != kLitterNames.end() ||
         std::any_of(kLitterEndings.begin(), kLitterEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); }) ||
         std::any_of(kLitterParts.begin(), kLitterParts.end(),
                     [&](std::string_view part) { return name.find(part) != std::string::npos; });
}

std::string some(const std::vector<fs::path>& paths) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, paths.size()); ++i) text += (i ? ", " : "") + shown(paths[i]);
  return text + (paths.size() > kShown ? ", …" : "");
}

/// "1 image", "2 images"
std::string counted(std::size_t count, const std::string& one, const std::string& several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

// ---- Walking

struct Found {  // paths below the folder, in their order part by part
  std::vector<fs::path> images;
  std::vector<fs::path> litter, other_files, broken_links, loops, specials;
};

/// Identifies a folder independently of its name.
using Identity = std::pair<dev_t, ino_t>;

class Walk {
 public:
  explicit Walk(const fs::path& folder) { visit(folder, {}); }
  Found take() { return std::move(found_); }

 private:
  void visit(const fs::path& folder, const fs::path& below) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) != 0) return;
    const Identity identity(status.st_dev, status.st_ino);
    // Once per class: links among folders can make more paths than there are files.
    if (!seen_.insert({below.empty() ? fs::path() : *below.begin(), identity}).second ||
        std::find(above_.begin(), above_.end(), identity) != above_.end()) {
      found_.loops.push_back(below);
      return;
    }
    above_.push_back(identity);
    for (const fs::path& name : names_in(folder)) look_at(folder / name, below / name);
    above_.pop_back();
  }

  static std::vector<fs::path> names_in(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> names;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
      names.push_back(entry->path().filename());
    if (error) throw ReadError(shown(folder) + ": cannot be listed: " + error.message() + ".");
    std::sort(names.begin(), names.end());
    return names;
  }

  void look_at(const fs::path& path, const fs::path& below) {
    if (is_litter(path)) return found_.litter.push_back(below);
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found || error == std::errc::too_many_symbolic_link_levels)
      return found_.broken_links.push_back(below);
    if (error) throw ReadError(shown(path) + ": cannot be looked at: " + error.message() + ".");
    if (fs::is_directory(status)) return visit(path, below);
    if (!fs::is_regular_file(status)) return found_.specials.push_back(below);
    (is_image(path) ? found_.images : found_.other_files).push_back(below);
  }

  Found found_;
  std::vector<Identity> above_;
  std::set<std::pair<fs::path, Identity>> seen_;
};

// ---- Taking

bool is_beside(const fs::path& image) { return !image.has_parent_path(); }

/// Returns "58 .png, 2 .jpg", most of them first.
std::string endings_of(const std::vector<fs::path>& images) {
  std::map<std::string, std::size_t> counts;
  for (const fs::path& image : images) ++counts[config::lower_case(image.extension().string())];
  std::vector<std::pair<std::size_t, std::string>> sorted;
  for (const auto& [ending, count] : counts) sorted.emplace_back(count, ending);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (const auto& [count, ending] : sorted)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, ending);
  return text;
}

void name_classes(const fs::path& folder, ImageListing& listing) {
  for (const fs::path& image : listing.images) {
    std::string name = image.begin()->string();
    if (!base::is_utf8(name))
      throw ReadError(
          shown(folder / name) +
          ": the name of this class is not UTF-8, so that no description can name it; rename the folder, "
          "for instance with: convmv -f latin1 -t utf8 --notest");
    if (listing.classes.empty() || listing.classes.back() != name) listing.classes.push_back(std::move(name));
    listing.labels.push_back(static_cast<std::int64_t>(listing.classes.size()) - 1);
  }
}

std::string taken_text(const ImageListing& listing) {
  std::string text =
      "took " + counted(listing.images.size(), "image", "images") + " (" + endings_of(listing.images) + ")";
  if (listing.classes.empty()) return text + ", without classes.";
  constexpr std::size_t kShown = 12;
  std::vector<std::size_t> counts(listing.classes.size());
  for (std::int64_t label : listing.labels) ++counts[static_cast<std::size_t>(label)];
  text += " of " + counted(counts.size(), "class", "classes") + ": ";
  for (std::size_t i = 0; i < std::min(kShown, counts.size()); ++i)
    text += fmt::format("{}{} {}", i ? ", " : "", shown(listing.classes[i]), counts[i]);
  if (counts.size() <= kShown) return text + ".";
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return fmt::format("{}, … ({} to {} images each).", text, *least, *most);
}

void leave_out(ImageListing& listing, const std::vector<fs::path>& paths, const std::string& one,
               const std::string& several) {
  if (!paths.empty())
    listing.account.push_back("left out " + counted(paths.size(), one, several) + " (" + some(paths) + ").");
}

}  // namespace

bool is_image(const fs::path& path) {
  const std::string ending = config::lower_case(path.extension().string());
  return std::find(kImageEndings.begin(), kImageEndings.end(), ending) != kImageEndings.end();
}

std::string shown(const fs::path& path) { return base::shown(path.native()); }

ImageListing list_images(const fs::path& folder, Classes classes) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw ReadError(shown(folder) + ": expected a folder of images, found none.");
  Found found = Walk(folder).take();
  if (found.images.empty())
    throw ReadError(
        shown(folder) +
        ": expected images (.png, .jpg, .jpeg, .gif, .webp, .tif, .bmp) in it or below it, found none" +
        (found.other_files.empty() ? "" : "; there are other files, such as " + some(found.other_files)) +
        ".");
  std::vector<fs::path> beside, inside;
  for (const fs::path& image : found.images) (is_beside(image) ? beside : inside).push_back(image);
  ImageListing listing;
  std::vector<fs::path> strays, deeper;
  if (classes == Classes::kRequired && inside.empty())
    throw ReadError(shown(folder) + ": expected one sub-folder per class with its images, found " +
                    counted(beside.size(), "image", "images") + " in the folder itself and none below it.");
  if (classes == Classes::kNone) {
    listing.images = std::move(found.images);
  } else if (classes == Classes::kRequired || inside.size() > beside.size()) {
    listing.images = std::move(inside);
    strays = std::move(beside);
    name_classes(folder, listing);
  } else {
    listing.images = std::move(beside);
    deeper = std::move(inside);
  }
  listing.account.push_back(taken_text(listing));
  leave_out(listing, strays, "image beside the folders of the classes",
            "images beside the folders of the classes");
  leave_out(listing, deeper, "image in sub-folders, which hold no more than the folder itself",
            "images in sub-folders, which hold no more than the folder itself");
  leave_out(listing, found.litter, "hidden or left-over entry", "hidden or left-over entries");
  leave_out(listing, found.broken_links, "link to nothing", "links to nothing");
  leave_out(listing, found.loops, "folder that was seen already, by way of a link",
            "folders that were seen already, by way of links");
  leave_out(listing, found.specials, "entry that is neither file nor folder",
            "entries that are neither files nor folders");
  leave_out(listing, found.other_files, "file that is not an image by its name",
            "files that are not images by their names");
  return listing;
}

}  // namespace variform::data
