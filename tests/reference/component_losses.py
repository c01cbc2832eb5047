"""Components' losses in PyTorch, for test_components.py: written with torch.distributions, torch.func and automatic
differentiation, not copied. Densities of flows come from the Jacobian of the whole map, KL divergences from PyTorch's own.

A loss is a function of the checkpoint's weights, the batch, the generator of its draws and the number of training data;
it gives {name: value} of the losses whose gradients stand side by side. CASES: what is in the config, and its loss.
"""

import math

import torch
from torch.distributions import (
    AffineTransform,
    Categorical,
    ContinuousBernoulli,
    Independent,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    Poisson,
    SigmoidTransform,
    StudentT,
    TransformedDistribution,
    kl_divergence,
)

LATENT, VARIANCE = 3, 0.1

# ------------------------------------------------------------------------------------------- the model, in PyTorch


class Weights(dict):
    """Tensors of a checkpoint, {"encoder/network.1.weight": …}, ready to collect gradients."""

    def linear(self, name, x):
        return torch.nn.functional.linear(x, self[name + ".weight"], self[name + ".bias"])

    def encode(self, x):  # [B, 1, 8, 8] -> [B, n]
        return self.linear("encoder/network.3", torch.tanh(self.linear("encoder/network.1", x.flatten(1))))

    def decode(self, z):  # [..., d] -> [..., P]
        return self.linear("decoder/network.2", torch.tanh(self.linear("decoder/network.0", z)))

    def nll(self, x, z):  # [..., B]
        return self.observe(x, self.decode(z))

    def observe(self, x, g):  # [..., B], of data and the decoder's output
        return -Normal(g, math.sqrt(VARIANCE)).log_prob(x.flatten(1)).sum(-1)

    def gaussian(self, x):
        mean, log_variance = self.encode(x).chunk(2, -1)
        return Normal(mean, (0.5 * log_variance).exp())

    def draw(self, x, samples, rng):
        q = self.gaussian(x)
        return q, q.mean + q.stddev * torch.randn(samples, *q.mean.shape, generator=rng)


def standard():
    return Normal(torch.zeros(LATENT), torch.ones(LATENT))


def log_mean_exp(values, dim):
    return values.exp().mean(dim).log()


# Each gives {name: value} of the losses whose gradients stand side by side; the trained loss is their sum.


def vamp_prior(w, x, rng, size):
    q, z = w.draw(x, 2, rng)
    parts = Independent(w.gaussian(w["prior/pseudo_inputs"]), 1)
    prior = MixtureSameFamily(Categorical(logits=torch.zeros(len(w["prior/pseudo_inputs"]))), parts)
    kl = (q.log_prob(z).sum(-1) - prior.log_prob(z)).mean(0)
    return {"model": (w.nll(x, z).mean(0) + 0.5 * kl).mean()}


def coupling(count):
    """What numbers beyond the diagonal family are multiplied by, when there are so many (theory §11)."""
    return 0.1 / math.sqrt(count)


def planar(params, noise):
    """One example's draw through its two maps: z and log q, the latter from the Jacobian of the whole map."""
    mean, log_variance = params[:LATENT], params[LATENT : 2 * LATENT]

    def whole(start):
        z = mean + (0.5 * log_variance).exp() * start
        for t in range(2):
            u, w, b = params[2 * LATENT + t * (2 * LATENT + 1) :][: 2 * LATENT + 1].split([LATENT, LATENT, 1])
            u = coupling(2 * LATENT) * u
            bound = torch.log1p(torch.exp(w @ u + math.log(math.e - 1))) - 1  # wᵀû of an invertible map
            u = u + (bound - w @ u) * w / (w @ w)
            z = z + u * torch.tanh(w @ z + b)
        return z

    jacobian = torch.func.jacrev(whole)(noise)
    return whole(noise), standard().log_prob(noise).sum() - torch.linalg.slogdet(jacobian)[1]


def planar_flow(w, x, rng, size):
    params = w.encode(x)
    noise = torch.randn(2, len(x), LATENT, generator=rng)
    z, log_q = torch.func.vmap(torch.func.vmap(planar), in_dims=(None, 0))(params, noise)
    kl = (log_q - standard().log_prob(z).sum(-1)).mean(0)
    return {"model": (w.nll(x, z).mean(0) + 0.5 * kl).mean()}


