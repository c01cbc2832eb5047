"""`variform study FILE --worker`: any number of processes that share a study through its folders, and come and go."""

import contextlib
import json
import os
import pathlib
import re
import signal
import time
import unittest

from program import ProgramTest, checkpoint, files_of, left_over, main, metrics, wait_until

STUDY = """
include = ["small.toml"]
name = "grid"
[study.axes]
"objective.beta" = [0.5, 2]
seed = [1, 2]
[study.evaluate.e]
limit = 32
samples = 2
importance_samples = 0
[study.compare.agreement]
over = "seed"
limit = 16
[[study.tables]]
name = "losses"
rows = ["objective.beta"]
metrics = ["loss_beta", "kl"]
"""
ONE = STUDY.replace("[0.5, 2]", "[0.5]").replace("[1, 2]", "[1]")
LONG = ("train.steps=1500", "train.checkpoint_every=100")
STAGES = """
include = ["small.toml"]
name = "grid"
[study.stages.first]
axes = { seed = [1, 2] }
[study.stages.second]
set = { "model.decoder" = { from = "@first", frozen = true } }
axes = { seed = [1, 2], "model.family.type" = ["diagonal", "full"] }
[study.evaluate.e]
limit = 32
samples = 2
importance_samples = 0
"""


class Workers(ProgramTest):
    def write(self, study):
        (self.folder / "grid.toml").write_text(study)

    def start_worker(self, *arguments):
        return self.start("study", "grid.toml", "--worker", *arguments)

    def worker(self, *arguments, **options):
        return self.run_program("study", "grid.toml", "--worker", *arguments, **options)

    def study_says(self, *arguments):
        return self.run_program("study", "grid.toml", *arguments).stdout

    def claims(self):
        return sorted((self.folder / "runs/.claims").glob("*.*"))

    def results_of_one(self, *arguments):
        """What a single process makes of the same study, elsewhere."""
        self.run_program("study", "grid.toml", *arguments, "--runs", "others", "--studies", "alone")
        return (self.folder / "alone/grid/results.csv").read_bytes()

    def results(self):
        return (self.folder / "studies/grid/results.csv").read_bytes()

    def step(self):
        """The last step that a run has written a metric of."""
        steps = [line["step"] for file in self.folder.glob("runs/*/metrics.jsonl") for line in metrics(file.parent)]
        return max(steps, default=0)

    def claimed(self, text):
        """Whether there is a claim with that text, which is one process' alone."""
        found = []
        for claim in self.claims():
            with contextlib.suppress(FileNotFoundError):  # given back in the meantime
                found.append(claim.read_text())
        return text in found

    def test_several_share_the_cells(self):
        self.write(STUDY)
        several = [self.start_worker() for _ in range(3)]
        said = [process.communicate(timeout=300)[1] for process in several]
        self.assertEqual([process.returncode for process in several], [0, 0, 0], said)
        self.assertEqual(sum(len(re.findall(r"done in \d+ s", text)) for text in said), 4)  # each cell once
        summary = json.loads((self.folder / "studies/grid/study.json").read_text())
        self.assertTrue(all("run" in cell for cell in summary["cells"]))
        self.assertEqual(len(summary["comparisons"]), 2)
        self.assertFalse((self.folder / "studies/grid/results.csv").exists())
        last = self.worker("--to-end")
        self.assertIn("nothing is left to do", last.stderr)
        self.assertEqual(left_over(self.folder), [])
        self.assertEqual(self.results(), self.results_of_one())

    def test_each_has_a_log_of_its_own(self):
        self.write(ONE)
        quiet = self.start_worker("--quiet")
        self.assertEqual(quiet.communicate(timeout=300)[1], "")
        again = self.worker()
        logs = sorted(self.folder.glob("studies/grid/workers/*.txt"))
        self.assertEqual(len(logs), 2)
        first = next(log for log in logs if log.stem.endswith(f"-{quiet.pid}")).read_text()
        lines = [line.split("  ", 1) for line in first.splitlines()]
        for time_of, _ in lines:
            self.assertRegex(time_of, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        said = [text for _, text in lines]
        self.assertRegex(said[0], rf"^worker: process {quiet.pid} on ")
        self.assertRegex(said[1], r"^beta=0.5 seed=1: begins")
        self.assertRegex(said[2], r"^\[1/1\] beta=0.5 seed=1: done in ")
        self.assertEqual(said[3], "nothing is left to do.")
        second = next(log for log in logs if not log.stem.endswith(f"-{quiet.pid}")).read_text()
        for line in second.splitlines():
            self.assertIn(line.split("  ", 1)[1], again.stderr)

    def test_its_log_says_what_failed(self):
        self.write(ONE)
        self.worker("train.optimizer.lr=1e30", code=1)
        (log,) = self.folder.glob("studies/grid/workers/*.txt")
        self.assertRegex(log.read_text(), r"  error: cell 1, [\s\S]*not finite")

    def test_cells_that_build_on_others_wait_for_them(self):
        self.write(STAGES)
        several = [self.start_worker() for _ in range(3)]
        said = [process.communicate(timeout=300)[1] for process in several]
        self.assertEqual([process.returncode for process in several], [0, 0, 0], said)
        self.assertEqual(sum(len(re.findall(r"done in \d+ s", text)) for text in said), 6)
        self.worker("--to-end")
        self.assertEqual(len(self.results().splitlines()), len(self.results_of_one().splitlines()))

    def test_a_signal_gives_the_cell_back(self):
        self.write(ONE)
        straight = self.train("seed=1", *LONG, runs="straight")
        for number, code in ((signal.SIGTERM, 130), (signal.SIGUSR1, 75), (signal.SIGHUP, 130)):
            before = self.step()
            process = self.start_worker(*LONG)
            result = self.interrupt_after(process, lambda: self.step() > before, number)
            self.assertEqual(result.code, code, str(result))
            self.assertEqual(self.claims(), [])
            (run,) = (self.folder / "runs").iterdir()
            self.assertTrue((run / "INTERRUPTED").exists())
            self.assertGreater(checkpoint(run).step, 0)
        self.assertRegex(self.worker(*LONG).stderr, r"\[1/1\] .*done in")
        self.assertEqual(metrics(run), metrics(straight))

    def test_its_time_is_over(self):
        self.write(ONE)
        began = time.monotonic()
        result = self.worker("--time", "0:02", "train.steps=1000000", code=75)
        self.assertLess(time.monotonic() - began, 30)
        self.assertIn("the time is over", result.stderr)
        self.assertEqual(self.claims(), [])
        self.assertIn("--time is a time such as", self.worker("--time", "soon", code=2).stderr)

    def test_a_killed_one_is_replaced_at_once(self):
        self.write(ONE)
        process = self.start_worker(*LONG)
        wait_until(self.step, process)
        process.kill()
        process.communicate()
        self.assertEqual(len(self.claims()), 1)
        self.assertRegex(self.worker(*LONG, "--to-end").stderr, r"\[1/1\] .*done in")
        self.assertEqual(left_over(self.folder), [])
        self.assertEqual(self.results(), self.results_of_one(*LONG))

    def test_one_that_stood_still_loses_its_cell(self):
        self.write(ONE)
        first = self.start_worker("--silence", 1, *LONG)
        wait_until(self.step, first)
        (training,) = [int(child) for child in pathlib.Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()]
        (claim,) = self.claims()
        own = claim.read_text()
        for process in (first.pid, training):
            os.kill(process, signal.SIGSTOP)
        time.sleep(1.5)  # or the second would leave the cell to the first
        second = self.start_worker("--silence", 1, *LONG)
        try:
            wait_until(lambda: not self.claimed(own), second)
            time.sleep(0.5)
        finally:
            for process in (training, first.pid):
                os.kill(process, signal.SIGCONT)
        said = [process.communicate(timeout=300)[1] for process in (first, second)]
        self.assertEqual([first.returncode, second.returncode], [0, 0], said)
        self.assertIn("another process has taken it over", said[0])
        self.assertIn("uses the run; this study waits for it", said[1])
        self.assertEqual("".join(said).count("done in"), 1, said)  # by the one that is first once the training has ended
        self.worker("--to-end", *LONG)
        self.assertEqual(self.results(), self.results_of_one(*LONG))

    def test_failed_cells_are_left_alone_until_asked_for(self):
        self.write(STUDY.replace('"objective.beta" = [0.5, 2]', '"train.optimizer.lr" = [1e30, 1e-3]')
                   .replace('rows = ["objective.beta"]', 'rows = ["train.optimizer.lr"]').replace("seed = [1, 2]", "seed = [1]"))
        first = self.worker(code=1)
        self.assertIn("`train` ended with exit code 1", first.stderr)
        runs = files_of(self.folder / "runs")
        again = self.worker(code=1)
        self.assertIn("it has not been tried again", again.stderr)
        self.assertEqual(files_of(self.folder / "runs"), runs)
        third = self.worker("--retry", code=1)
        self.assertNotIn("it has not been tried again", third.stderr)

    def test_status_says_who_is_at_work_and_what_has_failed(self):
        self.write(STAGES.replace("seed = [1, 2]", "seed = [1]").replace('["diagonal", "full"]', '["diagonal"]'))
        self.assertIn("1 to do, 1 waits for others\nnobody is at work", re.sub(" and ", ", ", self.study_says("--status")))
        process = self.start_worker("train.steps=1000000")
        wait_until(self.step, process)
        said = self.study_says("--status", "train.steps=1000000")
        self.assertRegex(said, rf"1 +seed=1 +at work +{process.pid} +\S+ +\d+ s")
        status = json.loads(self.study_says("--status", "--json", "train.steps=1000000"))
        self.assertEqual(status["counts"], {"at work": 1, "waits for others": 1})
        self.assertEqual(status["cells"][0]["claim"]["process"], process.pid)
        self.assertEqual(status["cells"][0]["claim"]["taken"], 1)
        process.kill()
        process.communicate()
        self.assertIn("1 silent", self.study_says("--status", "train.steps=1000000"))

        self.worker("train.optimizer.lr=1e30", code=1)
        self.assertRegex(self.study_says("--status", "train.optimizer.lr=1e30"), r"1 failed[\s\S]*logs/001.txt")
        self.worker()
        status = json.loads(self.study_says("--status", "--json"))
        self.assertEqual(status["counts"], {"done": 2})
        self.assertGreater(status["seconds_per_cell"], 0)

    def test_the_list_names_files_for_workflows(self):
        """Each cell by itself, from what the list says alone; what it names is there afterwards."""
        self.write(STAGES.replace("seed = [1, 2]", "seed = [1]").replace('["diagonal", "full"]', '["diagonal"]'))
        cells = json.loads(self.study_says("--list", "--json"))
        self.assertEqual([cell["needs"] for cell in cells], [[], [1]])
        self.assertEqual(cells[1]["inputs"], cells[0]["outputs"][:1])
        self.assertIsNone(cells[1]["run"])
        for cell in cells:
            self.assertFalse(pathlib.Path(cell["outputs"][0]).exists())
            self.study_says("--only", cell["cell"])
            self.assertTrue(pathlib.Path(cell["outputs"][0]).exists())
        for cell in json.loads(self.study_says("--list", "--json")):
            for file in cell["inputs"] + cell["outputs"]:
                self.assertTrue(pathlib.Path(file).is_file(), file)

    def test_slurm_gets_an_array_and_a_report_after_it(self):
        """A stand-in for sbatch runs each job at once; tests/cluster has a real one."""
        self.write(ONE)
        programs = self.folder / "programs"
        programs.mkdir()
        (programs / "sbatch").write_text("""#!/bin/bash
printf '%s\\n' "$*" >> asked.txt
while [[ $1 == -* ]]; do shift; done
SLURM_JOB_ID=7 bash "$@" >> jobs.txt 2>&1
echo 7
""")
        (programs / "sbatch").chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        said = self.run_program("study", "grid.toml", "--slurm", "--submit", "--workers", 3, "--time", "2:00:00", "--cpus", 4,
                                "--gpus", "a100:1", "--sbatch=--partition=long", env=dict(PATH=path))
        self.assertEqual(said.stdout.strip(), str(self.folder / "studies/grid/slurm/study.sh"))
        self.assertIn("submitted the workers as job 7, and the report after them as job 7", said.stderr)
        workers, report = (self.folder / "asked.txt").read_text().splitlines()
        for option in ("--array=1-3", "--time=2:00:00", "--cpus-per-task=4", "--gres=gpu:a100:1", "--partition=long",
                       "--signal=B:USR1@120", "--requeue"):
            self.assertIn(option, workers)
        self.assertIn("--dependency=afterany:7", report)
        self.assertIn("(slurm 7)", (self.folder / "jobs.txt").read_text())
        self.assertEqual(self.results(), self.results_of_one())
        without = self.run_program("study", "grid.toml", "--slurm", "--submit", env=dict(PATH="/nowhere"), code=1)
        self.assertIn("sbatch is not on the PATH", without.stderr)
        self.assertIn("--submit, --workers", self.run_program("study", "grid.toml", "--submit", code=2).stderr)


if __name__ == "__main__":
    main()
