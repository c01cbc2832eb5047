"""Trainings and evaluations as people run them: schedules, queues' signals, other lengths, rows that are not finite."""

import itertools
import json
import os
import pathlib
import signal
import subprocess

import h5py
import numpy

from program import BINARY, ProgramTest, checkpoint, main, metrics, wait_until

RUDE = pathlib.Path(os.environ["VARIFORM_TEST_PLUGINS"]) / "cli" / "ill-mannered.so"
RAMP = 'objective.beta={ schedule = "linear", from = 0.0, to = 0.1, steps = 20 }'
LONG = ("train.steps=40", "train.evaluate_every=4", "train.checkpoint_every=40")


def log_of(run):
    return (run / "log.txt").read_text()


def done(run):
    return json.loads((run / "DONE").read_text())


class Best(ProgramTest):
    def test_it_is_not_judged_while_beta_rises(self):
        run = self.train(RAMP, *LONG, "train.best=kl", "train.early_stopping={ patience = 2 }")
        losses = {line["step"]: line["kl"] for line in metrics(run, "test")}
        self.assertLess(losses[4], min(loss for step, loss in losses.items() if step > 20))   # the ramp would have won
        best = done(run)["best"]
        self.assertEqual((best["part"], best["judged_from"]), ("kl", 21))
        self.assertEqual(best["value"], min(loss for step, loss in losses.items() if step >= 21))
        self.assertEqual(checkpoint(run / "checkpoints" / "best.h5").step, best["step"])
        self.assertEqual(min(step for step in losses if step > 20), 24)
        # Two evaluations without improvement, of those that count.
        self.assertEqual(done(run)["step"], best["step"] + 8)
        self.assertIn("best: the step with the least 'kl' on split test, judged from step 21 on, when objective.beta stops "
                      "changing", log_of(run))
        for line in log_of(run).splitlines():
            if line.startswith(("step 4,", "step 8,", "step 12,", "step 16,", "step 20,")):
                self.assertNotIn("best so far", line)

    def test_a_schedule_as_long_as_the_training_leaves_the_last_step(self):
        run = self.train('objective.beta={ schedule = "linear", from = 0.0, to = 50.0 }', *LONG,
                         "train.early_stopping={ patience = 1 }")
        self.assertEqual((done(run)["step"], done(run)["best"]["step"]), (40, 40))
        self.assertIn("at the last step alone", log_of(run))
        # Longer now: what was the last step is on the way.
        self.resume(run, "train.steps=60")
        self.assertEqual(done(run)["best"]["step"], 60)

    def test_a_learning_rate_is_no_reason_to_wait(self):
        run = self.train('train.optimizer.lr={ schedule = "cosine", from = 1e-3, to = 1e-5 }', *LONG)
        self.assertEqual(done(run)["best"]["judged_from"], 0)

    def test_an_adversary_does_not_decide(self):
        run = self.train("objective={ type = \"factor-vae\", gamma = 2.0 }", *LONG)
        self.assertIn("without its adversary's part (critic)", log_of(run))
        judged = {line["step"]: line["loss"] - line["critic"] for line in metrics(run, "test")}
        self.assertAlmostEqual(done(run)["best"]["value"], min(judged.values()), places=9)

    def test_a_name_that_the_objective_does_not_have(self):
        for override, key in (("train.best=nl", "train.best"),
                              ('train.early_stopping={ part = "nl" }', "train.early_stopping.part")):
            for command in ("train", "check"):
                result = self.run_program(command, "small.toml", override, code=2)
                self.assertIn(f'{key} = "nl" is not a value of this objective, beta-vae', result.stderr)
                self.assertIn('expected one of: loss, nll, kl. did you mean "nll"?', result.stderr)
        self.assertFalse((self.folder / "runs").exists())
        self.assertEqual(done(self.train("train.best=kl"))["best"]["part"], "kl")