def critic(w, z):
    for layer in (0, 2):
        z = torch.nn.functional.leaky_relu(w.linear(f"objective/critic.{layer}", z), 0.01)
    return w.linear("objective/critic.4", z).squeeze(-1)


def factor_vae(w, x, rng, size):
    q, z = w.draw(x, 1, rng)
    z = z[0]
    order = torch.rand(z.shape, generator=rng).argsort(0)
    permuted = torch.stack([z[order[:, i], i] for i in range(LATENT)], 1)
    kl = torch.distributions.kl_divergence(q, standard()).sum(-1)
    odds, odds_permuted = critic(w, z), critic(w, permuted)
    labels = torch.cat([torch.ones(len(x)), torch.zeros(len(x))])
    return {
        "model": (w.nll(x, z) + kl + 4.0 * odds).mean(),
        "critic": torch.nn.functional.binary_cross_entropy_with_logits(torch.cat([odds, odds_permuted]), labels),
    }


def beta_tcvae(w, x, rng, size):
    q, z = w.draw(x, 1, rng)
    z = z[0]
    log_size = math.log(len(x) * size)
    log_q, log_product = [], []
    for one in z:  # of each draw, under every row of the batch
        densities = q.log_prob(one)  # [M, d]
        log_q.append(densities.sum(-1).exp().sum().log() - log_size)
        log_product.append((densities.exp().sum(0).log() - log_size).sum())
    tc = torch.stack(log_q) - torch.stack(log_product)
    kl = q.log_prob(z).sum(-1) - standard().log_prob(z).sum(-1)
    return {"model": (w.nll(x, z) + kl + (6.0 - 1) * tc).mean()}


def iwae(w, x, rng, size):
    q, z = w.draw(x, 5, rng)
    log_weight = standard().log_prob(z).sum(-1) - w.nll(x, z) - q.log_prob(z).sum(-1)
    # The largest is taken out: likelihoods of 64 values underflow.
    top = log_weight.max(0).values.detach()
    return {"model": -(log_mean_exp(log_weight - top, 0) + top).mean()}


# ------------------------------------------------------------------------------------- one loss for each component
#
# family, prior and likelihood stand in a β-VAE with β = 0.5 and two draws.

BETA, DRAWS = 0.5, 2


def beta_vae(w, x, z, kl):
    return {"model": (w.nll(x, z).mean(0) + BETA * kl).mean()}


def normal_kl(mean, covariance):
    """[B], of N(mean, covariance) to the standard normal distribution."""
    q = MultivariateNormal(mean, covariance)
    return kl_divergence(q, MultivariateNormal(torch.zeros(LATENT), torch.eye(LATENT)))


def noise(x, rng):
    return torch.randn(DRAWS, len(x), LATENT, generator=rng)


def isotropic(w, x, rng, size):
    params = w.encode(x)
    mean, deviation = params[:, :LATENT], 0.7 * (0.5 * params[:, LATENT:]).exp()
    z = mean + deviation * noise(x, rng)
    return beta_vae(w, x, z, normal_kl(mean, (deviation**2).unsqueeze(-1) * torch.eye(LATENT)))


def fixed(w, x, rng, size):
    mean = w.encode(x)
    return beta_vae(w, x, mean + 0.3 * noise(x, rng), normal_kl(mean, 0.09 * torch.eye(LATENT).expand(len(x), -1, -1)))


def block(w, x, rng, size):
    mean, log_squares, below = w.encode(x).split([LATENT, LATENT, 1], 1)  # a block of two latents, and one of one
    s = (0.5 * log_squares).exp()
    factor = torch.diag_embed(s).clone()
    factor[:, 1, 0] = s[:, 1] * coupling(1) * below[:, 0]
    z = mean + torch.einsum("bij,kbj->kbi", factor, noise(x, rng))
    return beta_vae(w, x, z, normal_kl(mean, factor @ factor.mT))


