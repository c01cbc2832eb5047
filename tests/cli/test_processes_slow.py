"""One model on several processes: whoever starts them and however many there are, the bits are those of one; and one that
is killed or asked to stop ends all of them, with a checkpoint."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from program import BINARY, ProgramTest, checkpoint, main, wait_until

# Five batches of evaluation: more than two processes, and not the same number for each.
SHARDS = ("train.shards=4", "train.evaluation.batch=14", "train.evaluation.samples=2")
LONG = (*SHARDS, "train.steps=1200", "train.checkpoint_every=1000")
STEP = {"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1"}


def children_of(process):
    text = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(word) for word in text.split()]


class ProcessesTest(ProgramTest):
    def together(self, *arguments, count=2, environments=None, code=0, different=()):
        """Starts the processes of a step of srun, or with other variables; their results by rank."""
        port = 20000 + os.getpid() % 10000
        started = []
        for rank in range(count):
            environment = {**STEP, "SLURM_PROCID": str(rank), "MASTER_PORT": str(port), **((environments or {}).get(rank, {}))}
            more = different if rank == count - 1 else ()
            started.append(self.start("train", "small.toml", *arguments, *more, "--no-figures", env=environment))
        results = []
        for process in started:
            stdout, stderr = process.communicate(timeout=120)
            results.append((process.returncode, stdout, stderr))
        self.assertEqual(results[0][0], code, results)
        return results

    def test_any_number_of_processes_gives_the_same_bits(self):
        one = self.train(*SHARDS, runs="one")
        for count in (2, 4):
            many = self.train(*SHARDS, "--processes", count, runs=f"runs-{count}")
            self.assert_same_run(one, many)
            self.assertEqual(json.loads((many / "environment.json").read_text())["processes"], count)

    def test_who_is_killed_or_stopped_ends_all_and_any_number_goes_on(self):
        whole = self.train(*LONG, runs="whole")
        run = self.folder / "pieces"

        def is_training():
            metrics = run / "metrics.jsonl"
            return metrics.exists() and metrics.read_text().count("\n") > before + 5

        before = 0
        process = self.start("train", "small.toml", *LONG, "--folder", run, "--no-figures", "--processes", 2)
        wait_until(is_training, process)
        os.kill(children_of(process)[0], signal.SIGKILL)
        _, stderr = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1, stderr)
        self.assertRegex(stderr, r"process 1 of 2 .*signal 9")
        self.assertIn("variform resume", stderr)
        self.assertEqual(stderr.count("error: "), 1, stderr)
        self.assertIn("process 1 of 2", (run / "FAILED").read_text())
        self.assertGreater(checkpoint(run).step, 0)

        before = (run / "metrics.jsonl").read_text().count("\n")
        process = self.start("resume", run, "--no-figures", "--processes", 4)
        wait_until(is_training, process)
        os.kill(children_of(process)[2], signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, stderr)
        self.assertIn("interrupted by a signal to another process", (run / "INTERRUPTED").read_text())
        self.assertLess(checkpoint(run).step, 1200)

        before = (run / "metrics.jsonl").read_text().count("\n")
        process = self.start("resume", run, "--no-figures", "--processes", 2)
        result = self.interrupt_after(process, is_training)
        self.assertEqual(result.code, 130, str(result))
        self.assertIn("interrupted by SIGINT", (run / "INTERRUPTED").read_text())

        self.resume(run)
        self.assert_same_run(whole, run)

    def test_process_0_is_killed(self):
        run = self.folder / "run"
        process = self.start("train", "small.toml", *LONG, "--folder", run, "--no-figures", "--processes", 2)
        wait_until(lambda: (run / "metrics.jsonl").exists(), process)
        other = children_of(process)[0]
        process.kill()
        process.communicate(timeout=30)
        end = time.monotonic() + 30
        while pathlib.Path(f"/proc/{other}").exists():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_started_by_torchrun(self):
        one = self.train(*SHARDS, runs="one")
        run = self.folder / "run"
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--no-python", "--standalone", "--nproc-per-node=2"]
        said = subprocess.run([*torchrun, BINARY, "train", "small.toml", *SHARDS, "--folder", run, "--no-figures"], cwd=self.folder,
                              env=self.environment(), capture_output=True, text=True, timeout=120)
        self.assertEqual(said.returncode, 0, said)
        self.assert_same_run(one, run)
        self.assertEqual(said.stderr.count("training: steps"), 1, said)

    def test_started_by_srun(self):
        one = self.train(*SHARDS, runs="one")
        first, second = self.together(*SHARDS, "--folder", "run")
        self.assert_same_run(one, self.folder / "run")
        self.assertEqual(first[1], "run\n")
        self.assertEqual(second, (0, "", ""))

    def test_processes_that_differ(self):
        first, second = self.together(*SHARDS, "--folder", "run", code=1, different=("seed=4",))
        self.assertIn("process 1 of 2", first[2])
        self.assertIn('another config than process 0: "seed = 4" against "seed = 3"', first[2])
        self.assertEqual(second[1:], ("", ""))
        first, _ = self.together(*SHARDS, "--folder", "other", code=1, environments={1: {"ATEN_CPU_CAPABILITY": "default"}})
        self.assertIn("another instruction set than process 0", first[2])

    def test_a_mistake_is_said_once(self):
        result = self.run_program("train", "small.toml", *SHARDS, "train.lr=3", "--processes", 2, code=2)
        self.assertEqual(result.stderr.count("train.lr"), 1, result.stderr)
        for count, shards in ((3, 4), (2, 1), (8, 4)):
            result = self.run_program("train", "small.toml", f"train.shards={shards}", "--processes", count, code=2)
            self.assertIn(f"train.shards is {shards}, and {count} processes", result.stderr)
            self.assertIn(f"train.shards={max(4 if count == 3 else count, 1)}", result.stderr)

    def test_alone_in_a_step_of_several(self):
        environment = {**STEP, "SLURM_PROCID": "1"}
        run = self.train("--processes", 1, env=environment)
        self.assertEqual(json.loads((run / "environment.json").read_text())["processes"], 1)
        (self.folder / "study.toml").write_text('include = ["small.toml"]\nname = "cells"\n[study.axes]\nseed = [1, 2]\n')
        self.run_program("study", "study.toml", env=environment)
        self.assertEqual(len(list(self.folder.glob("runs/*/DONE"))), 3)


if __name__ == "__main__":
    main()