class NotFiniteEvaluation(ProgramTest):
    def test_the_row_is_named_and_never_best(self):
        rows = numpy.random.default_rng(1).normal(size=(200, 6)).astype(numpy.float32)
        numpy.save(self.folder / "rows.npy", rows)
        rows[3] = 1e30
        numpy.save(self.folder / "bad.npy", rows)
        config = (self.folder / "small.toml").read_text().split("[model]")[1]
        (self.folder / "rows.toml").write_text("""
[data.dataset]
name = "rows"
domain = "real"
[data.dataset.splits.train]
x = "rows.npy"
[data.dataset.splits.test]
x = "bad.npy"
[model]""" + config)
        run = self.train(config="rows.toml")
        said = "the first such value comes from row 3 (counted from 0) of split test (part 'nll')"
        self.assertIn(said, log_of(run))
        self.assertNotIn("best so far", log_of(run))
        self.assertIn(said, done(run)["not_finite"])
        self.assertNotIn("best", done(run))
        self.assertFalse((run / "checkpoints" / "best.h5").exists())


class Resume(ProgramTest):
    def test_a_schedule_that_had_ended(self):
        lr = 'train.optimizer.lr={ schedule = "cosine", from = 1e-3, to = 1e-5 }'
        run = self.train(lr, "train.steps=20")
        result = self.resume(run, "train.steps=40")
        # Half of the cosine's way: (1e-3 + 1e-5) / 2.
        self.assertIn("note: train.optimizer.lr goes from 1e-05 to 0.000505 at step 20: its schedule was for 20 steps and is "
                      "for 40 now. To go on with the former value: train.optimizer.lr=1e-05.", result.stderr)
        same = self.train("train.steps=20", runs="constant")
        self.assertNotIn("goes from", self.resume(same, "train.steps=40").stderr)

    def test_the_advice_of_that_note(self):
        lr = 'train.optimizer.lr={ schedule = "cosine", from = 1e-3, to = 1e-5 }'
        run = self.train(lr, "train.steps=20")
        result = self.resume(run, "train.steps=24", "train.optimizer.lr=1e-05")
        self.assertNotIn("goes from", result.stderr)
        self.assertEqual(metrics(run, "train")[-1]["lr"], 1e-5)

    def test_a_refused_resume_changes_nothing(self):
        run = self.train("train.steps=40")
        def content():  # the lock says whose it was
            return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
        before = content()
        result = self.resume(run, "train.steps=30", code=1)
        self.assertIn("has done 40 steps already, and 30 were asked for", result.stderr)
        kept = self.train("train.steps=40", "--model-only", runs="kept")
        config = (kept / "config.resolved.toml").read_bytes()
        self.assertIn("cannot go on", self.resume(kept, "train.steps=70", code=1).stderr)
        self.assertEqual((kept / "config.resolved.toml").read_bytes(), config)
        self.assertTrue((kept / "DONE").exists())
        self.assertEqual(content(), before)


class Signals(ProgramTest):
    ENDLESS = ("train.steps=100000000", "train.checkpoint_every=0", "train.evaluate_every=0")

    def started(self, name="run", program=(BINARY,)):
        process = subprocess.Popen([*program, "train", "small.toml", *self.ENDLESS, "--folder", name, "--no-figures"],
                                   cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        run = self.folder / name
        return process, run, lambda: (run / "metrics.jsonl").exists() and len(metrics(run)) > 2

    def test_all_end_as_ctrl_c_does(self):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGXCPU, signal.SIGPIPE,
                       signal.SIGTERM):
            with self.subTest(number.name):
                process, run, reached = self.started(number.name)
                result = self.interrupt_after(process, reached, number)
                self.assertEqual(result.code, 130, result)
                self.assertIn("the checkpoint is written. Go on with: variform resume " + run.name, result.stderr)
                self.assertGreater(checkpoint(run).step, 0)
                self.assertFalse((run / "FAILED").exists())

    def test_a_second_and_third_term_change_nothing(self):
        process, run, reached = self.started()
        wait_until(reached, process)
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertGreater(checkpoint(run).step, 0)

    def test_a_reader_that_goes(self):
        process = subprocess.Popen(f"{BINARY} train small.toml {' '.join(self.ENDLESS)} --folder run 2>&1 | head -1", shell=True,
                                   cwd=self.folder, env=self.environment(), stdout=subprocess.PIPE, text=True)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(output, "run: run\n")
        run = self.folder / "run"
        self.assertIn("the checkpoint is written", log_of(run))
        self.assertGreater(checkpoint(run).step, 0)
        self.resume(run, f"train.steps={checkpoint(run).step + 2}")

    def test_nohup(self):
        process, run, reached = self.started(program=("nohup", BINARY))
        wait_until(reached, process)
        process.send_signal(signal.SIGHUP)
        rows = len(metrics(run))
        while len(metrics(run)) < rows + 3:   # it goes on
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)


