"""import variform: one trained model and what it can do, held against torch.distributions, the exported networks, automatic
differentiation and the program; what it leaves alone in the process; what it refuses.
"""

import copy
import importlib.util
import math
import os
import pathlib
import subprocess
import sys
import threading
import unittest
import warnings

import h5py
import numpy
import torch

SOURCE = pathlib.Path(os.environ["VARIFORM_SOURCE"])
BUILD = pathlib.Path(os.environ["VARIFORM_BUILD"])
sys.path[:0] = [str(SOURCE / "python"), str(SOURCE / "tests/cli")]
if not (BUILD / "lib/libvariform_python.so").is_file():
    sys.exit(77)
os.environ["VARIFORM_PREFIX"] = str(BUILD)

import variform  # noqa: E402
from program import ProgramTest, main  # noqa: E402
from torch.distributions import MultivariateNormal, Normal, kl_divergence  # noqa: E402
from variform import _program  # noqa: E402


class PythonTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())
        self.addCleanup(os.environ.update, {name: os.environ.get(name, "") for name in ("HOME", "VARIFORM_DATA")})
        os.chdir(self.folder)
        os.environ.update(HOME=str(self.folder), VARIFORM_DATA=str(self.folder))

    def small(self, *changes, **options):
        """A run in float64, opened."""
        return variform.load(self.train("train.precision=float64", *changes, **options))

    def assert_near(self, found, expected, error=1e-10):
        self.assertEqual(found.shape, expected.shape)
        self.assertLess((found - expected).abs().max().item(), error * max(1.0, expected.abs().max().item()))


