"""`variform runs serve` as a program sees it: what it answers and to whom, files that grow, and names that mean harm."""

import json
import os
import pathlib
import shutil
import signal
import tempfile
import time

import served
from program import CONFIG, ProgramTest, handles, main, metrics

PAGE_PATHS = ("/", "/runs", "/runs?since=0", "/metrics?run=r1", "/figure?run=r1&name=samples.png")


class Serve(ProgramTest):
    trained = None

    def setUp(self):
        super().setUp()
        if Serve.trained is None:
            Serve.trained = self.train()
            Serve.kept = tempfile.TemporaryDirectory()
            self.addClassCleanup(Serve.kept.cleanup)
            Serve.trained = pathlib.Path(shutil.copytree(Serve.trained.parent, pathlib.Path(Serve.kept.name) / "runs")) / Serve.trained.name
        else:
            shutil.copytree(Serve.trained.parent, self.folder / "runs")
        self.run_folder = self.folder / "runs" / Serve.trained.name
        (self.run_folder / "figures" / "samples.png").write_bytes(b"\x89PNG\r\n\x1a\n picture")
        (self.run_folder / "figures" / "plot.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")

    def only(self, page, since=0):
        return page.json("/runs", since=since)["runs"]

    def all_lines(self, page, run):
        """Every line of a run's metrics, piece by piece."""
        lines, at = [], 0
        while True:
            piece = page.json("/metrics", run=run["id"], generation=run["generation"], **{"from": at})
            lines += piece["lines"]
            if piece["next"] == at:
                return lines
            at = piece["next"]

    def test_what_it_says_of_a_run(self):
        with served.Served(self) as page:
            (run,) = self.only(page)
            self.assertEqual((run["name"], run["folder"]), (self.run_folder.name, "runs"))
            self.assertEqual((run["state"], run["ending"], run["step"], run["horizon"]), ("done", "finished", 22, 22))
            self.assertEqual(run["evaluation"], metrics(self.run_folder, "test")[-1])
            self.assertEqual(run["training"], metrics(self.run_folder, "train")[-1])
            self.assertEqual(run["dataset"], "blobs")
            config = dict(run["config"])
            self.assertEqual((config["objective.beta"], config["model.family.type"], config["train.steps"]), ("0.5", "diagonal", "22"))
            self.assertEqual([figure["name"] for figure in run["figures"]], ["plot.svg", "samples.png"])
            self.assertEqual(run["problems"], [])
            self.assertEqual(self.all_lines(page, run), metrics(self.run_folder))

    def test_only_reading_and_only_from_here(self):
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        with served.Served(self) as page:
            for path in PAGE_PATHS:
                status, headers, body = page.ask(path)
                self.assertEqual(status, 200, path)
                self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertNotIn("Access-Control-Allow-Origin", headers)
                self.assertEqual(page.ask(path, "HEAD")[::2], (200, b""), path)
                for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                    status, headers, _ = page.ask(path, method, body=b"x=1")
                    self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"), f"{method} {path}")
                for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil.example"):
                    self.assertEqual(page.ask(path, host=host)[0], 403, f"{host} {path}")
            for host in ("localhost", "localhost:9000", "127.0.0.1"):  # a tunnel has another port
                self.assertEqual(page.ask("/", host=host)[0], 200)
            self.assertEqual(self.listening(page.process.pid), [f"127.0.0.1:{page.port}"])
        self.assertEqual({path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}, before)

    def listening(self, process):
        """Addresses at which a process listens, from /proc."""
        sockets = {os.readlink(f"/proc/{process}/fd/{name}") for name in os.listdir(f"/proc/{process}/fd")}
        found = []
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                    address, port = words[1].split(":")
                    quad = ".".join(str(byte) for byte in reversed(bytes.fromhex(address))) if table == "tcp" else address
                    found.append(f"{quad}:{int(port, 16)}")
        return found

    def test_nothing_outside_of_the_runs(self):
        secret = self.folder / "secret.png"
        secret.write_bytes(b"secret")
        outside = served.make_run(self.run_folder, self.folder / "outside", served.curve(3, 200), 200, 1, 0.5)
        (self.folder / "runs" / "linked").symlink_to(outside)
        (self.run_folder / "figures" / "linked.png").symlink_to(secret)
        other = served.make_run(self.run_folder, self.folder / "runs" / "other", [], 200, 1, 0.5, ending=None, figures=False)
        (other / "figures").symlink_to(self.folder)
        (other / "metrics.jsonl").unlink()
        (other / "metrics.jsonl").symlink_to(outside / "metrics.jsonl")
        (other / "FAILED").symlink_to(secret)
        with served.Served(self) as page:
            news = page.json("/runs", since=0)
            shown = {run["name"]: run for run in news["runs"]}
            self.assertEqual(set(shown), {self.run_folder.name, "other"})
            self.assertEqual(news["links"], ["runs/linked"])
            self.assertEqual([figure["name"] for figure in shown[self.run_folder.name]["figures"]], ["plot.svg", "samples.png"])
            self.assertEqual((shown["other"]["figures"], shown["other"]["step"], shown["other"]["reason"]), ([], 0, ""))
            self.assertIn("metrics.jsonl: expected a file, found a link", shown["other"]["problems"][0])
            self.assertIn("is a link, and is not followed", shown["other"]["problems"][1])
            for run in [run["id"] for run in news["runs"]] + ["r99", "", "../outside"]:
                for name in ("linked.png", "../secret.png", "..%2fsecret.png", "%2e%2e/%2e%2e/secret.png", str(secret),
                             "../../../secret.png", "samples.png%00", "secret.png", ".", ""):
                    status, _, body = page.ask(f"/figure?run={run}&name={name}")
                    self.assertEqual((status, b"secret" in body), (404, False), f"{run} {name}")
                if run in ("r99", "", "../outside"):
                    self.assertEqual(page.ask(f"/metrics?run={run}")[0], 404)
            for path in ("/../secret.png", "/..%2fsecret.png", "//etc/passwd", "/%2e%2e/secret.png", "/runs/../secret.png", "/secret.png"):
                self.assertIn(page.ask(path)[0], (400, 404), path)

    def test_a_figure_may_do_nothing(self):
        with served.Served(self) as page:
            (run,) = self.only(page)
            status, headers, body = page.ask(f"/figure?run={run['id']}&name=plot.svg")
            self.assertEqual((status, headers["Content-Type"]), (200, "image/svg+xml"))
            self.assertIn("sandbox", headers["Content-Security-Policy"])
            self.assertEqual(page.ask(f"/figure?run={run['id']}&name=samples.png")[2], b"\x89PNG\r\n\x1a\n picture")

    def test_growing_and_damaged_files(self):
        """Only what is new is sent; half a line waits for its other half; a changed line is left out and named."""
        lines = served.curve(3, 1000)
        run = served.make_run(self.run_folder, self.folder / "growing" / "a", lines[:5], 1000, 1, 0.5, ending=None, figures=False)
        file = run / "metrics.jsonl"
        with served.Served(self, "growing") as page:
            news = page.json("/runs", since=0)
            (shown,) = news["runs"]
            self.assertEqual((shown["step"], shown["state"]), (lines[4]["step"], "unfinished"))
            piece = page.json("/metrics", run=shown["id"], generation=shown["generation"])
            self.assertEqual((piece["lines"], piece["next"]), (lines[:5], file.stat().st_size))
            time.sleep(0.2)
            self.assertEqual(page.json("/runs", since=news["version"])["runs"], [])

            def later(text):
                with open(file, "a") as out:
                    out.write(text)
                time.sleep(0.2)  # two questions within 150 ms get one answer
                return page.json("/runs", since=self.version)["runs"]

            self.version = news["version"]
            whole, half = served.sealed(lines[5]), served.sealed(lines[6])
            (shown,) = later(whole + half[:30])
            self.assertNotIn("config", shown)
            self.assertEqual((shown["step"], shown["bytes"]), (lines[5]["step"], piece["next"] + len(whole)))
            more = page.json("/metrics", run=shown["id"], generation=shown["generation"], **{"from": piece["next"]})
            self.assertEqual((more["from"], more["lines"]), (piece["next"], [lines[5]]))
            (shown,) = later(half[30:] + served.sealed(lines[7]).replace('"loss":', '"loss":1'))
            self.assertIn("line 8 is not as it was written", shown["problems"][0])
            more = page.json("/metrics", run=shown["id"], generation=shown["generation"], **{"from": more["next"]})
            self.assertEqual(more["lines"], [lines[6]])

            # Resumed from a checkpoint: the file is cut, and grows again.
            file.write_text("".join(map(served.sealed, lines[:3])))
            (shown,) = later("")
            self.assertEqual((shown["step"], shown["problems"]), (lines[2]["step"], []))
            again = page.json("/metrics", run=shown["id"], generation=piece["generation"], **{"from": more["next"]})
            self.assertEqual((again["from"], again["lines"]), (0, lines[:3]))
            self.assertNotEqual(again["generation"], piece["generation"])

            # The same, and longer again before anybody looked.
            longer = [{**line, "loss": line["loss"] + 1} for line in lines]
            file.write_text("".join(map(served.sealed, longer)))
            (shown,) = later("")
            self.assertEqual((shown["step"], shown["problems"]), (1000, []))
            last = page.json("/metrics", run=shown["id"], generation=again["generation"], **{"from": again["next"]})
            self.assertEqual((last["from"], last["lines"]), (0, longer))

            # Removed while somebody looks.
            self.assertEqual(self.run_program("runs", "list", "--runs", "growing", "--json").json[0]["step"], 1000)
            for path in sorted(run.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            self.assertEqual(page.ask(f"/metrics?run={shown['id']}")[0], 200)
            run.rmdir()
            time.sleep(0.2)
            self.assertEqual(page.json("/runs", since=self.version)["gone"], [shown["id"]])
            self.assertEqual(page.ask(f"/metrics?run={shown['id']}")[0], 404)

    def test_large_metrics_come_in_pieces(self):
        run = served.make_run(self.run_folder, self.folder / "large" / "a", [], 4000, 1, 0.5, figures=False)
        # As an earlier release wrote them, without checks.
        lines = [{"split": "train", "x": "y" * 2000, "loss": 3.0, "step": step} for step in range(4000)]
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        with served.Served(self, "large") as page:
            (run,) = self.only(page)
            piece = page.json("/metrics", run=run["id"], generation=run["generation"])
            self.assertLess(piece["next"], 5 << 20)
            self.assertLess(piece["next"], run["bytes"])
            self.assertEqual([line["step"] for line in self.all_lines(page, run)], list(range(4000)))

    def test_a_running_training(self):
        """Its state, its horizon from epochs, its speed, and that it was killed."""
        (self.folder / "epochs.toml").write_text(CONFIG.replace("steps = 22", "epochs = 200000"))
        with self.start("train", "epochs.toml", "seed=5", "--no-figures") as training:
            with served.Served(self) as page:
                end = time.monotonic() + 60
                while not (running := [run for run in self.only(page) if run["state"] == "running" and run["step"] > 0]):
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.05)
                self.assertEqual((running[0]["horizon"], len(running)), (200000 * 192 // 20, 1))
                time.sleep(0.2)
                self.assertGreater(next(run for run in self.only(page) if run["id"] == running[0]["id"])["rate"], 0)
                training.kill()
                training.communicate(timeout=60)
                time.sleep(0.2)
                ended = next(run for run in self.only(page) if run["id"] == running[0]["id"])
                self.assertEqual((ended["state"], ended["rate"]), ("unfinished", None))

    def test_it_ends_in_order(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 130)):
            page = served.Served(self)
            self.assertTrue(handles(page.process, number))
            found, stderr = page.end(number)
            self.assertEqual(found, code)
            self.assertIn("interrupted by " + number.name, stderr)
        with served.Served(self) as page:
            taken = self.run_program("runs", "serve", "--port", page.port, code=1)
            self.assertIn("found one that is taken", taken.stderr)
        self.assertIn("expected a folder with runs, found none: nowhere", self.run_program("runs", "serve", "nowhere", code=2).stderr)


if __name__ == "__main__":
    main()