def low_rank(w, x, rng, size):
    params = w.encode(x)
    mean, log_scale, flat = params.split([LATENT, 1, LATENT], 1)  # rank 1
    n = coupling(LATENT) * flat
    covariance = log_scale.exp().unsqueeze(-1) * (torch.eye(LATENT) + n.unsqueeze(2) * n.unsqueeze(1))
    factor = torch.linalg.cholesky(covariance)
    return beta_vae(w, x, mean + torch.einsum("bij,kbj->kbi", factor, noise(x, rng)), normal_kl(mean, covariance))


def reflections(vectors):
    matrix = torch.eye(LATENT)
    for v in vectors:
        matrix = (torch.eye(LATENT) - 2 * torch.outer(v, v) / (v @ v)) @ matrix
    return matrix


def symmetric_root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.sqrt()) @ vectors.mT


def householder(w, x, rng, size):
    params = w.encode(x)
    direction = torch.ones(LATENT) / math.sqrt(LATENT)  # of both reflections, which undo each other
    u = torch.stack([reflections(direction + coupling(2 * LATENT) * row[2 * LATENT :].reshape(-1, LATENT)) for row in params])
    mean = torch.einsum("bij,bj->bi", u, params[:, :LATENT])
    covariance = u @ torch.diag_embed(params[:, LATENT : 2 * LATENT].exp()) @ u.mT
    root = torch.stack([symmetric_root(matrix) for matrix in covariance])
    return beta_vae(w, x, mean + torch.einsum("bij,kbj->kbi", root, noise(x, rng)), normal_kl(mean, covariance))


def rotated(w, x, rng, size):
    a = torch.zeros(LATENT, LATENT)
    upper = torch.triu_indices(LATENT, LATENT, 1)
    a = a.index_put((upper[0], upper[1]), w["family/rotation"])
    given = torch.tensor([[0.6, 0.0, -0.8], [0.0, 1.0, 0.0], [0.8, 0.0, 0.6]])
    r = given @ torch.linalg.matrix_exp(a - a.mT)
    mean, log_variance = w.encode(x).chunk(2, -1)
    covariance = r @ torch.diag_embed(log_variance.exp()) @ r.mT
    root = torch.stack([symmetric_root(matrix) for matrix in covariance])
    return beta_vae(w, x, mean @ r.mT + torch.einsum("bij,kbj->kbi", root, noise(x, rng)),
                    normal_kl(mean @ r.mT, covariance))


def location_scale(w, x, base, entropy, variance, scale):
    """A mean-field family of z = m + s e against the standard normal prior: KL = −E log p − entropy."""
    location, log_scale = w.encode(x).chunk(2, -1)
    scale = scale * (0.5 * log_scale).exp()
    second = location**2 + scale**2 * variance
    cross = 0.5 * (second + math.log(2 * math.pi)).sum(-1)
    return beta_vae(w, x, location + scale * base, cross - (scale.log() + entropy).sum(-1))


def student_t_family(w, x, rng, size):
    shape = (DRAWS, len(x), LATENT)
    gamma = torch._standard_gamma(torch.full(shape, 2.5), rng) * (2 / 5)
    base = torch.randn(shape, generator=rng) / gamma.sqrt()
    return location_scale(w, x, base, StudentT(5.0).entropy().item(), 5 / 3, 0.5)


def logistic_family(w, x, rng, size):
    first, second = torch.empty(2, DRAWS, len(x), LATENT).exponential_(1, generator=rng)
    return location_scale(w, x, (second / first).log(), 2.0, math.pi**2 / 3, 0.55)


def laplace_family(w, x, rng, size):
    first, second = torch.empty(2, DRAWS, len(x), LATENT).exponential_(1, generator=rng)
    return location_scale(w, x, second - first, Laplace(0.0, 1.0).entropy().item(), 2.0, math.sqrt(0.5))


def flow_family(whole):
    """β-VAE with a flow given as a map from one example's parameters and standard normal noise to z; log q from its Jacobian."""

    def loss(w, x, rng, size):
        def draw(params, e):
            jacobian = torch.func.jacrev(lambda start: whole(w, params, start))(e)
            return whole(w, params, e), standard().log_prob(e).sum() - torch.linalg.slogdet(jacobian)[1]

        z, log_q = torch.func.vmap(torch.func.vmap(draw), in_dims=(None, 0))(w.encode(x), noise(x, rng))
        return beta_vae(w, x, z, (log_q - standard().log_prob(z).sum(-1)).mean(0))

    return loss


