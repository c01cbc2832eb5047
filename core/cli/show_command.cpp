// data show: shows what a file, a folder or a described data set holds, and what a training would see of it.

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/table.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "config/load.h"
#include "config/text.h"
#include "data/descriptor.h"
#include "data/guess.h"
#include "data/readers/array.h"
#include "data/summary.h"
#include "draw/png_grid.h"

namespace variform::cli {
namespace {

namespace fs = std::filesystem;

struct ShowOptions {
  std::string dataset, picture;
  std::vector<std::string> overrides;
  bool describe = false;
};

// Resolves the keys of [data] that were given, without the rest of a config.
config::DataSpec data_spec(const ShowOptions& options, const Common& common) {
  config::Diagnostics diagnostics;
  config::Node root = config::parse("", "command line", diagnostics);
  config::Node table = config::Node::table({});
  table.set("dataset",
            config::Node(options.dataset, config::Position{std::string(config::kCommandLine), 1, 1}));
  root.set("data", table);
  config::merge(root, config::parse_overrides(options.overrides, diagnostics));
  for (const config::Node::Member& member : root.members())
    if (member.key != "data")
      diagnostics.error(member.value.where(),
                        "expected keys of data, such as data.scale=none, found " + member.key + ".");
  config::DataSpec spec = config::parse_data(root, diagnostics);
  if (common.memory > 0) spec.memory = common.memory;
  diagnostics.throw_if_any();
  return spec;
}

std::vector<std::pair<std::string, const data::Dataset*>> parts_of(const data::Splits& splits) {
  std::vector<std::pair<std::string, const data::Dataset*>> parts{{"train", &splits.train}};
  if (splits.validation.size() > 0) parts.emplace_back("validation", &splits.validation);
  if (!splits.test.is_same_as(splits.train)) parts.emplace_back("test", &splits.test);
  return parts;
}

std::string counts_text(const std::vector<std::pair<std::string, int64_t>>& counts) {
  constexpr size_t kShown = 20;
  std::string text;
  for (size_t i = 0; i < std::min(kShown, counts.size()); ++i)
    text += fmt::format("{}{} {}", i ? ", " : "", counts[i].first, counts[i].second);
  return text + (counts.size() > kShown ? fmt::format(", … ({} in all)", counts.size()) : "");
}

std::string text_of(const std::vector<data::SplitSummary>& splits) {
  base::Table table({{"split"},
                     {"rows", base::Align::kRight},
                     {"an example"},
                     {"stored as"},
                     {"domain"},
                     {"least", base::Align::kRight},
                     {"most", base::Align::kRight},
                     {"mean", base::Align::kRight},
                     {"sd", base::Align::kRight},
                     {"never vary", base::Align::kRight}});
  std::string below;
  for (const data::SplitSummary& split : splits) {
    const auto number = [](double value) { return base::significant(value, 4); };
    table.add({split.name, std::to_string(split.rows), data::describe_shape(split.shape), split.stored,
               split.domain, number(split.low), number(split.high), number(split.mean), number(split.sd),
               std::to_string(split.constants)});
    if (split.missing > 0) below += fmt::format("{}, missing values: {}\n", split.name, split.missing);
    if (!split.classes.empty()) below += split.name + ", rows by class: " + counts_text(split.classes) + "\n";
    if (!split.factors.empty())
      below += split.name + ", values by factor: " + counts_text(split.factors) + "\n";
  }
  return table.text(output_width()) + (below.empty() ? "" : "\n" + below);
}

nlohmann::json json_of(const std::vector<std::pair<std::string, int64_t>>& counts) {
  nlohmann::json result = nlohmann::json::array();
  for (const auto& [name, count] : counts) result.push_back({{"name", name}, {"count", count}});
  return result;
}

nlohmann::json json_of(const data::Splits& splits, const std::vector<data::SplitSummary>& summaries) {
  nlohmann::json parts = nlohmann::json::array();
  for (const data::SplitSummary& split : summaries)
    parts.push_back({{"split", split.name},
                     {"rows", split.rows},
                     {"shape", split.shape},
                     {"stored", split.stored},
                     {"domain", split.domain},
                     {"least", split.low},
                     {"most", split.high},
                     {"mean", split.mean},
                     {"sd", split.sd},
                     {"constants", split.constants},
                     {"missing", split.missing},
                     {"classes", json_of(split.classes)},
                     {"factors", json_of(split.factors)}});
  return {{"name", splits.name}, {"splits", parts}, {"notes", splits.notes}};
}

void write_pictures(const fs::path& file, const data::Dataset& data) {
  constexpr int64_t kPictures = 100, kPerRow = 10;
  const data::Shape shape = data.shape();
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3))
    throw config::Error("--picture needs images of one or three channels, found data of shape " +
                        data::describe_shape(shape));
  const at::Tensor x = data.gather(at::arange(std::min(kPictures, data.size()), at::kLong)).to(at::kFloat);
  const double low = x.min().item<double>(), high = x.max().item<double>();
  const at::Tensor bytes = x.sub(low)
                               .mul(high > low ? 255 / (high - low) : 0)
                               .round()
                               .to(at::kByte)
                               .permute({0, 2, 3, 1})
                               .contiguous();
  std::vector<draw::Image> images;
  for (const at::Tensor& one : bytes.unbind()) {
    draw::Image image{static_cast<int>(shape[2]), static_cast<int>(shape[1]), static_cast<int>(shape[0]), {}};
    image.pixels.assign(one.const_data_ptr<uint8_t>(), one.const_data_ptr<uint8_t>() + one.numel());
    images.push_back(std::move(image));
  }
  const int columns = static_cast<int>(std::min<int64_t>(kPerRow, static_cast<int64_t>(images.size())));
  draw::write_png(file, draw::grid(images, columns, 2, draw::enlargement(images[0].width, images[0].height)));
}

