"""Names are names, links lead nowhere, and nothing but a regular file is replaced: what a study, a run's folder or a path
from somebody else cannot make the program do to other files."""

import os
import pathlib
import re
import stat
import subprocess
import threading

from program import BINARY, ProgramTest, main

WRONG = ["../loot", "/abs/loot", "a/b", "..", ".hidden", "-rf", "", "a\\b", "a\nb", "a\u001bb", "a\u0085b", "a\u202eb", "x" * 300]


def toml(text):
    return '"' + "".join(c if c.isalnum() or c in "./-" else f"\\u{ord(c):04x}" for c in text) + '"'


STUDY = """
include = ["small.toml"]
name = {study}
[study.axes]
seed = [1]
[study.evaluate.{evaluation}]
limit = 64
{option}
[study.draw.{picture}]
command = "sample"
[study.compare.{comparison}]
[[study.figures]]
name = {figure}
x = "seed"
metrics = ["elbo"]
[[study.tables]]
name = {table}
rows = ["seed"]
metrics = ["elbo"]
"""
GOOD = {name: f'"{name}"' for name in ("study", "evaluation", "picture", "comparison", "figure", "table")} | {"option": ""}


class Names(ProgramTest):
    def check(self, **changes):
        (self.folder / "s.toml").write_text(STUDY.format(**(GOOD | changes)))
        result = self.run_program("check", "s.toml", code=None)
        self.assertEqual(self.written(), [])
        return result

    def written(self):
        return [path for path in self.folder.iterdir()
                if path.name not in ("s.toml", "small.toml", "images.npy", "labels.npy")]

    def test_one_rule_for_all(self):
        kinds = GOOD.keys() - {"option"}
        self.assertEqual(self.check().code, 0)
        for name in WRONG:
            found = self.check(**{kind: toml(name) for kind in kinds})
            self.assertEqual(found.code, 2, f"{name!r}\n{found}")
            said = re.findall(r"s\.toml:\d+:\d+: error: .* becomes a part of a path and must be a name of 1 to 100", found.stderr)
            self.assertEqual(len(said), len(kinds), f"{name!r}\n{found}")

    def test_a_study_chooses_no_place(self):
        options = ['dump = "/tmp/loot.h5"', f'out = "{self.folder}/loot"', 'runs = "loot"', 'studies = "loot"',
                   'plugin = "p.so"', 'data = "/"', '"-out" = "loot"', 'folder = "loot"', 'memory = 1000',
                   '"plugin=p.so" = true', '"dump=/tmp/loot.h5" = true']
        found = self.check(option="\n".join(options))
        self.assertEqual(found.code, 2, str(found))
        for i in range(len(options)):
            self.assertIn(f"s.toml:{8 + i}:", found.stderr)

    def test_runs(self):
        for name in WRONG:
            found = self.run_program("train", "small.toml", "name=" + toml(name), code=2)
            self.assertIn("name must be letters, digits", found.stderr)
        self.assertEqual(self.written(), [])
        for name in ("../x", "-x", "/x", "a b", ""):
            self.run_program("new", "prior", "--", name, code=2)
        self.assertEqual(self.written(), [])

    def test_a_tilde_that_the_shell_left(self):
        for arguments in (["train", "small.toml", "--runs=~/x"], ["train", "~/small.toml"], ["data", "show", "~/x.npy"],
                          ["train", "small.toml", "data.dataset=~/x.npy"], ["train", "small.toml", "data.dataset=\"~/x.npy\""],
                          ["train", "small.toml", "plugins.paths=[\"~/p\"]"]):
            found = self.run_program(*arguments, code=None)
            self.assertIn(found.code, (1, 2, 105), str(found))
            self.assertIn("in a shell, which has not expanded it; write " + str(self.folder), found.stderr)
        for arguments in (["train", "small.toml", "--runs=~nobody/x"], ["--data", "/a:~/b", "train", "small.toml"]):
            found = self.run_program(*arguments, code=None)
            self.assertIn(found.code, (1, 2, 105), str(found))
            self.assertIn("in a shell, which has not expanded it; write ", found.stderr)
        (self.folder / "t.toml").write_text('include = ["small.toml"]\n[plugins]\npaths = ["~/p"]\n')
        found = self.run_program("train", "t.toml", code=2)
        self.assertIn("t.toml:3:", found.stderr)
        self.assertEqual({path.name for path in self.written()}, {"t.toml"})


