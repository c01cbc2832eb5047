"""`variform evaluate --dump` held against PyTorch: models trained for some steps on real data, rebuilt from their
checkpoints. Reconstructions, ELBO terms, the second-order expansion, GRAE and its bounds, importance-weighted NLL and
everything at the optimal covariance agree to 1e-10 of the largest magnitude in each tensor, in float32 to 1e-5.
"""

import json
import math
import unittest

import torch

from variform_reference import (
    COVERING,
    PIECEWISE_LINEAR,
    ReferenceTest,
    block_sizes,
    changes_of,
    fashion_mnist,
    optimal_covariance,
    read_tensors,
    stream,
)

ROWS, BATCH, SAMPLES, IMPORTANCE = 24, 16, 4, 20  # two batches, the second one shorter
HESSIAN_ROWS = 18
DIFFERENCES = ("taylor_gap", "taylor_full_gap", "gauss_newton_rest", "spread")  # of values as large as nll


def mean_and_error(values):
    return values.mean().item(), values.std().item() / math.sqrt(len(values))


class Expected:
    """What an evaluation must have written, from the model and the latent draws of its dump."""

    def __init__(self, model, dump):
        self.model, self.dump = model, dump
        self.x = dump["x"].double()
        self.z = dump["z"].double().transpose(0, 1)  # [K, B, d]
        self.beta, self.q = model.beta(), model.prior_moments()[1]
        self.posterior = model.posterior(self.x)
        self.h = self.posterior.mean
        self.hessian = model.hessian(self.h)
        self.tensors = {
            "h": self.h,
            "hessian": self.hessian,
            "covariance": self.posterior.covariance_matrix,
            "z": self.from_streams("draws", lambda q, x, rng: model.draw(q, SAMPLES, rng)).transpose(0, 1),
        }
        self.terms = {}
        self.expectations()
        self.quadratic()
        self.deterministic()
        self.shapes()
        self.optimal()
        self.full_hessian()

    def from_streams(self, purpose, function):
        """function(posterior, x, generator) of every batch, [K, B, d] or [B, …], joined along the data."""
        parts = []
        for first in range(0, ROWS, BATCH):
            x = self.x[first : first + BATCH]
            parts.append(
                function(self.model.posterior(x), x, stream(self.model.seed, "evaluate", "test", purpose, first))
            )
        return torch.cat(parts, dim=1 if parts[0].dim() == 3 else 0)

    def expectations(self):
        model, x = self.model, self.x
        nll, kl = model.nll(x, model.decode(self.z)), model.kl(self.posterior)
        importance_z = self.dump["importance_z"].double().transpose(0, 1)
        is_nll, effective = model.importance(self.posterior, x, importance_z)
        self.tensors["nll_of_draws"] = nll.T
        self.tensors["importance_z"] = self.from_streams(
            "importance", lambda q, x, rng: model.draw(q, IMPORTANCE, rng)
        ).transpose(0, 1)
        self.terms |= {
            "nll": nll.mean(0), "kl": kl, "elbo": nll.mean(0) + kl, "loss_beta": nll.mean(0) + self.beta * kl,
            "is_nll": is_nll, "is_effective_samples": effective,
            "objective": self.from_streams("objective", lambda q, x, rng: model.loss(x, rng, self.beta)),
        }  # fmt: skip

    def quadratic(self):
        """§3: the expansion of L_β about the mean, and L_β − L_Taylor with the quadratic form as control variate."""
        at_mean = self.model.nll(self.x, self.model.decode(self.h))
        half_trace = 0.5 * (self.hessian * self.posterior.covariance_matrix).sum((-2, -1))
        self.terms |= {
            "nll_at_mean": at_mean, "half_trace": half_trace, "spread": self.terms["nll"] - at_mean,
            "taylor": at_mean + half_trace + self.beta * self.terms["kl"],
            "taylor_gap": self.beyond(self.hessian),
        }  # fmt: skip

    def beyond(self, hessian):
        """§3: L_β − L_Taylor of the first data, each draw with its mirror image about the mean."""
        rows = len(hessian)
        x, h, z = self.x[:rows], self.h[:rows], self.z[:, :rows]
        nll = [self.model.nll(x, self.model.decode(draws)) for draws in (z, 2 * h - z)]
        form = 0.5 * torch.einsum("kbi,bij,kbj->kb", z - h, hessian, z - h)
        return (sum(nll) / 2 - self.model.nll(x, self.model.decode(h)) - form).mean(0)

    def full_hessian(self):
        """§3 without Gauss–Newton, on the first rows unless the decoder is piecewise linear."""
        decoder = self.model.config["model"]["decoder"]
        linear = decoder["activation"] in PIECEWISE_LINEAR and decoder["normalisation"] == "none"
        rows = ROWS if linear else HESSIAN_ROWS
        full = self.model.whole_hessian(self.x[:rows], self.h[:rows])
        half = 0.5 * (full * self.posterior.covariance_matrix[:rows]).sum((-2, -1))
        at_mean, kl = self.terms["nll_at_mean"][:rows], self.terms["kl"][:rows]
        self.terms |= {
            "gauss_newton_rest": half - self.terms["half_trace"][:rows],
            "taylor_full": at_mean + half + self.beta * kl,
            "taylor_full_gap": self.beyond(full),
        }  # fmt: skip

    def deterministic(self):
        """§5: GRAE, its bounds, and one draw of GRAE≈ per example."""
        model, d = self.model, self.model.d
        rows = {"grae": "full", "diagonal_bound": "diagonal", "isotropic_bound": "isotropic"}
        for name, structure in rows.items():
            self.terms[name] = model.grae(self.x, self.h, block_sizes(structure, d), self.beta)
        sizes = model.sizes()
        if sizes and 1 < len(sizes) < d:
            self.terms["block_bound"] = model.grae(self.x, self.h, sizes, self.beta)
        self.columns = model.column_contributions(self.h, self.beta)

        def one_column(q, x, rng):
            chosen = torch.rand(len(x), d, generator=rng).argmax(1, keepdim=True)
            c = model.column_contributions(q.mean, self.beta)
            return (
                model.nll(x, model.decode(q.mean))
                + model.encoding_norm(q.mean, self.beta)
                + d * c.gather(1, chosen).squeeze(1)
            )

        self.terms["grae_approx"] = self.from_streams("column", one_column)

    def shapes(self):
        """§8, from the Jacobian: contrast of I + H/β in the prior's metric, squares of H's cosines off the diagonal."""
        root = self.q.sqrt()
        a = torch.eye(self.model.d) + torch.linalg.inv(root) @ self.hessian @ torch.linalg.inv(root) / self.beta
        self.terms["contrast"] = 0.5 * (a.diagonal(dim1=1, dim2=2).log().sum(1) - torch.logdet(a))
        shares = []
        for one in self.hessian:
            live = [i for i in range(self.model.d) if one[i, i] != 0]
            squares = {(i, j): one[i, j] ** 2 / (one[i, i] * one[j, j]) for i in live for j in live}
            off = sum(value for (i, j), value in squares.items() if i != j)
            shares.append(off / sum(squares.values()) if live else torch.tensor(0.0))
        self.terms["off_diagonal"] = torch.stack([torch.as_tensor(share) for share in shares])

    def optimal(self):
        """§5, the posterior of a GRAE model: β = 1 for ELBO and importance weights, the training's β for its loss."""
        model, sizes = self.model, self.model.sizes()

        def at(h, beta):
            return torch.distributions.MultivariateNormal(
                h, optimal_covariance(sizes, model.hessian(h), beta, self.q)
            )

        def losses(q, x, rng):
            found = []
            for beta in (1.0, self.beta):
                best = at(q.mean, beta)
                found.append(
                    model.nll(x, model.decode(model.draw(best, SAMPLES, rng))).mean(0) + beta * model.kl(best)
                )
            return torch.stack(found, 1)

        def weighted(q, x, rng):
            best = at(q.mean, 1.0)
            return torch.stack(model.importance(best, x, model.draw(best, IMPORTANCE, rng)), 1)

        self.tensors["covariance_optimal"] = at(self.h, 1.0).covariance_matrix
        self.terms["elbo_optimal"], self.terms["loss_beta_optimal"] = self.from_streams("optimal", losses).T
        self.terms["is_nll_optimal"], self.terms["is_effective_samples_optimal"] = self.from_streams(
            "importance optimal", weighted
        ).T

    def column_variance(self):
        """§5, by enumeration: the variance over the column of the estimate for one batch, in expectation over batches
        of n data drawn with replacement, and with a column for each datum."""
        d, n = self.model.d, self.model.config["train"]["batch"]
        estimates = d * self.columns  # of one datum, for every choice of the column
        each = estimates.var(1, unbiased=False)
        shared = estimates.mean(0).var(unbiased=False)
        return {"one_column_a_batch": shared + (each.mean() - shared) / n, "one_column_a_datum": each.mean() / n}


