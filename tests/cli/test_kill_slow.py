"""kill -9 at any moment leaves a run that goes on, and what it becomes in the end is bit for bit what an uninterrupted
training makes. Fifty kills are spread from the program's start to its end. At least ten of them hit a checkpoint while it is
written, of which a temporary file in checkpoints/ tells: there is one at every step. At least five hit a run while none is.

Two hundred more go over every other command that writes: after each group of them the command is run to its end, what it
has made is byte for byte what it makes undisturbed, and nothing else is left in any folder. The moments are random; the
seed is printed, and VARIFORM_KILL_SEED repeats it.

Here are two fifths of these kills; test_kill_all.py does all of them.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import time

from program import ProgramTest, blobs, checkpoint, files_of, left_over, main, write_png

KILLS, IN_A_WRITE, BETWEEN_WRITES = 50, 10, 5
STEPS = 30
# 1.2 million parameters: with Adam's moments 15 MB, which take tens of milliseconds to compose, write and sync. Evaluations
# take longer, so that there are moments of a training without a write on any disk.
CONFIG = ("model.encoder.hidden=[1024, 1024]", "model.decoder.hidden=[1024]", "train.checkpoint_every=1",
          "train.evaluate_every=5", "train.evaluation.samples=40", "train.log_every=2", f"train.steps={STEPS}",
          'objective.beta={ schedule = "linear", from = 0.1, to = 0.6 }')


def part(kills, test):
    """As many of the kills as this run of the test does."""
    return kills if test.is_whole else -(-kills * 2 // 5)


class Kill(ProgramTest):
    is_whole = False

    def setUp(self):
        super().setUp()
        self.random = random.Random(5)
        self.outcomes = {"starting": 0, "between": 0, "writing": 0, "ended": 0}
        self.left = set()  # temporary files of writes that were killed, until a program has removed them

    def run_folder(self):
        runs = self.folder / "killed"
        found = [path for path in runs.iterdir() if not path.name.startswith(".")] if runs.exists() else []
        self.assertLessEqual(len(found), 1, found)
        return found[0] if found else None

    def temporaries(self):
        """Names of files that are being written, or whose writing was killed; each has its process's number in it."""
        run = self.run_folder()
        if not run:
            return set()
        try:
            return {name for name in os.listdir(run / "checkpoints") if name.startswith(".")}
        except FileNotFoundError:
            return set()

    def is_writing(self):
        return not self.temporaries() <= self.left

    def begin(self):
        """Goes on with the run, or starts it when no folder has appeared yet."""
        run = self.run_folder()
        self.left = self.temporaries()
        arguments = ["resume", run] if run else ["train", "small.toml", *CONFIG, "--runs", "killed"]
        return self.start(*arguments, "--no-figures")

    def wait_for_write(self, process, begins):
        """Until a checkpoint's write begins, or has ended: the first one, or one of the next two."""
        skip = self.random.randint(0, 2)
        writing = False
        while process.poll() is None:
            was_writing, writing = writing, self.is_writing()
            if writing != was_writing and writing == begins:
                if skip == 0:
                    return
                skip -= 1
            time.sleep(0.0005)

    def kill(self, process, aim):
        """Kills in a checkpoint's write, after one, or, when the aim is a number, after so many seconds."""
        if aim == "writing":
            self.wait_for_write(process, begins=True)
            time.sleep(self.random.uniform(0, 0.01))
        elif aim == "between":
            self.wait_for_write(process, begins=False)
        else:
            end = time.monotonic() + aim
            while time.monotonic() < end and process.poll() is None:
                time.sleep(0.001)
        before = self.run_folder() is not None
        ended = process.poll() is not None
        if not ended:
            process.kill()
        process.communicate()
        if ended:
            self.assertEqual(process.returncode, 0)
            self.outcomes["ended"] += 1
        elif self.is_writing():
            self.outcomes["writing"] += 1
        else:
            self.outcomes["between" if before else "starting"] += 1

    def enough(self):
        kills = sum(count for outcome, count in self.outcomes.items() if outcome != "ended")
        return (kills >= part(KILLS, self) and self.outcomes["writing"] >= part(IN_A_WRITE, self) and
                self.outcomes["between"] >= part(BETWEEN_WRITES, self))

    def check_state(self):
        """Whatever is there is whole: a checkpoint can be read, or there is none yet."""
        run = self.run_folder()
        if run:
            self.assertTrue((run / "config.resolved.toml").exists())
            for name in ("last.h5", "best.h5"):
                if (run / "checkpoints" / name).exists():
                    self.assertLessEqual(checkpoint(run / "checkpoints" / name).step, STEPS)

    def test_kill(self):
        started = time.monotonic()
        whole = self.train(*CONFIG, runs="whole")
        duration = time.monotonic() - started
        runs = 1
        tries = 0
        while not self.enough():
            self.assertLess(tries, 5 * KILLS, f"too few kills hit a running program, a write, or none: {self.outcomes}")
            # The kills that aim at no write are spread evenly over a run's duration.
            moment = duration * (tries // 4 * 0.618 % 1)
            self.kill(self.begin(), (moment, "writing", "between", "writing")[tries % 4])
            tries += 1
            self.check_state()
            run = self.run_folder()
            if run and (run / "DONE").exists():   # that one got through: compare, and begin again
                self.assert_same_run(whole, run)
                shutil.rmtree(run)
                runs += 1
        if not self.run_folder():
            self.train(*CONFIG, runs="killed")
        else:
            self.resume(self.run_folder())
        self.assert_same_run(whole, self.run_folder())
        left = [path.name for path in (self.run_folder() / "checkpoints").iterdir()]
        self.assertEqual(sorted(left), ["best.h5", "last.h5"])
        print(f"kills: {self.outcomes}; {runs} trainings ended and were the same", flush=True)

    def test_kill_while_it_is_replaced(self):
        """--overwrite: at any moment there is the former run, the new one, or none that could be in the way."""
        for moment in range(8):
            self.train("--overwrite", "--stop-at", 1, runs="killed")
            process = self.start("train", "small.toml", "--overwrite", "--no-figures", "--runs", "killed")
            time.sleep(0.2 + 0.1 * moment)
            process.kill()
            process.communicate()
            self.check_state()
            self.train("--resume", runs="killed")
            self.assertEqual(checkpoint(self.run_folder()).step, 22)


STUDY = """
include = ["small.toml"]
name = "grid"
[train]
checkpoint_every = 4
[study.axes]
seed = [1, 2]
[study.evaluate.e]
limit = 32
samples = 2
importance_samples = 0
[study.draw.samples]
command = "sample"
n = 4
[study.compare.agreement]
over = "seed"
limit = 16
[[study.tables]]
name = "losses"
rows = ["seed"]
metrics = ["loss_beta", "kl"]
"""
GROUP = 5  # kills, one after the other, before the command may end
# Of each command: how many kills, what is run, and what it makes.
COMMANDS = {
    "evaluate": (25, ("evaluate", "run", "--samples", 40), ("run/evaluation-test.json",)),
    "encode": (20, ("encode", "run", "--jacobians", 64), ("run/codes-test.h5",)),
    "export": (20, ("export", "run"), ("run/model.pt", "run/model.py")),
    "sample": (20, ("sample", "run", "--n", 400), ("run/figures/samples.png",)),
    "plot": (15, ("runs", "plot", "run"), ("plot.csv", "plot.gp", "plot.svg", "plot.png")),
    "import": (35, ("data", "import", "faces", "--size", 24, "--overwrite"), ("faces-24.h5", "faces-24.toml")),
}
RESUMES, STUDIES = 25, 40


def children_of(process):
    try:
        text = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(number) for number in text.split()]