def sylvester(w, params, e):
    z = params[:LATENT] + (0.5 * params[LATENT : 2 * LATENT]).exp() * e
    rest, triangle = params[2 * LATENT :], LATENT * (LATENT + 1) // 2

    def upper(numbers):
        rows, columns = torch.triu_indices(LATENT, LATENT)
        values = torch.where(rows == columns, numbers.tanh(), numbers)
        return torch.zeros(LATENT, LATENT).index_put((rows, columns), values)

    for _ in range(2):
        vectors, r, r2, b = rest[: 2 * LATENT + 2 * triangle + LATENT].split([2 * LATENT, triangle, triangle, LATENT])
        rest = rest[2 * LATENT + 2 * triangle + LATENT :]
        q = reflections(vectors.reshape(2, LATENT))
        r = coupling(2 * triangle) * r
        z = z + q @ upper(r) @ torch.tanh(upper(r2) @ q.mT @ z + b)
    return z


def iaf(w, params, e):
    z = params[:LATENT] + (0.5 * params[LATENT : 2 * LATENT]).exp() * e
    context = params[2 * LATENT :]
    for t in range(2):
        z = z.flip(0)
        units = torch.tensor([1 + k % (LATENT - 1) for k in range(6)])
        numbers = torch.arange(1, LATENT + 1)
        seen = w[f"family/in{t}"] * (units[:, None] >= numbers)
        hidden = torch.nn.functional.elu(seen @ z + w[f"family/context{t}"] @ context + w[f"family/bias{t}"])
        out = (w[f"family/out{t}"] * (torch.cat([numbers, numbers])[:, None] > units)) @ hidden + w[f"family/out_bias{t}"]
        shift, log_scale = (coupling(2 * LATENT * 2) * out).chunk(2)
        z = log_scale.exp() * z + shift
    return z


def ladder(w, x, rng, size):
    """Prior and family `ladder` of two levels, [2, 1]; the KL divergence of each level, given the draw of the next."""
    mean, log_variance, context = w.encode(x).split([LATENT, LATENT, 2], -1)
    e, top = noise(x, rng), Normal(mean[:, 2:], (0.5 * log_variance[:, 2:]).exp())
    above = top.mean + top.stddev * e[..., 2:]

    def network(name, numbers):
        return w.linear(name + ".2", torch.relu(w.linear(name + ".0", numbers))).split(2, -1)

    shift, wider = network("family/network0", torch.cat([above, context.expand(len(e), *context.shape)], -1))
    factor = coupling(2 * 2)
    q = Normal(mean[:, :2] + factor * shift, (0.5 * (log_variance[:, :2] + factor * wider)).exp())
    location, log_scale = w.linear("prior/network0.0", above).split(2, -1)
    kl = kl_divergence(q, Normal(location, log_scale.exp())).sum(-1).mean(0)
    kl = kl + kl_divergence(top, Normal(torch.zeros(1), torch.ones(1))).sum(-1)
    return beta_vae(w, x, torch.cat([q.mean + q.stddev * e[..., :2], above], -1), kl)


def with_prior(log_prior, closed=None):
    """β-VAE with family `diagonal`; KL by Monte Carlo from log_prior(w, z), or `closed(w, mean, variance)`."""

    def loss(w, x, rng, size):
        q, z = w.draw(x, DRAWS, rng)
        kl = closed(w, q.mean, q.variance) if closed else (q.log_prob(z).sum(-1) - log_prior(w, z)).mean(0)
        return beta_vae(w, x, z, kl)

    return loss


def learned_gaussian(w, mean, variance):
    below = torch.tril(w["prior/below"], -1)
    factor = below + torch.diag(w["prior/log_deviation"].exp())
    p = MultivariateNormal(w["prior/mean"], factor @ factor.mT)
    return kl_divergence(MultivariateNormal(mean, torch.diag_embed(variance)), p)


