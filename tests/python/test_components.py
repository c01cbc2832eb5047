"""Components written in Python: stock ones written again give the program's losses, parameters and evaluation; broken ones are
found by variform.check; their exceptions, their settings, their checkpoints."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import unittest
from unittest import mock

import torch

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests/cli"), str(SOURCE / "tests/python")]
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)
os.environ["VARIFORM_PREFIX"] = str(BUILD)

import python_components as mine  # noqa: E402
import variform  # noqa: E402
from program import ProgramTest, main  # noqa: E402

ALL = {"model.family": mine.Diagonal, "model.prior": mine.Gaussian, "model.likelihood": mine.GaussianNoise,
       "objective": mine.BetaVae, "objective.beta": 0.5}


class ComponentsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        self.addCleanup(os.environ.update, {name: os.environ.get(name, "") for name in ("HOME", "VARIFORM_DATA")})
        os.chdir(self.folder)
        os.environ.update(HOME=str(self.folder), VARIFORM_DATA=str(self.folder))

    def python(self, overrides, **options):
        return variform.train_python("small.toml", overrides, progress=False, **options)

    def lines(self, folder):
        """metrics.jsonl as dicts, without the seals."""
        return [json.loads(line) for line in (pathlib.Path(folder) / "metrics.jsonl").read_text().splitlines()]

    def assert_like(self, folder, other, error):
        """Losses of two runs at every logged step."""
        found, expected = self.lines(folder), self.lines(other)
        self.assertEqual(len(found), len(expected))
        self.assertGreater(len(found), 5)
        for ours, theirs in zip(found, expected):
            self.assertEqual(ours.keys(), theirs.keys())
            for name, value in theirs.items():
                if isinstance(value, float):
                    self.assertLess(abs(ours[name] - value), error * max(1.0, abs(value)), (name, theirs))


class EqualNumbers(ComponentsTest):
    """A stock component written again in Python, against the program with the stock one."""

    def test_training_and_evaluation(self):
        schedule = {"schedule": "linear", "from": 0.1, "to": 0.5, "steps": 30}
        common = {"train.steps": 50, "train.log_every": 1, "train.precision": "float64"}
        theirs = self.train("train.steps=50", "train.log_every=1", "train.precision=float64",
                            "objective.beta=" + "{ schedule = \"linear\", from = 0.1, to = 0.5, steps = 30 }", "--folder", "program")
        run = self.python({**ALL, **common, "objective.beta": schedule}, folder="python")
        self.assert_like("python", theirs, 1e-12)
        program = variform.load(theirs)
        for name, tensor in program.state_dict().items():
            self.assertLess((run.state_dict()[name] - tensor).abs().max().item(), 1e-12, name)
        self.assert_same_evaluation(run.evaluate(limit=40, table=False), program.evaluate(limit=40, table=False))

    def assert_same_evaluation(self, found, expected):
        self.assertGreater(len(expected["values"]), 10)
        self.assertEqual(found["metrics"], expected["metrics"])
        for section in ("values", *expected["metrics"]):
            self.assertEqual(found[section].keys(), expected[section].keys())
            for name, value in expected[section].items():
                for number in ("mean", "value", "se"):
                    if isinstance(value.get(number), float):
                        difference = abs(found[section][name][number] - value[number])
                        self.assertLess(difference, 1e-6 * max(1.0, abs(value[number])), (section, name, number))
                self.assertEqual("undefined" in found[section][name], "undefined" in value, (section, name))

    def test_each_alone_in_float32(self):
        theirs = self.train("train.steps=50", "train.log_every=1", "--folder", "program")
        for key, cls in {key: cls for key, cls in ALL.items() if isinstance(cls, type)}.items():
            with self.subTest(key):
                more = {"objective.beta": 0.5} if key == "objective" else {}
                self.python({key: cls, **more, "train.log_every": 1}, steps=50, folder=key)
                self.assert_like(key, theirs, 1e-5)

    def test_resumed(self):
        whole = self.python(ALL, folder="whole")
        self.python(ALL, folder="parts", stop_at=9)
        parts = self.python(ALL, folder="parts", resume=True)
        for name, tensor in whole.state_dict().items():
            self.assertTrue(torch.equal(tensor, parts.state_dict()[name]), name)


    def test_stock_components_alone(self):
        """In a process of its own, in which no class has been used."""
        theirs = self.train("--folder", "program")
        code = "import variform; variform.train_python('small.toml', folder='stock', progress=False)"
        environment = dict(os.environ, PYTHONPATH=str(SOURCE / "python"))
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        self.assertEqual(self.lines("stock"), self.lines(theirs))


class State(ComponentsTest):
    """Parameters, settings and checkpoints."""

    def test_trained_parameters(self):
        class Net(mine.Diagonal):
            """The posterior's mean goes through a layer."""

            def __init__(self, build):
                super().__init__(build)
                self.net = torch.nn.Sequential(torch.nn.Linear(build.latent, build.latent), torch.nn.Tanh())
                self.register_buffer("count", torch.zeros(()))

            def posterior(self, parameters, x, known):
                if self.training and torch.is_grad_enabled():
                    self.count += 1
                mean, rest = parameters.chunk(2, -1)
                return super().posterior(torch.cat([mean + self.net(mean), rest], -1), x, known)

        global_state = torch.get_rng_state()
        run = self.python({**ALL, "model.family": Net, "model.prior.learned": True}, folder="net")
        self.assertTrue(torch.equal(torch.get_rng_state(), global_state))
        self.assertIn("family.net.0.weight", run.state_dict())
        self.assertNotEqual(run.state_dict()["prior.mean"].abs().sum(), 0)
        self.assertGreaterEqual(run.state_dict()["family.count"], 22)
        start = self.python({**ALL, "model.family": Net, "model.prior.learned": True}, folder="start", stop_at=0)
        again = self.python({**ALL, "model.family": Net, "model.prior.learned": True}, folder="again", stop_at=0)
        other = self.python({**ALL, "model.family": Net, "model.prior.learned": True, "seed": 4}, folder="other", stop_at=0)
        weight = "family.net.0.weight"
        self.assertTrue(torch.equal(start.state_dict()[weight], again.state_dict()[weight]))
        self.assertFalse(torch.equal(start.state_dict()[weight], other.state_dict()[weight]))
        self.assertFalse(torch.equal(start.state_dict()[weight], run.state_dict()[weight]))
        double = run.to(torch.float64)
        self.assertEqual(double.state_dict()[weight].dtype, torch.float64)
        x = double.batch("test", 0, 8)["x"]
        double.train().objective(x, step=1).backward()
        self.assertGreater(double.family.net._modules["0"].weight.grad.abs().sum().item(), 0)

    def test_loaded_again(self):
        run = self.python(ALL, folder="run")
        classes = [cls for cls in ALL.values() if isinstance(cls, type)]
        x = run.batch("test", 0, 8)["x"]
        again = variform.load(run.save("saved.h5"), components=classes)
        self.assertTrue(torch.equal(again.objective(x, step=0), run.objective(x, step=0)))
        with self.assertRaisesRegex(ValueError, "python.Diagonal.*It is the class Diagonal of a Python program.*"
                                                  r"variform.load\(RUN, components=\[Diagonal\]\)"):
            variform.load("run")
        result = self.run_program("evaluate", "run", code=None)
        self.assertNotEqual(result.code, 0)
        self.assertRegex(result.stderr.replace("\n", " "), "class Diagonal of a Python program")

    def test_changed_class(self):
        before = type("Changing", (mine.Diagonal,), {"__module__": mine.__name__, "__doc__": "One."})
        self.python({"model.family": before}, folder="run", stop_at=9)
        after = type("Changing", (mine.Diagonal,), {"__module__": mine.__name__, "__doc__": "Another."})
        with mock.patch.object(variform._bridge, "_version", return_value="0+another"):
            with self.assertWarnsRegex(variform.VariformWarning, r"python.Changing was 0, now 0\+another\."):
                variform.load("run", components=[after])
        with self.assertRaisesRegex(RuntimeError, "plugins have changed.*python.Changing was 0"):
            self.python({"model.family": after}, folder="run", resume=True)
        with self.assertWarnsRegex(variform.VariformWarning, "python.Changing was 0"):
            run = self.python({"model.family": after}, folder="run", resume=True, accept_changed=True)
        self.assertEqual(run.step, 22)

    def test_settings(self):
        run = self.python({"model.family": mine.Diagonal, "model.family.deviation": 0.5}, folder="half", stop_at=0)
        self.assertIn("deviation = 0.5", run.config)
        with self.assertRaisesRegex(ValueError, "deviation.*above 0|greater than 0"):
            self.python({"model.family": mine.Diagonal, "model.family.deviation": -1.0})
        with self.assertRaisesRegex(ValueError, "devi"):
            self.python({"model.family": mine.Diagonal, "model.family.devi": 1.0})
        with self.assertRaisesRegex(ValueError, "Diagonal is a family, and model.prior is none"):
            self.python({"model.prior": mine.Diagonal})
        with self.assertRaisesRegex(TypeError, "derives from variform.Family"):
            variform.check(mine.Normal)