class Places(ProgramTest):
    def setUp(self):
        super().setUp()
        self.run = self.train("train.steps=4")
        self.victim = self.folder / "victim"
        self.victim.write_text("whole\n")
        self.elsewhere = self.folder / "elsewhere"
        self.elsewhere.mkdir()

    def whole(self):
        self.assertEqual(self.victim.read_text(), "whole\n")
        self.assertEqual(list(self.elsewhere.iterdir()), [])

    run_place = None

    def test_a_run_with_links(self):
        """Whatever is a link in a run's folder: the command says so, or leaves it alone; it never writes there."""
        commands = {
            "log.txt": ["resume"], "metrics.jsonl": ["resume"], "timing.jsonl": ["resume"], ".lock": ["resume"],
            "environment.json": ["resume"], "config.resolved.toml": ["resume"], "checkpoints/last.h5": ["resume"],
            "figures/samples.png": ["sample", "--n", 4], "evaluation-test.json": ["evaluate", "--limit", 8],
            "codes-test.h5": ["encode", "--limit", 8], "model.pt": ["export"], "model.py": ["export"],
        }
        for steps, (name, (command, *options)) in enumerate(commands.items(), start=6):
            path = self.run / name
            former = path.read_bytes() if path.exists() else None
            if former is not None:
                self.victim.write_bytes(former)  # what would be read is intact
                path.unlink()
            path.symlink_to(self.victim)
            more = [f"train.steps={steps}", "--no-figures"] if command == "resume" else []
            found = self.run_program(command, self.run, *options, *more, code=None)
            if name != "config.resolved.toml":  # which is read, and not written
                self.assertEqual(found.code, 1, f"{name}\n{found}")
                self.assertIn("link", found.stderr, name)
            self.assertEqual(self.victim.read_bytes(), former if former is not None else b"whole\n", name)
            self.assertTrue(path.is_symlink())
            path.unlink()
            if former is not None:
                path.write_bytes(former)
            self.victim.write_text("whole\n")

    def test_a_run_with_fifos_and_hard_links(self):
        """A FIFO among a run's files is not waited for; a lock that is a file's other name leaves its text alone."""
        for steps, name in enumerate(("log.txt", "metrics.jsonl", "timing.jsonl", ".lock"), start=6):
            path, kept = self.run / name, self.folder / "kept"
            if path.exists():
                path.rename(kept)
            os.mkfifo(path)
            found = self.run_program("resume", self.run, f"train.steps={steps}", "--no-figures", code=1)
            self.assertIn("not a regular file", found.stderr, name)
            path.unlink()
            if kept.exists():
                kept.rename(path)
        (self.run / ".lock").unlink(missing_ok=True)
        os.link(self.victim, self.run / ".lock")
        self.run_program("resume", self.run, "train.steps=12", "--no-figures")
        self.assertEqual(self.victim.read_text(), "whole\n")

    def test_a_run_with_folders_that_are_links(self):
        for name, command in (("figures", ["sample", "--n", 4]), ("priors", ["sample", "--prior", "gaussian"]),
                              ("checkpoints", ["resume", "train.steps=6", "--no-figures"])):
            path, kept = self.run / name, self.folder / "kept"
            if path.exists():
                path.rename(kept)
            path.symlink_to(self.elsewhere)
            for file in kept.glob("*"):
                (self.elsewhere / file.name).write_bytes(file.read_bytes())
            before = {file.name: file.read_bytes() for file in self.elsewhere.iterdir()}
            found = self.run_program(command[0], self.run, *command[1:], code=None)
            self.assertIn("leads out of", found.stderr)
            self.assertEqual({file.name: file.read_bytes() for file in self.elsewhere.iterdir()}, before)
            path.unlink()
            if kept.exists():
                kept.rename(path)
            for file in self.elsewhere.iterdir():
                file.unlink()

    def test_names_of_temporaries_cannot_be_foreseen(self):
        script = 'for p in $$ $(($$+1)); do for f in "figures/samples.png.part-$p" "figures/.samples.png.tmp-$p-0" ' \
                 '"figures/.samples.png.$p-0.variform-tmp"; do ln -s "$VICTIM" "$RUN/$f"; done; done; ' \
                 'exec "$VARIFORM_BINARY" sample "$RUN" --n 4'
        environment = self.environment(VICTIM=str(self.victim), RUN=str(self.run))
        done = subprocess.run(["sh", "-c", script], env=environment, cwd=self.folder, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.whole()
        self.assertTrue((self.run / "figures/samples.png").is_file())

    def test_a_study_with_links(self):
        (self.folder / "s.toml").write_text(STUDY.format(**GOOD))
        self.run_program("study", "s.toml")
        study = self.folder / "studies/study"
        files = [path.relative_to(study) for path in sorted(study.rglob("*")) if path.is_file()]
        self.assertIn(pathlib.Path("figures/figure.svg"), files)
        for file in files:
            if file.parts[0] in ("logs", "cells", "comparisons"):
                continue
            path = study / file
            former = path.read_bytes()
            self.victim.write_bytes(former)
            path.unlink()
            path.symlink_to(self.victim)
            stamp = self.victim.stat().st_mtime_ns
            found = self.run_program("report", "s.toml", code=None)
            if file.name != "study.json":  # which report only reads
                self.assertIn("link", found.stderr, file)
            self.assertEqual((self.victim.read_bytes(), self.victim.stat().st_mtime_ns), (former, stamp), file)
            path.unlink()
            path.write_bytes(former)
        for folder in ("figures", "tables"):
            (study / folder).rename(self.folder / "kept")
            (study / folder).symlink_to(self.elsewhere)
            found = self.run_program("report", "s.toml", code=None)
            self.assertIn("leads out of", found.stderr)
            self.assertEqual(list(self.elsewhere.iterdir()), [])
            (study / folder).unlink()
            (self.folder / "kept").rename(study / folder)

    def test_a_dump_of_a_study(self):
        (self.folder / "s.toml").write_text(STUDY.format(**(GOOD | {"option": 'dump = "all"'})))
        self.run_program("study", "s.toml")
        (dump,) = (self.folder / "runs").glob("*/evaluations/*-all.h5")
        former = dump.read_bytes()
        dump.unlink()
        dump.symlink_to(self.victim)
        dump.with_name(dump.name.replace("-all.h5", ".json")).unlink()
        found = self.run_program("study", "s.toml", code=1)
        self.assertIn("link", found.stderr)
        self.whole()
        dump.unlink()
        self.run_program("study", "s.toml")
        self.assertEqual(len(dump.read_bytes()), len(former))

    def test_a_link_of_the_users_is_followed(self):
        link = self.folder / "mine.json"
        link.symlink_to(self.victim)
        self.run_program("evaluate", self.run, "--limit", 8, "--out", link)
        self.assertTrue(link.is_symlink())
        self.assertIn('"values"', self.victim.read_text())

    def test_what_is_no_regular_file_is_written_to(self):
        commands = {"e.json": ["evaluate", self.run, "--limit", 8], "s.png": ["sample", self.run, "--n", 4],
                    "c.h5": ["encode", self.run, "--limit", 8]}
        for name, command in commands.items():
            fifo = self.folder / ("fifo-" + name)
            os.mkfifo(fifo)
            received = []
            reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
            reader.start()
            self.run_program(*command, "--out", fifo)
            reader.join()
            self.assertTrue(stat.S_ISFIFO(fifo.stat().st_mode))
            self.run_program(*command, "--out", name)
            self.assertEqual(received, [(self.folder / name).read_bytes()])
        with open(self.folder / "printed", "wb") as file:
            subprocess.run([BINARY, "evaluate", self.run, "--limit", "8", "--out", "/dev/stdout", "--quiet"], stdout=file,
                           env=self.environment(), cwd=self.folder, check=True)
        printed = (self.folder / "printed").read_text()
        self.assertTrue(printed.startswith("{\n"))
        self.assertIn("\n}\n8 data of split test", printed)
        if os.geteuid() != 0:
            return
        null = self.folder / "null"
        try:
            os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError:
            return
        for command in (*commands.values(), ["compare", self.run, self.run, "--limit", 8], ["data", "show", "images.npy"]):
            self.run_program(*command, "--picture" if command[0] == "data" else "--out", null)
            self.assertTrue(stat.S_ISCHR(null.stat().st_mode))
        for command in (["export", self.run], ["runs", "plot", self.run]):
            self.assertIn("cannot hold", self.run_program(*command, "--out", null, code=2).stderr)
            self.assertTrue(stat.S_ISCHR(null.stat().st_mode))

    def test_modes_follow_the_umask(self):
        group = self.folder / "group"
        group.mkdir()
        os.chmod(group, 0o2775)
        mask = lambda: os.umask(0o007)
        run = self.train("train.steps=4", runs=group / "runs", preexec_fn=mask)
        for command in (["sample", run, "--n", 4], ["export", run], ["encode", run], ["evaluate", run, "--limit", 8],
                        ["runs", "plot", run, "--out", group / "plot"]):
            self.run_program(*command, preexec_fn=mask)
        for path in group.rglob("*"):
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode, 0o2770 if path.is_dir() else 0o660, path)
            self.assertEqual(path.stat().st_gid, group.stat().st_gid)

    def test_without_locks(self):
        (self.folder / "nolock.c").write_text("#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "nolock.c", "-o", "nolock.so"], cwd=self.folder, check=True)
        found = self.run_program("resume", self.run, "train.steps=6", "--no-figures",
                                 env={"LD_PRELOAD": str(self.folder / "nolock.so")})
        self.assertIn("warning: ", found.stderr)
        self.assertIn("this file system has no locks", found.stderr)


if __name__ == "__main__":
    main()