class Compare(ProgramTest):
    def test_runs_of_two_and_four_latents(self):
        two, four = self.train("model.latent=2"), self.train("model.latent=4", runs="four")
        result = self.run_program("compare", two, four, "--json").json
        self.assertEqual(result["latents"], [2, 4])
        codes = []
        for run in (two, four):
            self.run_program("encode", run, "--out", "codes.h5")
            with h5py.File(self.folder / "codes.h5") as file:
                codes.append(numpy.array(file["h"], dtype=float))
        sizes = numpy.abs(numpy.corrcoef(codes[0].T, codes[1].T)[:2, 2:])
        best = max(itertools.permutations(range(4), 2), key=lambda p: sizes[0, p[0]] + sizes[1, p[1]])
        self.assertAlmostEqual(result["agreement"]["mcc"]["value"], (sizes[0, best[0]] + sizes[1, best[1]]) / 2, places=5)
        left = ", ".join(map(str, sorted(set(range(4)) - set(best))))
        self.assertEqual(result["agreement_notes"],
                         [f"latents of '{four.name}' without a partner in '{two.name}', counted from 0: {left}"])
        text = self.run_program("compare", two, four).stdout
        self.assertRegex(text, f"latents of '{four.name}' without a partner in '{two.name}', counted from 0: \\d, \\d")


class Counts(ProgramTest):
    def write_counts(self):
        """Counts of many magnitudes, up to about 1e5."""
        random = numpy.random.default_rng(0)
        rate = numpy.exp(numpy.clip(random.normal(size=(300, 2)) @ random.normal(size=(2, 20)) * 1.5 + 6, 0, 11.5))
        numpy.save(self.folder / "counts.npy", random.poisson(rate))
        config = (self.folder / "small.toml").read_text().split("[model]")[1]
        (self.folder / "counts.toml").write_text("""
[data.dataset]
name = "counts"
domain = "count"
[data.dataset.splits.train]
x = "counts.npy"
rows = [0, 250]
[data.dataset.splits.test]
x = "counts.npy"
rows = [250, 300]
[model]""" + config.replace('likelihood = { type = "gaussian" }', 'likelihood = { type = "poisson" }'))

    def test_the_advice_for_large_counts_works(self):
        self.write_counts()
        refused = self.run_program("train", "counts.toml", "--folder", "plain", "--no-figures", code=1).stderr
        self.assertRegex(refused, r"The data of this batch reach \d{5}, too much for a network to take as they are: "
                                  r"try model.encoder.input=log1p or model.encoder.normalisation=layer\.")
        self.assertNotIn("learning rate", refused)
        for advice in ("model.encoder.input=log1p", "model.encoder.normalisation=layer"):
            run = self.train(advice, "train.steps=200", config="counts.toml")
            losses = [line["loss"] for line in metrics(run, "train")]
            self.assertLess(losses[-1], losses[0])
            self.assertTrue(numpy.isfinite(losses).all())

    def test_log1p_is_that_and_says_nothing_where_it_is_not_taken(self):
        self.write_counts()
        with_log = self.train("model.encoder.input=log1p", "train.steps=3", config="counts.toml")
        self.assertIn('input = "log1p"', (with_log / "config.resolved.toml").read_text())
        plain = self.train("train.steps=3")
        self.assertNotIn("input", (plain / "config.resolved.toml").read_text())
        # By the network's own numbers: W2 relu(W1 log(1 + x) + b1) + b2.
        state = checkpoint(with_log)
        weight = lambda layer: state[f"model/encoder/parameters/network.{layer}.weight"].astype(float)
        bias = lambda layer: state[f"model/encoder/parameters/network.{layer}.bias"].astype(float)
        self.run_program("encode", with_log, "--out", "codes.h5")
        with h5py.File(self.folder / "codes.h5") as file:
            found = numpy.array(file["h"], dtype=float)
        x = numpy.log1p(numpy.load(self.folder / "counts.npy")[250:].astype(float))
        hidden = numpy.maximum(x @ weight(1).T + bias(1), 0)
        expected = (hidden @ weight(3).T + bias(3))[:, :4]
        numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


