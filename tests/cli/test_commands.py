"""Everything that a user asks of the program besides training: plugins, configs, runs, and trained models."""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import h5py
import numpy

from program import BINARY, SOURCE, ProgramTest, checkpoint, main, metrics


class Plugins(ProgramTest):
    KINDS = ("encoder", "decoder", "family", "prior", "likelihood", "objective")

    def test_list(self):
        everything = self.run_program("list").stdout
        for name in ("mlp", "linear", "conv", "diagonal", "full", "optimal", "point", "gaussian", "laplace", "bernoulli",
                     "beta-vae", "grae", "grae-approx"):
            self.assertIn(name, everything)
        families = self.run_program("list", "family").stdout
        self.assertIn("diagonal", families)
        self.assertNotIn("beta-vae", families)
        self.assertIn("objective", self.run_program("list", "objectiv", code=2).stderr)
        found = json.dumps(self.run_program("list", "--json").json)
        for kind in self.KINDS:
            self.assertIn(f'"{kind}"', found)

    def test_describe(self):
        text = self.run_program("describe", "objective:grae").stdout
        for part in ("Kumar and Poole", "beta", "structure", "columns", "per_sample", "curvature", "columns per step",
                     "full", "diagonal", "fisher"):
            self.assertIn(part, text)
        described = self.run_program("describe", "objective:grae", "--json").json
        self.assertIn("grae", json.dumps(described))
        self.assertIn("columns", json.dumps(described))
        wrong = self.run_program("describe", "objective:gare", code=None)
        self.assertEqual(wrong.code, 2)
        self.assertIn("grae", wrong.stderr)

    def test_doctor(self):
        (self.folder / "plugins").mkdir()
        (self.folder / "plugins" / "broken.so").write_text("no library")
        env = {"VARIFORM_PLUGIN_PATH": str(self.folder / "plugins")}
        text = self.run_program("doctor", env=env).stdout
        self.assertIn("org.variform.encoders", text)
        self.assertIn("broken.so", text)
        self.assertIn("broken.so", json.dumps(self.run_program("doctor", "--json", env=env).json))
        self.train("--stop-at", 1, env=env)   # and it is in nobody's way

    def test_no_plugins(self):
        result = self.run_program("train", "small.toml", code=None, env={"VARIFORM_PLUGINS": str(self.folder / "nowhere")})
        self.assertIn(result.code, (1, 2))
        self.assertIn("beta-vae", result.stderr)


