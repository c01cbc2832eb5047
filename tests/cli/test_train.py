"""Trainings and what comes before and after them, as a user meets them: folders, refusals, interruptions, errors."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess

import h5py
import numpy

from program import CONFIG, PLUGINS, ProgramTest, checkpoint, main, metrics, wait_until

FOREVER = ("train.steps=100000000", "train.evaluate_every=0", "train.checkpoint_every=0", "train.log_every=1")


class Folder(ProgramTest):
    def test_what_a_run_leaves(self):
        result = self.run_program("train", "small.toml")
        self.assertEqual(result.stdout.count("\n"), 1)
        run = self.folder / result.last_line
        self.assertRegex(run.name, r"^small-[0-9a-f]{16}-3$")
        self.assertEqual(run.parent, self.folder / "runs")
        names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
        self.assertEqual(names, {".lock", "config.resolved.toml", "environment.json", "metrics.jsonl", "timing.jsonl",
                                 "log.txt", "checkpoints/last.h5", "checkpoints/best.h5", "figures/reconstructions.png",
                                 "figures/samples.png", "figures/traversals.png", "DONE"})
        done = json.loads((run / "DONE").read_text())
        self.assertEqual((done["step"], done["ending"]), (22, "finished"))
        self.assertEqual(done["evaluation"]["loss"], metrics(run, "test")[-1]["loss"])
        for line in metrics(run):   # clock values would break bit-for-bit resuming
            self.assertLessEqual(set(line), {"step", "epoch", "split", "loss", "nll", "kl", "beta", "beta_eff", "lr"})
        self.assertAlmostEqual(metrics(run, "test")[0]["loss"],
                               metrics(run, "test")[0]["nll"] + 0.5 * metrics(run, "test")[0]["kl"], places=4)
        environment = json.loads((run / "environment.json").read_text())
        self.assertEqual(environment["threads"], 1)
        self.assertEqual(environment["command"][1:], ["train", "small.toml"])
        used = {plugin["id"] for plugin in environment["plugins"]}
        self.assertIn("org.variform.objectives", used)
        self.assertEqual({"step", "steps", "seconds"}, set(json.loads((run / "timing.jsonl").read_text().splitlines()[0])))
        best = min(metrics(run, "test"), key=lambda line: line["loss"])
        self.assertEqual(checkpoint(run / "checkpoints" / "best.h5").step, best["step"])
        self.assertIn("beta_eff 0.5", (run / "log.txt").read_text())

    def test_quiet(self):
        result = self.run_program("train", "small.toml", "--quiet", "--no-figures", "--runs", "elsewhere")
        self.assertEqual(result.stderr, "")
        self.assertTrue((self.folder / result.last_line / "log.txt").read_text())
        self.assertTrue(result.last_line.startswith("elsewhere/"))

    def test_identity(self):
        """The folder's hash is of what is learned, not of name, seed, threads, device or where things are."""
        run = self.train("--stop-at", 0)
        _, hash_, seed = run.name.rsplit("-", 2)
        other = self.train("--stop-at", 0, "name=other", "seed=4", "train.threads=2")
        self.assertEqual(other.name, f"other-{hash_}-4")
        self.assertNotEqual(self.train("--stop-at", 0, "model.latent=3").name.rsplit("-", 2)[1], hash_)

    def test_present_overwrite_resume(self):
        run = self.train("--stop-at", 9)
        refused = self.run_program("train", "small.toml", code=1)
        self.assertIn("already exists", refused.stderr)
        self.assertIn("--resume", refused.stderr)
        self.assertIn("--overwrite", refused.stderr)
        self.assertEqual(refused.stdout, "")
        self.assertEqual(checkpoint(run).step, 9)
        (run / "mine.txt").write_text("from the former run")
        self.assertEqual(self.train("--overwrite"), run)
        self.assertFalse((run / "mine.txt").exists())
        self.assertEqual([line["step"] for line in metrics(run, "train")], [4, 8, 12, 16, 20])
        both = self.run_program("train", "small.toml", "--overwrite", "--resume", code=2)
        self.assertIn("--resume", both.stderr)
        self.assertEqual(sorted(path.name for path in (self.folder / "runs").iterdir()), [run.name])

    def test_overwrite_spares_what_is_no_run(self):
        run = self.train("--stop-at", 0)
        shutil.rmtree(run)
        run.mkdir()
        (run / "thesis.tex").write_text("years of work")
        refused = self.run_program("train", "small.toml", "--overwrite", code=1)
        self.assertIn("is not a run of this program", refused.stderr)
        self.assertEqual((run / "thesis.tex").read_text(), "years of work")

    def test_an_unwritable_place(self):
        (self.folder / "file").write_text("")
        refused = self.run_program("train", "small.toml", "--runs", "file/runs", code=1)
        self.assertIn("cannot create the folder file/runs: Not a directory", refused.stderr)
        if os.geteuid() != 0:   # permissions do not bind root
            (self.folder / "locked").mkdir(mode=0o500)
            refused = self.run_program("train", "small.toml", "--runs", "locked/runs", code=1)
            self.assertIn("Permission denied", refused.stderr)