class Model(PythonTest):
    """What it computes."""

    def test_posterior(self):
        run = self.small()
        x = run.batch("test", 0, 7)["x"]
        q = run.posterior(x)
        normal = Normal(q.mean, q.variance.sqrt())
        z = q.rsample(5, seed=1)
        self.assertEqual(z.shape, (5, 7, 4))
        self.assertTrue(torch.equal(z, q.rsample(5, seed=1)))
        self.assertFalse(torch.equal(z, q.rsample(5)))
        self.assertEqual(q.rsample().shape, (7, 4))
        self.assert_near(q.log_prob(z), normal.log_prob(z).sum(-1))
        self.assert_near(q.log_prob(z[0]), normal.log_prob(z[0]).sum(-1))
        self.assert_near(q.log_prob(z[0, 0]), normal.log_prob(z[0, 0]).sum(-1))
        self.assert_near(q.entropy(), normal.entropy().sum(-1))
        self.assertTrue(q.has_closed_kl)
        self.assert_near(q.kl(), kl_divergence(normal, Normal(0.0, 1.0)).sum(-1))
        self.assert_near(q.covariance, torch.diag_embed(q.variance))
        self.assert_near(run.log_prior(z), Normal(0.0, 1.0).log_prob(z).sum(-1))
        draws = q.sample(4000, seed=2)
        self.assertLess(((draws.mean(0) - q.mean) / q.variance.sqrt()).abs().max().item(), 5 / math.sqrt(4000))

    def test_full_family(self):
        run = self.small("model.family.type=full")
        q = run.posterior(run.batch("test", 0, 5)["x"])
        normal = MultivariateNormal(q.mean, q.covariance)
        z = q.rsample(3, seed=0)
        self.assert_near(q.log_prob(z), normal.log_prob(z))
        self.assert_near(q.kl(), kl_divergence(normal, MultivariateNormal(torch.zeros(4).double(), torch.eye(4).double()).expand([5])))

    def test_monte_carlo_kl(self):
        """Without a closed form: the mean over draws, which the seed names."""
        run = self.small("model.prior.type=laplace", "model.family.type=full")
        q = run.posterior(run.batch("test", 0, 5)["x"])
        self.assertFalse(q.has_closed_kl)
        z = q.rsample(50, seed=3)
        self.assert_near(q.kl(draws=50, seed=3), (q.log_prob(z) - run.log_prior(z)).mean(0))

    def test_networks_are_the_exported_ones(self):
        folder = self.train("train.precision=float64", "model.likelihood.variance=0.3")
        self.run_program("export", folder, "--out", "exported.pt")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        sys.modules.pop("exported", None)
        import exported
        encoder, decoder = exported.load()
        run = variform.load(folder)
        x = run.batch("test", 0, 6)["x"]
        self.assert_near(run.posterior(x).mean, encoder(x)[:, :4])
        z = run.posterior(x).rsample(2, seed=0)
        g = decoder(z.reshape(12, 4)).reshape(2, 6, 1, 1, 8, 8)
        self.assert_near(run.decode(z), g)
        self.assert_near(run.data_mean(run.decode(z)), g[:, :, 0])
        self.assert_near(run.nll(x, z), -Normal(g[:, :, 0], math.sqrt(0.3)).log_prob(x).sum((-3, -2, -1)))
        self.assertEqual(set(run.state_dict()), set(torch.load("exported.pt", weights_only=True)))

    def test_jacobian_and_hessian(self):
        for activation, likelihood in (("tanh", "{type='bernoulli'}"), ("relu", "{type='gaussian', variance=0.2}")):
            run = self.small(f"model.decoder.activation={activation}", f"model.likelihood={likelihood}", runs=activation)
            x = run.batch("test", 0, 3)["x"]
            z = run.posterior(x).location.detach()
            jacobian = torch.stack([torch.autograd.functional.jacobian(lambda one: run.decode(one[None])[0], row) for row in z])
            self.assert_near(run.jacobian(z), jacobian)
            flat = jacobian.flatten(1, -2)
            g = run.decode(z)[:, 0].detach()
            second = torch.sigmoid(g) * (1 - torch.sigmoid(g)) if activation == "tanh" else torch.full_like(g, 5.0)
            self.assert_near(run.hessian(x, z), torch.einsum("bpi,bp,bpj->bij", flat, second.flatten(1), flat))
            if activation == "relu":  # Gauss–Newton is all of the second derivative
                def nll(row, i):
                    return run.nll(x[i : i + 1], row[None])[0]
                whole = torch.stack([torch.autograd.functional.hessian(lambda row, i=i: nll(row, i), z[i]) for i in range(3)])
                self.assert_near(run.hessian(x, z), whole)

    def test_gradients_by_differences(self):
        warnings.simplefilter("error")
        self.addCleanup(warnings.resetwarnings)
        run = self.small("model.prior={type='mixture', components=3}", "model.decoder.activation=tanh",
                         "model.encoder.activation=tanh")
        x = run.batch("test", 0, 4)["x"].requires_grad_()
        functions = {"objective": lambda: run.objective(x, step=3),
                     "jacobian": lambda: run.jacobian(run.posterior(x).location).square().sum(),
                     "hessian": lambda: run.hessian(x, run.posterior(x).location).square().sum(),
                     "kl": lambda: run.posterior(x).kl(draws=3, seed=1).sum()}
        inputs = [x, *run.parameters()]
        generator = torch.Generator().manual_seed(0)
        for name, function in functions.items():
            gradients = torch.autograd.grad(function(), inputs, allow_unused=True)
            way = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in inputs]
            slope = sum((g * w).sum() for g, w in zip(gradients, way) if g is not None).item()
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    for tensor, step in zip(inputs, way):
                        tensor.add_(step, alpha=sign * 1e-5)
                    values.append(function().item())
                    for tensor, step in zip(inputs, way):
                        tensor.sub_(step, alpha=sign * 1e-5)
            self.assertLess(abs((values[0] - values[1]) / 2e-5 - slope), 1e-6 * max(1.0, abs(slope)), name)

    def test_numbers_of_the_program(self):
        """nll, kl and elbo of `variform evaluate`, in float32 and float64."""
        for precision, error in (("float32", 1e-6), ("float64", 1e-10)):
            folder = self.train(f"train.precision={precision}", runs=precision)
            values = self.run_program("evaluate", folder, "--json", "--samples", 1, "--dump", f"{precision}.h5").json["values"]
            run = variform.load(folder)
            x = run.batch()["x"]
            with h5py.File(f"{precision}.h5") as dump:
                z = torch.tensor(dump["z"][:]).reshape(1, len(x), 4).to(run.dtype)
            with torch.no_grad():
                nll, kl = run.nll(x, z).mean().item(), run.posterior(x).kl().mean().item()
            for name, found in (("nll", nll), ("kl", kl), ("elbo", nll + kl)):
                self.assertLess(abs(values[name]["mean"] - found), error * max(1, abs(found)), f"{precision} {name}")

    def test_other_devices_and_dtypes(self):
        run = variform.load(self.train())
        self.assertEqual((run.dtype, run.device.type), (torch.float32, "cpu"))
        x = run.batch("test", 0, 5)["x"]
        before = run.objective(x, step=0).item()
        same = run.to("cpu")
        self.assertIs(same, run)
        wide = copy.deepcopy(run).double()
        self.assertEqual((wide.dtype, run.dtype), (torch.float64, torch.float32))
        self.assert_near(wide.nll(x.double(), wide.posterior(x.double()).location).float(), run.nll(x, run.posterior(x).location), 1e-5)
        with torch.no_grad():
            next(wide.parameters()).add_(1)  # a tensor of its own
        self.assertEqual(run.objective(x, step=0).item(), before)
        for wrong in (lambda: run.half(), lambda: variform.load(run.path, dtype=torch.bfloat16)):
            self.assertRaisesRegex(ValueError, "float32 or", wrong)
        self.assertEqual(variform.load(run.path, dtype=torch.float64).dtype, torch.float64)


