// See targets.h.

#include "fuzz/targets.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "base/whole_file.h"
#include "checkpoint/seal.h"
#include "checkpoint/snapshot.h"
#include "config/experiment.h"
#include "config/load.h"
#include "config/node.h"
#include "config/text.h"
#include "data/descriptor.h"
#include "data/guess.h"
#include "data/readers/cifar10.h"
#include "data/readers/csv.h"
#include "data/readers/hdf5.h"
#include "data/readers/idx.h"
#include "data/readers/images.h"
#include "data/readers/npy.h"
#include "plugins/dynamic_section.h"
#include "plugins/manifest_reader.h"
#include "study/plan.h"
#include "study/results.h"
#include "study/run_data.h"

namespace variform::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr data::Bounds kBounds{.memory = std::uint64_t{64} << 20};

/// A folder in memory, of this process, that goes with it.
class Folder {
 public:
  Folder() {
    const fs::path memory = "/dev/shm";
    std::error_code error;
    path_ = (fs::is_directory(memory, error) ? memory : fs::temp_directory_path()) /
            ("variform-fuzz-" + std::to_string(::getpid()));
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  /// A file of that name with these bytes.
  fs::path put(const char* name, Input bytes) const {
    fs::path file = path_ / name;
    std::FILE* const out = std::fopen(file.c_str(), "wb");
    if (out == nullptr) throw std::logic_error("the fuzzer's own file cannot be written");
    std::fwrite(bytes.data(), 1, bytes.size(), out);
    std::fclose(out);
    return file;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const Folder& folder() {
  static const Folder made;
  return made;
}

std::string text_of(Input bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// What a reader may throw is an answer; anything else is a finding.
template <class Act>
void answered(Act act) {
  try {
    act();
  } catch (const data::ReadError&) {
  } catch (const base::Error&) {
  } catch (const config::Error&) {
  } catch (const std::invalid_argument&) {
  }
}

void read_image(Input bytes) {
  const fs::path file = folder().put("x", bytes);
  answered([&] {
    data::ImageReader reader(kBounds);
    const data::ImageSize size = reader.open(file);
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size.width * size.height) * 3);
    reader.decode({.as_colour = true}, pixels.data());
    if (!size.is_colour) reader.decode({.as_colour = false}, pixels.data());
  });
}

void read_npz_members(Input bytes) {
  const fs::path file = folder().put("x.npz", bytes);
  answered([&] {
    for (const auto& entry : data::npz_entries(file))
      answered([&] { data::read_npz(file, entry.name, kBounds); });
    for (const auto& name : data::npz_members(file)) answered([&] { data::read_npz(file, name, kBounds); });
  });
}

void read_table(Input bytes) {
  const fs::path file = folder().put("x.csv", bytes);
  answered([&] { data::read_csv(file, {}, kBounds); });
  answered([&] { data::read_csv_head(file, {.header = true, .drop_missing = true}); });
  answered([&] { data::read_csv_head(file, {.keep_missing = true}); });
  answered([&] { data::read_csv(file, {.header = false, .separator = ";", .decimal = ","}, kBounds); });
}

void read_datasets(Input bytes) {
  const fs::path file = folder().put("x.h5", bytes);
  answered([&] {
    const auto entries = data::hdf5_entries(file);
    for (std::size_t i = 0; i < std::min<std::size_t>(entries.size(), 3); ++i)
      answered([&] { data::read_hdf5(file, entries[i].path, nullptr, kBounds); });
  });
}

/// The body of a checkpoint, under a seal that fits it.
void read_checkpoint(Input bytes) {
  const std::span<const std::byte> body = std::as_bytes(bytes);
  const auto seal =
      checkpoint::to_bytes(checkpoint::seal_of(std::span(&body, 1), checkpoint::kFormatVersion));
  std::vector<std::byte> file(seal.begin(), seal.end());
  file.insert(file.end(), body.begin(), body.end());
  answered([&] { checkpoint::parse(file, "x.ckpt"); });
  answered([&] { checkpoint::parse(body, "x.ckpt"); });
}

/// A config, a data set's description, and a study, all of which are TOML.
void read_toml(Input bytes) {
  const std::string text = text_of(bytes);
  config::Diagnostics diagnostics;
  const config::Node root = config::parse(text, "x.toml", diagnostics);
  if (!diagnostics.empty()) {
    static_cast<void>(diagnostics.render());
    return;
  }
  const std::string printed = config::print(root);
  if (config::print(config::parse(printed, "printed", diagnostics)) != printed || !diagnostics.empty())
    throw std::logic_error("what was printed is read as something else:\n" + printed);
  config::parse_data(root, diagnostics);
  data::parse_descriptor(root, diagnostics);
  const study::Plan plan = study::read_plan(root, diagnostics);
  if (diagnostics.empty()) study::cells_of(plan, diagnostics);
  static_cast<void>(diagnostics.render());
}

void read_plugin(Input bytes) {
  const fs::path file = folder().put("x.so", bytes);
  static_cast<void>(plugins::read_manifest(file));
  static_cast<void>(plugins::read_dynamic_section(file));
}

void read_study_file(Input bytes) {
  folder().put("study.json", bytes);
  try {
    const study::StudyResults results = study::read_study(folder().path(), folder().path());
    static_cast<void>(study::csv_of(results));
  } catch (const std::runtime_error&) {
  }
}

void guess(Input bytes) {
  for (const char* name : {"x.npz", "x.csv", "x-idx", "x"}) {
    const fs::path file = folder().put(name, bytes);
    answered([&] { static_cast<void>(data::guess_description({file, "", true})); });
  }
}

}  // namespace

const std::vector<Target>& targets() {
  static const std::vector<Target> all{
      {"csv", read_table},
      {"idx", [](Input bytes) { answered([&] { data::read_idx(folder().put("x-idx", bytes), kBounds); }); }},
      {"npy", [](Input bytes) { answered([&] { data::read_npy(folder().put("x.npy", bytes), kBounds); }); }},
      {"npz", read_npz_members},
      {"png", read_image},
      {"jpeg", read_image},
      {"images", read_image},
      {"cifar",
       [](Input bytes) { answered([&] { data::read_cifar10(folder().put("x.bin", bytes), kBounds); }); }},
      {"hdf5", read_datasets},
      {"checkpoint", read_checkpoint},
      {"toml", read_toml},
      {"elf", read_plugin},
      {"study", read_study_file},
      {"guess", guess}};
  return all;
}

const Target* find_target(const std::string& name) {
  const auto found = std::find_if(targets().begin(), targets().end(),
                                  [&](const Target& target) { return target.name == name; });
  return found == targets().end() ? nullptr : &*found;
}

}  // namespace variform::fuzz