def logistic_prior(w, z):
    s = math.sqrt(3) / math.pi
    uniform = torch.distributions.Uniform(0.0, 1.0)
    return TransformedDistribution(uniform, [SigmoidTransform().inv, AffineTransform(0.0, s)]).log_prob(z).sum(-1)


def mixture_prior(w, z):
    parts = Independent(Normal(w["prior/means"], w["prior/log_deviations"].exp()), 1)
    return MixtureSameFamily(Categorical(logits=w["prior/logits"][:, 0]), parts).log_prob(z)


def bimodal_prior(w, z):
    parts = Normal(torch.tensor([-0.9, 0.9]), torch.tensor(math.sqrt(0.19)))
    return MixtureSameFamily(Categorical(torch.tensor([0.5, 0.5])), parts).log_prob(z).sum(-1)


def flow_prior(w, z):
    def whole(z):
        for layer in range(2):
            kept = (torch.arange(LATENT) % 2 == layer % 2).logical_not() if layer == 0 else torch.arange(LATENT) % 2 == 0
            kept = kept.to(z.dtype)
            hidden = torch.nn.functional.silu(w.linear(f"prior/coupling{layer}.0", z * kept))
            scale, shift = w.linear(f"prior/coupling{layer}.2", hidden).chunk(2)
            z = torch.where(kept > 0, z, z * torch.tanh(scale).exp() + shift)
        return z

    def log_density(z):
        return standard().log_prob(whole(z)).sum() + torch.linalg.slogdet(torch.func.jacrev(whole)(z))[1]

    return torch.func.vmap(torch.func.vmap(log_density))(z)


def with_likelihood(nll):
    """β-VAE with family `diagonal` and prior `gaussian`; nll(w, x [B, P], g [K, B, …]) summed over the data's values."""

    def loss(w, x, rng, size):
        q, z = w.draw(x, DRAWS, rng)
        kl = kl_divergence(q, standard()).sum(-1)
        return {"model": (nll(w, x.flatten(1), w.decode(z)).mean(0) + BETA * kl).mean()}

    return loss


def negative(distribution):
    return with_likelihood(lambda w, x, g: -distribution(w, g).log_prob(x).sum(-1))


def per_value(w, g):
    return Normal(g, (0.5 * w["likelihood/log_variance"].flatten()).exp())


def logistic_density(w, g):
    return TransformedDistribution(torch.distributions.Uniform(torch.zeros_like(g), torch.ones_like(g)),
                                   [SigmoidTransform().inv, AffineTransform(g, 0.3)])


def discretised(w, x, g):
    """The probability of a bin as a difference of distribution functions; data on 11 levels."""
    half, level = 0.05, (10 * x).round()
    above = torch.where(level == 10, torch.ones(()), torch.sigmoid((x + half - g) / 0.2))
    below = torch.where(level == 0, torch.zeros(()), torch.sigmoid((x - half - g) / 0.2))
    return -(above - below).log().sum(-1)


def discretised_mixture(w, x, g):
    """Of two components: each a difference of distribution functions, weighed and added; data on 11 levels."""
    logits, means, log_scales = g.reshape(*g.shape[:2], 3, 2, -1).unbind(2)
    half, level, scales = 0.05, (10 * x).round().unsqueeze(1), 0.2 * log_scales.exp()
    data = x.unsqueeze(1)
    above = torch.where(level == 10, torch.ones(()), torch.sigmoid((data + half - means) / scales))
    below = torch.where(level == 0, torch.zeros(()), torch.sigmoid((data - half - means) / scales))
    return -(logits.softmax(2) * (above - below)).sum(2).log().sum(-1)


def categorical(w, x, g):
    logits = g.reshape(*g.shape[:2], 3, -1).movedim(2, -1)
    return -Categorical(logits=logits).log_prob(x).sum(-1)


def elbo_parts(w, x, rng):
    q, z = w.draw(x, 1, rng)
    return q, z, w.nll(x, z)[0], kl_divergence(q, standard()).sum(-1)


def capacity(w, x, rng, size):
    q, z, nll, kl = elbo_parts(w, x, rng)
    return {"model": nll.mean() + 3.0 * (kl - 5.0).abs().mean()}