class Tuning(PythonTest):
    def test_loop_save_evaluate(self):
        folder = self.train()
        run = variform.load(folder)
        x = run.batch("train")["x"]
        with torch.no_grad():
            first = run.objective(x, step=0).item()
        before = self.run_program("evaluate", folder, "--json", "--importance-samples", 0).json["values"]
        optimizer = torch.optim.Adam(run.train().parameters(), lr=1e-2)
        for step in range(40):
            optimizer.zero_grad()
            run(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(step))[:64]], step=step).backward()
            optimizer.step()
        run.eval()
        self.assertLess(run.objective(x, step=0).item(), first - 1)
        file = run.save("tuned.h5")
        after = self.run_program("evaluate", file, "--json", "--importance-samples", 0).json["values"]
        self.assertLess(after["elbo"]["mean"], before["elbo"]["mean"] - 1)
        self.assertEqual(run.evaluate(table=False, importance_samples=0)["values"], after)
        again = variform.load(file)
        for name, tensor in run.state_dict().items():
            self.assertTrue(torch.equal(tensor, again.state_dict()[name]), name)
        wide = copy.deepcopy(run).double()
        with torch.no_grad():
            next(wide.parameters()).add_(1e-12)
        self.assertTrue(torch.equal(next(variform.load(wide.save("wide.h5")).parameters()), next(wide.parameters())))

    def test_state_dict(self):
        one, other = self.small(), self.small("seed=4", runs="other")
        other.load_state_dict(one.state_dict())
        x = one.batch("test", 0, 3)["x"]
        self.assertTrue(torch.equal(one.posterior(x).location, other.posterior(x).location))
        self.assertRaisesRegex(ValueError, "engine's own", other.load_state_dict, one.state_dict(), assign=True)
        self.assertRaisesRegex(TypeError, "run.save", lambda: __import__("pickle").dumps(one))
        self.assertTrue(all(isinstance(parameter, torch.nn.Parameter) for parameter in one.parameters()))

    def test_trained_from_python(self):
        run = variform.train("small.toml", {"train.steps": 4, "model.family.type": "full", "train.evaluate_every": 4},
                             progress=False, no_figures=True)
        self.assertEqual(run.step, 4)
        self.assertIn("full", run.facts["components"]["family"])
        with self.assertRaisesRegex(ValueError, "did you mean"):
            variform.train("small.toml", {"objektive.beta": 1}, progress=False)
        with self.assertRaisesRegex(RuntimeError, "exists"):
            variform.train("small.toml", {"train.steps": 4, "model.family.type": "full", "train.evaluate_every": 4},
                           progress=False, no_figures=True)
        self.assertEqual(_program.overrides_of({"a.b": {"type": "x", "n": [1, 2.5], "on": True}, "c": "it's \"so\""}),
                         ['a.b={ type = "x", n = [1, 2.5], on = true }', 'c="it\'s \\"so\\""'])


    @unittest.skipUnless(importlib.util.find_spec("pandas"), "without pandas an evaluation is a dict")
    def test_table(self):
        table = variform.load(self.train()).evaluate(importance_samples=0)
        self.assertEqual(table.loc["elbo", "mean"], table.attrs["report"]["values"]["elbo"]["mean"])
        self.assertTrue(table.index.is_unique)

    def test_samples(self):
        """Draws of x vary about their means by the likelihood's noise, which has nothing to do with z."""
        run = self.small("model.likelihood={type='gaussian', variance=0.04}", "model.latent=64")
        z = run.sample_prior(400, seed=1)
        self.assertTrue(torch.equal(z, run.sample_prior(400, seed=1)))
        self.assertLess(z.mean().abs().item(), 0.05)
        noise = run.sample(400, seed=1, noise=True) - run.sample(400, seed=1)
        self.assertLess(abs(noise.std().item() - 0.2), 0.01)
        both = torch.stack([noise.flatten(), z.flatten()])
        self.assertLess(torch.corrcoef(both)[0, 1].abs().item(), 0.05)