class Interruption(ProgramTest):
    def start_endless(self):
        process = self.start("train", "small.toml", *FOREVER, "--no-figures")
        self.addCleanup(lambda: (process.poll() is None and process.kill(), process.communicate()))
        runs = self.folder / "runs"

        def stepping():  # and the first checkpoint, which is written beside the training, is there
            return (any(path.stat().st_size > 200 for path in runs.glob("*/metrics.jsonl")) and
                    any(runs.glob("*/checkpoints/last.h5")))

        wait_until(stepping, process)
        return process, next(path for path in runs.iterdir() if not path.name.startswith("."))

    def test_ctrl_c_and_a_run_in_use(self):
        process, run = self.start_endless()
        for arguments in (("resume", run), ("train", "small.toml", *FOREVER, "--resume"),
                          ("train", "small.toml", *FOREVER, "--overwrite")):
            self.assertIn("is in use by process", self.run_program(*arguments, code=1).stderr)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn(f"Go on with: variform resume runs/{run.name}", stderr)
        self.assertEqual(self.folder / stdout.rstrip("\n").split("\n")[-1], run)
        self.assertFalse((run / "DONE").exists() or (run / "FAILED").exists())
        step = checkpoint(run).step
        self.assertGreater(step, 0)
        self.assertEqual(metrics(run)[-1]["step"], step)
        # What was computed until then is what an uninterrupted run computes.
        self.resume(run, f"train.steps={step + 10}")
        whole = self.train(*FOREVER, f"train.steps={step + 10}", runs="whole")
        self.assertEqual(metrics(run), metrics(whole))
        self.assert_same_checkpoint(run / "checkpoints/last.h5", whole / "checkpoints/last.h5", attributes=False)

    def test_terminated_by_the_system(self):
        process, run = self.start_endless()
        process.terminate()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertGreater(checkpoint(run).step, 0)

    def test_ctrl_c_twice(self):
        process, run = self.start_endless()
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.resume(run, f"train.steps={checkpoint(run).step + 2}")


