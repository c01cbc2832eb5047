"""The page of `variform runs serve` in tests: the running server, questions to it, and folders of many runs."""

import http.client
import json
import math
import select
import shutil
import urllib.parse

import program

FNV_START, FNV_PRIME = 14695981039346656037, 1099511628211


def sealed(values):
    """A line of metrics.jsonl, with its check (core/base/sealed_lines.h)."""
    body = json.dumps(values, sort_keys=True, separators=(",", ":"))
    digest = FNV_START
    for byte in body.encode():
        digest = (digest ^ byte) * FNV_PRIME & 0xFFFFFFFFFFFFFFFF
    return f'{body[:-1]},"check":"{(digest ^ digest >> 32) & 0xFFFFFFFF:08x}"}}\n'


def curve(level, steps, every=50):
    """Lines of a training that falls towards `level` nats, evaluated at every fourth of them."""
    lines = []
    for step in range(every, steps + 1, every):
        kl = 20 - 8 * math.exp(-step / 900) + math.sin(step) * 0.1
        nll = level + 120 * math.exp(-step / 300) + math.cos(7 * step) * 0.4
        values = {"step": step, "epoch": step / 469, "loss": nll + 0.1 * kl, "nll": nll, "kl": kl}
        lines.append({**values, "split": "train", "beta": 0.1, "lr": 1e-3 * math.exp(-step / 900)})
        if step % (4 * every) == 0:
            lines.append({**values, "loss": values["loss"] + 0.8, "nll": nll + 0.8, "split": "test"})
    return lines


def make_run(model, folder, lines, steps, seed, beta, ending="DONE", figures=True):
    """A run in the real format, made of the trained run `model`: its config changed, its metrics replaced."""
    folder.mkdir(parents=True)
    text = (model / "config.resolved.toml").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(("seed =", "steps =", "beta ="))]
    text = f"seed = {seed}\n" + "\n".join(kept) + "\n"
    text = text.replace("[objective]\n", f"[objective]\nbeta = {beta}\n", 1).replace("[train]\n", f"[train]\nsteps = {steps}\n", 1)
    (folder / "config.resolved.toml").write_text(text)
    (folder / "metrics.jsonl").write_text("".join(map(sealed, lines)))
    if figures and (model / "figures").is_dir():
        shutil.copytree(model / "figures", folder / "figures")
    if ending == "DONE":
        shutil.copy(model / "DONE", folder / "DONE")
    elif ending:
        (folder / ending).write_text("interrupted by SIGTERM\n" if ending == "INTERRUPTED" else "at step 200, the loss is not finite\n")
    return folder


def make_runs(model, runs, count, steps=2000):
    """That many runs; one in ten is interrupted, one in fifteen has failed."""
    for i in range(count):
        ending = "INTERRUPTED" if i % 10 == 3 else "FAILED" if i % 15 == 7 else "DONE"
        reached = steps if ending == "DONE" else 400 + 10 * i // 50 * 50
        make_run(model, runs / f"run-{i:03}-{'0123456789abcdef'[i % 16] * 8}-{i % 5}", curve(720 + i % 13, reached), steps,
                 seed=i % 5, beta=[0.1, 0.5, 1.0, 2.0][i % 4], ending=ending, figures=i % 3 == 0)


class Served:
    """The running program, for a `with` in a ProgramTest; `url` is its page."""

    def __init__(self, test, *arguments, **options):
        self.process = test.start("runs", "serve", *arguments, **options)
        ready = select.select([self.process.stdout], [], [], 60)[0]
        self.url = self.process.stdout.readline().strip() if ready else ""
        if not self.url.startswith("http://127.0.0.1:"):
            self.process.kill()
            raise AssertionError(f"no page: {self.url}\n{self.process.communicate()}")
        self.port = urllib.parse.urlsplit(self.url).port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self, signal_number=program.signal.SIGINT):
        """(exit code, stderr)"""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        stdout, stderr = self.process.communicate(timeout=30)
        return self.process.returncode, stderr

    def ask(self, path, method="GET", host=None, body=None):
        """(status, headers, bytes) of one request, whose path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host if host is not None else f"127.0.0.1:{self.port}")
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def json(self, path, **parameters):
        status, _, body = self.ask(path + "?" + urllib.parse.urlencode(parameters))
        if status != 200:
            raise AssertionError(f"{path} {parameters}: {status} {body}")
        return json.loads(body)
