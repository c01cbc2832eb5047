"""The config reference is generated, complete and true: docs/config_reference.md is what the program prints, every key of
a resolved config is in it, and the defaults that it states are those that the program fills in.
"""

import pathlib
import sys
import tomllib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))

from program import SOURCE, ProgramTest  # noqa: E402

SLOTS = ("encoder", "decoder", "family", "prior", "likelihood")
DRAWN = "data.dataset (type = \"model\")"

# Keys that stand in a config only when they are given.
RARE = """
include = ["small.toml"]
[plugins]
paths = ["no-such-folder"]
[data]
validation = 8
[model]
encoder = { type = "mlp", hidden = [8], frozen = true }
decoder = { type = "mlp", hidden = [8], optimizer = { type = "rmsprop", lr = { schedule = "steps", values = [1e-3, 1e-4], at = [5] } } }
[objective]
beta = { schedule = "cyclical", from = 0.0, to = 1.0, steps = 10, cycles = 2, ramp = 0.5, delay = 1 }
[train]
optimizer = { type = "sgd", momentum = 0.9, nesterov = true }
early_stopping = { patience = 3 }
shards = 2
"""
FILES = """
include = ["small.toml"]
[data.dataset]
title = "Blobs"
licence = "none"
obtain = "Make them."
folders = ["blobs"]
folder = "."
format = "npy"
domain = "unit interval"
shape = [1, 8, 8]
channels_last = false
background = "white"
other_files = false
header = true
separator = ","
decimal = "."
index_column = "row"
missing = ["-999"]
drop_missing = true
class_names = ["a", "b", "c", "d"]
factor_names = ["quadrant"]
factor_sizes = [4]
[data.dataset.splits.train]
factors = "labels.npy"
shuffle = 1
count = 192
[data.dataset.files."images.npy"]
bytes = 16512
"""
DRAWN_DATA = """
include = ["small.toml"]
[data]
dataset = { type = "model", latent = 2, shape = [5], size = 100, test = 50, seed = 4, prior = { type = "gaussian" }, decoder = { type = "mlp", hidden = [8] }, likelihood = { type = "gaussian" } }
"""


