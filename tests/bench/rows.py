"""The rows of bench.py's table: which figure yields each, and the bar that it should reach, by instruction set.

A row is known before it is measured, so that docs/performance.md can show what is missing.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Declared:
    figure: str
    name: str
    better: str  # "higher" or "lower"
    bars: dict  # by instruction set; None: with any. One that is missing is not measured with that set

    def limit(self, isa):
        """The bar as a number; None if the row is not measured with the set."""
        return self.bars.get(isa, self.bars.get(None))

    def met(self, isa, ratio):
        return ratio >= self.limit(isa) if self.better == "higher" else ratio <= self.limit(isa)

    def bar(self, isa):
        return f"{'≥' if self.better == 'higher' else '≤'} {self.limit(isa):g}" if self.limit(isa) is not None else "–"


def higher(figure, name, avx2, avx512=None):
    return Declared(figure, name, "higher", {"avx2": avx2, "avx512": avx2 if avx512 is None else avx512})


def lower(figure, name, both):
    return Declared(figure, name, "lower", {"avx2": both, "avx512": both})


def only_avx512(declared):
    """Without AVX-512 there are no instructions for bfloat16, and a step's products are those of torch.mm."""
    return dataclasses.replace(declared, bars={"avx512": declared.bars["avx512"]})


def on_gpu(declared):
    """A GPU's figures have nothing to do with the processor's instructions."""
    return dataclasses.replace(declared, bars={None: declared.bars["avx2"]})


TABLE = (
    higher("step", "MLP step: PyTorch eager, default Adam", 1.9, 2.61),
    higher("step", "MLP step: PyTorch eager, fused Adam", 1.55, 2.01),
    higher("step", "MLP step: torch.compile, fused Adam", 1.3, 1.76),
    lower("step", "MLP step over its matrix products by torch.mm", 1.15),
    only_avx512(lower("step", "MLP step over its matrix products as it does them", 1.15)),
    lower("step", "MLP step over its products at one thread's rate times the cores", 1.25),
    higher("epochs", "epochs of 20,000 images: pythae's trainer", 2.2, 2.9),
    higher("conv", "conv 28×28 step: PyTorch eager, fused Adam", 1.2),
    higher("conv", "conv 28×28 step: torch.compile, fused Adam", 1),
    higher("conv", "conv 64×64 step: PyTorch eager, fused Adam", 1.3),
    higher("conv", "conv 64×64 step: torch.compile, fused Adam", 1.15),
    higher("batches", "MLP step, batch 1,024: PyTorch eager, fused Adam", 1.3),
    higher("batches", "MLP step, batch 4,096: PyTorch eager, fused Adam", 1.3),
    higher("batches", "conv 28×28 step, batch 1,024: PyTorch eager, fused Adam", 1.3),
    higher("batches", "conv 28×28 step, batch 4,096: PyTorch eager, fused Adam", 1.3),
    higher("shards", "MLP step: two shards by two threads", 1.1),
    lower("shards", "MLP step, one thread: two shards over one", 1.05),
    higher("shards", "MLP step, batch 1,024: two shards by two threads", 1),
    lower("shards", "MLP step, batch 1,024, one thread: two shards over one", 1.05),
    higher("shards", "conv 64×64 step: two shards by two threads", 1),
    lower("shards", "conv 64×64 step, one thread: two shards over one", 1.05),
    higher("small", "small model step: the plain step", 2),
    higher("small", "small model step: PyTorch eager, fused Adam", 4.5),
    higher("small", "small model step: torch.compile, fused Adam", 3.2),
    higher("small", "small GRAE≈ step: the plain step", 2),
    higher("small", "small GRAE≈ step: PyTorch eager, fused Adam", 4.5),
    higher("small", "small exact GRAE step: the plain step", 2),
    higher("small", "small exact GRAE step: PyTorch eager, fused Adam", 4.5),
    only_avx512(higher("bfloat16", "MLP step in bfloat16: our float32", 2.2)),
    only_avx512(higher("bfloat16", "MLP step in bfloat16: PyTorch eager, autocast, default Adam", 1.5)),
    only_avx512(higher("bfloat16", "MLP step in bfloat16: PyTorch eager, autocast, fused Adam", 1.5)),
    only_avx512(lower("bfloat16", "test ELBO in bfloat16, % from float32's, 5 epochs", 0.5)),
    lower("grae-approx", "GRAE≈ step over the β-VAE's times the ratio of its work", 1.08),
    higher("grae-approx", "GRAE≈ step: PyTorch, torch.func.jvp, fused Adam", 1.7, 2.8),
    higher("grae", "exact GRAE step, d = 16: PyTorch, vmap(jacfwd), fused Adam", 2.3, 3.3),
    higher("grae", "exact GRAE step, d = 64: PyTorch, vmap(jacfwd), fused Adam", 2.6, 3.6),
    lower("grae", "exact GRAE, d = 64, memory over PyTorch's", 0.5),
    lower("memory", "MLP step, memory over PyTorch's", 0.5),
    lower("memory", "conv 64×64 step, memory over PyTorch's", 0.5),
    lower("memory", "exact GRAE step, d = 128, memory over PyTorch's", 0.5),
    higher("evaluate", "evaluate, 10,000 images: PyTorch, vmap(jacfwd)", 3),
    lower("start", "start to the end of a training of one step over LibTorch's load", 4),
    lower("tensorboard", "training with TensorBoard's files over one without", 1.01),
    lower("checkpoint", "checkpoint of 100 M parameters with Adam over the same bytes with fsync", 2),
    lower("checkpoint", "what a training waits for it, over writing it", 0.1),
    lower("reading", "reading 2 GB of HDF5 in a process apart over doing it within", 1.1),
    higher("pair", "two trainings at once, throughput over one after the other", 1.8),
    higher("processes", "MLP step, batch 1,024, two processes over one, a thread each", 1.8),
    higher("processes", "conv 64×64 step, two processes over one, a thread each", 1.8),
)
# Asked for by name, and not in the table of docs/performance.md: a GPU's, and those that need 20 GB of disk.
BESIDE = (
    higher("stream", "throughput of data in their file over that in memory", 0.9),
    lower("stream", "peak memory of the whole process with data in their file, GB", 1),
    on_gpu(higher("gpu-step", "GPU, MLP step: PyTorch eager, default Adam", 8)),
    on_gpu(higher("gpu-step", "GPU, MLP step: torch.compile, reduce-overhead", 1.2)),
    on_gpu(lower("gpu-grae", "GPU, GRAE≈ step over the β-VAE's", 1.5)),
    on_gpu(lower("gpu-grae", "GPU, exact GRAE step, d = 16, over its matrix products", 1.3)),
    on_gpu(higher("gpu-precision", "GPU, MLP step, batch 4096, in tf32: our float32", 1)),
    on_gpu(higher("gpu-precision", "GPU, MLP step, batch 4096, in bfloat16: our float32", 1)),
    on_gpu(higher("gpu-conv", "GPU, conv 64×64 step: PyTorch eager, fused Adam", 1.2)),
    on_gpu(higher("gpu-conv", "GPU, conv 64×64 step: torch.compile, reduce-overhead", 1)),
)
BY_NAME = {declared.name: declared for declared in TABLE + BESIDE}


def figures_with(isa):
    """Names of the table's figures that can be measured with the instruction set."""
    return list(dict.fromkeys(declared.figure for declared in TABLE if declared.limit(isa) is not None))