// Prints a description, "file = …", for --describe. It states the domain that was found, since with a description none
// is guessed.
int describe(const Common& common, const ShowOptions& options) {
  const model::Workplace place = common.workplace();
  const auto file = data::find_file(options.dataset, {}, place.places.data);
  if (!file || file->path.extension() == ".toml")
    throw config::Error("--describe needs a file or a folder of data, found " +
                        (file ? "a description, " : std::string("none called ")) + options.dataset);
  const model::FoundReaders found = place.readers();
  const data::Splits splits = place.data(data_spec(options, common), *found.readers);
  std::string text = data::guess_description(*file, found.readers.get());
  const std::string line = "domain = " + config::quote(splits.train.domain()) + "\n";
  text.insert(text.find('\n', text.find("\nname = ") + 1) + 1, line);
  write_result(text.substr(0, text.find_last_not_of('\n') + 1));
  return kDone;
}

int show_command(const Common& common, const ShowOptions& options) {
  constexpr int kWidth = 100;
  if (options.describe) return describe(common, options);
  const model::Workplace place = common.workplace();
  const data::Splits splits = place.data(data_spec(options, common), *place.readers().readers);
  std::vector<data::SplitSummary> summaries;
  for (const auto& [name, part] : parts_of(splits)) summaries.push_back(data::summarise(*part, name));
  if (!options.picture.empty()) write_pictures(chosen(options.picture), splits.train);
  if (common.json) {
    write_result(json_text(json_of(splits, summaries)));
    return kDone;
  }
  std::string notes;
  for (const std::string& note : splits.notes) notes += note + "\n";
  write_result(notes + (notes.empty() ? "" : "\n") + text_of(summaries) + "\nthe first of train\n" +
               data::sketch(splits.train, kWidth));
  if (!options.picture.empty()) common.log.info("written: " + options.picture);
  return kDone;
}

}  // namespace

void add_show_command(Command data, Common& common, Action& action) {
  auto options = std::make_shared<ShowOptions>();
  Command show = data.add_command(
      "show",
      "What a file, a folder of images or a described data set holds, and what a training would see of it");
  show.add_option("dataset", options->dataset,
                  "As data.dataset: faces.npz, table.csv, file.h5:/x, a folder, a name, a description")
      .required()
      .type_name("DATASET");
  show.add_option("overrides", options->overrides, "[data.KEY=VALUE...]: scale, test, channels ...");
  show.add_flag("--describe", options->describe,
                "Print a description of the file instead, as a TOML file to be changed");
  show.add_option("--picture", options->picture, "PNG file to write with the first 100 images")
      .type_name("FILE");
  show.on_chosen([&common, &action, options] {
    action = [&common, options] { return show_command(common, *options); };
  });
}

}  // namespace variform::cli
