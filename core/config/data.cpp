// Reads the [data] section, including data drawn from a model.

#include <cmath>

#include "config/sections.h"
#include "config/text.h"

namespace variform::config {
namespace {

void read_sizes(Reader& reader, ModelDataSpec& spec) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  const bool has_size = reader.has("size");
  if (has_size) spec.size = reader.integer("size", {.fallback = 1, .low = 1, .high = kMost, .unit = "data"});
  if (reader.has("fresh")) spec.fresh = reader.flag("fresh", {.fallback = false});
  if (spec.fresh && has_size)
    reader.error("size", "@ has no meaning beside fresh = true, where every batch is new.");
  if (!spec.fresh && !has_size)
    reader.error("size", "@ is missing.",
                 "write size = 10000, or fresh = true for a new batch at every step");
  if (spec.fresh) spec.size = 0;
  spec.test = reader.integer("test", {.fallback = 0, .low = 0, .high = kMost, .unit = "data"});
  spec.seed = static_cast<std::uint64_t>(reader.integer("seed", {.fallback = 1, .low = 0}));
  if (reader.has("classes"))
    spec.classes = reader.integer("classes", {.fallback = {}, .low = 1, .high = kMost, .unit = "classes"});
}

ModelDataSpec read_model_data(Reader& data, const Catalog& catalog) {
  Reader reader = data.table("dataset");
  ModelDataSpec spec;
  reader.text("type");
  if (reader.has("from")) {
    spec.from = reader.text("from");
    if (spec.from->empty()) reader.error("from", "@ must name a run or a checkpoint, found an empty text.");
  }
  const bool needed = !spec.from;
  if (needed || reader.has("latent")) spec.latent = reader.integer("latent", {.fallback = {}, .low = 1});
  if (needed || reader.has("shape"))
    spec.shape = reader.integers("shape", {.fallback = {}, .low = 1, .least = 1});
  read_sizes(reader, spec);
  spec.prior = read_component(reader, "prior", Kind::kPrior, Place::kData, catalog, needed);
  spec.decoder = read_component(reader, "decoder", Kind::kDecoder, Place::kData, catalog, needed);
  spec.likelihood = read_component(reader, "likelihood", Kind::kLikelihood, Place::kData, catalog, needed);
  reader.finish("a dataset drawn from a model");
  data.put("dataset", reader.resolved());
  return spec;
}

void read_dataset(Reader& data, DataSpec& spec, const Catalog& catalog, const CheckDataset& check_dataset) {
  const Node* dataset = data.node("dataset", true);
  if (!dataset) return;
  const std::string* text = dataset->if_text();
  if ((!text && !dataset->is_table()) || (text && text->empty())) {
    data.error("dataset", "@ must be a data set's name, the path of its description, or a table, found " +
                              dataset->describe() + ".");
    return;
  }
  const Node* type = dataset->find("type");
  if (type && type->if_text() && *type->if_text() == "model") {
    spec.model = read_model_data(data, catalog);
  } else {
    data.put("dataset", *dataset);
    if (check_dataset) check_dataset(*dataset, data.diagnostics());
  }
  spec.dataset = *data.resolved().find("dataset");
}

// Data drawn from a model have classes at most: its own, or those that the run it is taken from was conditioned on.
void check_condition_of_model(Reader& data, const DataSpec& spec) {
  if (!spec.model) return;
  if (spec.condition != "labels")
    data.error("condition", "@ = " + quote(spec.condition) +
                                " is for data in files; data drawn from a model have labels at most.");
  else if (spec.model->classes == 0 && !spec.model->from)
    data.error("condition",
               "@ = \"labels\" needs classes, and the model that the data are drawn from has none.",
               "write classes = 10 in [data.dataset], and condition its prior or decoder on them");
}

// Values that stay in their file cannot be changed there.
void check_stream(Reader& data, const DataSpec& spec) {
  if (!spec.stream) return;
  if (spec.model) data.error("stream", "@ is for data in files; data drawn from a model are in memory.");
  if (spec.binarise == "static")
    data.error("binarise",
               "@ = \"static\" makes a copy of all values in memory, which stream = true is meant to avoid.",
               "write binarise = \"dynamic\", or store the bits in a file");
  if (spec.channels == "grey")
    data.error("channels",
               "@ = \"grey\" makes a copy of all values in memory, which stream = true is meant to avoid.",
               "store the images with one channel");
  if (!spec.missing.empty())
    data.error("missing",
               "@ = " + quote(spec.missing) +
                   " makes a copy of all values in memory, which stream = true is meant to avoid.",
               "leave out one of them");
}

void check_combinations(Reader& data, const DataSpec& spec) {
  if (spec.binarise != "none" && spec.dequantise)
    data.error("dequantise",
               "@ contradicts binarise = " + quote(spec.binarise) + ": noise would be added to bits.");
  if (spec.binarise != "none" && spec.scale != "unit")
    data.error("binarise",
               "@ = " + quote(spec.binarise) + " needs values between 0 and 1, but scale is " +
                   quote(spec.scale) + ".",
               data.advice("binarise", "scale", "\"unit\""));
  check_stream(data, spec);
  if (!spec.model || !spec.model->fresh) return;
  if (spec.validation > 0)
    data.error("validation", "@ has no meaning for fresh data, of which nothing can be held out.");
  if (spec.limit > 0) data.error("limit", "@ has no meaning for fresh data, which have no end.");
}

}  // namespace

