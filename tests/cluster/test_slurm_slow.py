"""A study on a real Slurm (tests/cluster/slurm.sh): workers are killed every few seconds, a time limit is hit, the node
is drained and resumed. In the end results.csv is byte for byte that of one process, no cell was trained twice unless its
worker was interrupted, and the share of the workers' time that went into cells is printed.

By hand, with the variables that ctest sets: VARIFORM_CELLS=1000 tests/cluster/test_slurm_slow.py"""

import collections
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))
from program import ProgramTest, left_over, main  # noqa: E402

CELLS = int(os.environ.get("VARIFORM_CELLS", 0))  # 0: what SECONDS have room for
SECONDS = 80
LIMIT = 3 if CELLS >= 1000 else 1  # minutes, of each job
KILL_EVERY = 8  # seconds, or cells where these take longer: one worker of the two
LEAST_SHARE = 0.95 if CELLS >= 1000 else 0  # of the workers' time; that of a short study is only shown
STUDY = """
include = ["small.toml"]
name = "tiny"
[study.axes]
seed = [%s]
"objective.beta" = [0.5, 1, 2, 4]
[study.evaluate.e]
limit = 32
samples = 2
importance_samples = 0
[study.compare.agreement]
over = "objective.beta"
where = { seed = 1 }
limit = 16
[[study.tables]]
name = "losses"
rows = ["objective.beta"]
metrics = ["loss_beta", "kl"]
"""


class Slurm:
    """One node with two slots, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = dict(os.environ, SLURM_CONF=str(folder / "slurm.conf"),
                                SLURM_PORT=str(random.randrange(20000, 30000)))
        self.script("start")

    def stop(self):
        """Ends what is left of a test that has failed, then the daemons."""
        for job, _ in self.jobs():
            self.run("scancel", job)
        end = time.monotonic() + 60
        while self.jobs() and time.monotonic() < end:
            time.sleep(0.5)
        self.script("stop")

    def script(self, action):
        subprocess.run([HERE / "slurm.sh", action, self.folder], env=self.environment, check=True, timeout=90)

    def run(self, *command):
        return subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True,
                              timeout=60).stdout

    def jobs(self):
        """[(id as scontrol takes it, state)] of what is queued or runs."""
        lines = self.run("squeue", "-h", "-r", "-o", "%i %T").splitlines()
        return [tuple(line.split()) for line in lines]

    def node(self, state):
        name = self.run("sinfo", "-h", "-o", "%n").split()[0]
        reason = ["reason=test"] if state == "drain" else []
        self.run("scontrol", "update", f"nodename={name}", f"state={state}", *reason)


def workers_of(folder):
    """Processes of workers whose working folder is this one; their commands are `train`, `evaluate`."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            worker = b"--worker" in words and b"study" in words and b"--to-end" not in words
            if worker and (process / "cwd").resolve() == folder:
                found.append(int(process.name))
    return found


class Killer(threading.Thread):
    """Kills one of a study's workers every few seconds."""

    def __init__(self, folder, every):
        super().__init__(daemon=True)
        self.folder, self.every, self.killed, self.ends = folder, every, {}, threading.Event()
        self.random = random.Random(1)

    def run(self):
        while not self.ends.wait(self.every):
            workers = workers_of(self.folder)
            if workers:
                chosen = self.random.choice(workers)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chosen, signal.SIGKILL)
                    self.killed[chosen] = time.time()


def messages_of(file):
    """[(time, text)] of the lines that workers have said in one job; sbatch's own lines are passed over."""
    for line in file.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            message = json.loads(line)
            yield message["time"], message["text"]


class Life:
    """What one worker did: when its process began, as far as that is known, and its cells with their times."""

    def __init__(self, process, said):
        self.process, self.said, self.began, self.end, self.cells = process, said, None, said, []

    def take(self, at, text):
        self.end = at
        begins = re.match(r"(.*): begins$", text)
        done = re.match(r"\[\d+/\d+\] (.*): done in", text)
        if begins:
            self.cells.append([begins[1], at, None])
        elif done:
            assert self.cells[-1][0] == done[1], text
            self.cells[-1][2] = at


def lives_in(file, killed):
    """The workers of one job, one after the other. One that follows a killed one began at that moment."""
    lives = []
    for at, text in messages_of(file):
        if begin := re.match(r"worker: process (\d+) ", text):
            lives.append(Life(int(begin[1]), at))
        elif lives:
            lives[-1].take(at, text)
    for before, life in zip([None, *lives], lives):
        life.end = killed.get(life.process, life.end)
        if before and before.process in killed:
            life.began = before.end
    return lives


def share_in_cells(lives):
    """The share of the workers' time inside cells, and that time. Who began at an unknown moment took the mean time
    until its first line."""
    starts = [life.said - life.began for life in lives if life.began is not None]
    start = sum(starts) / len(starts)
    whole = sum(life.end - (life.said - start if life.began is None else life.began) for life in lives)
    inside = sum((ended or life.end) - began for life in lives for _, began, ended in life.cells)
    return inside / whole, whole


