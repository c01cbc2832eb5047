#pragma once
// A folder of images of any sizes becomes a data set: one HDF5 file and its description.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace variform::data {

struct ImportOptions {
  std::filesystem::path folder;  ///< of images, with its sub-folders
  std::filesystem::path file;    ///< NAME.h5 to write; NAME.toml goes beside it
  std::int64_t size = 64;        ///< pixels of each side of the result
  std::int64_t crop = 0;         ///< pixels of each side of the square in the middle; 0: the largest one
  std::string channels = "as-stored";  ///< "grey", "colour"; "as-stored": as the first image
  bool labels = false;                 ///< the folder's sub-folders are classes
  double test = 0.1;                   ///< images for testing: a number, or below 1 a share
  bool skip_damaged = false;
  double memory = 0;  ///< GB that an image may take; 0: half of what is free
  bool overwrite = false;
};

struct Imported {
  std::filesystem::path file, description;
  std::vector<std::int64_t> shape;   ///< [channels, size, size]
  std::int64_t train = 0, test = 0;  ///< images
  std::uintmax_t bytes = 0;
  std::string sha256;
  std::vector<std::string> class_names;  ///< empty without labels
  std::vector<std::string> damaged;      ///< a sentence for each image that was left out
  std::vector<std::string> account;      ///< what was taken and left out: see ImageListing
};

/// Images as list_images() finds them. Those for testing are the last, with labels the last of each class. Colour
/// becomes grey by Rec. 601's luma; resize: see resample.h. Both files are there whole or not at all. `go_on` is asked
/// after each image, with the numbers of those done and of all; where it says no, nothing is written and the result is
/// empty. Throws ReadError for a folder or image that cannot be used, std::invalid_argument for options that do not
/// fit it or files that are there already, base::Error when the disk does not take the result.
std::optional<Imported> import_images(const ImportOptions& options,
                                      const std::function<bool(std::int64_t, std::int64_t)>& go_on);

}  // namespace variform::data