def free_nats(w, x, rng, size):
    q, z, nll, kl = elbo_parts(w, x, rng)
    return {"model": nll.mean() + 0.5 * kl.clamp_min(0.1).mean()}


def dip_vae(draws):
    def loss(w, x, rng, size):
        q, z, nll, kl = elbo_parts(w, x, rng)
        c = torch.cov(q.mean.mT, correction=0)
        if draws:
            c = c + torch.diag(q.variance.mean(0))
        off = c - torch.diag(c.diagonal())
        return {"model": (nll + kl).mean() + 2.0 * (off**2).sum() + 3.0 * ((c.diagonal() - 1) ** 2).sum()}

    return loss


def discrepancy(p, q):
    """Over all pairs of different points, of both samples and between them."""
    def kernel(a, b):
        square = ((a - b) ** 2).sum()
        return sum(2 * LATENT * f / (2 * LATENT * f + square) for f in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))

    def mean(a, b, same):
        k = torch.func.vmap(lambda one: torch.func.vmap(lambda other: kernel(one, other))(b))(a)
        keep = 1 - torch.eye(len(a)) if same else torch.ones(len(a), len(b))
        return (k * keep).sum() / keep.sum()

    return mean(p, p, True) + mean(q, q, True) - 2 * mean(p, q, False)


def info_vae(w, x, rng, size):
    q, z, nll, kl = elbo_parts(w, x, rng)
    prior = torch.randn(len(x), 1, LATENT, generator=rng)[:, 0]
    return {"model": (nll + 0.7 * kl).mean() + (0.3 + 4.0 - 1) * discrepancy(prior, z[0])}


def wae_mmd(w, x, rng, size):
    z = w.encode(x)  # family `point`
    prior = torch.randn(len(x), 1, LATENT, generator=rng)[:, 0]
    return {"model": w.nll(x, z).mean() + 4.0 * discrepancy(prior, z)}


def second_order(hessian):
    """§3 with the whole Hessian of one example's loss, or with Gauss–Newton, both by torch.func."""

    def loss(w, x, rng, size):
        q = w.gaussian(x)

        def of_row(x, mean, variance):
            def f(z):
                return w.nll(x.unsqueeze(0), z.unsqueeze(0))[0]

            if hessian:
                h = torch.func.hessian(f)(mean)
            else:
                jacobian = torch.func.jacrev(lambda z: w.decode(z))(mean)
                h = jacobian.mT @ jacobian / VARIANCE
            return f(mean) + 0.5 * (h.diagonal() * variance).sum()

        taylor = torch.func.vmap(of_row)(x, q.mean, q.variance)
        return {"model": (taylor + BETA * kl_divergence(q, standard()).sum(-1)).mean()}

    return loss


def rae_gp(w, x, rng, size):
    h = w.encode(x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: w.decode(z)))(h)
    penalty = 0.02 * (jacobian**2).sum((1, 2))
    return {"model": (w.nll(x, h) + 0.5 * 0.1 * (h**2).sum(-1) + penalty).mean()}


def rae_gp_probes(w, x, rng, size):
    h = w.encode(x)
    signs = 2 * torch.randint(2, (3, len(x), LATENT), generator=rng).to(h.dtype) - 1
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: w.decode(z)))(h)
    squares = torch.einsum("bpd,kbd->kbp", jacobian, signs).square().sum(-1)
    return {"model": (w.nll(x, h) + 0.5 * 0.1 * (h**2).sum(-1) + 0.02 * squares.mean(0)).mean()}


def curvature(w, h):
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: w.decode(z)))(h)
    return torch.eye(LATENT) + jacobian.mT @ jacobian / VARIANCE / BETA


def grae(w, x, h, left):
    return {"model": (w.nll(x, h) + 0.5 * BETA * ((h**2).sum(-1) + left)).mean()}


def grae_low_rank(w, x, rng, size):
    """§4, fifth row with r = 1: the smallest eigenvalue exact, the others by their mean."""
    h = w.encode(x)
    values = torch.linalg.eigvalsh(curvature(w, h))
    return grae(w, x, h, values[:, 0].log() + (LATENT - 1) * values[:, 1:].mean(-1).log())