class NotFinite(ProgramTest):
    def test_an_exploding_training(self):
        result = self.run_program("train", "small.toml", 'train.optimizer={ type = "sgd", lr = 1e9 }', code=1)
        self.assertRegex(result.stderr, r"at step \d+, (the term '(nll|kl|loss)' of the loss is not finite; .* comes from "
                                        r"(encoder|decoder|family|likelihood|objective) |model/\w+/parameters/\S+ holds values)")
        self.assertIn("Lower the learning rate", result.stderr)
        self.assertEqual(result.stdout, "")
        (run,) = (self.folder / "runs").iterdir()
        self.assertIn("not finite", (run / "FAILED").read_text())
        self.assertFalse((run / "DONE").exists())
        self.assertIn("not finite", (run / "log.txt").read_text())
        last = checkpoint(run)
        for name, values in last.of("model/").items():
            self.assertTrue(numpy.isfinite(values).all(), name)
        self.assertEqual(last.step, 0)
        self.assertIn("failed", self.run_program("runs", "list").stdout)
        self.resume(run, "train.optimizer.lr=1e-4")
        self.assertTrue((run / "DONE").exists())
        self.assertFalse((run / "FAILED").exists())

    def test_term_and_component(self):
        """Overflow that is known to begin in the likelihood: r² of finite r and g."""
        numpy.save(self.folder / "images.npy", numpy.full((256, 8, 8), 3e19, numpy.float32))
        result = self.run_program("train", "small.toml", code=1)
        self.assertRegex(result.stderr, r"at step 0, the term 'nll' of the loss is not finite; the first value that is not "
                                        r"finite comes from (likelihood gaussian|encoder mlp|family diagonal)")

    def test_data_that_are_not_finite(self):
        images = numpy.zeros((256, 8, 8), numpy.float32)
        images[100, 3, 3] = numpy.inf
        numpy.save(self.folder / "images.npy", images)
        result = self.run_program("train", "small.toml", code=1)
        self.assertIn("blobs", result.stderr)
        self.assertIn("expected finite numbers, found a NaN or an infinity", result.stderr)
        self.assertFalse((self.folder / "runs").exists())