@unittest.skipUnless(shutil.which("slurmctld") or os.environ.get("CI"), "slurm-wlm and munge are not installed")
class OnSlurm(ProgramTest):
    def setUp(self):
        super().setUp()
        home = pathlib.Path(tempfile.mkdtemp(prefix="variform-slurm-"))
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        self.slurm = Slurm(home)
        self.addCleanup(self.slurm.stop)
        os.environ.update(self.slurm.environment)

    def study(self, cells):
        seeds = ", ".join(str(seed) for seed in range(1, -(-cells // 4) + 1))
        (self.folder / "tiny.toml").write_text(STUDY % seeds)
        return -(-cells // 4) * 4

    def seconds_per_cell(self):
        self.study(4)
        began = time.monotonic()
        self.run_program("study", "tiny.toml", "--runs", "first", "--studies", "first")
        return (time.monotonic() - began) / 4

    def disturb(self):
        """Drains the node once, with a job that has to wait for it, and resumes it."""
        self.wait(lambda: len(list(self.folder.glob("runs/*/DONE"))) >= self.cells // 4)
        running = [job for job, state in self.slurm.jobs() if state == "RUNNING"]
        self.slurm.node("drain")
        if running:
            self.slurm.run("scontrol", "requeue", running[0])
        time.sleep(12)
        self.slurm.node("resume")

    def wait(self, reached):
        end = time.monotonic() + 60 + 20 * self.cells
        while not reached():
            self.assertLess(time.monotonic(), end, self.slurm.run("squeue", "-l"))
            time.sleep(0.5)

    def test_a_study(self):
        seconds = self.seconds_per_cell()
        self.cells = self.study(CELLS or max(20, int(2 * SECONDS / seconds)))
        began = time.monotonic()
        submitted = self.run_program("study", "tiny.toml", "--slurm", "--workers", 2, "--time", LIMIT, "--threads", 1,
                                     "--submit", "--log-json")
        self.assertIn("submitted the workers as job", submitted.stderr)
        killer = Killer(self.folder, KILL_EVERY * max(1, seconds))
        killer.start()
        self.disturb()
        self.wait(lambda: not self.slurm.jobs())
        killer.ends.set()
        killer.join()
        took = time.monotonic() - began
        share = self.check_lives(killer, took)
        self.check_results()
        self.assertGreaterEqual(share, LEAST_SHARE)

    def check_results(self):
        folder = self.folder / "studies/tiny"
        self.assertTrue((folder / "report.html").exists(), sorted((folder / "slurm").iterdir()))
        self.assertEqual(left_over(self.folder), [])
        results = (folder / "results.csv").read_bytes()
        self.run_program("study", "tiny.toml", "--runs", "others", "--studies", "alone", "--jobs", 2, timeout=7200)
        self.assertEqual(results, (self.folder / "alone/tiny/results.csv").read_bytes())

    def check_lives(self, killer, took):
        """Each cell once, unless it was interrupted; returns the share of the workers' time inside cells."""
        folder = self.folder / "studies/tiny/slurm"
        lives = [life for file in folder.glob("*-[0-9].txt") for life in lives_in(file, killer.killed)]
        done, interrupted = collections.Counter(), collections.Counter()
        for life in lives + [life for file in folder.glob("*-report.txt") for life in lives_in(file, {})]:
            for cell, _, ended in life.cells:
                (interrupted if ended is None else done)[cell] += 1
        share, whole = share_in_cells(lives)
        print(f"{self.cells} cells in {took:.0f} s at a load of {os.getloadavg()[2]:.1f}, {len(lives)} workers, "
              f"{len(killer.killed)} of them killed, one every {killer.every:.1f} s; "
              f"{sum(interrupted.values())} cells interrupted; {100 * share:.1f} % of {whole:.0f} s in cells",
              flush=True)
        self.assertEqual(len({*done, *interrupted}), self.cells)  # one may have been killed before it said "done"
        self.assertEqual(set(done.values()), {1})
        self.check_trainings(interrupted)
        self.assertTrue(any("the time is over" in file.read_text() for file in folder.glob("*-[0-9].txt")))
        return share

    def check_trainings(self, interrupted):
        """A cell is trained once, and once more for each interruption."""
        summary = json.loads((self.folder / "studies/tiny/study.json").read_text())
        for cell in summary["cells"]:
            name = " ".join(f"{axis.split('.')[-1]}={label}" for axis, label in cell["labels"])
            log = (self.folder / "runs" / cell["run"] / "log.txt").read_text()
            self.assertLessEqual(len(re.findall("training: steps", log)), 1 + interrupted[name], name)


if __name__ == "__main__":
    main()