class Errors(ComponentsTest):
    def test_exception_in_a_step(self):
        mine.Fails.calls = 0
        with self.assertRaisesRegex(RuntimeError, r"(?s)at step [1-9].*Fails.posterior: ZeroDivisionError: three is enough "
                                                  r"\(python_components.py, line \d+: raise ZeroDivisionError") as caught:
            self.python({"model.family": mine.Fails}, folder="fails")
        self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)
        self.assertTrue((self.folder / "fails/FAILED").exists())

    def test_wrong_results(self):
        class Short(mine.Normal):
            def log_prob(self, z):
                return super().log_prob(z)[..., :1]

        class Wrong(mine.Diagonal):
            posterior_class = Short

        class Number(mine.BetaVae):
            def evaluate(self, model, batch):
                return {"loss": 1.0}

        class Kept(mine.BetaVae):
            def evaluate(self, model, batch):
                self.kept = getattr(self, "kept", None) or [model]
                return {"loss": self.kept[0].posterior(batch.x, batch.known).entropy()}

        run = self.python({"model.family": Wrong}, folder="short", stop_at=0)
        q = run.posterior(run.batch("test", 0, 8)["x"])
        with self.assertRaisesRegex(RuntimeError, r"(?s)wrong.*log_prob.*\[1, 1\]|\[1\]"):
            q.log_prob(q.rsample(1).clone())
        with self.assertRaisesRegex(ValueError, "does not compose.*Number.evaluate: TypeError: evaluate's 'loss' returned float"):
            self.python({"objective": Number}, folder="number")
        with self.assertRaisesRegex(ValueError, "used after the call"):
            self.python({"objective": Kept}, folder="kept")

    def test_stopped(self):
        steps = []
        run = self.python(ALL, folder="watched", watch=lambda step, values: steps.append((step, values["loss"])) or step < 8)
        self.assertEqual(run.step, 8)
        self.assertEqual([step for step, _ in steps], [4, 8])
        timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
        before = signal.getsignal(signal.SIGINT)
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            self.python({**ALL, "train.steps": 10**6, "train.log_every": 1000}, folder="interrupted")
        self.assertIs(signal.getsignal(signal.SIGINT), before)
        self.assertTrue((self.folder / "interrupted/INTERRUPTED").exists())


class Conformance(ComponentsTest):
    def test_sound_components(self):
        for cls in (mine.Diagonal, mine.Gaussian, mine.GaussianNoise, mine.BetaVae):
            with self.subTest(cls.__name__):
                report = variform.check(cls)
                self.assertEqual(report.failed, {}, report)
                self.assertGreater(sum(each["outcome"] == "pass" for each in report["results"]), 15)

    def test_broken_components(self):
        for cls, test in ((mine.Unnormalised, "normalised"), (mine.NotDifferentiable, "gradients"),
                          (mine.DrawsGlobally, "global-rng")):
            with self.subTest(cls.__name__):
                report = variform.check(cls)
                self.assertFalse(report.conforms)
                self.assertIn(test, report.failed, report)

    def test_settings_and_errors(self):
        mine.Fails.calls = 20
        report = variform.check(mine.Fails, settings={"deviation": 2.0}, latent=2, data=[6], filter="runs")
        self.assertRegex(report.failed["runs"], "Fails.posterior: ZeroDivisionError: three is enough")
        with self.assertRaisesRegex(ValueError, "no parameter 'df'"):
            variform.check(mine.Diagonal, settings={"df": 1.0})


if __name__ == "__main__":
    main()