class Known(PythonTest):
    """Conditions, labels, masks."""

    def test_condition(self):
        run = self.small("data.condition=labels", "model.encoder.condition=true", "model.decoder.condition=true")
        batch = run.batch("test", 0, 6)
        labels, one_hot = batch["labels"], batch["condition"]
        self.assertTrue(torch.equal(one_hot, torch.nn.functional.one_hot(labels, 4).double()))
        q = run.posterior(batch["x"], condition=one_hot)
        z = q.location
        for same in (labels, labels.tolist()):
            self.assertTrue(torch.equal(run.posterior(batch["x"], condition=same).location, z))
        self.assertTrue(torch.equal(run.posterior(batch["x"], labels=labels).location, z))
        self.assertTrue(torch.equal(run.decode(z, condition=2), run.decode(z, condition="2")))
        self.assertFalse(torch.allclose(run.decode(z, condition=2), run.decode(z, condition=1)))
        self.assertEqual(run.sample(4, seed=0, condition=[0, 1, 2, 3]).shape, (4, 1, 8, 8))
        self.assertEqual(run.reconstruct(**batch).shape, batch["x"].shape)
        self.assertRaisesRegex(ValueError, "condition: expected classes from 0 to 3", run.decode, z, condition=7)
        self.assertRaisesRegex(ValueError, "3 conditions were given for 6 rows", run.decode, z, condition=[0, 1, 2])
        self.assertRaisesRegex(RuntimeError, "condition", run.decode, z)
        plain = self.small(runs="plain")
        self.assertRaisesRegex(ValueError, "no component of this", plain.decode, z, condition=one_hot)
        self.assertIn("<img", run._repr_html_())

    def test_mask(self):
        text = (self.folder / "small.toml").read_text().replace('labels = "labels.npy"', 'labels = "labels.npy"\nmask = "mask.npy"')
        (self.folder / "holes.toml").write_text(text)
        mask = numpy.random.default_rng(1).uniform(size=(256, 8, 8)) > 0.3
        numpy.save(self.folder / "mask.npy", mask)
        run = variform.load(self.train("data.missing=mask", "train.precision=float64", "model.likelihood.variance=0.5", config="holes.toml"))
        batch = run.batch("test", 0, 5)
        self.assertTrue(torch.equal(batch["mask"][:, 0], torch.from_numpy(mask[192:197])))
        z = run.posterior(batch["x"], mask=batch["mask"]).location
        each = Normal(run.decode(z)[:, 0], math.sqrt(0.5)).log_prob(batch["x"])
        self.assert_near(run.nll(batch["x"], z, mask=batch["mask"]), -(each * batch["mask"]).sum((1, 2, 3)))


