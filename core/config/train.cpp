// Reads the [train] section and optimizers.

#include <charconv>
#include <algorithm>

#include <fmt/format.h>

#include "config/sections.h"
#include "config/text.h"

namespace variform::config {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Parses "1 epoch", "500 steps"; nothing if it is neither.
std::optional<Every> parse_every(std::string_view text) {
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos || !is_digits(text.substr(0, blank))) return std::nullopt;
  Every every;
  const auto [end, error] = std::from_chars(text.data(), text.data() + blank, every.count);
  const std::string_view unit = text.substr(blank + 1);
  const bool epochs = unit == "epoch" || unit == "epochs", steps = unit == "step" || unit == "steps";
  if (error != std::errc() || (!epochs && !steps)) return std::nullopt;
  every.in_epochs = epochs && every.count > 0;
  return every;
}

Every read_every(Reader& reader, std::string_view key, Every fallback) {
  Every every = fallback;
  const Node* node = reader.node(key);
  const Position where = node ? node->where() : Position{};
  if (node && node->if_text()) {
    const auto parsed = parse_every(*node->if_text());
    if (parsed) every = *parsed;
    else
      reader.error(
          key, "@ must be a number of steps or a text such as \"1 epoch\", found " + node->describe() + ".");
  } else if (node) {
    every = {reader.integer(key, {.fallback = fallback.count, .low = 0, .unit = "steps"}), false};
  }
  if (every.in_epochs)
    reader.put(key, Node(std::to_string(every.count) + (every.count == 1 ? " epoch" : " epochs")), where);
  else reader.put(key, Node(every.count), where);
  return every;
}

void read_length(Reader& reader, TrainSpec& spec, bool fresh) {
  if (reader.has("steps")) {
    // `steps` decides: epochs of a base config do not contradict it, they are superseded.
    reader.know("epochs");
    spec.steps = reader.integer("steps", {.fallback = 1, .low = 0, .unit = "steps"});
    spec.epochs.reset();
  } else if (fresh) {
    reader.know("epochs");
    reader.error("steps", "@ is missing: data drawn fresh for every batch have no epochs to count.",
                 "write steps = 10000");
  } else {
    spec.epochs = reader.integer("epochs", {.fallback = 20, .low = 0, .unit = "epochs"});
  }
}

void read_rhythm(Reader& reader, TrainSpec& spec, bool fresh) {
  const Every fallback = fresh ? Every{1000, false} : Every{1, true};
  spec.evaluate_every = read_every(reader, "evaluate_every", fallback);
  spec.checkpoint_every = read_every(reader, "checkpoint_every", fallback);
  for (const char* key : {"evaluate_every", "checkpoint_every"}) {
    const Every& every =
        key == std::string_view("evaluate_every") ? spec.evaluate_every : spec.checkpoint_every;
    if (fresh && every.in_epochs)
      reader.error(key, "@ must count steps: data drawn fresh for every batch have no epochs.");
  }
  spec.log_every = reader.integer("log_every", {.fallback = 50, .low = 0, .unit = "steps"});
}

void read_early_stopping(Reader& reader, TrainSpec& spec) {
  spec.best = reader.text("best", {.fallback = "loss"});
  if (!reader.has("early_stopping")) return;
  Reader inner = reader.table("early_stopping");
  EarlyStopping stopping;
  stopping.patience = inner.integer("patience", {.fallback = 10, .low = 1, .unit = "evaluations"});
  stopping.part = inner.text("part", {.fallback = spec.best});
  stopping.min_delta = inner.number("min_delta", {.fallback = 0, .low = 0});
  inner.finish();
  spec.early_stopping = stopping;
  reader.put("early_stopping", inner.resolved());
  if (spec.evaluate_every.count == 0)
    reader.error("early_stopping", "@ needs evaluations, but evaluate_every is 0.");
}

void read_device(Reader& reader, TrainSpec& spec) {
  const std::string precision = reader.text(
      "precision", {.fallback = "float32", .choices = {"float64", "float32", "tf32", "bfloat16"}});
  for (const Precision candidate :
       {Precision::kFloat64, Precision::kFloat32, Precision::kTf32, Precision::kBfloat16})
    if (precision == to_string(candidate)) spec.precision = candidate;
  spec.device = reader.text("device", {.fallback = "auto"});
  const std::string_view device = spec.device;
  const bool numbered = device.starts_with("cuda:") && is_digits(device.substr(5)) && device.size() <= 8;
  if (device != "auto" && device != "cpu" && device != "cuda" && !numbered)
    reader.error("device",
                 "@ must be \"auto\", \"cpu\", \"cuda\" or \"cuda:0\" and so on, found " +
                     quote(shorten(device)) + ".",
                 did_you_mean(device, {"auto", "cpu", "cuda"}));
  spec.threads = reader.integer("threads", {.fallback = 0, .low = 0, .high = 4096});
}