def grae_of_family(w, x, rng, size):
    """The blocks of the model's family: of two latents, and of one."""
    h = w.encode(x)[:, :LATENT]
    a = curvature(w, h)
    return grae(w, x, h, torch.logdet(a[:, :2, :2]) + a[:, 2, 2].log())


def uniform_family(w, x, rng, size):
    a, b = w.encode(x).chunk(2, -1)
    side = 2 * math.sqrt(3)
    half = 0.5 * side * torch.sigmoid(b)
    centre = -math.sqrt(3) + half + (side - 2 * half) * torch.sigmoid(a)
    z = centre + half * (2 * torch.rand(DRAWS, len(x), LATENT, generator=rng) - 1)
    return beta_vae(w, x, z, (math.log(side) - (2 * half).log()).sum(-1))


def grae_rademacher(w, x, rng, size):
    """§4, fourth row, its trace from two vectors of random signs that the batch shares."""
    h = w.encode(x)
    signs = 2 * torch.randint(2, (2, 1, LATENT), generator=rng).to(h.dtype)[:, 0] - 1
    trace = torch.einsum("ki,bij,kj->b", signs, curvature(w, h), signs) / 2  # of I + H/β
    return grae(w, x, h, LATENT * (trace / LATENT).log())


def grae_of_any_prior(w, x, rng, size):
    """§4, last formula, with a logistic prior: V = −∇² log p by torch.func."""
    h = w.encode(x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda z: w.decode(z)))(h)
    hessian = jacobian.mT @ jacobian / VARIANCE
    v = -torch.func.vmap(torch.func.hessian(lambda z: logistic_prior(w, z)))(h)
    left = 0.5 * torch.logdet(v + hessian / BETA) - logistic_prior(w, h) - 0.5 * LATENT * math.log(2 * math.pi)
    return {"model": (w.nll(x, h) + BETA * left).mean()}


def family(text):
    return [f"model.family={{{text}}}", f"objective.beta={BETA}", f"objective.samples={DRAWS}"]


def prior(text):
    return [f"model.prior={{{text}}}", f"objective.beta={BETA}", f"objective.samples={DRAWS}"]


def likelihood(text):
    return [f"model.likelihood={{{text}}}", f"objective.beta={BETA}", f"objective.samples={DRAWS}"]


UNIT = ["data.dataset.domain='unit interval'"]


def whole_numbers(domain, file):
    return [f"data.dataset.domain='{domain}'", f"data.dataset.splits.train.x='{file}.npy'",
            f"data.dataset.splits.test.x='{file}.npy'"]