DataSpec read_data(Reader& root, const Catalog& catalog, const CheckDataset& check_dataset) {
  Reader reader = root.table("data", true);
  DataSpec spec;
  if (!root.source().find("data") || !root.source().find("data")->is_table()) return spec;
  read_dataset(reader, spec, catalog, check_dataset);
  spec.train_split = reader.text("train_split", {.fallback = spec.train_split});
  spec.test_split = reader.text("test_split", {.fallback = spec.test_split});
  spec.validation = reader.integer("validation", {.fallback = 0, .low = 0, .unit = "data"});
  spec.limit = reader.integer("limit", {.fallback = 0, .low = 0, .unit = "data"});
  if (reader.has("test")) {
    spec.test = reader.number("test", {.fallback = 0, .low = 0});
    if (spec.test >= 1 && spec.test != std::floor(spec.test))
      reader.error("test", "@ must be a whole number of rows or a share below 1, found " +
                               format_plain(spec.test) + ".");
    if (spec.model)
      reader.error("test", "@ is for data in files; data drawn from a model have data.dataset.test.");
  }
  if (reader.has("memory"))
    spec.memory = reader.number("memory", {.fallback = 0, .low = 0, .excludes_low = true, .unit = "GB"});
  if (reader.has("stream")) spec.stream = reader.flag("stream", {.fallback = false});
  spec.channels =
      reader.text("channels", {.fallback = "as-stored", .choices = {"as-stored", "grey", "colour"}});
  spec.scale = reader.text("scale", {.fallback = "unit", .choices = {"unit", "none", "standardise"}});
  spec.dequantise = reader.flag("dequantise", {.fallback = false});
  spec.binarise = reader.text("binarise", {.fallback = "none", .choices = {"none", "static", "dynamic"}});
  if (reader.has("condition")) {
    spec.condition =
        reader.text("condition", {.fallback = "labels", .choices = {"labels", "factors", "array"}});
    check_condition_of_model(reader, spec);
  }
  if (reader.has("missing")) {
    spec.missing = reader.text("missing", {.fallback = "mask", .choices = {"mask"}});
    if (spec.model)
      reader.error("missing", "@ is for data in files; data drawn from a model lack no values.");
  }
  check_combinations(reader, spec);
  reader.finish();
  root.put("data", reader.resolved());
  return spec;
}

DataSpec parse_data(const Node& root, Diagnostics& diagnostics) {
  struct NoComponents final : Catalog {
    std::vector<Entry> find(Kind, std::string_view) const override { return {}; }
    std::vector<std::string> ids(Kind) const override { return {}; }
  };
  Reader reader(root, diagnostics, "");
  return read_data(reader, NoComponents(), {});
}

}  // namespace variform::config