void read_evaluation(Reader& reader, TrainSpec& spec) {
  Reader inner = reader.table("evaluation");
  spec.evaluation_batch = inner.integer("batch", {.fallback = 512, .low = 1, .unit = "data"});
  spec.evaluation_samples = inner.integer("samples", {.fallback = 1, .low = 1});
  spec.evaluation_limit = inner.integer("limit", {.fallback = 0, .low = 0, .unit = "data"});
  inner.finish();
  reader.put("evaluation", inner.resolved());
}

void read_adam(Reader& reader, OptimizerSpec& spec) {
  const NumberRule decay{.low = 0, .high = 1, .excludes_high = true};
  NumberRule first = decay, second = decay;
  first.fallback = 0.9;
  second.fallback = 0.999;
  spec.beta1 = reader.number("beta1", first);
  spec.beta2 = reader.number("beta2", second);
}

void read_sgd(Reader& reader, OptimizerSpec& spec) {
  spec.momentum = reader.number("momentum", {.fallback = 0.0, .low = 0, .high = 1, .excludes_high = true});
  spec.nesterov = reader.flag("nesterov", {.fallback = false});
  if (spec.nesterov && spec.momentum == 0) reader.error("nesterov", "@ needs a momentum greater than 0.");
}

void read_rmsprop(Reader& reader, OptimizerSpec& spec) {
  spec.alpha = reader.number("alpha", {.fallback = 0.99, .low = 0, .high = 1, .excludes_high = true});
  spec.momentum = reader.number("momentum", {.fallback = 0.0, .low = 0, .high = 1, .excludes_high = true});
}

}  // namespace

const char* to_string(Precision precision) {
  switch (precision) {
    case Precision::kFloat64: return "float64";
    case Precision::kFloat32: return "float32";
    case Precision::kTf32: return "tf32";
    case Precision::kBfloat16: return "bfloat16";
  }
  return "";
}

OptimizerSpec read_optimizer(Reader& parent, std::string_view key) {
  Reader reader = parent.table(key);
  OptimizerSpec spec;
  const std::size_t errors = reader.diagnostics().size();
  spec.type = reader.text("type", {.fallback = "adam", .choices = {"adam", "adamw", "sgd", "rmsprop"}});
  const bool known_type = reader.diagnostics().size() == errors;
  spec.lr = read_schedule(reader, "lr", {.fallback = spec.type == "sgd" ? 1e-2 : 1e-3, .low = 0});
  if (spec.type == "adam" || spec.type == "adamw") read_adam(reader, spec);
  if (spec.type == "sgd") read_sgd(reader, spec);
  if (spec.type == "rmsprop") read_rmsprop(reader, spec);
  if (spec.type != "sgd") spec.eps = reader.number("eps", {.fallback = 1e-8, .low = 0, .excludes_low = true});
  spec.weight_decay =
      reader.number("weight_decay", {.fallback = spec.type == "adamw" ? 0.01 : 0.0, .low = 0});
  if (known_type) reader.finish("optimizer " + quote(spec.type));
  parent.put(key, reader.resolved(), reader.source().where());
  return spec;
}

TrainSpec read_train(Reader& root, bool fresh) {
  Reader reader = root.table("train");
  TrainSpec spec;
  read_length(reader, spec, fresh);
  spec.batch = reader.integer("batch", {.fallback = 128, .low = 1, .unit = "data"});
  if (reader.has("shards")) {
    spec.shards = reader.integer("shards", {.low = 1});
    if (spec.shards > spec.batch)
      reader.error("shards",
                   fmt::format("@ must be at most train.batch, {}, since every shard needs a row; found {}.",
                               spec.batch, spec.shards));
  }
  spec.clip_norm = reader.number("clip_norm", {.fallback = 0.0, .low = 0});
  read_rhythm(reader, spec, fresh);
  read_early_stopping(reader, spec);
  read_device(reader, spec);
  spec.optimizer = read_optimizer(reader, "optimizer");
  read_evaluation(reader, spec);
  reader.finish();
  Node resolved = reader.resolved();
  if (spec.shards == 1) resolved.erase("shards");  // as if it was not written
  root.put("train", resolved);
  return spec;
}

}  // namespace variform::config