QUARTERS = torch.tensor([0.25, 0.5, 0.75])


class Sections:
    """The sections that look at all data at once. An entry is a tensor of one value per example, or one number; with the
    magnitude that its digits count from, if that is not its own."""

    def __init__(self, expected):
        self.e, self.model = expected, expected.model
        self.seed, self.d = self.model.seed, self.model.d
        self.entries = {"information": {}, "geometry": {}, "covariance": {}}
        self.arrays = {f"{name}_arrays": {} for name in self.entries}
        self.active = expected.h.var(0) > 0.01
        self.information()
        self.geometry()
        self.interpolations()
        self.covariance()

    def add(self, section, name, value, scale=None):
        self.entries[section][name] = torch.as_tensor(value, dtype=torch.float64), scale

    def information(self):
        e = self.e
        self.add("information", "active_units", self.active.sum())
        eigenvalues = torch.linalg.eigvalsh(e.hessian.mean(0)).flip(0) / e.beta
        self.add("information", "active_directions", (eigenvalues > 0.01).sum())
        # q(z) is the mixture of the posteriors of all rows; one draw of each row.
        z = e.z[0]
        log_q = torch.stack([e.posterior.log_prob(one) for one in z])  # [draw, posterior]
        aggregate = log_q.logsumexp(1) - math.log(ROWS)
        self.add("information", "mutual_information", log_q.diagonal() - aggregate)
        self.add("information", "aggregate_kl", aggregate - self.model.prior().log_prob(z))
        mean, q = self.model.prior_moments()
        variances = e.posterior.covariance_matrix.diagonal(dim1=1, dim2=2)
        marginal = torch.distributions.Normal(e.h, variances.sqrt())
        prior = torch.distributions.Normal(mean, q.diagonal() ** -0.5)
        kl = torch.distributions.kl_divergence(marginal, prior)
        self.add("information", "latent_kl", kl.sum(1))
        self.arrays["information_arrays"] = {
            "variance_of_codes": e.h.var(0), "eigenvalues_of_mean_hessian": eigenvalues, "latent_kl": kl.mean(0),
        }  # fmt: skip

    def shares(self, name, matrices):
        d, sizes = self.d, self.model.sizes()
        squares = torch.stack([m**2 / m.diagonal().outer(m.diagonal()) for m in matrices]).nan_to_num(0)
        if not sizes or not 1 < len(sizes) < d:
            sizes = None
        inside = torch.block_diag(*(torch.ones(size, size) for size in sizes or [d])) - torch.eye(d)
        for suffix, kept in (("", torch.ones(d)), ("_active", self.active.double())):
            among = squares * kept.outer(kept)
            total = among.sum((1, 2))

            def share(part, among=among, total=total):
                return ((among * part).sum((1, 2)) / total).nan_to_num(0)

            self.add("geometry", f"{name}_off_diagonal{suffix}", share(1 - torch.eye(d)))
            if sizes:
                self.add("geometry", f"{name}_within_blocks{suffix}", share(inside))
                self.add("geometry", f"{name}_across_blocks{suffix}", share(1 - torch.eye(d) - inside))
        self.arrays["geometry_arrays"][name] = squares.sqrt()
        if sizes:
            self.arrays["geometry_arrays"]["blocks"] = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))

    def geometry(self):
        e = self.e
        jacobian = self.model.jacobian(e.h)
        self.metric = jacobian.mT @ jacobian
        self.add("geometry", "data", ROWS)
        self.shares("metric", self.metric)
        self.shares("hessian", e.hessian)
        singular = torch.linalg.svdvals(jacobian)
        self.add("geometry", "largest_singular_value", singular[:, 0])
        active = torch.linalg.svdvals(jacobian[:, :, self.active])
        if active.shape[1]:
            self.add("geometry", "log_volume", active.log().sum(1))
            self.add("geometry", "condition_number", 2 * (active[:, 0] / active[:, -1]).log())
        self.arrays["geometry_arrays"] |= {"active": self.active.double(), "singular_values": singular}
        self.arrays["geometry_arrays"]["contrast"] = e.terms["contrast"]

    def interpolations(self):
        """Sixteen pairs of data, as many as there are: straight lines, and paths of least energy."""
        rng = stream(self.seed, "evaluate", "test", "pairs", 0)
        order = torch.rand(ROWS, generator=rng, dtype=self.model.dtype).argsort()
        ends = self.e.h[order[: 2 * min(16, ROWS // 2)]].reshape(-1, 2, self.d)
        lengths = [self.lengths(a, b) for a, b in ends]
        straight, geodesic = (torch.stack(values) for values in zip(*lengths))
        self.add("geometry", "straight_length", straight)
        self.add("geometry", "geodesic_length", geodesic)
        self.add("geometry", "geodesic_ratio", geodesic / straight)

    def lengths(self, a, b, segments=16, refinement=4, iterations=40):
        """As core/measure/geometry.h documents it, one path at a time."""
        time = torch.linspace(0, 1, segments + 1)[:, None]
        line = a + time * (b - a)
        energy = lambda path: self.model.decode(path).flatten(1).diff(dim=0).square().sum()
        laplacian = 2 * torch.eye(segments - 1) - torch.diag(torch.ones(segments - 2), 1)
        laplacian = laplacian - torch.diag(torch.ones(segments - 2), -1)
        typical = self.metric.mean(0)
        inverse = torch.linalg.inv(typical + 1e-3 * typical.trace() / self.d * torch.eye(self.d))
        path, step = line, 1.0
        for _ in range(iterations):
            slope = torch.func.grad(energy)(path)[1:-1]
            trial = path.clone()
            trial[1:-1] -= 0.5 * step * torch.linalg.solve(laplacian, slope) @ inverse
            if energy(trial) < energy(path):
                path, step = trial, min(2 * step, 1.0)
            else:
                step /= 2

        def length(path):
            parts = [a + i / refinement * (b - a) for a, b in zip(path[:-1], path[1:]) for i in range(refinement)]
            fine = torch.stack([*parts, path[-1]])
            return self.model.decode(fine).flatten(1).diff(dim=0).norm(dim=1).sum()

        return length(line), torch.minimum(length(path), length(line))

    def covariance(self):
        e = self.e
        best = optimal_covariance(self.model.sizes(), e.hessian, e.beta, e.q).expand(ROWS, -1, -1)
        learned = e.posterior.covariance_matrix
        ratios = learned.diagonal(dim1=1, dim2=2) / best.diagonal(dim1=1, dim2=2)
        self.add("covariance", "variance_ratio", torch.quantile(ratios.flatten(), 0.5))
        if self.active.any():
            self.add("covariance", "variance_ratio_active", torch.quantile(ratios[:, self.active].flatten(), 0.5))
        normal = torch.distributions.MultivariateNormal
        distance = torch.distributions.kl_divergence(normal(e.h, learned), normal(e.h, best))
        self.add("covariance", "kl_to_optimum", distance, self.d)  # 0 where the learned covariance is the optimum
        self.arrays["covariance_arrays"]["variance_ratio"] = ratios
        for name, matrices in (("learned", learned), ("optimal", best)):
            self.arrays["covariance_arrays"][f"{name}_variances"] = matrices.diagonal(dim1=1, dim2=2)[:64]


# Weights exponentiate a log-likelihood of hundreds of nats: float32 leaves three digits of them.
EXPONENTIATED = ("is_effective_samples", "is_effective_samples_optimal")


class EvaluationTest(ReferenceTest):
    """One trained model's evaluation, compared."""

    def evaluate(self, run, *options):
        dump = run / "dump.h5"
        self.variform(
            "evaluate",
            run,
            "--limit",
            ROWS,
            "--batch",
            BATCH,
            "--samples",
            SAMPLES,
            "--importance-samples",
            IMPORTANCE,
            "--hessian-rows",
            HESSIAN_ROWS,
            "--dump",
            dump,
            "--out",
            run / "evaluation.json",
            *options,
        )
        return read_tensors(dump)[0], json.loads((run / "evaluation.json").read_text())

    def compare(self, model, dump, report):
        tolerance = 1e-10 if model.dtype == torch.float64 else 1e-5
        self.assert_close(dump["x"], fashion_mnist()[:ROWS], 1e-7 if model.dtype == torch.float32 else 1e-15, "x")
        with torch.no_grad():
            expected = Expected(model, dump)
            sections = Sections(expected)
        self.assertEqual({name for name in dump if "/" not in name}, {*expected.tensors, "x", "index", "labels"})
        self.assertEqual({name[6:] for name in dump if name.startswith("terms/")}, set(expected.terms))
        for name, tensor in expected.tensors.items():
            self.assertEqual(
                dump[name].dtype,
                (
                    torch.float64
                    if name in ("hessian", "covariance", "covariance_optimal", "nll_of_draws")
                    else model.dtype
                ),
                name,
            )
            self.assert_close(dump[name], tensor, tolerance, name)
        for name, tensor in expected.terms.items():
            scale = expected.terms["nll"] if name in DIFFERENCES else None  # differences of such values
            loose = 1e3 if name in EXPONENTIATED and model.dtype == torch.float32 else 1
            self.assert_close(dump[f"terms/{name}"], tensor, tolerance * loose, name, scale)
        self.compare_report(model, expected, report, tolerance)
        self.compare_sections(sections, report, tolerance)
        return expected

    def compare_report(self, model, expected, report, tolerance):
        values = report["values"]
        for name, tensor in expected.terms.items():
            mean, error = mean_and_error(tensor)
            scale = expected.terms["nll"].mean() if name in DIFFERENCES else mean
            loose = 1e3 if name in EXPONENTIATED and model.dtype == torch.float32 else 1
            self.assert_close(values[name]["mean"], mean, tolerance * loose, f"mean of {name}", scale)
            self.assert_close(values[name]["se"], error, tolerance * loose, f"error of {name}", scale)
        above, below = expected.terms["half_trace"], expected.terms["spread"]
        ratio = above.mean() / below.mean()
        amplified = tolerance * float(expected.terms["nll"].mean() / below.mean().abs())
        self.assert_close(values["ratio_R"]["mean"], ratio, amplified, "ratio R")
        self.assert_close(
            values["ratio_R"]["se"],
            (above - ratio * below).std() / (math.sqrt(ROWS) * below.mean().abs()),
            amplified,
            "error of ratio R",
        )
        for name, value in expected.column_variance().items():
            self.assert_close(report["grae_approx_variance"][name], value, 10 * tolerance, name)
        self.assertEqual(report["beta"], expected.beta)
        variance = model.variance()
        self.assert_close(report["beta_eff"], expected.beta * variance, tolerance, "effective beta")
        if model.likelihood["type"] == "gaussian":
            self.assert_close(
                report["constant"],
                0.5 * math.prod(model.shape) * (2 * math.pi * variance).log(),
                tolerance,
                "constant",
            )

    def compare_sections(self, expected, report, tolerance):
        """Every number and every array, no more and no fewer; what is small beside the matrix it comes from is as exact
        as that matrix."""
        for section, found in expected.entries.items():
            defined = {name for name, entry in report[section].items() if "undefined" not in entry}
            self.assertEqual(defined, set(found), section)
            for name, (value, scale) in found.items():
                entry, what = report[section][name], f"{section} {name}"
                if value.dim() == 0:
                    self.assert_close(entry["value"], value, tolerance, what, scale)
                    continue
                # What is divided by a small eigenvalue has lost the digits that were missing there.
                error = value.std() / math.sqrt(len(value))
                loose = 1e4 if name in ("log_volume", "condition_number", "geodesic_length", "geodesic_ratio") else 10
                mean, quartiles = value.mean(), torch.quantile(value, QUARTERS)
                if name == "condition_number":
                    mean, quartiles, error = mean.exp(), quartiles.exp(), error * mean.exp()
                limit = max(mean.abs(), quartiles.abs().max()) if scale is None else scale
                self.assert_close(entry["value"], mean, loose * tolerance, f"mean of {what}", limit)
                self.assert_close(entry["se"], error, loose * tolerance, f"error of {what}", limit)
                self.assert_close(entry["quartiles"], quartiles, loose * tolerance, f"quartiles of {what}", limit)
        for section, found in expected.arrays.items():
            self.assertEqual(set(report[section]), set(found), section)
            for name, value in found.items():
                entry, what = report[section][name], f"{section} {name}"
                if not isinstance(entry, dict):
                    self.assert_close(entry, value, 10 * tolerance, what)
                    continue
                quartiles = torch.quantile(value, QUARTERS, 0)
                # A singular value is a root: half the digits of the smallest ones are left, beside the largest.
                loose = max(tolerance**0.5 / 100, 10 * tolerance) if name == "singular_values" else 10 * tolerance
                self.assert_close(entry["mean"], value.mean(0), loose, f"mean of {what}")
                self.assert_close(entry["quartiles"], quartiles, loose, f"quartiles of {what}")

    def check(self, changes):
        run = self.train(changes)
        model = self.model(run)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses = [line["loss"] for line in lines if line["split"] == "train"]
        self.assertLess(sum(losses[-10:]), sum(losses[:10]), "the loss does not fall")
        dump, report = self.evaluate(run)
        expected = self.compare(model, dump, report)
        # §3: for a piecewise-linear decoder Gauss–Newton is all of the Hessian, which needs no table of derivatives.
        decoder = model.config["model"]["decoder"]
        if decoder["activation"] in PIECEWISE_LINEAR and decoder["normalisation"] in ("none", "spectral"):
            tolerance = 1e-10 if model.dtype == torch.float64 else 1e-5
            self.assert_close(
                dump["hessian"], model.whole_hessian(expected.x, expected.h), tolerance, "whole Hessian"
            )
        return run, model, dump, report


class Evaluation(EvaluationTest):
    def test_float64(self):
        for case in COVERING:
            with self.subTest(case):
                self.check([*changes_of(*case), "train.precision='float64'"])

    def test_float32(self):
        for case in COVERING[::4] + COVERING[-1:]:
            with self.subTest(case):
                self.check([*changes_of(*case), "train.precision='float32'"])

    def test_variants(self):
        """Other networks, a prior that is not standard, the other structures, a schedule's final β."""
        mean, deviation = [0.5, -0.3, 0.1, 0, 0, 0.2, 0, -0.4], [1.5, 0.5, 1, 2, 1, 0.7, 1.2, 0.9]
        prior = f"model.prior={{type='gaussian', mean={mean}, deviation={deviation}}}"
        encoder = "model.encoder={type='conv', channels=[4, 6], hidden=[32], normalisation='layer'}"
        ramp = "objective.beta={schedule='linear', from=0.1, to=0.6, steps=100}"
        for changes in (
            [
                prior,
                ramp,
                encoder,
                "model.decoder={type='conv', channels=[8, 4], hidden=[32], normalisation='group', groups=2}",
            ],
            [prior, *changes_of("beta-vae-full", "learned", "tanh")],
            [
                prior,
                "objective={type='grae', structure='block', block=3}",
                "model.family={type='optimal', structure='block', block=3}",
                "model.decoder={type='mlp', hidden=[32, 32], activation='silu', normalisation='layer'}",
            ],
            [
                "objective={type='grae', structure='isotropic'}",
                "model.family={type='optimal', structure='isotropic', beta=0.3}",
            ],
            [
                prior,
                ramp,
                "objective={type='grae-approx', columns=3, per_sample=true}",
                "model.family={type='optimal', structure='diagonal'}",
            ],
        ):
            with self.subTest(changes):
                self.check(changes)

    def test_notices_a_changed_weight(self):
        """The comparison itself: one weight of the rebuilt model, changed by a millionth, is seen."""
        run, model, dump, report = self.check(changes_of("grae", "fixed", "relu"))
        with torch.no_grad():
            weight = model.parameters["decoder/network.2.weight"]
            weight[weight.abs().argmax() // weight.shape[1], 0] += 1e-6
        with self.assertRaisesRegex(AssertionError, "beyond 1e-10"):
            self.compare(model, dump, report)


if __name__ == "__main__":
    unittest.main(verbosity=2)
