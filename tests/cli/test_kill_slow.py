"""kill -9 at any moment leaves a run that goes on, and what it becomes in the end is bit for bit what an uninterrupted
training makes. Fifty kills are spread from the program's start to its end. At least ten of them hit a checkpoint while it is
written, of which a temporary file in checkpoints/ tells: there is one at every step. At least five hit a run while none is.
"""

import os
import random
import shutil
import time

from program import ProgramTest, checkpoint, main

KILLS, IN_A_WRITE, BETWEEN_WRITES = 50, 10, 5
STEPS = 30
# 1.2 million parameters: with Adam's moments 15 MB, which take tens of milliseconds to compose, write and sync. Evaluations
# take longer, so that there are moments of a training without a write on any disk.
CONFIG = ("model.encoder.hidden=[1024, 1024]", "model.decoder.hidden=[1024]", "train.checkpoint_every=1",
          "train.evaluate_every=5", "train.evaluation.samples=40", "train.log_every=2", f"train.steps={STEPS}",
          'objective.beta={ schedule = "linear", from = 0.1, to = 0.6 }')


class Kill(ProgramTest):
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
        return kills >= KILLS and self.outcomes["writing"] >= IN_A_WRITE and self.outcomes["between"] >= BETWEEN_WRITES

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
            if run and (run / "DONE").exists():   # that one got through: compare, and begin anew
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


if __name__ == "__main__":
    main()
