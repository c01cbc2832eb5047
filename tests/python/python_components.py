"""Stock components written again in Python, with the same operations, and broken ones: for the tests of variform.train_python
and variform.check."""

import math

import torch
import variform

LOG_TWO_PI = math.log(2 * math.pi)


class Normal:
    """Independent normal latents, mean and standard deviation [B, d]."""

    def __init__(self, mean, deviation):
        self.location, self.deviation = mean, deviation

    def rsample(self, n, rng):
        noise = torch.randn(n, *self.location.shape, generator=rng, dtype=self.location.dtype)
        return self.location + self.deviation * noise

    def log_marginals(self, z):
        return -0.5 * ((z - self.location) / self.deviation).square() - self.deviation.log() - 0.5 * LOG_TWO_PI

    def log_prob(self, z):
        return self.log_marginals(z).sum(-1)

    def entropy(self):
        return self.deviation.log().sum(-1) + 0.5 * self.location.shape[1] * (1 + LOG_TWO_PI)

    def covariance(self):
        return self.deviation


class Diagonal(variform.Family):
    """The stock family `diagonal`."""

    settings = {"deviation": variform.Setting(1.0, above=0, unit="latent units", doc="Of every latent at an output of zero.")}
    posterior_class = Normal

    def parameter_count(self, d):
        return 2 * d

    def posterior(self, parameters, x, known):
        mean, log_variance = parameters.chunk(2, -1)
        return self.posterior_class(mean, (math.log(self.build["deviation"]) + 0.5 * log_variance).exp())


class Gaussian(variform.Prior):
    """The stock prior `gaussian`, with trained mean where it is asked for."""

    settings = {"learned": False}

    def __init__(self, build):
        super().__init__(build)
        self.mean = torch.nn.Parameter(torch.zeros(build.latent), requires_grad=build["learned"])

    def log_prob(self, z, known):
        return -0.5 * (z - self.mean).square().sum(-1) - 0.5 * LOG_TWO_PI * self.build.latent

    def sample(self, n, rng, known):
        return self.mean + torch.randn(n, self.build.latent, generator=rng, dtype=self.build.dtype)

    def cross_entropy(self, q, known):
        if not q.has("covariance"):
            return None
        return 0.5 * ((q.location() - self.mean).square() + q.variance()).sum(-1) + 0.5 * LOG_TWO_PI * self.build.latent

    def gaussian(self, known):
        return self.mean.unsqueeze(0), torch.ones_like(self.mean).unsqueeze(0)

    def moments_needed(self):
        return 2


class GaussianNoise(variform.Likelihood):
    """The stock likelihood `gaussian` with a fixed variance."""

    settings = {"variance": variform.Setting(1.0, above=0)}
    outputs = 1
    domain = "real"

    def nll(self, x, g, known):
        squares = (g - x.unsqueeze(1)).square().flatten(-len(self.build.data) - 1).sum(-1)
        constant = 0.5 * self.build.data.numel() * (math.log(self.build["variance"]) + LOG_TWO_PI)
        return 0.5 / self.build["variance"] * squares + constant

    def mean(self, g):
        return g.squeeze(-len(self.build.data) - 1)

    def sample(self, g, rng):
        mean = self.mean(g)
        return mean + math.sqrt(self.build["variance"]) * torch.randn(mean.shape, generator=rng, dtype=mean.dtype)

    def curvature_form(self, x, g, t, which, known):
        t = t.flatten(2).movedim(0, 1)
        return t @ t.mT / self.build["variance"]

    def isotropic_curvature(self):
        return torch.full((), 1 / self.build["variance"], dtype=self.build.dtype)

    def noise_variance(self):
        return torch.full((), self.build["variance"], dtype=self.build.dtype)


class BetaVae(variform.Objective):
    """The stock objective `beta-vae`."""

    settings = {"beta": variform.Setting(1.0, at_least=0, schedule=True)}

    def evaluate(self, model, batch):
        q = model.posterior(batch.x, batch.known)
        z = q.rsample(1)
        nll = model.nll(batch.x, model.decode(z, batch.known), batch.known).mean(0)
        kl = q.kl(z)
        return {"loss": nll + self.build["beta"] * kl, "nll": nll, "kl": kl}

    def beta(self):
        return self.build["beta"]

    def final_beta(self):
        return self.build.final("beta")


class WrongConstant(Normal):
    def log_marginals(self, z):
        return super().log_marginals(z) + 0.1


class Unnormalised(Diagonal):
    """Its density is 1.1 times too large per latent."""

    posterior_class = WrongConstant


class Detached(Normal):
    def rsample(self, n, rng):
        return super().rsample(n, rng).detach()


class NotDifferentiable(Diagonal):
    """Its draws have no gradient."""

    posterior_class = Detached


class GloballyRandom(Normal):
    def rsample(self, n, rng):
        return self.location + self.deviation * torch.randn(n, *self.location.shape, dtype=self.location.dtype)


class DrawsGlobally(Diagonal):
    """Its noise is not the engine's."""

    posterior_class = GloballyRandom


class Fails(Diagonal):
    """Raises an exception after so many calls in training mode."""

    calls = 0

    def posterior(self, parameters, x, known):
        if self.training:
            Fails.calls += 1
        if Fails.calls > 9:
            raise ZeroDivisionError("three is enough")
        return super().posterior(parameters, x, known)
