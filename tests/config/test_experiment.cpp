// The whole way from TOML to a typed experiment: meaning, the text of errors, round trip, identity, and that
// no mutilated config crashes or hangs.

#include "catch.h"

#include <random>

#include "fake_catalog.h"

namespace variform::config::test {
namespace {

const std::string kModelData =
    "dataset = { type = \"model\", latent = 2, shape = [10], size = 1000, test = 100, seed = 3,"
    " decoder = { type = \"mlp\" }, prior = { type = \"gaussian\" }, likelihood = { type = \"gaussian\" } }";

const std::string kNamed = "dataset = \"fashion-mnist\"";

Experiment good(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Outcome out = resolve_text(text, overrides);
  INFO(out.errors);
  REQUIRE(out.diagnostics.empty());
  return out.experiment;
}

std::string same_after(const Experiment& experiment) {
  const std::string text = print(experiment.resolved);
  const Experiment again = good(text);
  CHECK(again.resolved == experiment.resolved);
  CHECK(print(again.resolved) == text);
  CHECK(experiment_hash(again) == experiment_hash(experiment));
  return text;
}

}  // namespace

TEST_CASE("the design's example means what it says") {
  const Experiment e = good(kValid);
  CHECK(e.name == "fashion-beta-vae");
  CHECK(e.seed == 1);
  CHECK(*e.data.dataset.if_text() == "fashion-mnist");
  CHECK(e.latent == 16);
  REQUIRE(e.slots.size() == kKinds);
  const ComponentSpec& encoder = e.slots.at(Kind::kEncoder);
  CHECK(encoder.type == "mlp");
  CHECK(encoder.plugin == "org.test");
  CHECK(to_string(encoder.where) == "exp.toml:7:14");
  CHECK(std::get<std::vector<std::int64_t>>(encoder.parameters.at("hidden")) ==
        std::vector<std::int64_t>{512, 512});
  CHECK(std::get<std::string>(encoder.parameters.at("activation")) == "relu");
  const ComponentSpec& likelihood = e.slots.at(Kind::kLikelihood);
  CHECK(std::get<double>(likelihood.parameters.at("variance")) == 1.0);
  CHECK_FALSE(std::get<bool>(likelihood.parameters.at("learned")));
  const auto& beta = std::get<Schedule>(e.slots.at(Kind::kObjective).parameters.at("beta"));
  CHECK(beta.shape == Schedule::Shape::kLinear);
  CHECK(beta.at(1000, 5000) == testing::Approx(0.25));
  CHECK(e.train.epochs == 20);
  CHECK_FALSE(e.train.steps);
  CHECK(e.train.batch == 128);
  CHECK(e.train.optimizer.type == "adam");
  CHECK(e.train.optimizer.lr == Schedule::constant(1e-3));
  CHECK(e.train.precision == Precision::kFloat32);
  CHECK(e.train.evaluate_every == Every{1, true});
  CHECK(e.plugin_paths.empty());
}

TEST_CASE("a plain number for a schedulable parameter is a constant schedule") {
  const Experiment e = good(kValid, {"objective.beta=2"});
  CHECK(std::get<Schedule>(e.slots.at(Kind::kObjective).parameters.at("beta")) == Schedule::constant(2));
}

TEST_CASE("five different mistakes in one file are reported at once, each with its place") {
  std::string text = with(kValid, "latent = 16", "latent = 0");
  text = with(text, "hidden = [512, 512] }\nfamily", "hiden = [512] }\nfamily");
  text = with(text, "{ type = \"diagonal\" }", "{ type = \"diagnal\" }");
  text = with(text, "batch = 128", "batch = \"128\"");
  text = with(text, "from = 0.0", "from = -0.5");
  const Outcome out = resolve_text(text);
  CHECK(out.errors ==
        "exp.toml:6:10: error: model.latent must be between 1 and 1000000, found 0.\n"
        "  6 | latent = 0\n"
        "    |          ^\n"
        "exp.toml:8:30: error: Unknown key \"hiden\" in decoder \"mlp\".\n"
        "  8 | decoder    = { type = \"mlp\", hiden = [512] }\n"
        "    |                              ^\n"
        "  hint: did you mean \"hidden\"?\n"
        "exp.toml:9:23: error: There is no family \"diagnal\"; available: diagonal, full, twin.\n"
        "  9 | family     = { type = \"diagnal\" }\n"
        "    |                       ^\n"
        "  hint: did you mean \"diagonal\"?\n"
        "exp.toml:14:38: error: objective.beta.from must be at least 0 nats, found -0.5.\n"
        "  14 | beta = { schedule = \"linear\", from = -0.5, to = 0.5, steps = 2000 }\n"
        "     |                                      ^\n"
        "exp.toml:17:9: error: train.batch must be an integer, found text \"128\".\n"
        "  17 | batch = \"128\"\n"
        "     |         ^\n"
        "  hint: write it without quotes\n"
        "5 errors.\n");
}

TEST_CASE("mistakes in slots") {
  CHECK(only_error(with(kValid, "prior      = { type = \"gaussian\" }", "")) ==
        "exp.toml:5:1: model.prior is missing: expected a prior; available: gaussian. | write prior = { type "
        "= \"…\" }");
  CHECK(only_error(with(kValid, "{ type = \"diagonal\" }", "\"diagonal\"")) ==
        "exp.toml:9:14: model.family must be a table with a type, found text \"diagonal\". | "
        "write family = { type = \"diagonal\" }");
  CHECK(only_error(with(kValid, "{ type = \"diagonal\" }", "{ }")) ==
        "exp.toml:9:14: model.family.type is missing: expected a family; available: diagonal, full, twin.");
  CHECK(only_error(with(kValid, "{ type = \"diagonal\" }", "{ type = 3 }")) ==
        "exp.toml:9:23: model.family.type must be text, found integer 3. | write it in quotes");
  CHECK(only_error(kValid, {"model.family.type=refused"}) ==
        "command line: There is no family \"refused\"; available: diagonal, full, twin. old.so offers it, "
        "but was built "
        "for another LibTorch.");
  CHECK(only_error(kValid, {"model.family.type=twin"}) ==
        "command line: The family \"twin\" is offered by 2 plugins: org.a, org.b. | say which: plugin = "
        "\"org.a\"");
  CHECK(only_error(kValid, {"model.family={ type = \"twin\", plugin = \"org.bb\" }"}) ==
        "command line: Plugin \"org.bb\" offers no family \"twin\"; that is offered by org.a, org.b. | "
        "did you mean \"org.b\"?");
  CHECK(only_error(kValid, {"model.encoder.activation=reul"}) ==
        "command line: model.encoder.activation must be one of \"relu\", \"tanh\", \"softplus\", found "
        "\"reul\". | "
        "did you mean \"relu\"?");
  CHECK(only_error(kValid, {"model.likelihood.variance=0"}) ==
        "command line: model.likelihood.variance must be greater than 0, found 0.");
  CHECK(only_error(kValid, {"model.likelihood.variance={ schedule = \"linear\", from = 1, to = 2 }"}) ==
        "command line: model.likelihood.variance must be a constant number, found a schedule.");
  CHECK(only_error(kValid, {"model.encoder={ type = \"conv\", channels = 2000 }"}) ==
        "command line: model.encoder.channels must be between 1 and 1024, found 2000.");
  CHECK(only_error(kValid, {"objective={ type = \"grae\" }"}) == "command line: objective.label is missing.");
  CHECK(only_error(kValid, {"model.encoder.frozen=yes"}) ==
        "command line: model.encoder.frozen must be true or false, found text \"yes\".");
}

TEST_CASE("the second of two plugins can be named") {
  const Experiment e = good(kValid, {"model.family={ type = \"twin\", plugin = \"org.b\" }"});
  CHECK(e.slots.at(Kind::kFamily).plugin == "org.b");
  CHECK(std::get<double>(e.slots.at(Kind::kFamily).parameters.at("df")) == 5);
  same_after(e);
}

TEST_CASE("a slot from a run, frozen, with an optimizer of its own") {
  const Experiment e = good(kValid, {"model.encoder={ from = \"runs/a\", frozen = true }",
                                     "model.decoder.optimizer={ type = \"sgd\", momentum = 0.9 }"});
  const ComponentSpec& encoder = e.slots.at(Kind::kEncoder);
  CHECK(encoder.type.empty());
  CHECK(encoder.from == "runs/a");
  CHECK(encoder.frozen);
  REQUIRE(e.slots.at(Kind::kDecoder).optimizer);
  CHECK(e.slots.at(Kind::kDecoder).optimizer->momentum == 0.9);
  CHECK(e.slots.at(Kind::kDecoder).optimizer->lr == Schedule::constant(1e-2));
  same_after(e);
  CHECK(only_error(kValid, {"model.encoder={ from = \"runs/a\", hidden = [3] }"}) ==
        "command line: Unknown key \"hidden\" in a component taken from \"runs/a\", whose parameters are the "
        "run's. | known here: from, frozen, optimizer, plugin, type");
  CHECK(only_error(kValid, {"model.encoder={ from = \"r\", frozen = true, optimizer = {} }"}) ==
        "command line: model.encoder.optimizer has no effect on a frozen component. | drop it, or frozen = "
        "true");
  CHECK(only_error(kValid, {"model.encoder={ from = \"\" }"}) ==
        "command line: model.encoder.from must name a run or a checkpoint, found an empty text.");
  CHECK(only_error(kValid, {"model.encoder={ from = \"r\", plugin = \"org.test\" }"}) ==
        "command line: model.encoder.plugin needs a type beside it.");
}

TEST_CASE("a decoder that wraps another") {
  const Experiment e = good(
      kValid, {"model.decoder={ type = \"rotated\", angle = 1, of = { type = \"mlp\", hidden = [7] } }"});
  const ComponentSpec& decoder = e.slots.at(Kind::kDecoder);
  CHECK(std::get<double>(decoder.parameters.at("angle")) == 1);
  const auto inner = std::get<std::shared_ptr<ComponentSpec>>(decoder.parameters.at("of"));
  REQUIRE(inner);
  CHECK(inner->kind == Kind::kDecoder);
  CHECK(std::get<std::vector<std::int64_t>>(inner->parameters.at("hidden")) == std::vector<std::int64_t>{7});
  same_after(e);
  CHECK(only_error(kValid, {"model.decoder={ type = \"rotated\" }"}) ==
        "command line: model.decoder.of is missing: expected a decoder; available: mlp, rotated. | "
        "write of = { type = \"…\" }");
  CHECK(
      only_error(kValid, {"model.decoder={ type = \"rotated\", of = { type = \"mlp\", frozen = true } }"}) ==
      "command line: Unknown key \"frozen\" in decoder \"mlp\". | known here: activation, from, hidden, "
      "plugin, type");
}

TEST_CASE("what is missing or strange at the top") {
  const Outcome empty = resolve_text("");
  CHECK(
      empty.errors ==
      "exp.toml: error: data is missing.\n"
      "exp.toml: error: model.latent is missing.\n"
      "exp.toml: error: model.encoder is missing: expected an encoder; available: conv, mlp.\n"
      "  hint: write encoder = { type = \"…\" }\n"
      "exp.toml: error: model.decoder is missing: expected a decoder; available: mlp, rotated.\n"
      "  hint: write decoder = { type = \"…\" }\n"
      "exp.toml: error: model.family is missing: expected a family; available: diagonal, full, twin.\n"
      "  hint: write family = { type = \"…\" }\n"
      "exp.toml: error: model.prior is missing: expected a prior; available: gaussian.\n"
      "  hint: write prior = { type = \"…\" }\n"
      "exp.toml: error: model.likelihood is missing: expected a likelihood; available: bernoulli, gaussian.\n"
      "  hint: write likelihood = { type = \"…\" }\n"
      "exp.toml: error: objective is missing: expected an objective; available: beta-vae, grae.\n"
      "  hint: write objective = { type = \"…\" }\n"
      "8 errors.\n");
  CHECK(only_error("sead = 1\n" + with(kValid, "seed = 1\n", "")) ==
        "exp.toml:1:1: Unknown key \"sead\" in the config. | did you mean \"seed\"?");
  CHECK(only_error(kValid, {"model.priors=3"}) ==
        "command line: Unknown key \"priors\" in [model]. | did you mean \"prior\"?");
  CHECK(only_error(kValid, {"seed=-1"}) == "command line: seed must be at least 0, found -1.");
  CHECK(only_error(kValid, {"model=3"})
            .starts_with("command line: model must be a table, found integer 3.\n") == false);
  CHECK(resolve_text(kValid, {"model=3"}).diagnostics.size() == 1);
  CHECK(only_error(kValid, {"data=3"}) == "command line: data must be a table, found integer 3.");
  CHECK(only_error(kValid, {"name=a/b"}) ==
        "command line: name must be letters, digits, \"-\", \"_\" and \".\" (80 at most), since it names a "
        "folder, found \"a/b\".");
  CHECK(good(with(kValid, "name = \"fashion-beta-vae\"\n", "")).name == "exp");
}

TEST_CASE("what cannot be read is not judged further") {
  const Outcome out = resolve_text("[model\n");
  CHECK(out.diagnostics.size() == 1);
}

TEST_CASE("data sets") {
  CHECK(
      only_error(with(kValid, kNamed, "dataset = 7")) ==
      "exp.toml:4:11: data.dataset must be a data set's name, the path of its description, or a table, found "
      "integer 7.");
  CHECK(only_error(with(kValid, kNamed, "dataset = \"\"")).find("found text \"\"") != std::string::npos);
  CHECK(only_error(with(kValid, kNamed, "")) == "exp.toml:3:1: data.dataset is missing.");
  CHECK(only_error(kValid, {"data.channels=gray"}) ==
        "command line: data.channels must be one of \"as-stored\", \"grey\", \"colour\", found \"gray\". | "
        "did you mean \"grey\"?");
  CHECK(only_error(kValid, {"data.binarise=static", "data.dequantise=true"}) ==
        "command line: data.dequantise contradicts binarise = \"static\": noise would be added to bits.");
  CHECK(only_error(kValid, {"data.binarise=static", "data.scale=standardise"}) ==
        "command line: data.binarise = \"static\" needs values between 0 and 1, but scale is "
        "\"standardise\". | "
        "in a shell, write data.scale=unit");
  const Experiment e = good(with(kValid, kNamed, "dataset = { files = [\"a.npy\"], shape = [3] }"));
  CHECK(e.data.dataset.find("files")->if_array()->size() == 1);
  CHECK_FALSE(e.data.model);
  same_after(e);
}

TEST_CASE("the data subsystem judges descriptors, and its errors come with the others") {
  int calls = 0;
  const CheckDataset check = [&](const Node& dataset, Diagnostics& diagnostics) {
    ++calls;
    diagnostics.error(dataset.where(), "No such data set.");
  };
  const Outcome out = resolve_text(kValid, {"seed=-1"}, check);
  CHECK(calls == 1);
  CHECK(out.diagnostics.size() == 2);
  CHECK_THAT(out.errors, testing::ContainsSubstring("exp.toml:4:11: error: No such data set."));
  resolve_text(with(kValid, kNamed, kModelData), {}, check);
  CHECK(calls == 1);
}

TEST_CASE("data drawn from a model") {
  const std::string text = with(kValid, kNamed, kModelData);
  const Experiment e = good(text);
  REQUIRE(e.data.model);
  CHECK(e.data.model->latent == 2);
  CHECK(e.data.model->shape == std::vector<std::int64_t>{10});
  CHECK(e.data.model->size == 1000);
  CHECK(e.data.model->test == 100);
  CHECK(e.data.model->seed == 3);
  CHECK(std::get<std::vector<std::int64_t>>(e.data.model->decoder->parameters.at("hidden")).size() == 2);
  same_after(e);

  const Experiment fresh = good(with(text, "size = 1000", "fresh = true"), {"train.steps=100"});
  CHECK(fresh.data.model->fresh);
  CHECK(fresh.train.evaluate_every == Every{1000, false});
  same_after(fresh);
  const Experiment from =
      good(with(kValid, kNamed, "dataset = { type = \"model\", from = \"runs/x\", size = 10 }"));
  CHECK(from.data.model->from == "runs/x");
  CHECK_FALSE(from.data.model->decoder);
  same_after(from);

  CHECK(fresh.data.model->classes == 0);
  const std::string classes = with(text, "size = 1000", "size = 1000, classes = 40");
  const Experiment conditioned = good(classes, {"data.condition=labels"});
  CHECK(conditioned.data.model->classes == 40);
  CHECK(conditioned.data.condition == "labels");
  same_after(conditioned);
  CHECK(
      only_error(text, {"data.condition=labels"}) ==
      "command line: data.condition = \"labels\" needs classes, and the model that the data are drawn from has "
      "none. | write classes = 10 in [data.dataset], and condition its prior or decoder on them");
  CHECK(
      only_error(classes, {"data.condition=factors"}) ==
      "command line: data.condition = \"factors\" is for data in files; data drawn from a model have labels at "
      "most.");
  CHECK(only_error(with(text, "size = 1000", "size = 1000, classes = 0"))
            .find("data.dataset.classes must be between 1 and ") != std::string::npos);

  CHECK(only_error(with(text, "size = 1000", "fresh = true")) ==
        "exp.toml:15:1: train.steps is missing: data drawn fresh for every batch have no epochs to count. | "
        "write steps = 10000");
  CHECK(only_error(with(text, "size = 1000", "fresh = true"),
                   {"train.steps=9", "train.evaluate_every=1 epoch"}) ==
        "command line: train.evaluate_every must count steps: data drawn fresh for every batch have no "
        "epochs.");
  CHECK(only_error(with(text, "size = 1000,", "")) ==
        "exp.toml:4:11: data.dataset.size is missing. | write size = 10000, or fresh = true for a new batch "
        "at every step");
  CHECK(only_error(with(text, "size = 1000", "size = 5, fresh = true"), {"train.steps=9"})
            .find("data.dataset.size has no meaning beside fresh = true") != std::string::npos);
  CHECK(only_error(with(text, "shape = [10]", "shape = []"))
            .find("data.dataset.shape must have at least 1 element, found 0.") != std::string::npos);
  CHECK(only_error(with(text, "prior = { type = \"gaussian\" }, likelihood", "likelihood"))
            .find("data.dataset.prior is missing: expected a prior; available: gaussian.") !=
        std::string::npos);
}

TEST_CASE("training") {
  const Experiment e = good(
      kValid, {"train.steps=100", "train.evaluate_every=500 steps", "train.checkpoint_every=2 epochs",
               "train.early_stopping={ patience = 3 }", "train.best=reconstruction", "train.device=cuda:1",
               "train.clip_norm=1", "train.precision=bfloat16",
               "train.optimizer={ type = \"rmsprop\", lr = { schedule = \"cosine\", from = 1e-2, to = 0 } }",
               "train.evaluation.samples=4"});
  CHECK(e.train.steps == 100);
  CHECK_FALSE(e.train.epochs);  // superseded
  CHECK(e.train.evaluate_every == Every{500, false});
  CHECK(e.train.checkpoint_every == Every{2, true});
  CHECK(e.train.early_stopping->patience == 3);
  CHECK(e.train.early_stopping->part == "reconstruction");
  CHECK(e.train.device == "cuda:1");
  CHECK(e.train.precision == Precision::kBfloat16);
  CHECK(e.train.optimizer.lr.shape == Schedule::Shape::kCosine);
  CHECK(e.train.evaluation_samples == 4);
  const std::string text = same_after(e);
  CHECK_THAT(text, testing::ContainsSubstring("evaluate_every = 500\n"));
  CHECK_THAT(text, testing::ContainsSubstring("checkpoint_every = \"2 epochs\"\n"));
  CHECK(good(kValid, {"train.evaluate_every=0 epochs"}).train.evaluate_every == Every{0, false});

  CHECK(only_error(kValid, {"train.evaluate_every=often"}) ==
        "command line: train.evaluate_every must be a number of steps or a text such as \"1 epoch\", found "
        "text \"often\".");
  CHECK(only_error(kValid, {"train.device=cuda:x"}) ==
        "command line: train.device must be \"auto\", \"cpu\", \"cuda\" or \"cuda:0\" and so on, found "
        "\"cuda:x\". | "
        "did you mean \"cuda\"?");
  CHECK(
      only_error(kValid, {"train.precision=float16"}) ==
      "command line: train.precision must be one of \"float64\", \"float32\", \"tf32\", \"bfloat16\", found "
      "\"float16\". | "
      "did you mean \"bfloat16\"?");
  CHECK(only_error(kValid, {"train.optimizer.type=adm"}) ==
        "command line: train.optimizer.type must be one of \"adam\", \"adamw\", \"sgd\", \"rmsprop\", found "
        "\"adm\". | "
        "did you mean \"adam\"?");
  CHECK(only_error(kValid, {"train.optimizer={ type = \"sgd\", beta1 = 0.5 }"}) ==
        "command line: Unknown key \"beta1\" in optimizer \"sgd\". | known here: lr, momentum, nesterov, "
        "type, weight_decay");
  CHECK(only_error(kValid, {"train.optimizer.beta1=1"}) ==
        "command line: train.optimizer.beta1 must be at least 0 and less than 1, found 1.");
  CHECK(only_error(kValid, {"train.optimizer={ type = \"sgd\", nesterov = true }"}) ==
        "command line: train.optimizer.nesterov needs a momentum greater than 0.");
  CHECK(only_error(kValid, {"train.evaluate_every=0", "train.early_stopping={}"}) ==
        "command line: train.early_stopping needs evaluations, but evaluate_every is 0.");
  CHECK(only_error(kValid, {"train.batch=0"}) ==
        "command line: train.batch must be at least 1 data, found 0.");
}

TEST_CASE("the resolved config stands for the experiment") {
  const Experiment e = good(kValid, {"seed=7"});
  CHECK(same_after(e) ==
        R"(name = "fashion-beta-vae"
seed = 7

[data]
dataset = "fashion-mnist"
train_split = "train"
test_split = "test"
validation = 0
limit = 0
channels = "as-stored"
scale = "unit"
dequantise = false
binarise = "none"

[model]
latent = 16

[model.encoder]
type = "mlp"
plugin = "org.test"
hidden = [512, 512]
activation = "relu"

[model.decoder]
type = "mlp"
plugin = "org.test"
hidden = [512, 512]
activation = "relu"

[model.family]
type = "diagonal"
plugin = "org.test"

[model.prior]
type = "gaussian"
plugin = "org.test"
mean = []

[model.likelihood]
type = "gaussian"
plugin = "org.test"
variance = 1.0
learned = false

[objective]
type = "beta-vae"
plugin = "org.test"
beta = { schedule = "linear", from = 0.0, to = 0.5, steps = 2000, delay = 0 }

[train]
epochs = 20
batch = 128
clip_norm = 0.0
evaluate_every = "1 epoch"
checkpoint_every = "1 epoch"
log_every = 50
best = "loss"
precision = "float32"
device = "auto"
threads = 0

[train.optimizer]
type = "adam"
lr = 0.001
beta1 = 0.9
beta2 = 0.999
eps = 1e-08
weight_decay = 0.0

[train.evaluation]
batch = 512
samples = 1
limit = 0
)");
}

TEST_CASE("origins survive resolving") {
  const std::string text = print(good(kValid, {"seed=7"}).resolved, true);
  CHECK_THAT(text, testing::ContainsSubstring("seed = 7  # command line\n"));
  CHECK_THAT(text, testing::ContainsSubstring("latent = 16  # exp.toml:6\n"));
  CHECK_THAT(text, testing::ContainsSubstring("activation = \"relu\"  # default\n"));
  CHECK_THAT(text, testing::ContainsSubstring("lr = 0.001  # exp.toml:18\n"));
}

TEST_CASE("identity: what counts and what does not") {
  const std::string hash = experiment_hash(good(kValid));
  CHECK(hash.size() == 16);  // 64 bits of SHA-256
  CHECK(former_experiment_hash(good(kValid)).size() == 8);
  CHECK(hash.find_first_not_of("0123456789abcdef") == std::string::npos);
  for (const char* same :
       {"seed=2", "name=other", "train.device=cpu", "train.threads=2", "plugins.paths=[\"/x\"]",
        "train.batch=128", "train.batch=1.28e2", "model.encoder.activation=relu",
        "model.encoder.frozen=false", "train.optimizer.lr=0.001"})
    CHECK((std::string(same) + experiment_hash(good(kValid, {same}))) == same + hash);
  for (const char* other : {"train.batch=64", "objective.beta=0.5", "data.limit=10",
                            "model.encoder.frozen=true", "train.optimizer.lr=0.002", "train.steps=10"})
    CHECK((std::string(other) + experiment_hash(good(kValid, {other}))) != other + hash);
  // Where files and runs lie does not count, what they are called does.
  const auto with = [](const std::string& text) { return experiment_hash(good(kValid, {text})); };
  CHECK(with("data.dataset={x=\"a.npy\", folder=\"/a\"}") ==
        with("data.dataset={x=\"a.npy\", folder=\"/b\"}"));
  CHECK(with("data.dataset={x=\"a.npy\"}") != with("data.dataset={x=\"b.npy\"}"));
  CHECK(with("data.dataset=/a/own.toml") == with("data.dataset=/b/own.toml"));
  CHECK(with("data.dataset=/a/own.toml") != with("data.dataset=/a/other.toml"));
  CHECK(with("model.decoder={from=\"runs/a\"}") == with("model.decoder={from=\"/x/runs/a/\"}"));
  CHECK(with("model.decoder={from=\"runs/a\"}") != with("model.decoder={from=\"runs/b\"}"));
  CHECK(with("model.decoder={from=\"r/a/checkpoints/best.h5\"}") !=
        with("model.decoder={from=\"r/b/checkpoints/best.h5\"}"));
  CHECK(with("model.decoder={from=\"r/a/checkpoints/best.h5\"}") != with("model.decoder={from=\"r/a\"}"));
}

TEST_CASE("plugin paths are relative to their file and become absolute") {
  const Folder folder;
  const std::string file =
      folder.write("sub/exp.toml", kValid + "[plugins]\npaths = [\"../mine\", \"/else\"]\n");
  Diagnostics diagnostics;
  const FakeCatalog catalog;
  const Experiment e = resolve(load({file}, {}, diagnostics), catalog, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(diagnostics.empty());
  CHECK(e.plugin_paths == std::vector<std::string>{folder.path("mine"), "/else"});
  const Experiment again = good(print(e.resolved));
  CHECK(again.plugin_paths == e.plugin_paths);
}

TEST_CASE("2000 mutilated configs neither crash nor hang, and what passes makes the round trip") {
  std::mt19937 random(20240607);  // its sequence is fixed by the standard; distributions are not
  const std::string pieces = "[]{}=\"'.,#\n\t 0123456789eE-+_abtrue\\\xc3\xff";
  const std::string full = with(kValid, kNamed, kModelData);
  int accepted = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text = i % 2 ? kValid : full;
    for (unsigned mutations = random() % 2 ? 1 : random() % 6; mutations > 0 && !text.empty(); --mutations) {
      const std::size_t at = random() % text.size();
      switch (random() % 5) {
        case 0: text.erase(at, 1 + random() % 8); break;
        case 1: text.insert(at, 1, pieces[random() % pieces.size()]); break;
        case 2: text[at] = pieces[random() % pieces.size()]; break;
        case 3: text.insert(at, text.substr(random() % text.size(), random() % 40)); break;
        default: text.resize(at); break;
      }
    }
    std::vector<std::string> overrides;
    if (random() % 4 == 0)
      overrides.push_back("train." + text.substr(random() % (text.size() + 1), random() % 20));
    const Outcome out = resolve_text(text, overrides);
    CHECK(out.errors.empty() == out.diagnostics.empty());
    if (!out.diagnostics.empty()) continue;
    ++accepted;
    const Outcome again = resolve_text(print(out.experiment.resolved));
    INFO(text << again.errors);
    REQUIRE(again.diagnostics.empty());
    CHECK(again.experiment.resolved == out.experiment.resolved);
  }
  CHECK(accepted > 50);  // else the round trip was hardly tested
}

}  // namespace variform::config::test