class KillEveryCommand(ProgramTest):
    is_whole = False

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("VARIFORM_KILL_SEED") or time.time_ns() % 1_000_000)
        self.random = random.Random(self.seed)
        self.hits = {}
        print(f"VARIFORM_KILL_SEED={self.seed}", flush=True)

    def kill_at(self, name, seconds, *arguments):
        """Starts a command and kills it then, its children with it half of the times; True if it still ran."""
        process = self.start(*arguments)
        end = time.monotonic() + seconds
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.001)
        running = process.poll() is None
        if running:
            children = children_of(process) if self.random.random() < 0.5 else []
            process.kill()
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        process.communicate()
        self.hits.setdefault(name, [0, 0])[0 if running else 1] += 1
        return running

    def duration_of(self, *arguments):
        started = time.monotonic()
        self.run_program(*arguments)
        return time.monotonic() - started

    def kill(self, name, kills, duration, *arguments):
        """As many kills of a running command, spread over its duration."""
        done = tries = 0
        while done < kills:
            done += self.kill_at(name, self.random.uniform(0.02, duration), *arguments)
            tries += 1
            self.assertLess(tries, 5 * kills + 20, f"{name} ends too soon to be killed")

    def test_commands_that_read_a_run(self):
        self.train("--folder", "run")
        for i, image in enumerate(blobs(600, size=32)[0]):
            write_png(self.folder / "faces" / f"{i:03}.png", image)
        for name, (kills, arguments, outputs) in COMMANDS.items():
            self.run_program(*arguments)
            whole = {output: (self.folder / output).read_bytes() for output in outputs}
            duration = self.duration_of(*arguments)
            before = files_of(self.folder)
            for _ in range(0, part(kills, self), GROUP):
                for output in outputs:   # so that a former one cannot pass for a new one
                    (self.folder / output).unlink(missing_ok=True)
                self.kill(name, GROUP, duration, *arguments)
                for output in outputs:
                    if (self.folder / output).exists():
                        self.assertEqual((self.folder / output).read_bytes(), whole[output], f"{name}: part of {output}")
                self.run_program(*arguments)
                self.assertEqual(left_over(self.folder), [], name)
                after = files_of(self.folder)
                self.assertEqual(sorted(after), sorted(before), name)
                for path, data in before.items():
                    self.assertEqual(after[path], data, f"{name}: {path}")
        print(f"[killed, ended before]: {self.hits}", flush=True)

    def test_resume(self):
        """Also with another length, which rewrites the run's config."""
        more = ("train.steps=40", "train.checkpoint_every=3")
        begun = self.train("--stop-at", 9, runs="begun")
        shutil.copytree(begun, self.folder / "whole")
        duration = self.duration_of("resume", "whole", *more, "--no-figures")
        done = 0
        while done < part(RESUMES, self):
            shutil.copytree(begun, self.folder / "killed")
            for _ in range(GROUP):
                done += self.kill_at("resume", self.random.uniform(0.02, duration), "resume", "killed", *more, "--no-figures")
                # Whatever the kill has left is a run that nobody has edited.
                self.assertNotIn("was changed", self.run_program("describe", "killed").stdout)
            self.resume("killed", *more)
            self.assert_same_run(self.folder / "whole", self.folder / "killed")
            self.assertEqual(left_over(self.folder), [])
            shutil.rmtree(self.folder / "killed")
        print(f"[killed, ended before]: {self.hits}", flush=True)

    def test_study(self):
        """In one place again and again, since names of results tell where their runs lie."""
        (self.folder / "grid.toml").write_text(STUDY)
        study = ("study", "grid.toml", "--runs", "made/runs", "--studies", "made/studies", "--quiet")
        duration = self.duration_of(*study)
        whole = self.contents_of_study()
        done = 0
        while done < part(STUDIES, self):
            shutil.rmtree(self.folder / "made")
            for _ in range(GROUP):
                done += self.kill_at("study", self.random.uniform(0.1, duration), *study)
            self.run_program(*study)
            self.assertEqual(self.contents_of_study(), whole)
            self.assertEqual(left_over(self.folder), [])
        print(f"[killed, ended before]: {self.hits}", flush=True)

    def contents_of_study(self):
        """All that a study makes but for what tells of time and place: logs, environments, figures of the runs."""
        folder = self.folder / "made"
        kept = {}
        for path, data in files_of(folder).items():
            if not (any(part in path for part in ("log", "environment.json", "timing.jsonl", "report.html", "/.lock"))
                    or re.search(r"/cells/\d+\.json$", path)):
                kept[path] = data if not path.endswith(".h5") else len(data)
        for run in (folder / "runs").iterdir():
            values = checkpoint(run)
            kept[f"{run.name} parameters"] = {key: values[key].tobytes() for key in values.tensors}
        return kept


if __name__ == "__main__":
    main()