class Output(ProgramTest):
    def test_full_disk(self):
        """A result that could not be written is no success."""
        with open("/dev/full", "w") as full:
            result = subprocess.run([BINARY, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is its disk full?", result.stderr)


class Configs(ProgramTest):
    def test_print(self):
        (self.folder / "more.toml").write_text('include = ["small.toml"]\n[train]\nbatch = 30\n')
        printed = self.run_program("config", "print", "more.toml", "train.log_every=2").stdout
        self.assertIn("batch = 30", printed)
        self.assertIn("log_every = 2", printed)
        origin = self.run_program("config", "print", "more.toml", "train.log_every=2", "--origin").stdout
        wanted = {"batch = 30": "more.toml:3", "log_every = 2": "command line", "latent = 4": "small.toml:",
                  "clip_norm": "default"}
        for line, place in wanted.items():
            (found,) = [text for text in origin.splitlines() if text.strip().startswith(line)]
            self.assertIn(place, found.partition("#")[2], found)

    def test_printed_config_is_the_same_experiment(self):
        printed = self.run_program("config", "print", "small.toml", "train.batch=16").stdout
        (self.folder / "printed.toml").write_text(printed)
        self.assertEqual(self.run_program("config", "print", "printed.toml").stdout, printed)
        one = self.train("train.batch=16", runs="a")
        other = self.train(config="printed.toml", runs="b")
        self.assertEqual(one.name, other.name)
        self.assert_same_run(one, other)

    def test_resolved_config_runs_by_itself(self):
        run = self.train(runs="a")
        elsewhere = self.folder / "else" / "where"
        elsewhere.mkdir(parents=True)
        shutil.copy(run / "config.resolved.toml", elsewhere)
        result = self.run_program("train", "config.resolved.toml", "--runs", "b", "--no-figures", cwd=elsewhere)
        again = elsewhere / result.last_line
        self.assertEqual(again.name, run.name)
        self.assert_same_checkpoint(run / "checkpoints/last.h5", again / "checkpoints/last.h5", attributes=False)

    def test_dropped_parameters_are_noted(self):
        note = "note: objective.beta = 0.5 (small.toml:"
        with_note = self.run_program("config", "print", "small.toml", "objective.type=grae")
        self.assertIn(note, with_note.stderr)
        self.assertIn("belonged to objective 'beta-vae' and was dropped; it is now 1.0", with_note.stderr)
        self.assertIn(note, self.run_program("check", "small.toml", "objective.type=grae").stderr)
        self.assertIn(note, self.run_program("train", "small.toml", "objective.type=grae", "--stop-at", 0).stderr)
        for more in (["objective.beta=0.5"], ["--quiet"]):
            self.assertNotIn("note:", self.run_program("config", "print", "small.toml", "objective.type=grae", *more).stderr)

    def test_check(self):
        text = self.run_program("check", "small.toml").stdout
        self.assertIn("192 rows", text)
        self.assertIn("22 steps", text)
        found = self.run_program("check", "small.toml", "objective.type=grae", "--json").json
        self.assertEqual(found["data"]["rows"], 192)
        self.assertEqual(found["data"]["shape"], [1, 8, 8])
        # encoder 64-16-8, decoder 4-16-64
        self.assertEqual(found["slots"]["encoder"]["parameters"], 64 * 16 + 16 + 16 * 8 + 8)
        self.assertEqual(found["slots"]["decoder"]["parameters"], 4 * 16 + 16 + 16 * 64 + 64)
        self.assertLess(found["pushforward"]["gradient_error"], 1e-4)
        self.assertFalse((self.folder / "runs").exists())

    def test_configs_of_the_project(self):
        """Every config that comes with the program is one: found by name from any folder, and free of mistakes."""
        for path in sorted((SOURCE / "configs").rglob("*.toml")):
            if path.parent.name in ("studies", "multirun"):
                continue
            name = path.relative_to(SOURCE)
            with self.subTest(str(name)):
                self.assertIn("[train]", self.run_program("config", "print", name).stdout)


class Models(ProgramTest):
    """One trained run for all tests of this class."""

    run_folder = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="variform-cli-")).resolve()
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)

    def setUp(self):
        if not type(self).run_folder:
            self.fill_folder()
            type(self).run_folder = self.train("train.steps=40")

    def png_size(self, path):
        content = pathlib.Path(self.folder / path).read_bytes()
        self.assertEqual(content[:8], b"\x89PNG\r\n\x1a\n")
        return struct.unpack(">II", content[16:24])

    def test_pictures(self):
        run = self.run_folder
        for command, file in (("sample", "samples.png"), ("reconstruct", "reconstructions.png"), ("traverse", "traversals.png"),
                              ("interpolate", "interpolations.png")):
            result = self.run_program(command, run)
            self.assertEqual(self.folder / result.last_line, run / "figures" / file)
            width, height = self.png_size(run / "figures" / file)
            self.assertGreater(min(width, height), 4 * 8)
        # What is shown otherwise has a name of its own, and takes no other picture's place.
        samples = (run / "figures/samples.png").read_bytes()
        for more, name in ((["--noise"], "samples-noise"), (["model.prior.type=laplace"], "samples-model.prior.type=laplace"),
                           (["--noise", "train.device=cpu"], "samples-noise")):
            result = self.run_program("sample", run, *more)
            self.assertEqual(self.folder / result.last_line, run / "figures" / f"{name}.png")
        self.assertEqual((run / "figures/samples.png").read_bytes(), samples)
        shown = self.run_program("reconstruct", run, "--split", "train").last_line
        self.assertEqual(self.folder / shown, run / "figures/reconstructions-train.png")
        small = self.run_program("sample", run, "--n", 5, "--noise", "--out", "five.png")
        self.assertEqual(small.last_line, "five.png")
        self.assertLess(self.png_size("five.png")[1], self.png_size(run / "figures/samples.png")[1])
        first = (self.folder / "five.png").read_bytes()
        self.run_program("sample", run.name, "--n", 5, "--noise", "--out", "five.png", "--checkpoint", "last")
        self.assertEqual((self.folder / "five.png").read_bytes(), first)   # by name, and the same draws

    def test_encode(self):
        run = self.run_folder
        result = self.run_program("encode", run, "--split", "train", "--jacobians", 3)
        labels = numpy.load(self.folder / "labels.npy")[:192]
        with h5py.File(self.folder / result.last_line) as file:
            self.assertEqual(file["h"].shape, (192, 4))
            self.assertEqual(file["variances"].shape, (192, 4))
            self.assertEqual(file["jacobians"].shape, (3, 64, 4))
            self.assertTrue((file["labels"][()] == labels).all())
            h, jacobians = file["h"][()], file["jacobians"][()]
        # The encoder and the decoder's Jacobian, recomputed from the checkpoint: 64-16-8 and 4-16-64, ReLU.
        state = checkpoint(run)
        weights = {part: [state[name].astype(float) for name in sorted(state.of(f"model/{part}/parameters"))]
                   for part in ("encoder", "decoder")}
        b1, w1, b2, w2 = weights["encoder"]
        x = numpy.load(self.folder / "images.npy")[:192].reshape(192, 64) / 255.0
        numpy.testing.assert_allclose((numpy.maximum(x @ w1.T + b1, 0) @ w2.T + b2)[:, :4], h, atol=1e-5)
        b1, w1, b2, w2 = weights["decoder"]
        active = h[:3] @ w1.T + b1 > 0
        numpy.testing.assert_allclose(numpy.einsum("pk,nk,kd->npd", w2, active, w1), jacobians, atol=1e-5)

    def test_evaluate(self):
        run = self.run_folder
        result = self.run_program("evaluate", run, "--samples", 8, "--importance-samples", 10, "--json").json
        self.assertEqual((result["split"], result["data"]), ("test", 64))
        values = result["values"]
        for name in ("nll", "kl", "elbo", "loss_beta", "taylor", "grae", "diagonal_bound", "is_nll"):
            self.assertIn("mean", values[name], name)
        self.assertAlmostEqual(values["loss_beta"]["mean"], values["nll"]["mean"] + 0.5 * values["kl"]["mean"], places=6)
        self.assertAlmostEqual(values["kl"]["mean"], metrics(run, "test")[-1]["kl"], places=3)   # closed: no noise
        self.assertLess(abs(values["loss_beta"]["mean"] - metrics(run, "test")[-1]["loss"]), 1.0)
        self.assertLessEqual(values["grae"]["mean"], values["diagonal_bound"]["mean"])
        written = json.loads((run / "evaluation-test.json").read_text())
        self.assertEqual(written["values"], values)
        table = self.run_program("evaluate", run, "--split", "train", "--limit", 10, "--out", "some.json").stdout
        self.assertIn("diagonal_bound", table)
        self.assertEqual(json.loads((self.folder / "some.json").read_text())["data"], 10)
        none = self.run_program("evaluate", run, "--split", "validation", code=1)
        self.assertIn("validation", none.stderr)

    def test_metrics(self):
        """Which metrics an evaluation has, with which parameters; every number says its unit."""
        run = self.run_folder
        brief = ("--samples", 2, "--importance-samples", 0, "--json", "--out", "brief.json")
        whole = self.run_program("evaluate", run, "--linear", "--gradient-draws", 2, *brief).json
        self.assertEqual(whole["metrics"], ["covariance", "disentanglement", "geometry", "information", "gradient", "linear"])
        for section in ("values", *whole["metrics"]):
            for name, entry in whole[section].items():
                self.assertIsInstance(entry["unit"], str, f"{section} {name}")
        self.assertEqual(whole["information"]["latent_kl"]["unit"], "nats")
        self.assertIn("no known factors", whole["disentanglement"]["mig"]["undefined"])
        pairs = self.run_program("evaluate", run, "--metric", '{ type = "geometry", pairs = 3 }', *brief).json
        self.assertIn("; 3 pairs, ", pairs["geometry"]["straight_length"]["what"])
        self.assertIn("; 16 pairs, ", whole["geometry"]["straight_length"]["what"])
        self.assertEqual(pairs["information"], whole["information"])
        only = self.run_program("evaluate", run, "--only", "information", "--json").json
        self.assertEqual(only["metrics"], ["information"])
        self.assertNotIn("values", only)
        self.assertEqual(only["information"]["active_units"], whole["information"]["active_units"])
        losses = self.run_program("evaluate", run, "--only", "elbo", "--samples", 2, "--out", "losses.json")
        self.assertRegex(losses.stdout, r"(?m)\Avalue .*\n.*\nelbo ")
        losses = json.loads((self.folder / "losses.json").read_text())
        self.assertEqual({name for name in losses["values"]}, {"elbo", "kl", "loss_beta", "nll", "nll_at_mean", "objective"})
        for name, entry in losses["values"].items():
            self.assertEqual(entry, whole["values"][name], name)
        self.assertTrue((run / "information-test.json").is_file())
        wrong = self.run_program("evaluate", run, "--only", "informaton", code=2).stderr
        self.assertIn('There is no metric "informaton"', wrong)
        self.assertIn('did you mean "information"?', wrong)
        wrong = self.run_program("evaluate", run, "--metric", '{ type = "geometry", pears = 3 }', code=2).stderr
        self.assertRegex(wrong, 'Unknown key "pears" in metric "geometry"(?s:.*) pairs, ')
        wrong = self.run_program("evaluate", run, "--metric", '{ from = "run" }', code=2).stderr
        self.assertIn("--metric must give a type and its parameters, not a run.", wrong)
        listed = self.run_program("list", "metric").stdout
        for name in ("agreement", "covariance", "disentanglement", "elbo", "expansion", "geometry", "gradient", "grae",
                     "importance", "information", "linear", "optimum"):
            self.assertRegex(listed, rf"(?m)^metric:{name} +org\.variform\.metrics ")

    def test_compare(self):
        run = self.run_folder
        result = self.run_program("compare", run, run, "--json").json
        self.assertEqual((result["split"], result["rows"], result["latent"]), ("test", 64, 4))
        self.assertAlmostEqual(result["agreement"]["mcc"]["value"], 1, places=9)
        self.assertIn("two dimensions only", result["agreement"]["angle"]["undefined"])
        self.assertIn("no known latents", result["agreement"]["mcc_truth"]["undefined"])
        table = self.run_program("compare", run, run, "--limit", 20, "--out", "pairs.json").stdout
        self.assertIn("informative latents", table)
        self.assertEqual(json.loads((self.folder / "pairs.json").read_text())["rows"], 20)
        self.run_program("compare", run, code=2)

    def test_compare_looks_at_the_data(self):
        """The same values under another name are the same data; others under the same name are not."""
        numpy.save(self.folder / "again.npy", numpy.load(self.folder / "images.npy"))
        copied = [f'data.dataset.splits.{split}.x=again.npy' for split in ("train", "test")]
        same = self.train("data.dataset.name=copy", *copied, "train.steps=1", runs="same")
        self.run_program("compare", self.run_folder, same)
        changed = numpy.load(self.folder / "images.npy")
        changed[[200, 201, 255]] //= 2
        numpy.save(self.folder / "again.npy", changed)
        for run, limit, code, text in ((same, 0, 1, "differ in 3 of the first 64 rows of split 'test'"), (same, 8, 0, "")):
            result = self.run_program("compare", self.run_folder, run, "--limit", limit, code=code)
            self.assertIn(text, result.stderr)
        scaled = self.train("data.scale=standardise", "train.steps=1", runs="scaled")
        self.assertIn("differ in 64 of", self.run_program("compare", self.run_folder, scaled, code=1).stderr)
        noisy = [self.train("data.dequantise=true", f"seed={seed}", "train.steps=1", runs="noisy") for seed in (1, 2)]
        self.run_program("compare", *noisy)
        self.assertIn("differ in 64 of", self.run_program("compare", self.run_folder, noisy[0], code=1).stderr)
        short = self.train("data.dataset.splits.test.rows=[192, 200]", "train.steps=1", runs="short")
        refused = self.run_program("compare", self.run_folder, short, code=1).stderr
        self.assertIn("where the split 'test' has 8 rows, not 64; compare runs with one and the same [data]", refused)

    def test_commands_without_data_take_no_split(self):
        for command in ("export", "sample"):
            self.assertIn("--split", self.run_program(command, self.run_folder, "--split", "test", code=2).stderr)

    def test_export(self):
        import torch

        result = self.run_program("export", self.run_folder, "--out", "model.pt")
        weights = torch.load(self.folder / "model.pt", weights_only=True)
        state = checkpoint(self.run_folder)
        self.assertEqual(len(weights), len(state.of("model/")))
        for name, tensor in weights.items():
            slot, _, key = name.partition(".")
            stored = state.of(f"model/{slot}/")
            (values,) = [value for path, value in stored.items() if path.split("/", 3)[3] == key]
            self.assertEqual(tensor.numpy().tobytes(), values.tobytes(), name)
        self.assertIn("model.py", result.stdout)
        sys.path.insert(0, str(self.folder))
        sys.dont_write_bytecode = True
        self.addCleanup(sys.path.remove, str(self.folder))
        import model

        self.assertIn("in columns: mean (4), log(variance / deviation²) (4).", model.__doc__)
        networks = model.load()
        x = torch.tensor(numpy.load(self.folder / "images.npy")[192:]).float().div(255).reshape(-1, 1, 8, 8)
        self.run_program("encode", self.run_folder, "--out", "codes.h5")
        with h5py.File(self.folder / "codes.h5") as file:
            h = file["h"][()]
        encoder = networks[0] if isinstance(networks, tuple) else networks["encoder"]
        numpy.testing.assert_allclose(encoder(x).detach().numpy()[:, :4], h, atol=1e-5)

    def test_a_run_that_is_not_there(self):
        for command in ("evaluate", "sample", "encode", "export"):
            result = self.run_program(command, "no-such-run", code=1)
            self.assertIn("no-such-run", result.stderr)