class Refused(PythonTest):
    def test_sentences(self):
        run = variform.load(self.train())
        x = run.batch("test", 0, 3)["x"]
        z = run.posterior(x).location
        for kind, words, wrong in (
                (ValueError, r"x has shape \[3, 8, 8\]; expected \[B, 1, 8, 8\]", lambda: run.posterior(x[:, 0])),
                (ValueError, r"z has shape \[3, 2\]; expected \[..., B, 4\]", lambda: run.decode(z[:, :2])),
                (ValueError, "x has 3 rows and z has shape", lambda: run.nll(x, z[:2])),
                (ValueError, "as many rows as x", lambda: run.posterior(x).log_prob(z[:2])),
                (ValueError, "x is Double on cpu; the model computes in Float", lambda: run.objective(x.double())),
                (ValueError, "at least 1", lambda: run.posterior(x).rsample(0)),
                (ValueError, "labels is Float", lambda: run.objective(x, labels=torch.zeros(3))),
                (ValueError, "does not admit|mask is", lambda: run.objective(x, mask=torch.ones(3, 8, 8).bool())),
                (ValueError, "rows 60 to 69 were asked for; split 'test' has rows 0 to 63", lambda: run.batch("test", 60, 10)),
                (RuntimeError, "no data in the split 'validation'", lambda: run.batch("validation")),
                (ValueError, "hessian", lambda: run.hessian(x, z, curvature="none")),
                (TypeError, "z is a list; expected a torch.Tensor", lambda: run.decode([1.0])),
                (RuntimeError, "there is no run or checkpoint nowhere", lambda: variform.load("nowhere")),
                (RuntimeError, "not a study's folder", lambda: variform.study("nowhere"))):
            with self.subTest(words), self.assertRaisesRegex(kind, words) as caught:
                wrong()
            self.assertNotIn("Exception raised from", str(caught.exception))
            self.assertNotIn("frame #", str(caught.exception))
        (run.path / "checkpoints/last.h5").write_bytes(b"not HDF5")
        self.assertRaises(RuntimeError, variform.load, run.path)

    def test_what_a_family_lacks(self):
        run = self.small("model.family={type='planar', maps=2}")
        q = run.posterior(run.batch("test", 0, 3)["x"])
        self.assertRaisesRegex(NotImplementedError, "planar.*location", lambda: q.mean)
        self.assertRaises(NotImplementedError, q.entropy)
        z = q.rsample(2, seed=0)
        self.assertEqual(q.log_prob(z).shape, (2, 3))

    def test_another_pytorch(self):
        tree = self.folder / "tree/lib"
        tree.mkdir(parents=True)
        library = (BUILD / "lib/libvariform_python.so").read_bytes()
        now = ".".join(torch.__version__.split(".")[:2]).encode()
        (tree / "libvariform_python.so").write_bytes(library.replace(b"LibTorch " + now + b";", b"LibTorch 1.99;"))
        asked = [sys.executable, "-c", "import variform; variform.load('x')"]
        environment = dict(os.environ, PYTHONPATH=str(SOURCE / "python"))
        said = subprocess.run(asked, env=dict(environment, VARIFORM_PREFIX=str(tree.parent)), capture_output=True, text=True)
        self.assertIn("was built for PyTorch 1.99", said.stderr)
        said = subprocess.run(asked, env=dict(environment, VARIFORM_PREFIX="/nowhere"), capture_output=True, text=True)
        self.assertIn("Set VARIFORM_PREFIX", said.stderr)