class Reference(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.parameters = {}

    def setUp(self):
        super().setUp()
        found = self.run_program("describe", "config", "--json").json
        self.keys = {(key["section"], key["name"]): key for key in found}
        self.assertEqual(len(self.keys), len(found), "a key is in the table twice")

    def test_document(self):
        """To mend it: ./variform describe --markdown > docs/config_reference.md"""
        committed = (SOURCE / "docs" / "config_reference.md").read_text()
        self.assertEqual(self.run_program("describe", "--markdown").stdout, committed)

    def test_terminal(self):
        text = self.run_program("describe", "config").stdout
        for key in self.keys.values():
            self.assertIn(f"  {key['name']}  {key['type']}", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 160)

    def test_configs_of_the_project(self):
        configs = sorted(config for config in (SOURCE / "configs").glob("**/*.toml") if config.parent.name not in ("studies", "multirun"))
        self.assertGreater(len(configs), 1)
        for config in configs:
            with self.subTest(config.name):
                self.check_keys(self.resolved(config))

    def test_rare_keys(self):
        seen = set()
        for name, text in (("rare", RARE), ("files", FILES), ("drawn", DRAWN_DATA)):
            (self.folder / f"{name}.toml").write_text(text)
            seen |= self.check_keys(self.resolved(f"{name}.toml"))
        for optimizer in ("adam", "adamw", "rmsprop"):
            seen |= self.check_keys(self.resolved("small.toml", f"train.optimizer.type={optimizer}"))
        seen |= self.check_keys(self.resolved("small.toml", "name=x"))
        seen |= self.check_keys(self.resolved("small.toml", "data.dataset='images.npy'", "data.test=0.1", "data.memory=2", "data.stream=true", "log.tensorboard=true"))
        # The other way round: what the table has and no config shows is listed here, one by one.
        unseen = set(self.keys) - seen
        self.assertEqual(unseen, {
            ("", "include"),                                          # gone once it is resolved
            ("train", "epochs"),                                      # small.toml has steps
            ("<SLOT>", "from"), (DRAWN, "from"), (DRAWN, "fresh"),    # instead of the keys above
            ("<SCHEDULE>", "value"),                                  # becomes a plain number
            ("data", "condition"), ("data", "missing"),
            ('data.dataset (type = "model")', "classes"),
            ("data.dataset.splits.<NAME>", "latents"), ("data.dataset.splits.<NAME>", "condition"),
            ("data.dataset.splits.<NAME>", "mask"),
            ("data.dataset.files.<NAME>", "sha256"),
        })

    def test_defaults(self):
        (self.folder / "least.toml").write_text("""
            [data]
            dataset = { x = "images.npy" }
            [model]
            latent = 2
            encoder = { type = "linear" }
            decoder = { type = "linear" }
            family = { type = "diagonal" }
            prior = { type = "gaussian" }
            likelihood = { type = "gaussian" }
            [objective]
            type = "beta-vae"
            [train]
            early_stopping = {}
            """)
        resolved = self.resolved("least.toml")
        train = resolved["train"]
        places = {"": resolved, "data": resolved["data"], "train": train, "train.optimizer": train["optimizer"],
                  "train.evaluation": train["evaluation"], "train.early_stopping": train["early_stopping"]}
        checked = 0
        for (section, name), key in self.keys.items():
            default = key["default"]
            if section not in places or default == "required" or default.startswith("(") or name in ("include",):
                continue
            if section == "train.optimizer" and name not in places[section]:
                continue  # another optimizer's
            self.assertEqual(places[section][name], tomllib.loads("x = " + default)["x"], f"{section}: {name}")
            checked += 1
        self.assertGreater(checked, 25)

    # ------------------------------------------------------------------------------------------------------------------

    def resolved(self, *config):
        return tomllib.loads(self.run_program("config", "print", *config).stdout)

    def check_keys(self, config):
        """Asserts that the table has every key of a resolved config; the keys that were met."""
        self.seen = set()
        self.check("", config, skip=("data", "model", "objective", "train", "log", "plugins"))
        self.check("data", config["data"])
        dataset = config["data"]["dataset"]
        if isinstance(dataset, dict):
            self.check_dataset(dataset)
        self.check("model", config["model"])
        for slot in SLOTS:
            self.check_slot(slot, config["model"][slot])
        self.check_slot("objective", config["objective"])
        train = config["train"]
        self.check("train", train)
        for part in ("optimizer", "early_stopping", "evaluation"):
            self.check("train." + part, train.get(part, {}))
        self.check("log", config.get("log", {}))
        self.check("plugins", config.get("plugins", {}))
        return self.seen

    def check(self, section, table, skip=()):
        for key, value in table.items():
            if key in skip:
                continue
            if (section, key) not in self.keys:
                self.fail(f"core/config/reference.cpp lacks {key} of section {section!r}, which a resolved config has")
            self.seen.add((section, key))
            self.check_schedule(value)

    def check_schedule(self, value):
        if isinstance(value, dict) and "schedule" in value:
            self.check("<SCHEDULE>", value)

    def check_slot(self, kind, slot):
        parameters = self.parameters_of(kind, slot["type"])
        self.check("<SLOT>", slot, skip=parameters)
        for key in parameters:
            self.check_schedule(slot.get(key))
        self.check("train.optimizer", slot.get("optimizer", {}))

    def check_dataset(self, dataset):
        if dataset.get("type") == "model":
            self.check(DRAWN, dataset)
            for kind in ("decoder", "prior", "likelihood"):
                self.check_slot(kind, dataset[kind])
            return
        of_a_split = ("x", "labels", "factors", "latents", "rows", "shuffle", "count")
        self.check("data.dataset", dataset, skip=of_a_split)
        for split in dataset.get("splits", {}).values():
            self.check("data.dataset.splits.<NAME>", split if isinstance(split, dict) else {"x": split})
        for file in dataset.get("files", {}).values():
            self.check("data.dataset.files.<NAME>", file)

    def parameters_of(self, kind, name):
        if (kind, name) not in self.parameters:
            found = self.run_program("describe", f"{kind}:{name}", "--json").json
            self.parameters[kind, name] = [parameter["name"] for parameter in found["parameters"]]
        return self.parameters[kind, name]


if __name__ == "__main__":
    unittest.main()