class Manners(ProgramTest):
    """What a plugin does beside computing is noticed before the first step, with component and function."""

    def told(self, manners, *arguments, command="train"):
        env = {"VARIFORM_PLUGIN_PATH": str(RUDE.parent), "VARIFORM_TEST_MANNERS": manners}
        return self.run_program(command, "small.toml", "train.steps=2", "model.decoder={ type = \"rude\" }",
                                "model.family={ type = \"rude\" }", *arguments, env=env)

    def test_all_kinds(self):
        for manners, who, says in (
            ("decoder draw", "decoder rude (org.variform.test.ill-mannered 1.0.0), in decode, ", "draws from LibTorch's global "),
            ("decoder print", "decoder rude (org.variform.test.ill-mannered 1.0.0), in decode, ", "prints to stdout"),
            ("decoder read", "decoder rude (org.variform.test.ill-mannered 1.0.0), in decode, ", "reads values on the host"),
            ("decoder gradients", "decoder rude (org.variform.test.ill-mannered 1.0.0), in decode, ",
             "switches the recording of gradients"),
            ("decoder memory", "decoder rude (org.variform.test.ill-mannered 1.0.0), in decode, ", "gives other values at a "),
            ("family draw", "family rude (org.variform.test.ill-mannered 1.0.0), in rsample, ", "draws from LibTorch's global "),
            ("family print", "family rude (org.variform.test.ill-mannered 1.0.0), in rsample, ", "prints to stdout"),
            ("family detach", "family rude (org.variform.test.ill-mannered 1.0.0), in rsample, ",
             "gives draws that do not depend on the encoder's parameters: is the draw detached?"),
        ):
            with self.subTest(manners):
                found = self.told(manners, command="check", *["--json"]).json
                self.assertTrue(any(warning.startswith(who + says) for warning in found["warnings"]), found["warnings"])

    def test_two_culprits_are_both_named(self):
        found = self.told("both draw", "--json", command="check").json["warnings"]
        drawing = [warning for warning in found if "draws from LibTorch's global generator" in warning]
        self.assertEqual([warning.split()[0] for warning in drawing], ["family", "decoder"])

    def test_the_training_says_it_too(self):
        result = self.told("family draw", "--no-figures", "--no-check")
        self.assertIn("warning: family rude (org.variform.test.ill-mannered 1.0.0), in rsample, draws", result.stderr)
        self.assertEqual(result.stdout.count("\n"), 1)

    def test_good_manners_are_not_mentioned(self):
        self.assertNotIn("warnings", self.told("", "--json", command="check").json)
        for override in ("objective.type=grae-approx", "objective.type=factor-vae", "objective.type=beta-tcvae",
                         "model.family.type=full", "model.likelihood={ type = \"gaussian\", optimal = true }",
                         "model.decoder={ type = \"mlp\", normalisation = \"spectral\" }"):
            found = self.run_program("check", "small.toml", "--json", override).json
            self.assertNotIn("warnings", found, override)

    def test_looking_changes_no_number(self):
        # The buffer of `optimal` follows the batches, and only the training's own ones.
        run = self.train("model.likelihood={ type = \"gaussian\", optimal = true }", "train.steps=1")
        self.assertLess(abs(float(checkpoint(run)["model/likelihood/buffers/log_variance"])), 0.2)

    def test_text_printed_by_a_plugin_does_not_spoil_results(self):
        for manners in ("load print", "family print"):
            result = self.told(manners, "--no-figures", "--overwrite")
            self.assertEqual(result.stdout.count("\n"), 1, result)
            self.assertIn("runs/", result.stdout)