class Process(PythonTest):
    """The process that loads it is as it was."""

    def test_unchanged(self):
        folder = self.train()
        script = f"""
import ctypes, os, signal, sys, threading
import torch
sys.path.insert(0, {str(SOURCE / "python")!r})
torch.set_num_threads(2)
torch.manual_seed(5)
state = lambda: dict(
    threads=torch.get_num_threads(), generator=torch.get_rng_state().sum().item(), dtype=torch.get_default_dtype(),
    denormal=torch.tensor(1e-40).mul(0.5).item(), handlers=[signal.getsignal(n) for n in range(1, 32)],
    caught=[line for line in open("/proc/self/status") if line.startswith(("SigCgt", "SigIgn", "SigBlk"))],
    gradients=torch.is_grad_enabled(), matmul=torch.get_float32_matmul_precision(), cudnn=torch.backends.cudnn.allow_tf32,
    folder=os.getcwd(), environment=dict(os.environ), umask=(os.umask(0o22), os.umask(0o22))[1],
    tasks=len(os.listdir("/proc/self/task")))
import variform._library
before = state()
import variform
run = variform.load({str(folder)!r})
x = run.batch("test", 0, 8)["x"]
after_loading = state()
run.objective(x).backward()
run.posterior(x).rsample(2); run.sample(4); run.jacobian(torch.zeros(2, 4))
run.save("saved.h5")
after = state()
for name, value in before.items():
    if name != "tasks":
        assert after[name] == value, (name, value, after[name])
    assert after_loading[name] == value, (name, value, after_loading[name])
assert torch.tensor(1e-40).mul(0.5).item() > 0
maps = open("/proc/self/maps").read()
assert "jemalloc" not in maps
assert len({{line.split()[-1] for line in maps.splitlines() if "libtorch_cpu" in line}}) == 1, "two LibTorches"
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_threads_take_turns(self):
        run = self.small()
        x = run.batch("test", 0, 8)["x"]
        expected, found = run.objective(x, step=1).item(), []

        def work():
            for _ in range(20):
                found.append(run.objective(x, step=1).item())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [expected] * 80)

    def test_warnings(self):
        folder = self.train()
        text = (folder / "config.resolved.toml").read_text()
        (folder / "config.resolved.toml").write_text(text.replace("beta = 0.5", "beta = 0.25"))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            variform.load(folder)
        self.assertTrue(any(issubclass(each.category, variform.VariformWarning) for each in caught), caught)


class Shown(PythonTest):
    def test_notebook(self):
        run = variform.load(self.train())
        self.assertIn("diagonal", repr(run))
        self.assertIn("Not evaluated yet", run._repr_html_())
        report = run.evaluate(limit=5, importance_samples=0, table=False)
        self.assertIn(f"<td>elbo</td><td>{report['values']['elbo']['mean']:.5g}</td>", run._repr_html_())
        run = variform.load(run.path)
        self.assertIn("Not evaluated yet", run._repr_html_())
        self.run_program("evaluate", run.path, "--importance-samples", 0)
        shown = run._repr_html_()
        self.assertEqual(shown.count("<img"), 2)
        self.assertIn("<td>elbo</td>", shown)
        for path in self.folder.glob("*.npy"):
            path.unlink()
        self.assertIn("No reconstructions", variform.load(run.path)._repr_html_())

    def test_study(self):
        (self.folder / "study.toml").write_text("""
include = ["small.toml"]
name = "two"
[study.axes]
"objective.beta" = [0.1, 0.5]
[study.evaluate.final]
samples = 1
importance_samples = 0
[[study.tables]]
name = "values"
rows = ["objective.beta"]
metrics = ["elbo"]
evaluation = "final"
""")
        study = variform.study("study.toml", progress=False)
        self.assertIn("values", study.tables)
        self.assertEqual(len(study.table("values")), 2)
        self.assertRaisesRegex(ValueError, "has no table 'none'; it has", study.table, "none")
        self.assertRaisesRegex(ValueError, "has no figure", study.figure, "none")
        self.assertGreater(len(study.results), 4)
        kept = variform.study(SOURCE / "docs/results/estimators")
        self.assertIn("losses", kept.figures)
        self.assertTrue(kept.figure("losses").file("csv").is_file())

    def test_help(self):
        said = subprocess.run([sys.executable, "-c", "import variform; help(variform)"], capture_output=True, text=True,
                              env=dict(os.environ, PYTHONPATH=str(SOURCE / "python"), PAGER="cat")).stdout
        for word in ("posterior", "[B, d]", "nats", "seed"):
            self.assertIn(word, said)
        for owner in (variform, variform.Run, variform.Posterior, variform.Study):
            for name, value in vars(owner).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)) and name != "device":
                    self.assertTrue(value.__doc__, f"{owner.__name__}.{name}")


if __name__ == "__main__":
    main()
