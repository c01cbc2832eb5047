// The keys, in words. Add a key of a reader here too, or tests/docs fails.

#include "config/reference.h"

#include <algorithm>
#include <string_view>

#include "base/table.h"

namespace variform::config {
namespace {

constexpr Section kSections[] = {
    {"", "Keys outside of any section."},
    {"data", "The data to learn from."},
    {"data.dataset",
     "The description of a data set: a table in the config, or the whole of a file such as "
     "datasets/mnist.toml. Without `splits`, the keys of a split stand here, and the one split serves for "
     "training and testing."},
    {"data.dataset.splits.<NAME>",
     "Where one split lies. A split may also be written as its x alone: train = \"images.npy\"."},
    {"data.dataset.files.<NAME>", "What is known about a file, so that a wrong one is refused."},
    {"data.dataset (type = \"model\")",
     "Data drawn from a model: z from the prior, x from the likelihood at the decoder's output. The true "
     "latents are kept with the data."},
    {"model", "The model's slots; the sixth is [objective]."},
    {"<SLOT>",
     "Keys that each slot has (model.encoder, model.decoder, model.family, model.prior, model.likelihood, "
     "objective), beside the parameters of the component that fills it."},
    {"train", "How long, how, and on what."},
    {"train.optimizer", "Also the form of a slot's own `optimizer`."},
    {"train.early_stopping", "Stops when a part of the evaluated loss no longer falls. Absent: never."},
    {"train.evaluation",
     "The evaluations during training, on the held-out data if there are any, else on the test split."},
    {"<SCHEDULE>",
     "A table instead of a number, where a schedule is allowed: the value at each step. Between `delay` and "
     "its end linear, cosine, exponential or repeated (cyclical); steps: piecewise constant."},
    {"log", "What a training writes for other programs while it runs. No part of a run's identity."},
    {"plugins", "Where plugins are besides the usual places (`variform doctor` lists them)."},
};

constexpr Key kKeys[] = {
    {"", "include", "text or list of texts", "[]", "",
     "Files read before this one, relative to it, depth first; later values win. Tables merge, scalars and "
     "lists replace; another type in a slot drops the former component's parameters."},
    {"", "name", "text", "(the file's name)", "",
     "Begins the run folder's name: letters, digits, \"-\", \"_\" and \".\", 80 at most."},
    {"", "seed", "integer, at least 0", "1", "",
     "Decides everything that is random: initial parameters, order of the data, latent draws, evaluations."},

    {"data", "dataset", "text or table", "required", "",
     "A name (NAME.toml in datasets/), a path of such a file (it ends with .toml or holds a slash), the same "
     "keys as a table, or a model that data are drawn from."},
    {"data", "train_split", "text", "\"train\"", "", "The split for training."},
    {"data", "test_split", "text", "\"test\"", "", "The split for testing."},
    {"data", "validation", "integer, at least 0", "0", "data",
     "Held out from the end of the training split; evaluations during training then use them instead of the "
     "test split."},
    {"data", "limit", "integer, at least 0", "0", "data", "Training data used, from the first on; 0: all."},
    {"data", "test", "number, at least 0", "(none)", "data",
     "Rows drawn for testing from a data set of one split: a count or, below 1, a share. The draw is the "
     "same for every `seed`; the rest is for training."},
    {"data", "stream", "true or false", "(false)", "",
     "Leaves the values of x in their file and reads those of each batch: for data larger than the memory. The numbers "
     "are the same. Files: npy, idx, HDF5 without chunks, and those of readers that say where values lie "
     "(docs/tutorial.md)."},
    {"data", "memory", "number, above 0", "(half of what is free)", "GB",
     "Memory that data files may take when they are read. Giving it also allows files that become far "
     "larger in memory than they are."},
    {"data", "channels", "\"as-stored\", \"grey\" or \"colour\"", "\"as-stored\"", "",
     "Converts images: to one channel (Rec. 601 luma) or to three."},
    {"data", "scale", "\"unit\", \"none\" or \"standardise\"", "\"unit\"", "",
     "unit: bytes become values from 0 to 1, other numbers stay; none: as in the files; standardise: mean 0 "
     "and standard deviation 1 over the training data, per channel of images, per value otherwise."},
    {"data", "dequantise", "true or false", "false", "",
     "Bytes become (x + u)/256 with u uniform in [0, 1), drawn afresh for each batch: a density over pixels "
     "then has a meaning in bits."},
    {"data", "binarise", "\"none\", \"static\" or \"dynamic\"", "\"none\"", "",
     "Values from 0 to 1 are taken as probabilities of a 1: drawn once (static) or afresh for each batch "
     "(dynamic)."},
    {"data", "condition", "\"labels\", \"factors\" or \"array\"", "(none)", "",
     "What components with condition = true are given beside their input: each row's class as one-hot numbers; its "
     "factors, with mean 0 and standard deviation 1 over the training data; or the numbers of the split's "
     "`condition`, as they are."},
    {"data", "missing", "\"mask\"", "(none)", "",
     "mask: values that are NaN, empty in a table, or 0 in the split's `mask` were not observed. They do not count in "
     "likelihoods, curvature and metrics; encoders see 0 in their place."},

    {"data.dataset", "name", "text", "\"dataset\"", "", "Its name in messages."},
    {"data.dataset", "title", "text", "\"\"", "", "A longer name."},
    {"data.dataset", "licence", "text", "\"\"", "", "Its terms of use."},
    {"data.dataset", "obtain", "text", "\"\"", "",
     "A sentence shown when files are missing: how to get them."},
    {"data.dataset", "folder", "text", "(the folder of the description's file)", "",
     "Searched first; relative to the description's file."},
    {"data.dataset", "folders", "list of texts", "[]", "",
     "Sub-folders to look into, in each folder of --data, VARIFORM_DATA and Debian's."},
    {"data.dataset", "format", "\"idx\", \"npy\", \"npz\", \"hdf5\", \"cifar10\", \"images\" or \"csv\"",
     "(from the file's name)", "", "How files are read."},
    {"data.dataset", "domain", "\"real\", \"unit interval\", \"binary\", \"count\" or \"categorical\"",
     "(bytes: unit interval; integers: count; true or false: binary; else real)", "",
     "The kind of the values; checked against the likelihood's domain."},
    {"data.dataset", "shape", "list of integers", "(as in the files)", "",
     "Of one example: [channels, height, width] or [values]."},
    {"data.dataset", "channels_last", "true or false", "(guessed from the shape, with a note)", "",
     "The files hold [height, width, channels]."},
    {"data.dataset", "other_files", "true or false", "false", "",
     "HDF5: links to other files, external storage and virtual datasets are followed."},
    {"data.dataset", "background", "\"white\" or \"black\"", "\"white\"", "",
     "Folders of images: what lies behind transparent ones."},
    {"data.dataset", "header", "true or false", "(guessed from the first lines)", "",
     "Tables: whether the first line holds the columns' names."},
    {"data.dataset", "separator", "text", "(guessed from the first line)", "",
     "Tables: one character between cells; \" \" for any blanks."},
    {"data.dataset", "decimal", "\".\" or \",\"", "(guessed from the numbers)", "",
     "Tables: the decimal mark of numbers."},
    {"data.dataset", "index_column", "text", "(none)", "",
     "Tables: a column that numbers the rows and is left out. A first column without a name is one."},
    {"data.dataset", "missing", "list of texts", "[]", "",
     "Tables: cells that mean a missing value, besides NA, NaN, ? and the like."},
    {"data.dataset", "drop_missing", "true or false", "false", "",
     "Tables: leaves out rows that lack a value, with a note; otherwise such a row is an error."},
    {"data.dataset", "class_names", "list of texts", "[]", "", "Names of the labels 0, 1, ..."},
    {"data.dataset", "factor_names", "list of texts", "[]", "", "Names of the known generative factors."},
    {"data.dataset", "factor_sizes", "list of integers", "[]", "", "Number of values of each factor."},
    {"data.dataset", "splits", "table of splits", "(one split, its keys at the top)", "", "See below."},
    {"data.dataset", "files", "table of files", "(nothing is known)", "", "See below."},

    {"data.dataset.splits.<NAME>", "x", "source", "required", "",
     "A file, a list of files whose rows follow each other, \"file.npz:member\", \"file.h5:/path\", "
     "\"file.csv:column\", a folder of images, or { files, member, columns, format }. `columns`: several of "
     "a table's, in this order; without them x is all that labels, factors, latents and condition do not name."},
    {"data.dataset.splits.<NAME>", "labels", "source", "(none)", "",
     "Classes, integers from 0, or a table's column of text."},
    {"data.dataset.splits.<NAME>", "factors", "source", "(none)", "",
     "Known generative factors, one column each."},
    {"data.dataset.splits.<NAME>", "latents", "source", "(none)", "", "True latents."},
    {"data.dataset.splits.<NAME>", "condition", "source", "(none)", "",
     "Numbers, one or more per row, for data.condition = \"array\"."},
    {"data.dataset.splits.<NAME>", "mask", "source", "(none)", "",
     "Ones and zeros of x's shape, 1 where a value was observed, for data.missing = \"mask\"."},
    {"data.dataset.splits.<NAME>", "rows", "list of two integers", "(all rows)", "",
     "[first, end): these rows only."},
    {"data.dataset.splits.<NAME>", "shuffle", "integer, at least 0", "(not shuffled)", "",
     "A seed: rows are permuted before `rows` cuts them."},
    {"data.dataset.splits.<NAME>", "count", "integer, at least 0", "0", "data",
     "Expected number of rows; 0: any."},

    {"data.dataset.files.<NAME>", "bytes", "integer, at least 1", "(not checked)", "bytes",
     "Size, checked before the file is read."},
    {"data.dataset.files.<NAME>", "sha256", "text", "(unknown)", "", "64 lower-case hexadecimal digits."},

    {"data.dataset (type = \"model\")", "type", "\"model\"", "required", "",
     "Marks the data as drawn from a model."},
    {"data.dataset (type = \"model\")", "from", "text", "(none)", "",
     "A run or checkpoint whose decoder, prior and likelihood are used; those given here replace its own."},
    {"data.dataset (type = \"model\")", "decoder", "a decoder", "(from's; else required)", "", "See <SLOT>."},
    {"data.dataset (type = \"model\")", "prior", "a prior", "(from's; else required)", "", "See <SLOT>."},
    {"data.dataset (type = \"model\")", "likelihood", "a likelihood", "(from's; else required)", "",
     "See <SLOT>."},
    {"data.dataset (type = \"model\")", "latent", "integer, at least 1", "(from's; else required)", "",
     "Latent dimension d."},
    {"data.dataset (type = \"model\")", "shape", "list of integers", "(from's; else required)", "",
     "Of one example."},
    {"data.dataset (type = \"model\")", "size", "integer, at least 1", "(required, unless fresh)", "data",
     "Number of training examples."},
    {"data.dataset (type = \"model\")", "fresh", "true or false", "false", "",
     "Every batch is new; train.steps must then be given."},
    {"data.dataset (type = \"model\")", "test", "integer, at least 0", "0", "data",
     "Number of test examples."},
    {"data.dataset (type = \"model\")", "seed", "integer, at least 0", "1", "",
     "Of the drawn parameters and data; the training's own seed does not change them."},
    {"data.dataset (type = \"model\")", "classes", "integer, at least 1", "(from's; else none)", "classes",
     "The rows are of so many classes in turn, and prior and decoder are conditioned on the class of each row (one-hot "
     "numbers). The classes are the data's labels."},

    {"model", "latent", "integer, at least 1", "required", "", "Latent dimension d."},
    {"model", "encoder", "an encoder", "required", "", "x to the variational family's parameters."},
    {"model", "decoder", "a decoder", "required", "", "z to the likelihood's natural outputs."},
    {"model", "family", "a family", "required", "", "The variational family q(z|x)."},
    {"model", "prior", "a prior", "required", "", "p(z)."},
    {"model", "likelihood", "a likelihood", "required", "", "p(x|z), in nats summed over the data's values."},

    {"<SLOT>", "type", "text", "required", "",
     "The component's id; `variform list` shows them. Not needed with `from`."},
    {"<SLOT>", "plugin", "text", "(the only one that offers it)", "",
     "The plugin to take it from, if several offer this id."},
    {"<SLOT>", "from", "text", "(initialised afresh)", "",
     "A run or checkpoint to take the component and its values from."},
    {"<SLOT>", "frozen", "true or false", "false", "", "Not trained."},
    {"<SLOT>", "optimizer", "an optimizer", "(the training's)", "",
     "For this slot's parameters; see train.optimizer."},

    {"train", "epochs", "integer, at least 0", "20", "epochs",
     "Passes over the training data. Superseded by steps."},
    {"train", "steps", "integer, at least 0", "(epochs decide)", "steps",
     "Updates in all; also the horizon of schedules."},
    {"train", "batch", "integer, at least 1", "128", "data",
     "Size of a batch. Batches are cut from the endless sequence of the epochs' orders: all of one size, "
     "nothing dropped."},
    {"train", "shards", "integer, at least 1, at most batch", "(1)", "",
     "Parts into which each batch is cut. Each is computed by one thread by itself, and the gradients are added in "
     "a fixed order: the results depend on this number, not on that of threads. Refused where rows of a batch "
     "depend on each other."},
    {"train", "clip_norm", "number, at least 0", "0.0", "",
     "Largest norm of the whole gradient, which is scaled down to it; 0: off."},
    {"train", "evaluate_every", "text or integer, at least 0", "\"1 epoch\"", "steps",
     "\"2 epochs\", \"500 steps\" or a number of steps; 0: never. With fresh data 1000 steps."},
    {"train", "checkpoint_every", "text or integer, at least 0", "\"1 epoch\"", "steps",
     "Like evaluate_every. A checkpoint is written at the end and on Ctrl-C in any case."},
    {"train", "log_every", "integer, at least 0", "50", "steps",
     "How often the training loss goes to metrics.jsonl; 0: evaluations only."},
    {"train", "best", "text", "\"loss\"", "",
     "The part of the evaluated loss whose least value decides checkpoints/best.h5, once no parameter of "
     "model or objective changes by its schedule any more. An adversary's part of \"loss\" is left out."},
    {"train", "precision", "\"float64\", \"float32\", \"tf32\" or \"bfloat16\"", "\"float32\"", "",
     "Of networks. bfloat16 is mixed: only networks compute in it. tf32 is float32 whose products a GPU may "
     "round to 10 bits on the way in; on a CPU it is float32. Algebra of d×d matrices is always float64."},
    {"train", "device", "text", "\"auto\"", "", "auto, cpu, cuda or cuda:N."},
    {"train", "threads", "integer, at least 0", "0", "",
     "LibTorch's threads; 0: as many as the machine has."},
    {"train", "optimizer", "an optimizer", "(Adam)", "", "See train.optimizer."},
    {"train", "early_stopping", "table", "(never)", "", "See train.early_stopping."},
    {"train", "evaluation", "table", "(its defaults)", "", "See train.evaluation."},

    {"train.optimizer", "type", "\"adam\", \"adamw\", \"sgd\" or \"rmsprop\"", "\"adam\"", "",
     "The optimizer."},
    {"train.optimizer", "lr", "number or schedule, at least 0", "0.001", "",
     "Learning rate; for sgd 0.01 by default."},
    {"train.optimizer", "beta1", "number, at least 0, below 1", "0.9", "",
     "adam, adamw: decay of the gradient's mean."},
    {"train.optimizer", "beta2", "number, at least 0, below 1", "0.999", "",
     "adam, adamw: decay of its square's mean."},
    {"train.optimizer", "eps", "number, above 0", "1e-08", "",
     "adam, adamw, rmsprop: added to the denominator."},
    {"train.optimizer", "weight_decay", "number, at least 0", "0.0", "",
     "Added to the gradient; for adamw decoupled from it, and 0.01 by default."},
    {"train.optimizer", "momentum", "number, at least 0, below 1", "0.0", "", "sgd, rmsprop."},
    {"train.optimizer", "nesterov", "true or false", "false", "", "sgd: Nesterov's form of momentum."},
    {"train.optimizer", "alpha", "number, at least 0, below 1", "0.99", "",
     "rmsprop: decay of the squared gradient's mean."},

    {"train.early_stopping", "patience", "integer, at least 1", "10", "evaluations",
     "Evaluations without improvement before it stops."},
    {"train.early_stopping", "part", "text", "(train.best)", "",
     "The part that must fall; judged like train.best."},
    {"train.early_stopping", "min_delta", "number, at least 0", "0.0", "nats",
     "The least improvement that counts."},

    {"train.evaluation", "batch", "integer, at least 1", "512", "data", "Rows at a time."},
    {"train.evaluation", "samples", "integer, at least 1", "1", "", "Latent draws per example."},
    {"train.evaluation", "limit", "integer, at least 0", "0", "data", "First rows only; 0: all."},

    {"<SCHEDULE>", "schedule",
     "\"constant\", \"linear\", \"cosine\", \"exponential\", \"cyclical\" or \"steps\"", "required", "",
     "The shape."},
    {"<SCHEDULE>", "value", "number", "required", "", "constant."},
    {"<SCHEDULE>", "from", "number", "required", "",
     "linear, cosine, exponential, cyclical: where it begins."},
    {"<SCHEDULE>", "to", "number", "required", "",
     "linear, cosine, exponential, cyclical: where it ends, and stays."},
    {"<SCHEDULE>", "steps", "integer, at least 1", "(to the end of the training)", "steps",
     "How long it takes."},
    {"<SCHEDULE>", "delay", "integer, at least 0", "0", "steps", "How long it first stays at its beginning."},
    {"<SCHEDULE>", "cycles", "integer, at least 1", "4", "",
     "cyclical: how often it rises from `from` to `to`."},
    {"<SCHEDULE>", "ramp", "number, above 0, at most 1", "0.5", "",
     "cyclical: the part of a cycle that rises; then it stays at `to`."},
    {"<SCHEDULE>", "values", "list of numbers", "required", "", "steps: the values, in order."},
    {"<SCHEDULE>", "at", "list of integers, rising", "required", "steps",
     "steps: where the next value begins; one fewer than values."},

    {"log", "tensorboard", "true or false", "(false)", "",
     "Writes RUN/tensorboard for TensorBoard: losses, evaluations, histograms of each latent's KL, pictures at the "
     "end, and the config for its table of hyperparameters (docs/tutorial.md)."},

    {"plugins", "paths", "list of texts", "[]", "",
     "Plugin files or folders of them, relative to the file that names them."},
};

/// Returns "[data]", "<SLOT>", "top of the file".
std::string title(const Section& section) {
  const std::string_view name = section.name;
  if (name.empty()) return "The top of a config";
  if (name.starts_with('<')) return name == "<SLOT>" ? "A slot" : "A schedule";
  const std::size_t blank = name.find(' ');
  const std::string rest = blank == name.npos ? std::string() : std::string(name.substr(blank));
  return "[" + std::string(name.substr(0, blank)) + "]" + rest;
}

bool in_words(std::string_view default_value) {
  return default_value == "required" || default_value.starts_with('(');
}

std::string default_words(const Key& key) {
  const std::string_view value = key.default_value;
  if (value == "required") return "required";
  if (in_words(value)) return "without it: " + std::string(value.substr(1, value.size() - 2));
  return "default " + std::string(value);
}

/// A bar would end a cell, and an angle bracket begin a tag.
std::string escaped_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

std::span<const Section> reference_sections() { return kSections; }
std::span<const Key> reference_keys() { return kKeys; }

std::string reference_text() {
  constexpr std::size_t kWidth = 100;
  std::string out;
  for (const Section& section : kSections) {
    out += (out.empty() ? "" : "\n") + title(section) + "\n" + base::wrapped(section.meaning, kWidth, 2);
    for (const Key& key : kKeys) {
      if (std::string_view(key.section) != section.name) continue;
      std::string line = std::string("  ") + key.name + "  " + key.type + ", " + default_words(key);
      if (*key.unit) line += std::string(", in ") + key.unit;
      out += line + "\n" + base::wrapped(key.meaning, kWidth, 6);
    }
  }
  return out;
}

std::string markdown_row(std::span<const std::string> cells) {
  std::string out = "|";
  for (const std::string& cell : cells) out += " " + escaped_cell(cell) + " |";
  return out + "\n";
}

std::string reference_markdown() {
  std::string out;
  for (const Section& section : kSections) {
    out += (out.empty() ? "## " : "\n## ") + escaped_cell(title(section)) + "\n\n" +
           escaped_cell(section.meaning) +
           "\n\n| key | type | default | unit | meaning |\n|---|---|---|---|---|\n";
    for (const Key& key : kKeys) {
      if (std::string_view(key.section) != section.name) continue;
      const std::string_view value = key.default_value;
      const std::string cells[] = {"`" + std::string(key.name) + "`", key.type,
                                   in_words(value) ? std::string(value) : "`" + std::string(value) + "`",
                                   key.unit, key.meaning};
      out += markdown_row(cells);
    }
  }
  return out;
}

}  // namespace variform::config
