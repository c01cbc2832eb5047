#!/usr/bin/env python3
"""PyTorch's side of the paired timings of bench.py: the same model, from the same weights, on the same batches.

    torch_train.py CASE.json

CASE has: folder (initial.py, initial.pt and batches.i64 of bench-train), images (file of bytes in IDX form, or .npy),
batch, latent, beta, objective ("beta-vae", "grae-approx" or "grae"), mode (eager, fused, compile, reduce-overhead),
precision, threads, device.
Then as bench-train: {"ready": true, "rss_kib": …, "cpu": …, "threads": …}, and a line {"steps": N} trains N steps and answers {"seconds": …, "loss": …, "peak_kib": …}. With the
mode "products" a step is nothing but the matrix products of the model's linear layers, forward and backward, and with
"products-onednn" the same by the operation that Variform's layers use on some processors.
"""

import contextlib
import gzip
import importlib.util
import json
import math
import pathlib
import sys
import time

import numpy
import torch


def images_of(path):
    """[N, …] float32 in [0, 1], as a user of PyTorch would keep them in memory."""
    if path.endswith(".npy"):
        pixels = numpy.load(path)
    else:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            data = file.read()
        shape = numpy.frombuffer(data, ">i4", count=data[3], offset=4)
        pixels = numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(shape[0], 1, *shape[1:])
    return torch.from_numpy(pixels.astype(numpy.float32) / 255)


def networks_of(folder):
    spec = importlib.util.spec_from_file_location("initial", pathlib.Path(folder) / "initial.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    encoder, decoder = module.load()
    return encoder.train(), decoder.train()


class Losses:
    """Each a mean over the batch, of nats; the constants are those of Variform's objectives."""

    def __init__(self, case, encoder, decoder):
        self.encoder, self.decoder = encoder, decoder
        self.beta, self.latent = case["beta"], case["latent"]
        self.loss = {"beta-vae": self.beta_vae, "grae-approx": self.grae_approx, "grae": self.grae}[case["objective"]]
        self.mixed = (torch.autocast(case["device"], torch.bfloat16) if case["precision"] == "bfloat16" else contextlib.nullcontext())

    def nll(self, g, x):
        size = x[0].numel()
        return 0.5 * (g.float() - x).flatten(1).square().sum(1) + 0.5 * size * math.log(2 * math.pi)

    def beta_vae(self, x):
        with self.mixed:
            mean, log_variance = self.encoder(x).chunk(2, -1)
        mean, log_variance = mean.float(), log_variance.float()
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        with self.mixed:
            g = self.decoder(z)
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
        return (self.nll(g, x) + self.beta * kl).mean()

    def grae_approx(self, x):
        h = self.encoder(x)
        tangent = torch.zeros_like(h)
        tangent[:, torch.randint(self.latent, ()).item()] = 1
        g, column = torch.func.jvp(self.decoder, (h,), (tangent,))
        curvature = column.flatten(1).square().sum(1)
        penalty = self.latent * torch.log1p(curvature / self.beta)
        return (self.nll(g, x) + 0.5 * self.beta * (h.square().sum(1) + penalty)).mean()

    def grae(self, x):
        h = self.encoder(x)

        def decoded(z):
            g = self.decoder(z.unsqueeze(0))[0]
            return g, g

        jacobian, g = torch.func.vmap(torch.func.jacfwd(decoded, has_aux=True))(h)
        jacobian = jacobian.flatten(1, -2)
        metric = jacobian.transpose(1, 2) @ jacobian
        penalty = torch.logdet(torch.eye(self.latent, device=h.device) + metric / self.beta)
        return (self.nll(g, x) + 0.5 * self.beta * (h.square().sum(1) + penalty)).mean()


class Training:
    """A training loop as one writes it: rows of a tensor in memory, loss, backward, step."""

    def __init__(self, case):
        device = case["device"]
        self.on_cpu = device == "cpu"
        self.images = images_of(case["images"]).to(device)
        batches = torch.from_numpy(numpy.fromfile(f"{case['folder']}/batches.i64", numpy.int64))
        self.batches = batches.view(-1, case["batch"]).to(device)
        encoder, decoder = (network.to(device) for network in networks_of(case["folder"]))
        self.loss = Losses(case, encoder, decoder).loss
        parameters = [*encoder.parameters(), *decoder.parameters()]
        fused = case["mode"] != "eager"
        self.optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True) if fused else torch.optim.Adam(parameters, lr=1e-3)
        # What the images' conversion took at its peak is not the training's.
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        if case["mode"] == "compile":
            self.loss = torch.compile(self.loss)
        if case["mode"] == "reduce-overhead":
            self.loss = torch.compile(self.loss, mode="reduce-overhead")
        self.step = 0

    def steps(self, count):
        total = 0.0
        for _ in range(count):
            x = self.images[self.batches[self.step % len(self.batches)]]
            self.optimizer.zero_grad()
            loss = self.loss(x)
            loss.backward()
            self.optimizer.step()
            # As Variform: on a CPU it looks at every loss, on a GPU when a line of the log is due.
            total += loss.item() if self.on_cpu else loss.detach().clone()
            self.step += 1
        return float(total) / count