class Runs(ProgramTest):
    def test_list_table_diff(self):
        self.assertIn("no runs in runs", self.run_program("runs", "list").stdout)
        first = self.train()
        second = self.train("--stop-at", 8, "model.latent=3", "objective.beta=0.25")
        listed = self.run_program("runs", "list").stdout
        self.assertRegex(listed, rf"{first.name} .*done .*22")
        self.assertRegex(listed, rf"{second.name} .*unfinished .*8")
        found = {pathlib.Path(run["run"]).name: run for run in self.run_program("runs", "list", "--json").json}
        self.assertEqual(found[first.name]["status"], "done")
        self.assertEqual(found[first.name]["evaluation"]["loss"], metrics(first, "test")[-1]["loss"])
        table = self.run_program("runs", "table").stdout
        for column in ("loss", "nll", "kl"):
            self.assertIn(column, table.splitlines()[0])
        self.assertIn(first.name, table)
        difference = self.run_program("runs", "diff", first.name, second.name).stdout
        self.assertRegex(difference, r"model\.latent +4 +3")
        self.assertRegex(difference, r"objective\.beta +0\.5 +0\.25")
        self.assertNotIn("train.batch", difference)
        self.assertIn("the same", self.run_program("runs", "diff", first, first).stdout)
        self.run_program("runs", "diff", first.name, "no-such-run", code=2)


if __name__ == "__main__":
    main()
