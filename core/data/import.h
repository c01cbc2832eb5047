#pragma once
// Turns a folder of images of any sizes into a data set: one HDF5 file and its description.

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
  double test = 0.1;                   ///< images for testing: a count or, below 1, a share
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
  std::vector<std::string> account;      ///< which files were taken and left out: see ImageListing
};

/// Takes the images that list_images() finds. Those for testing are the last; with labels, the last of each class.
/// Colour becomes grey by Rec. 601's luma; resizing: see resample.h. Both files appear whole or not at all. Calls
/// `go_on` after each image with the numbers done and in all; if that returns false, nothing is written and the result
/// is empty. Throws ReadError for a folder or image that cannot be used, std::invalid_argument for options that do not
/// fit it or files that exist already, base::Error when writing to the disk fails.
std::optional<Imported> import_images(const ImportOptions& options,
                                      const std::function<bool(std::int64_t, std::int64_t)>& go_on);

}  // namespace variform::data