class Products:
    """The matrix products of one step: forward, gradients of weights and of inputs, for GRAE also those of the tangents."""

    def __init__(self, case):
        self.onednn, self.device = case["mode"] == "products-onednn", case["device"]
        encoder, decoder = networks_of(case["folder"])
        linear = [[layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)] for network in (encoder, decoder)]
        self.products = []
        for number, layer in enumerate(linear[0] + linear[1]):
            self.add(case["batch"], layer, number > 0)  # the data need no gradient
        if case["objective"] == "grae":  # a unit tangent's first product picks a column
            for layer in linear[1][1:]:
                self.add(case["batch"] * case["latent"], layer, True)
        self.graph = None
        if self.device != "cpu":
            self.once()
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.once()

    def add(self, rows, layer, backward):
        x, y = torch.randn(rows, layer.in_features).to(self.device), torch.randn(rows, layer.out_features).to(self.device)
        weight = layer.weight.detach().clone().to(self.device)
        self.products.append((x, weight.t(), torch.empty_like(y)))
        self.products.append((y.t(), x, torch.empty_like(weight)))
        if backward:
            self.products.append((y, weight, torch.empty_like(x)))

    def once(self):
        for a, b, out in self.products:
            if self.onednn and a.numel() * b.shape[1] >= 1_000_000:
                torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")
            else:
                torch.mm(a, b, out=out)

    def steps(self, count):
        for _ in range(count):
            self.graph.replay() if self.graph else self.once()
        if self.graph:
            torch.cuda.synchronize()
        return 0.0


def kib(line):
    """A line of /proc/self/status: "VmHWM:" is the most memory so far, "VmRSS:" that of now."""
    with open("/proc/self/status") as status:
        return next(int(text.split()[1]) for text in status if text.startswith(line))


def answer(value):
    print(json.dumps(value), flush=True)


def main():
    case = json.loads(pathlib.Path(sys.argv[1]).read_text())
    if case["threads"]:
        torch.set_num_threads(case["threads"])
    torch.manual_seed(1)
    with torch.set_grad_enabled(not case["mode"].startswith("products")):
        work = Products(case) if case["mode"].startswith("products") else Training(case)
        answer({"ready": True, "rss_kib": kib("VmRSS:"), "cpu": torch.backends.cpu.get_cpu_capability(),
                "threads": torch.get_num_threads()})
        for line in sys.stdin:
            count = json.loads(line)["steps"]
            start = time.perf_counter()
            loss = work.steps(count)
            answer({"seconds": time.perf_counter() - start, "loss": loss,
                    "peak_kib": kib("VmHWM:")})


if __name__ == "__main__":
    main()