CASES = {
    "family-isotropic": (isotropic, family("type='isotropic', deviation=0.7")),
    "family-fixed": (fixed, family("type='fixed', deviation=0.3")),
    "family-block": (block, family("type='block', size=2")),
    "family-low-rank": (low_rank, family("type='low-rank', rank=1")),
    "family-householder": (householder, family("type='householder', reflections=2")),
    "family-rotated": (rotated, family(
        "type='rotated', learned=true, angle=30.0, matrix=[0.6,0.0,-0.8, 0.0,1.0,0.0, 0.8,0.0,0.6]")),
    "family-student-t": (student_t_family, family("type='student-t', df=5.0, scale=0.5")),
    "family-logistic": (logistic_family, family("type='logistic'")),
    "family-laplace": (laplace_family, family("type='laplace'")),
    "family-uniform": (uniform_family, family("type='uniform'") + ["model.prior.type='uniform'"]),
    "family-sylvester": (flow_family(sylvester), family("type='sylvester', maps=2, reflections=2")),
    "family-iaf": (flow_family(iaf), family("type='iaf', steps=2, hidden=6, context=4")),
    "levels": (ladder, family("type='ladder', hidden=[6], context=2") + ["model.prior={type='ladder', hidden=[]}"]),
    "prior-gaussian-learned": (with_prior(None, learned_gaussian),
                               prior("type='gaussian', learned=true, covariance=[2,0.5,0, 0.5,1,0.2, 0,0.2,1]")),
    "prior-student-t": (with_prior(lambda w, z: StudentT(5.0, 0.0, math.sqrt(0.6)).log_prob(z).sum(-1)),
                        prior("type='student-t'")),
    "prior-logistic": (with_prior(logistic_prior), prior("type='logistic'")),
    "prior-mixture": (with_prior(mixture_prior), prior("type='mixture', components=4")),
    "prior-bimodal": (with_prior(bimodal_prior), prior(
        f"type='mixture', factorized=true, learned=false, means=[-0.9, 0.9], deviation=[{math.sqrt(0.19)}]")),
    "prior-flow": (with_prior(flow_prior), prior("type='flow', layers=2, hidden=[5]")),
    "likelihood-per-value": (negative(per_value), likelihood("type='gaussian', variance=0.1, learned=true, per_value=true")),
    "likelihood-laplace": (negative(lambda w, g: Laplace(g, 0.3)), likelihood("type='laplace', scale=0.3")),
    "likelihood-logistic": (negative(logistic_density), likelihood("type='logistic', scale=0.3")),
    "likelihood-student-t": (negative(lambda w, g: StudentT(4.0, g, 0.3)), likelihood("type='student-t', df=4.0, scale=0.3")),
    "likelihood-continuous-bernoulli": (negative(lambda w, g: ContinuousBernoulli(logits=g)),
                                        likelihood("type='continuous-bernoulli'") + UNIT),
    "likelihood-discretised-logistic": (with_likelihood(discretised),
                                        likelihood("type='discretised-logistic', scale=0.2, levels=11") + UNIT),
    "likelihood-discretised-logistic-mixture": (with_likelihood(discretised_mixture), likelihood(
        "type='discretised-logistic-mixture', components=2, scale=0.2, levels=11") + UNIT),
    "likelihood-poisson": (negative(lambda w, g: Poisson(g.exp())),
                           likelihood("type='poisson'") + whole_numbers("count", "counts"), 8),
    "likelihood-categorical": (with_likelihood(categorical),
                               likelihood("type='categorical', classes=3") + whole_numbers("categorical", "classes"), 3),
    "objective-capacity": (capacity, ["objective={type='beta-vae', beta=3.0, capacity=5.0}"]),
    "objective-free": (free_nats, ["objective={type='beta-vae', beta=0.5, free=0.1}"]),
    "objective-dip-vae-i": (dip_vae(False), ["objective={type='dip-vae-i', off_diagonal=2.0, diagonal=3.0}"]),
    "objective-dip-vae-ii": (dip_vae(True), ["objective={type='dip-vae-ii', off_diagonal=2.0, diagonal=3.0}"]),
    "objective-wae-mmd": (wae_mmd, ["objective={type='wae-mmd', weight=4.0}", "model.family.type='point'"]),
    "objective-info-vae": (info_vae, ["objective={type='info-vae', alpha=0.3, weight=4.0}"]),
    "objective-taylor-jacobian": (second_order(False), [f"objective={{type='taylor', beta={BETA}}}"]),
    "objective-taylor-hessian": (second_order(True), [f"objective={{type='taylor', beta={BETA}, form='hessian'}}"]),
    "objective-rae-gp": (rae_gp, ["objective={type='rae-gp', norm=0.1, penalty=0.02}", "model.family.type='point'"]),
    "objective-rae-gp-probes": (rae_gp_probes, ["objective={type='rae-gp', norm=0.1, penalty=0.02, probes=3}",
                                                "model.family.type='point'"]),
    "objective-grae-low-rank": (grae_low_rank, [
        f"objective={{type='grae', beta={BETA}, structure='low-rank', rank=1}}", "model.family.type='point'"]),
    "objective-grae-family": (grae_of_family, [
        f"objective={{type='grae', beta={BETA}, structure='family'}}", "model.family={type='block', size=2}"]),
    "objective-grae-rademacher": (grae_rademacher, [
        f"objective={{type='grae-approx', beta={BETA}, structure='isotropic', columns=2, probes='rademacher'}}",
        "model.family.type='point'"]),
    "objective-grae-laplace": (grae_of_any_prior, [
        f"objective={{type='grae', beta={BETA}, prior_curvature='laplace'}}", "model.family.type='point'",
        "model.prior.type='logistic'"]),
}
