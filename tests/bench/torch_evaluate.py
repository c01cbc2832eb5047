#!/usr/bin/env python3
"""PyTorch's side of bench.py's evaluate: what `variform evaluate` computes of a test set, with torch.func.

    torch_evaluate.py EXPORTED.py IMAGES BETA       prints {"name": mean over images, …}
"""

import importlib.util
import json
import math
import sys

import torch
from torch_train import images_of


class Evaluation:
    """Sums and matrices over batches. β-VAE with a mean-field Gaussian posterior, Gaussian likelihood of variance 1."""

    def __init__(self, encoder, decoder, beta):
        self.encoder, self.decoder, self.beta = encoder, decoder, beta
        self.kept = {}

    def keep(self, **values):
        for name, value in values.items():
            self.kept.setdefault(name, []).append(value)

    def nll(self, g, x):
        return 0.5 * (g - x).flatten(1).square().sum(1) + 0.5 * x[0].numel() * math.log(2 * math.pi)

    def geometry(self, mean):
        def decoded(z):
            g = self.decoder(z.unsqueeze(0))[0]
            return g, g

        jacobian, g = torch.func.vmap(torch.func.jacfwd(decoded, has_aux=True))(mean)
        jacobian = jacobian.flatten(1, -2)
        return jacobian.transpose(1, 2) @ jacobian, g

    @torch.no_grad()
    def add(self, x):
        """The loss by Monte Carlo, its expansions and optimal covariances (theory §3, §4, §5), the metric (§8)."""
        beta = self.beta
        mean, log_variance = self.encoder(x).chunk(2, -1)
        variance = log_variance.exp()
        metric, g = self.geometry(mean)
        diagonal, norm, at_mean = metric.diagonal(dim1=1, dim2=2), mean.square().sum(1), self.nll(g, x)
        latent_kl = 0.5 * (mean.square() + variance - log_variance - 1)
        kl = latent_kl.sum(1)

        noise = torch.randn_like(mean)
        z = mean + variance.sqrt() * noise
        nll, mirrored = self.nll(self.decoder(z), x), self.nll(self.decoder(2 * mean - z), x)
        quadratic = 0.5 * torch.einsum("bi,bij,bj->b", z - mean, metric, z - mean)
        self.keep(nll=nll, kl=kl, elbo=nll + kl, loss_beta=nll + beta * kl, spread=nll - at_mean,
                  taylor=at_mean + 0.5 * (diagonal * variance).sum(1) + beta * kl,
                  taylor_gap=0.5 * (nll + mirrored) - at_mean - quadratic)

        penalties = {"grae": torch.logdet(torch.eye(metric.shape[1]) + metric / beta),
                     "diagonal_bound": torch.log1p(diagonal / beta).sum(1),
                     "isotropic_bound": metric.shape[1] * torch.log1p(diagonal.mean(1) / beta)}
        self.keep(**{name: at_mean + 0.5 * beta * (norm + penalty) for name, penalty in penalties.items()})
        chosen = torch.randint(metric.shape[1], (len(x), 1))
        column = metric.shape[1] * torch.log1p(diagonal.gather(1, chosen).squeeze(1) / beta)
        self.keep(grae_approx=at_mean + 0.5 * beta * (norm + column))

        for name, scale in (("elbo_optimal", 1.0), ("loss_beta_optimal", beta)):
            optimal = 1 / (1 + diagonal / scale)
            draw = self.decoder(mean + optimal.sqrt() * torch.randn_like(mean))
            self.keep(**{name: self.nll(draw, x) + 0.5 * scale * (norm + (optimal - optimal.log() - 1).sum(1))})
        ratio = variance / optimal
        self.keep(variance_ratio=ratio, kl_to_optimum=0.5 * (ratio - ratio.log() - 1).sum(1))

        own_mean, own_log = self.encoder(x).chunk(2, -1)  # the objective, as it was trained
        draw = self.decoder(own_mean + torch.exp(0.5 * own_log) * torch.randn_like(own_mean))
        own_kl = 0.5 * (own_mean.square() + own_log.exp() - own_log - 1).sum(1)
        self.keep(objective=self.nll(draw, x) + beta * own_kl)
        self.keep(metric=metric.double(), mean=mean, log_variance=log_variance, z=z, latent_kl=latent_kl)

    @torch.no_grad()
    def information(self, z, mean, log_variance, draws=1000):
        """Mutual information and the aggregate posterior's divergence, a batch of posteriors at a time."""
        index = torch.arange(draws) * len(z) // draws
        z = z[index].unsqueeze(1)
        total, own = torch.full((draws,), -math.inf), torch.empty(draws)
        constant = 0.5 * z.shape[2] * math.log(2 * math.pi)
        for first in range(0, len(mean), 256):
            m, v = mean[first:first + 256], log_variance[first:first + 256]
            log = -0.5 * ((z - m).square() * torch.exp(-v)).sum(2) - 0.5 * v.sum(1) - constant
            total = torch.logaddexp(total, log.logsumexp(1))
            here = ((index >= first) & (index < first + 256)).nonzero().squeeze(1)
            own[here] = log[here, index[here] - first]
        total -= math.log(len(mean))
        prior = -0.5 * z.squeeze(1).square().sum(1) - constant
        self.keep(mutual_information=own - total, aggregate_kl=total - prior)

    @torch.no_grad()
    def shape(self, metric):
        """What is made of the metrics, [N, d, d] float64."""
        diagonal = metric.diagonal(dim1=1, dim2=2)
        squares = metric.square() / (diagonal.unsqueeze(1) * diagonal.unsqueeze(2)).clamp_min(1e-300)
        self.keep(off_diagonal=1 - squares.diagonal(dim1=1, dim2=2).sum(1) / squares.sum((1, 2)))
        values = torch.linalg.eigvalsh(metric).clamp_min(0)
        self.keep(largest_singular_value=values[:, -1].sqrt(), log_volume=0.5 * values.clamp_min(1e-300).log().sum(1),
                  condition_number=(values[:, -1] / values[:, 0].clamp_min(1e-300)).log(), singular=values.sqrt(),
                  normalized=squares.sqrt().flatten(1))

    def paths(self, codes, metric, segments=16, iterations=40, refinement=4):
        """Straight and shortest lengths between pairs of codes: preconditioned gradient descent on the energy."""
        time = torch.linspace(0, 1, segments + 1).reshape(-1, 1, 1)
        path = codes[::2] + time * (codes[1::2] - codes[::2])
        straight, step = path, torch.ones(len(codes) // 2, 1)
        interior = segments - 1
        off = torch.diag(torch.ones(interior - 1), 1)
        along = torch.linalg.inv(2 * torch.eye(interior) - off - off.T)
        ridge = 1e-3 * metric.trace() / len(metric)
        across = torch.linalg.inv(metric + ridge * torch.eye(len(metric), dtype=metric.dtype)).float()

        def squares(z):
            g = self.decoder(z.flatten(0, 1)).reshape(len(z), z.shape[1], -1)
            return (g[1:] - g[:-1]).square().sum(2)

        def length(z):
            parts = [z[:-1] + i / refinement * (z[1:] - z[:-1]) for i in range(refinement)]
            fine = torch.cat([torch.stack(parts, 1).flatten(0, 1), z[-1:]])
            return squares(fine).sqrt().sum(0)

        with torch.no_grad():
            energy = squares(path).sum(0)
        for _ in range(iterations):
            moving = path.detach().requires_grad_(True)
            slope = torch.autograd.grad(squares(moving).sum(), moving)[0][1:-1]
            with torch.no_grad():
                trial = path.clone()
                trial[1:-1] -= step * 0.5 * torch.einsum("st,tnd,de->sne", along, slope, across)
                there = squares(trial).sum(0)
                better = there < energy
                path = torch.where(better.reshape(1, -1, 1), trial, path)
                energy = torch.where(better, there, energy)
                step = torch.where(better.unsqueeze(1), (2 * step).clamp_max(1), 0.5 * step)
        with torch.no_grad():
            self.keep(straight_length=length(straight), geodesic_length=length(path))

    def report(self):
        result = {}
        for name, parts in self.kept.items():
            values = torch.cat(parts).double()
            if name in ("mean", "log_variance", "z", "metric"):
                continue
            quartiles = values.reshape(len(values), -1).sort(0).values[[len(values) * k // 4 for k in (1, 2, 3)]]
            result[name] = {"mean": values.mean().item(), "sd": values.std().item(), "quartiles": quartiles.tolist()}
        return result


def main():
    spec = importlib.util.spec_from_file_location("exported", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    encoder, decoder = module.load()
    evaluation = Evaluation(encoder, decoder, float(sys.argv[3]))
    for x in images_of(sys.argv[2]).split(256):
        evaluation.add(x)
    kept = {name: torch.cat(evaluation.kept[name]) for name in ("z", "mean", "log_variance", "metric")}
    evaluation.information(kept["z"], kept["mean"], kept["log_variance"])
    evaluation.shape(kept["metric"])
    evaluation.paths(kept["mean"][torch.randperm(len(kept["mean"]))[:32]], kept["metric"].mean(0))
    print(json.dumps({name: value["mean"] for name, value in evaluation.report().items()}))


if __name__ == "__main__":
    main()