class Disk(ProgramTest):
    def check_full(self, run, full):
        """A run that stands at step 7 comes to its checkpoint of step 8 when `full` does not let it be written."""
        whole = self.train(runs="whole")
        before = (run / "checkpoints" / "last.h5").read_bytes()
        with full as options:
            result = self.resume(run, code=1, **(options or {}))
        self.assertIn("last.h5", result.stderr)
        self.assertIn("could not be written", result.stderr)
        self.assertIn("the former file is untouched", result.stderr)
        self.assertEqual((run / "checkpoints" / "last.h5").read_bytes(), before)
        self.assertEqual(sorted(path.name for path in (run / "checkpoints").iterdir()), ["best.h5", "last.h5"])
        self.assertIn("could not be written", (run / "FAILED").read_text())
        self.resume(run)
        self.assert_same_run(whole, run)
        return result

    def test_file_size_limit(self):
        run = self.train("--stop-at", 7)
        size = (run / "checkpoints" / "last.h5").stat().st_size

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

        result = self.check_full(run, contextlib.nullcontext({"preexec_fn": limit, "restore_signals": False}))
        self.assertIn("ulimit -f", result.stderr)

    def test_full_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "variform-test", disk],
                                                       capture_output=True).returncode == 0
        if not mounted:
            self.skipTest("mounting a small file system needs root; test_file_size_limit stands in for it")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        run = self.train("--stop-at", 7, runs="disk/runs")
        size = (run / "checkpoints" / "last.h5").stat().st_size

        @contextlib.contextmanager
        def full():
            space = os.statvfs(disk)
            (disk / "ballast").write_bytes(bytes(space.f_bavail * space.f_bsize - size // 2))
            yield
            (disk / "ballast").unlink()

        result = self.check_full(run, full())
        self.assertIn("No space left on device", result.stderr)


class Mistakes(ProgramTest):
    def test_all_errors_at_once(self):
        bad = CONFIG.replace("latent = 4", "latnet = 4").replace('type = "beta-vae"', 'type = "beta-vea"') \
                    .replace("batch = 20", "batch = -20").replace("threads = 1", 'threads = "one"') \
                    .replace('decoder = { type = "mlp", hidden = [16] }', 'decoder = { type = "mlp", hiden = [16] }')
        (self.folder / "bad.toml").write_text(bad)
        result = self.run_program("train", "bad.toml", code=2)
        lines = bad.splitlines()
        for text, column, says in (("latnet = 4", 1, "latent"), ('type = "beta-vea"', None, "beta-vae"),
                                   ("batch = -20", None, "-20"), ('threads = "one"', None, '"one"'),
                                   ("hiden", None, "hidden")):
            (number,) = [at for at, line in enumerate(lines, 1) if text in line]
            place = rf"bad\.toml:{number}:{column or r'[0-9]+'}: .*"
            self.assertRegex(result.stderr, place)
            after = result.stderr[result.stderr.index(f"bad.toml:{number}:"):]
            self.assertIn(says, "\n".join(after.split("\n")[:4]))
            self.assertIn(lines[number - 1], result.stderr)   # the line itself is shown
        self.assertFalse((self.folder / "runs").exists())

    def test_usage(self):
        self.assertIn("subcommand", self.run_program(code=2).stderr)
        self.run_program("trian", "small.toml", code=2)
        self.run_program("train", "small.toml", "--no-such-option", code=2)
        self.assertIn("nothing.toml", self.run_program("train", "nothing.toml", code=2).stderr)
        result = self.run_program("train", "small.toml", "train.batch", code=2)
        self.assertIn("train.batch", result.stderr)
        self.assertIn("train", self.run_program("--help").stdout)

    def test_missing_data(self):
        absent = 'data.dataset={ name = "absent", obtain = "Ask the neighbour for it.", x = ["absent.npy"] }'
        result = self.run_program("train", "small.toml", absent, code=1, env={"VARIFORM_DATA": str(self.folder / "share")})
        self.assertIn("absent.npy", result.stderr)
        self.assertIn("Ask the neighbour for it.", result.stderr)
        self.assertIn(str(self.folder / "share"), result.stderr)   # where was looked
        self.assertFalse((self.folder / "runs").exists())
        result = self.run_program("train", "small.toml", "data.dataset=fashion-mnits", code=None)
        self.assertIn(result.code, (1, 2))
        self.assertIn("fashion-mnist", result.stderr)

    def test_data_folders(self):
        (self.folder / "configs").mkdir()
        (self.folder / "store").mkdir()
        (self.folder / "small.toml").rename(self.folder / "configs" / "small.toml")
        for name in ("images.npy", "labels.npy"):
            (self.folder / name).rename(self.folder / "store" / name)
        config = "configs/small.toml"
        self.run_program("train", config, "--stop-at", 0, code=1)
        by_option = self.train("--stop-at", 0, "--data", "store", config=config, runs="a")
        nowhere = str(self.folder / "nowhere")
        by_environment = self.train("--stop-at", 0, config=config, runs="b",
                                    env={"VARIFORM_DATA": f"{nowhere}:{self.folder / 'store'}"})
        self.assertEqual(by_option.name, by_environment.name)

    def test_files_lie_beside_the_config(self):
        """Found from any folder, by the run's own copy of the config too; and no part of the run's identity."""
        elsewhere = self.folder / "else" / "where"
        elsewhere.mkdir(parents=True)
        here = self.train("--stop-at", 5)
        result = self.run_program("train", "../../small.toml", "--stop-at", 5, cwd=elsewhere)
        there = elsewhere / result.last_line
        self.assertEqual(here.name, there.name)
        self.assert_same_checkpoint(here / "checkpoints/last.h5", there / "checkpoints/last.h5")
        moved = self.folder / "moved"
        there.rename(moved)
        self.resume(moved, cwd="/")
        self.resume(here)
        self.assert_same_run(here, moved)
        # Named on the command line, they are looked for in the working folder.
        files = 'data.dataset={ name = "blobs", x = "images.npy", labels = "labels.npy", rows = [0, 192] }'
        run = self.train(files, "--stop-at", 1)
        self.resume(run, cwd=elsewhere)

    def test_a_broken_data_file(self):
        whole = (self.folder / "images.npy").read_bytes()
        (self.folder / "images.npy").write_bytes(whole[: len(whole) // 2])
        result = self.run_program("train", "small.toml", code=1)
        self.assertIn("images.npy", result.stderr)

    def test_data_outside_the_likelihoods_domain(self):
        numpy.save(self.folder / "images.npy", numpy.random.default_rng(0).normal(size=(256, 8, 8)))
        result = self.run_program("train", "small.toml", "model.likelihood.type=bernoulli", code=2)
        self.assertIn("likelihood bernoulli", result.stderr)
        self.assertIn("is defined for unit interval data, and this data set is real", result.stderr)
        self.assertFalse((self.folder / "runs").exists())
        declared = self.run_program("train", "small.toml", "model.likelihood.type=bernoulli",
                                    "data.dataset.domain=unit interval", code=1)
        self.assertIn("expected values from 0 to 1", declared.stderr)

    def test_what_does_not_compose(self):
        for overrides, says in ((("model.family.type=point",), "point family has no density"),
                                (("objective.type=grae", "model.prior.type=laplace"), "needs a Gaussian prior"),
                                (("objective.type=grae-approx", "objective.columns=5"), "must not exceed the latent dimension 4"),
                                (("objective.type=grae", "objective.columns=1"), 'set structure = "diagonal"')):
            result = self.run_program("check", "small.toml", *overrides, code=2)
            self.assertIn(says, result.stderr)
            self.run_program("train", "small.toml", *overrides, code=2)
            self.assertFalse((self.folder / "runs").exists())


class FromARun(ProgramTest):
    def test_frozen_and_not(self):
        first = self.train()
        decoder = checkpoint(first).of("model/decoder/")
        taken = f'model.decoder={{ from = "runs/{first.name}", frozen = true }}'
        run = self.train(taken, "name=second", "seed=9")
        self.assertEqual({name: values.tobytes() for name, values in decoder.items()},
                         {name: values.tobytes() for name, values in checkpoint(run).of("model/decoder/").items()})
        self.assertFalse(checkpoint(run).of("optimizer/decoder"))
        self.assertTrue(checkpoint(run).of("optimizer/encoder"))
        cut = self.train(taken, "name=second", "seed=9", "--stop-at", 10, runs="pieces")
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        self.resume(cut, cwd=elsewhere)
        self.assert_same_run(run, cut)
        # Evaluated by itself, from anywhere.
        self.run_program("evaluate", run, "--limit", 4, "--samples", 2, "--importance-samples", 0, cwd=elsewhere)
        thawed = self.train(taken.replace(", frozen = true", ""), "name=third", "--stop-at", 1, "train.optimizer.lr=0.1")
        self.assertTrue(any((values != decoder[name]).any() for name, values in checkpoint(thawed).of("model/decoder/").items()))
        self.assertLess(max(abs(values - decoder[name]).max() for name, values in checkpoint(thawed).of("model/decoder/").items()),
                        0.11)   # one step of Adam away from where it was taken
        # The run from which it was taken is not needed any more.
        orphan = self.train(taken, "name=second", "seed=9", "--stop-at", 10, runs="orphans")
        first.rename(self.folder / "gone")
        self.resume(orphan)
        self.assert_same_run(run, orphan)
        self.run_program("evaluate", orphan, "--limit", 4, "--samples", 2, "--importance-samples", 0)

    def test_inside_another_component(self):
        first = self.train()
        decoder = checkpoint(first).of("model/decoder/")
        inside = lambda run: {name: values.tobytes() for name, values in checkpoint(run).of("model/decoder/").items()}
        same = {name.replace("parameters/", "parameters/of."): values.tobytes() for name, values in decoder.items()}
        turned = 'model.decoder={ type = "rotated", angle = 30, frozen = true, of = { from = "runs/small-%s" } }'
        taken = turned % first.name.removeprefix("small-")
        run = self.train(taken, "name=second", "seed=9")
        self.assertEqual(inside(run), same)
        cut = self.train(taken, "name=second", "seed=9", "--stop-at", 10, runs="pieces")
        # One that is taken from this run in turn needs neither of them once it has begun.
        third = self.train(f'model.decoder={{ from = "{run}", frozen = true }}', "name=third", "--stop-at", 4)
        self.assertEqual(inside(third), same)
        first.rename(self.folder / "gone")
        self.resume(cut)
        self.assert_same_run(run, cut)
        self.run_program("evaluate", run, "--limit", 4, "--samples", 2, "--importance-samples", 0)
        run.rename(self.folder / "gone too")
        self.resume(third)
        missing = self.run_program("train", "small.toml", taken, "seed=10", code=None)
        self.assertIn(missing.code, (1, 2))
        self.assertIn(first.name, missing.stderr)

    def test_what_does_not_fit(self):
        first = self.train("--stop-at", 0)
        result = self.run_program("train", "small.toml", f'model.decoder={{ from = "{first}" }}', "model.latent=3", code=1)
        self.assertIn("another shape", result.stderr)
        result = self.run_program("train", "small.toml", 'model.decoder={ from = "runs/no-such-run" }', code=None)
        self.assertIn(result.code, (1, 2))
        self.assertIn("no-such-run", result.stderr)

    def test_data_from_a_run(self):
        first = self.train()
        run = self.train(f'data.dataset={{ type = "model", from = "{first}", size = 100, test = 30 }}', "name=second")
        self.assertTrue(metrics(run, "test"))
        self.run_program("encode", run, "--out", "codes.h5")
        with h5py.File(self.folder / "codes.h5") as file:
            self.assertEqual(file["latents"].shape, (30, 4))   # the truth that uniqueness experiments need

    def test_data_from_a_model(self):
        def dataset(likelihood, more):
            return ('data.dataset={ type = "model", latent = 2, shape = [1, 8, 8], prior = { type = "gaussian" }, '
                    f'decoder = {{ type = "mlp", hidden = [8] }}, likelihood = {{ type = "{likelihood}" }}, {more} }}')

        sized = self.train(dataset("gaussian", "size = 120, test = 20"))
        again = self.train(dataset("gaussian", "size = 120, test = 20"), runs="again")
        self.assert_same_run(sized, again)
        for more in ("size = 120, test = 20", "fresh = true, test = 20"):
            with self.subTest(more):
                run = self.train(dataset("bernoulli", more), "model.likelihood.type=bernoulli")
                self.assertEqual([line["step"] for line in metrics(run, "test")], [6, 12, 18, 22])


class ChangedPlugin(ProgramTest):
    def test_refused_unless_accepted(self):
        plugins = self.folder / "plugins"
        shutil.copytree(PLUGINS, plugins)
        env = {"VARIFORM_PLUGINS": str(plugins)}
        run = self.train("--stop-at", 3, env=env)
        self.resume(run, "--stop-at", 4, env=env)
        (changed,) = plugins.glob("*objectives*.so")
        with open(changed, "ab") as file:   # bytes after an ELF file's end change nothing but its checksum
            file.write(b"\0")
        result = self.resume(run, code=1, env=env)
        self.assertIn("plugins have changed", result.stderr)
        self.assertIn("org.variform.objectives was 1.0.0", result.stderr)
        self.assertIn("--accept-changed-plugins", result.stderr)
        self.assertEqual(checkpoint(run).step, 4)
        evaluated = self.run_program("evaluate", run, "--limit", 4, "--importance-samples", 0, env=env)
        self.assertRegex(evaluated.stderr, "warning: .*small-.*: plugins have changed")
        self.assertIn("warning", self.resume(run, "--accept-changed-plugins", env=env).stderr)
        self.assertEqual(checkpoint(run).step, 22)


class Killed(ProgramTest):
    def test_while_a_folder_is_made_or_replaced(self):
        """What a killed start leaves behind is no run, and goes with the next start."""
        run = self.train("--stop-at", 3)
        with subprocess.Popen(["true"]) as process:
            process.wait()
        machine = socket.gethostname() + os.readlink("/proc/self/ns/pid")
        bits = 14695981039346656037
        for character in machine.encode():
            bits = (bits ^ character) * 1099511628211 % 2**64
        mark = f"{(bits ^ bits >> 32) & 0xffffffff:x}"
        for what in ("1", "2"):
            shutil.copytree(run, run.with_name(f".variform-tmp-{process.pid}-1-{mark}-{what}"))
        listed = self.run_program("runs", "list", "--json").json
        self.assertEqual([pathlib.Path(entry["run"]).name for entry in listed], [run.name])
        self.train("--overwrite", "--stop-at", 0)
        self.assertEqual([path.name for path in run.parent.iterdir()], [run.name])


if __name__ == "__main__":
    main()