class LearnedVariance(ProgramTest):
    def test_a_value_that_never_varies(self):
        images = numpy.load(self.folder / "images.npy")
        images[:, 0, 0] = 7
        numpy.save(self.folder / "images.npy", images)
        run = self.train('model.likelihood={ type = "gaussian", learned = true, per_value = true, variance = 0.5 }',
                         "train.steps=400", 'train.optimizer={ type = "adam", lr = 0.1 }')
        self.assertIn("note: 1 of the data's values never vary in the training rows; what likelihood gaussian", log_of(run))
        self.assertTrue(numpy.isfinite([line["loss"] for line in metrics(run)]).all())
        found = checkpoint(run)["model/likelihood/parameters/log_variance"]
        # Only Adam's momentum goes beyond the bound, 1e-4 of where it started.
        self.assertLess(found[0, 0, 0], numpy.log(0.5e-4))
        self.assertGreater(found[0, 0, 0], numpy.log(0.5e-4) - 2)


class Factors(ProgramTest):
    def test_what_was_done_to_them_is_said_once(self):
        random = numpy.random.default_rng(0)
        angle, weight = random.integers(0, 8, 256) * 0.45 - 1.2, random.lognormal(size=256)
        numpy.save(self.folder / "factors.npy", numpy.stack([angle, weight, random.permutation(256)], 1))
        config = (self.folder / "small.toml").read_text().replace('labels = "labels.npy"', 'factors = "factors.npy"')
        (self.folder / "factors.toml").write_text(
            config.replace('name = "blobs"', 'name = "blobs"\nfactor_names = ["angle", "weight", "person"]'))
        run = self.train("data.test_split=train", config="factors.toml")
        for more in ((), ("--only", "disentanglement")):
            result = self.run_program("evaluate", run, "--json", "--split", "train", "--out", "e.json", *more).json
            self.assertEqual(result["disentanglement_arrays"]["factors"], ["angle", "weight"])
            for name, entry in result["disentanglement"].items():
                if name != "factor_vae_score":   # a model of 22 steps has no latent of variance 0.05
                    self.assertIn("value", entry, name)
            text = self.run_program("evaluate", run, "--split", "train", "--out", "e.json", *more).stdout
            self.assertEqual(text.count("factor weight is put into 6 bins of equal counts"), 1)
            self.assertEqual(text.count("factor person is left out: 192 whole numbers in 192 rows"), 1)


class BatchOfAnEvaluation(ProgramTest):
    # What is made of draws: another batch draws other ones.
    DRAWN = {"elbo", "nll", "kl", "loss_beta", "ratio_R", "taylor_gap", "taylor_full_gap", "grae_approx", "is_nll",
             "is_effective_samples", "is_nll_optimal", "is_effective_samples_optimal", "elbo_optimal", "loss_beta_optimal",
             "objective", "spread"}

    def test_values_do_not_depend_on_it(self):
        run = self.train()
        one, other = (self.run_program("evaluate", run, "--json", "--batch", batch, "--out", f"{batch}.json").json
                      for batch in (13, 500))
        self.assertEqual((one["batch"], other["batch"]), (13, 500))
        self.assertEqual(set(one["values"]), set(other["values"]))
        for name, entry in one["values"].items():
            if "mean" not in entry:
                continue
            near = 5 * max(entry["se"] or 0, 1e-2 * abs(entry["mean"])) if name in self.DRAWN else 1e-6 * abs(entry["mean"])
            self.assertAlmostEqual(entry["mean"], other["values"][name]["mean"], delta=near + 1e-9, msg=name)
        for section in ("geometry", "covariance"):
            for name, entry in one[section].items():
                if "value" in entry and not name.startswith(("straight", "geodesic")):
                    self.assertAlmostEqual(entry["value"], other[section][name]["value"],
                                           delta=1e-5 * abs(entry["value"]), msg=name)
        text = self.run_program("evaluate", run, "--out", "text.json").stdout
        self.assertIn("draws are seeded batch by batch, 256 rows each", text)


if __name__ == "__main__":
    main()
