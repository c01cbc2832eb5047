"""What bench.py measures: one function a figure, which yields rows. The first line of each says what it compares."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import pty
import socket
import statistics
import subprocess
import sys
import threading
import time

import isa as sets
from report import Row
from turns import WARM_UP, Participant, Rounds

MODELS = {  # [model] but for family and latent; the figures' own words for the networks
    "mlp": 'encoder = { type = "mlp", hidden = [512, 512] }\ndecoder = { type = "mlp", hidden = [512, 512] }\n',
    "small": 'encoder = { type = "mlp", hidden = [64, 64] }\ndecoder = { type = "mlp", hidden = [64, 64] }\n',
    "conv": 'encoder = { type = "conv", channels = [32, 64] }\ndecoder = { type = "conv", channels = [64, 32] }\n',
    "conv-64": 'encoder = { type = "conv", channels = [32, 64, 128, 256] }\n'
               'decoder = { type = "conv", channels = [256, 128, 64, 32] }\n',
}
# Data of the networks that do not take Fashion-MNIST: [rows, shape…], random bytes that are the same for everybody.
DRAWN = {"conv-64": (2048, 3, 64, 64), "small": (20000, 20)}
FAMILIES = {"beta-vae": '{ type = "diagonal" }', "grae-approx": '{ type = "optimal", structure = "diagonal" }',
            "grae": '{ type = "optimal", structure = "full" }'}


@dataclasses.dataclass
class Place:
    """Where things are, and how often to measure."""

    build: pathlib.Path
    root: pathlib.Path
    work: pathlib.Path
    rounds: int
    isa: str

    def environment(self):
        return {"VARIFORM_PLUGINS": str(self.build / "plugins"), "VARIFORM_HOME": str(self.root)}


def fashion_mnist(name):
    """A file of Fashion-MNIST where the program finds it too: in VARIFORM_DATA, or where Debian puts it."""
    for folder in [*os.environ.get("VARIFORM_DATA", "").split(":"), "/usr/share/datasets"]:
        file = pathlib.Path(folder) / "fashion-mnist" / name
        if folder and file.exists():
            return str(file)
    raise SystemExit(f"Fashion-MNIST's {name} is missing; install Debian's package dataset-fashion-mnist")


@dataclasses.dataclass
class Case:
    """A model and how it is trained."""

    network: str = "mlp"
    objective: str = "beta-vae"
    latent: int = 16
    batch: int = 128
    beta: float = 0.1
    precision: str = "float32"
    threads: int = 0  # all
    shards: int = 1
    device: str = "cpu"

    def images(self, place):
        """The file that both sides read, and its entry in [data]."""
        if self.network not in DRAWN:
            return fashion_mnist("train-images-idx3-ubyte.gz"), '"fashion-mnist"'
        shape = DRAWN[self.network]
        file, description = (place.work / f"drawn-{self.network}{ending}" for ending in (".npy", ".toml"))
        if not file.exists():
            import numpy

            generator = numpy.random.default_rng(1)
            if len(shape) == 2:
                values = generator.integers(0, 256, shape, numpy.uint8)
            else:  # squares of 8×8
                coarse = generator.integers(0, 256, (*shape[:2], shape[2] // 8, shape[3] // 8), numpy.uint8)
                values = coarse.repeat(8, 2).repeat(8, 3)
            numpy.save(file, values)
            description.write_text(f'name = "{description.stem}"\ntitle = "drawn"\nlicence = "none"\nobtain = "made here"\n'
                                   f'domain = "unit interval"\nshape = {list(shape[1:])}\n'
                                   f'[splits.train]\nx = "{file}"\n[splits.test]\nx = "{file}"\n')
        return str(file), f'"{description}"'

    def config(self, place, steps_a_line, train=""):
        family = FAMILIES[self.objective]
        return (f'name = "bench"\nseed = 1\n[data]\ndataset = {self.images(place)[1]}\n[model]\nlatent = {self.latent}\n'
                f'{MODELS[self.network]}family = {family}\nprior = {{ type = "gaussian" }}\n'
                'likelihood = { type = "gaussian", variance = 1.0 }\n'
                f'[objective]\ntype = "{self.objective}"\nbeta = {self.beta}\n'
                f'[train]\nbatch = {self.batch}\n{f"shards = {self.shards}{chr(10)}" if self.shards > 1 else ""}precision = "{self.precision}"\ndevice = "{self.device}"\nlog_every = {steps_a_line}\n'
                'optimizer = { type = "adam", lr = 1e-3 }\n' + (train or
                'steps = 1000000\nevaluate_every = "0 steps"\ncheckpoint_every = "0 steps"\n'))


def ours(place, name, case, steps, cores=None, environment=None):
    """Variform's participant; its folder holds what the others start from."""
    folder = place.work / name.replace(" ", "-")
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(case.config(place, steps))
    return checked(place, Participant(name, [place.build / "tests/bench-train", folder / "config.toml", folder,
                                             place.root / "datasets", str(case.threads)], {**place.environment(), **(environment or {})}, cores))


def checked(place, participant):
    """Holds a participant to the instruction set of the run by what it says itself; builds of before do not say."""
    with contextlib.ExitStack() as stack:
        stack.push(participant)
        if "cpu" in participant.ready:
            sets.confirm(participant.name, participant.ready["cpu"], place.isa)
        stack.pop_all()
    return participant


def theirs(place, name, case, mode, like):
    """PyTorch's, from the weights and on the batches of our participant `like`."""
    folder = place.work / like.replace(" ", "-")
    description = {**dataclasses.asdict(case), "mode": mode, "folder": str(folder), "images": case.images(place)[0]}
    file = folder / f"{name.replace(' ', '-')}.json"
    file.write_text(json.dumps(description))
    return checked(place, Participant(name, [sys.executable, place.root / "tests/bench/torch_train.py", file]))


def in_turn(place, steps, *makers, rounds=None):
    """Rounds of the participants that `makers` make, one after the other: theirs read what ours has left."""
    with contextlib.ExitStack() as stack:
        return Rounds([stack.enter_context(make()) for make in makers], steps, rounds or place.rounds)


def afresh(place, steps, *makers):
    """in_turn, with new participants for each round: for times that differ from process to process, not from round to round."""
    all_rounds = in_turn(place, steps, *makers, rounds=1)
    for _ in range(place.rounds - 1):
        all_rounds.add(in_turn(place, steps, *makers, rounds=1))
    return all_rounds


def compared(place, case, steps, modes):
    """Variform beside PyTorch's modes."""
    name = f"{case.network} {case.objective} {case.latent} {case.batch} {case.precision}"
    others = [functools.partial(theirs, place, mode, case, mode, name) for mode in modes]
    return name, in_turn(place, steps, functools.partial(ours, place, name, case, steps), *others)


def detail(rounds, one, other):
    text = f"{rounds.milliseconds(other):.2f} ms against {rounds.milliseconds(one):.2f} ms"
    losses = [rounds.last[each]["loss"] for each in (other, one)]
    return text + (f"; loss {losses[0]:.3f} and {losses[1]:.3f}" if all(losses) else "")


def row(name, rounds, rival, ours):
    """How much longer `rival` takes than `ours`."""
    return Row(name, rounds.ratio(rival, ours), rounds.milliseconds(ours), rounds.milliseconds(rival), "ms", detail(rounds, rival, ours))


def cost(name, rounds, ours, rival, work=1.0):
    """How much longer `ours` takes than `rival`, whose work is `work` times less."""
    said = detail(rounds, rival, ours) if work == 1 else (
        f"{rounds.milliseconds(ours):.2f} ms against {rounds.milliseconds(rival):.2f} ms, work {work:.2f} times")
    return Row(name, rounds.ratio(ours, rival) / work, rounds.milliseconds(ours), rounds.milliseconds(rival), "ms", said)


def step(place):
    """A training step of the β-VAE: MLP 784-512-512-16, batch 128, beside PyTorch and beside its own matrix products."""
    case, alone = Case(), Case(threads=1)
    name = "mlp"
    rounds = in_turn(place, 120, lambda: ours(place, name, case, 120),
                     *(functools.partial(theirs, place, mode, case, mode, name) for mode in ("eager", "fused", "compile", "products", "products-onednn")),
                     *(functools.partial(theirs, place, f"{mode}-1", alone, mode, name) for mode in ("products", "products-onednn")))
    yield row("MLP step: PyTorch eager, default Adam", rounds, "eager", name)
    yield row("MLP step: PyTorch eager, fused Adam", rounds, "fused", name)
    yield row("MLP step: torch.compile, fused Adam", rounds, "compile", name)
    yield cost("MLP step over its matrix products by torch.mm", rounds, name, "products")
    if place.isa == "avx512":
        yield cost("MLP step over its matrix products as it does them", rounds, name, "products-onednn")
    cores = rounds.ready["products"]["threads"]
    best = min(("products-1", "products-onednn-1"), key=rounds.milliseconds)
    limit = rounds.milliseconds(best) / cores
    yield Row("MLP step over its products at one thread's rate times the cores", rounds.ratio(name, best) * cores,
              rounds.milliseconds(name), limit, "ms",
              f"{rounds.milliseconds(name):.2f} ms against {rounds.milliseconds(best):.2f} ms on one thread, {cores} cores")


def conv(place):
    """A training step of convolutional networks, 1×28×28 and 3×64×64."""
    for network, words, batch in (("conv", "conv 28×28", 128), ("conv-64", "conv 64×64", 64)):
        name, rounds = compared(place, Case(network=network, batch=batch), 24 if network == "conv" else 8, ["fused", "compile"])
        yield row(f"{words} step: PyTorch eager, fused Adam", rounds, "fused", name)
        yield row(f"{words} step: torch.compile, fused Adam", rounds, "compile", name)


def batches(place):
    """A training step of the MLP and of the convolutional network, batch 1,024 and 4,096, beside PyTorch."""
    for words, case, steps in LARGE_BATCHES:
        name, rounds = compared(place, case, steps, ["fused"])
        yield row(f"{words}: PyTorch eager, fused Adam", rounds, "fused", name)


def shards(place):
    """A training step whose batch is cut into two shards, beside one that is not: by two threads, and by one."""
    for words, case, steps in SHARDED:
        two = dataclasses.replace(case, shards=2)
        one_thread = [dataclasses.replace(each, threads=1) for each in (case, two)]
        rounds = in_turn(place, steps, *(functools.partial(ours, place, name, each, steps) for name, each in
                                         zip(("whole", "shards", "whole-1", "shards-1"), (case, two, *one_thread))))
        yield row(f"{words}: two shards by two threads", rounds, "whole", "shards")
        yield cost(f"{words}, one thread: two shards over one", rounds, "shards-1", "whole-1")


def small(place):
    """A training step of small models: 20 columns, networks 64-64, d = 4, batch 64, one thread; replayed from a recording,
    beside the plain step and PyTorch."""
    for words, objective, modes in (("small model", "beta-vae", ["fused", "compile"]), ("small GRAE≈", "grae-approx", ["fused"]),
                                    ("small exact GRAE", "grae", ["fused"])):
        case, steps = dataclasses.replace(SMALL, objective=objective), 150 if objective == "beta-vae" else 60
        name = f"small-{objective}"
        rounds = in_turn(place, steps, lambda: ours(place, name, case, steps),
                         lambda: ours(place, "plain", case, steps, environment={"VARIFORM_RECORD": "0"}),
                         *(functools.partial(theirs, place, mode, case, mode, name) for mode in modes))
        yield row(f"{words} step: the plain step", rounds, "plain", name)
        yield row(f"{words} step: PyTorch eager, fused Adam", rounds, "fused", name)
        if "compile" in modes:
            yield row(f"{words} step: torch.compile, fused Adam", rounds, "compile", name)


SMALL = Case(network="small", latent=4, batch=64, threads=1)
LARGE_BATCHES = [(f"{words} step, batch {batch:,}", Case(network=network, batch=batch), max(1, steps * 128 // batch))
                 for words, network, steps in (("MLP", "mlp", 120), ("conv 28×28", "conv", 32)) for batch in (1024, 4096)]


SHARDED = [("MLP step", Case(), 60), ("MLP step, batch 1,024", Case(batch=1024), 10), ("conv 64×64 step", Case(network="conv-64", batch=64), 6)]


def bfloat16(place):
    """precision = "bfloat16" beside float32, and beside PyTorch's autocast."""
    full, half, steps = Case(), Case(precision="bfloat16"), 120
    rounds = afresh(place, steps, lambda: ours(place, "float32", full, steps), lambda: ours(place, "bfloat16", half, steps),
                    *(functools.partial(theirs, place, f"autocast-{mode}", half, mode, "bfloat16") for mode in ("eager", "fused")))
    yield row("MLP step in bfloat16: our float32", rounds, "float32", "bfloat16")
    for mode, optimizer in (("eager", "default Adam"), ("fused", "fused Adam")):
        yield row(f"MLP step in bfloat16: PyTorch eager, autocast, {optimizer}", rounds, f"autocast-{mode}", "bfloat16")
    found = {}
    for precision in ("float32", "bfloat16"):
        run = trained(place, f"elbo-{precision}", Case(precision=precision), "epochs = 5\n")
        found[precision] = evaluated(place, run)["elbo"]
    difference = 100 * abs(found["bfloat16"] / found["float32"] - 1)
    yield Row("test ELBO in bfloat16, % from float32's, 5 epochs", difference, found["bfloat16"], found["float32"], "nats",
              f"{found['bfloat16']:.2f} and {found['float32']:.2f} nats")


def program(place, *arguments, **options):
    """Runs the program itself; its output."""
    return subprocess.run([str(part) for part in (place.build / "variform", *arguments)], check=True, text=True, capture_output=True,
                          env={**os.environ, **place.environment()}, **options).stdout


def trained(place, name, case, train):
    folder = place.work / name
    config = place.work / f"{name}.toml"
    config.write_text(case.config(place, 100, train))
    program(place, "train", config, "--folder", folder, "--no-figures")
    return folder


def epochs(place):
    """Whole epochs through the program, progress bar and logs included, beside pythae's trainer with its own MLP."""
    images = Case().images(place)[0]
    config = place.work / "epochs.toml"
    config.write_text(
        'name = "epochs"\n[data]\ndataset = "fashion-mnist"\nlimit = 20000\n[model]\nlatent = 16\n'
        'encoder = { type = "mlp", hidden = [512] }\ndecoder = { type = "mlp", hidden = [512], output = "sigmoid" }\n'
        'family = { type = "diagonal" }\nprior = { type = "gaussian" }\nlikelihood = { type = "gaussian" }\n'
        '[objective]\ntype = "beta-vae"\n[train]\nepochs = 3\nbatch = 128\nevaluate_every = "0 steps"\n'
        'checkpoint_every = "1 epochs"\noptimizer = { type = "adam", lr = 1e-4 }\n')
    times = {"ours": [], "pythae": []}
    for number in range(place.rounds):
        run = place.work / f"epochs-{number}"
        on_a_terminal([place.build / "variform", "train", config, "--folder", run, "--no-figures"], place.environment())
        lines = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
        times["ours"].append(lines[-1]["seconds"] - lines[0]["seconds"])  # between the ends of the first epoch and the last
        done = subprocess.run([sys.executable, place.root / "tests/bench/pythae_epochs.py", images, "20000", "3", str(place.work)],
                              check=True, text=True, capture_output=True)
        times["pythae"].append(json.loads(done.stdout.splitlines()[-1])["seconds"])
    ratio = statistics.median(b / a for a, b in zip(times["ours"], times["pythae"]))
    one, other = (statistics.median(times[name]) / 2 for name in ("ours", "pythae"))
    yield Row("epochs of 20,000 images: pythae's trainer", ratio, one, other, "s", f"{one:.2f} s against {other:.2f} s an epoch")


def tensorboard(place):
    """Whole epochs through the program, evaluations and logs included, with log.tensorboard beside without."""
    config = place.work / "tensorboard.toml"
    config.write_text(Case().config(place, 20, 'epochs = 3\nevaluate_every = 234\ncheckpoint_every = "0 steps"\n'))
    times = {"true": [], "false": []}
    for number in range(-1, place.rounds):
        for value, seconds in times.items():
            run = place.work / f"tensorboard-{value}-{number}"
            program(place, "train", config, "--folder", run, "--no-figures", f"log.tensorboard={value}")
            if number >= 0:
                seconds.append(json.loads((run / "timing.jsonl").read_text().splitlines()[-1])["seconds"])
    ratio = statistics.median(a / b for a, b in zip(times["true"], times["false"]))
    one, other = (statistics.median(seconds) for seconds in times.values())
    yield Row("training with TensorBoard's files over one without", ratio, one, other, "s",
              f"{one:.2f} s against {other:.2f} s, three epochs with six evaluations")


def on_a_terminal(command, environment):
    """Runs a program whose output is a terminal, so that it draws what it draws for people."""
    master, slave = pty.openpty()
    reader = threading.Thread(target=drain, args=(master,), daemon=True)
    reader.start()
    try:
        subprocess.run([str(part) for part in command], check=True, stdin=slave, stdout=slave, stderr=slave,
                       env={**os.environ, **environment, "TERM": "xterm"})
    finally:
        os.close(slave)
        reader.join()


def drain(master):
    try:
        while os.read(master, 65536):
            pass
    except OSError:  # the other side was closed
        pass
    os.close(master)


def products_of(case):
    """Floating-point operations of a step's matrix products, without and with one tangent of the decoder (theory §5)."""
    hidden, data = [512, 512], 784
    encoder, decoder = [data, *hidden, 2 * case.latent], [case.latent, *hidden, data]
    sizes = [list(zip(widths, widths[1:])) for widths in (encoder, decoder)]
    forward = [2 * case.batch * a * b for a, b in sizes[0] + sizes[1]]
    plain = 3 * sum(forward) - forward[0]  # the data need no gradient
    # A tangent is one row more for each example in every layer but the first, where a unit vector picks a column.
    tangent = 3 * sum(2 * case.batch * a * b for a, b in sizes[1][1:])
    code = 3 * 2 * case.batch * 512 * case.latent  # the point family's encoder has no variances
    return plain, plain + tangent - code


def grae_approx(place):
    """A training step of GRAE≈ beside the β-VAE's, and beside PyTorch with torch.func.jvp."""
    case, steps = Case(objective="grae-approx"), 60
    rounds = in_turn(place, steps, lambda: ours(place, "beta-vae", Case(), steps), lambda: ours(place, "grae-approx", case, steps),
                     lambda: theirs(place, "jvp", case, "fused", "grae-approx"))
    plain, with_tangent = products_of(case)
    work = with_tangent / plain
    yield cost("GRAE≈ step over the β-VAE's times the ratio of its work", rounds, "grae-approx", "beta-vae", work)
    yield row("GRAE≈ step: PyTorch, torch.func.jvp, fused Adam", rounds, "jvp", "grae-approx")


def grae(place):
    """A training step of exact GRAE, d = 16 and d = 64, beside PyTorch with vmap(jacfwd), and its memory."""
    for latent in (16, 64):
        case, steps = Case(objective="grae", latent=latent), 4 if latent == 16 else 2
        name = f"grae-{latent}"
        other = f"jacfwd-{latent}"
        rounds = in_turn(place, steps, lambda: ours(place, name, case, steps), lambda: theirs(place, other, case, "fused", name))
        yield row(f"exact GRAE step, d = {latent}: PyTorch, vmap(jacfwd), fused Adam", rounds, other, name)
    yield grown_by(place, case, f"exact GRAE, d = {latent}, memory over PyTorch's")


def memory(place):
    """What training steps add to a process's memory at their peak, beside PyTorch: MLP, convolutions, exact GRAE with d = 128."""
    for words, case in (("MLP step", Case()), ("conv 64×64 step", Case(network="conv-64", batch=64)),
                        ("exact GRAE step, d = 128", Case(objective="grae", latent=128))):
        yield grown_by(place, case, f"{words}, memory over PyTorch's")


def grown_by(place, case, words):
    """What ten steps add to a process at their peak: a new one each time, since memory that was once taken stays."""
    grown = []
    for number in range(place.rounds):
        name = f"memory-{case.network}-{case.latent}-{number}"
        pair = []
        for start in (lambda: ours(place, name, case, 10), lambda: theirs(place, f"torch-{name}", case, "fused", name)):
            with start() as one:
                pair.append((one.ask({"steps": 10})["peak_kib"] - one.ready["rss_kib"]) / 1024)
        grown.append(pair)
    one, other = medians(grown)
    return Row(words, statistics.median(a / b for a, b in grown), one, other, "MiB",
               f"{one:.0f} MiB against {other:.0f} MiB more than before the first step")


def medians(pairs):
    return tuple(statistics.median(each) for each in zip(*pairs))


def seconds_of(command, environment=None):
    """How long a program takes, and what it writes to its output."""
    start = time.perf_counter()
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, **(environment or {})})
    return time.perf_counter() - start, done.stdout


def evaluate(place):
    """`variform evaluate` with geometry on 10,000 images beside the same sums in PyTorch with torch.func."""
    run = trained(place, "evaluated", Case(), "epochs = 1\n")
    program(place, "export", run, "--out", place.work / "evaluated.pt")
    images = Case().images(place)[0].replace("train", "t10k")
    pairs = []
    for _ in range(place.rounds):
        a, _ = seconds_of([place.build / "variform", "evaluate", run, "--samples", "1", "--importance-samples", "0"], place.environment())
        b, said = seconds_of([sys.executable, place.root / "tests/bench/torch_evaluate.py", place.work / "evaluated.py", images, str(Case().beta)])
        pairs.append((a, b))
    ours = json.loads((run / "evaluation-test.json").read_text())["values"]
    same = [f"{name} {ours[name]['mean']:.2f} and {json.loads(said)[name]:.2f}" for name in ("loss_beta", "grae")]
    one, other = medians(pairs)
    yield Row("evaluate, 10,000 images: PyTorch, vmap(jacfwd)", statistics.median(b / a for a, b in pairs), one, other, "s",
              f"{one:.1f} s against {other:.1f} s, start included; {'; '.join(same)}")


def start(place):
    """From the program's start to the end of its first training step, beside loading LibTorch."""
    config = place.work / "start.toml"
    config.write_text(Case().config(place, 1, "steps = 1\n"))
    pairs = []
    for number in range(place.rounds + 1):
        a, _ = seconds_of([place.build / "variform", "train", config, "--folder", place.work / f"start-{number}", "--no-figures",
                           "data.limit=1000"], place.environment())
        b, _ = seconds_of([place.build / "tests/bench-load"])
        if number > 0:  # the first fills the page cache
            pairs.append((a, b))
    one, other = medians(pairs)
    yield Row("start to the end of a training of one step over LibTorch's load", statistics.median(a / b for a, b in pairs), one, other, "s",
              f"{one:.2f} s against {other:.2f} s, the whole process")


def checkpoint(place):
    """A checkpoint of 100 million parameters with Adam's state beside writing as many bytes; how long the training waits."""
    file = place.work / "checkpoint.h5"
    command = [place.build / "tests/bench-checkpoint"]
    rounds = in_turn(place, 1, *(functools.partial(Participant, mode, [*command, mode, file]) for mode in ("bytes", "checkpoint", "stall")))
    yield in_seconds("checkpoint of 100 M parameters with Adam over the same bytes with fsync", rounds, "checkpoint", "bytes", ", 1.2 GB")
    yield in_seconds("what a training waits for it, over writing it", rounds, "stall", "checkpoint")


def in_seconds(name, rounds, ours, rival, more=""):
    """How much longer `ours` takes than `rival`, for what takes seconds."""
    one, other = (rounds.milliseconds(each) / 1000 for each in (ours, rival))
    return Row(name, rounds.ratio(ours, rival), one, other, "s", f"{one:.2f} s against {other:.2f} s{more}")


def reading(place):
    """2 GB of HDF5 read in a process apart, beside libhdf5 in the process itself."""
    file = place.work / "reading.h5"
    command = [place.build / "tests/bench-reading"]
    rounds = in_turn(place, 1, *(functools.partial(Participant, mode, [*command, mode, file]) for mode in ("within", "apart")))
    file.unlink()
    yield in_seconds("reading 2 GB of HDF5 in a process apart over doing it within", rounds, "apart", "within")


def large_file(place, name, gigabytes):
    """An HDF5 file of random images 1×28×28 (float32), without chunks; written piece by piece. Its number of rows."""
    import h5py
    import numpy

    rows, at_once = int(gigabytes * 1e9) // (4 * 784), 65536
    generator = numpy.random.default_rng(1)
    piece = generator.random((at_once, 1, 28, 28), numpy.float32)
    with h5py.File(place.work / name, "w") as file:
        x = file.create_dataset("x", (rows, 1, 28, 28), "f4")
        for first in range(0, rows, at_once):
            last = min(first + at_once, rows)
            x[first:last] = numpy.roll(piece, first // at_once, 2)[:last - first]
    return rows


def stream(place, gigabytes=20):
    """20 GB of HDF5 that stay in their file (data.stream) beside a twentieth of them in memory; asks for the disk."""
    rows = large_file(place, "streamed.h5", gigabytes)
    large_file(place, "in-memory.h5", gigabytes / 20)

    def participant(name, data):
        folder = place.work / name
        folder.mkdir(exist_ok=True)
        dataset = f'{{ x = "{place.work / name}.h5:/x", domain = "unit interval" }}'
        config = Case().config(place, 60).replace('dataset = "fashion-mnist"\n', f"dataset = {dataset}\n{data}\n")
        (folder / "config.toml").write_text(config)
        return Participant(name, [place.build / "tests/bench-train", folder / "config.toml", folder, place.root / "datasets", "0"],
                           place.environment())

    started = time.perf_counter()
    with participant("streamed", "stream = true") as streamed:
        seconds = time.perf_counter() - started
        with participant("in-memory", "stream = false") as memory:
            rounds = Rounds([streamed, memory], 60, place.rounds)
            peak = {each.name: each.ask({"steps": 1})["peak_kib"] / 1024 for each in (streamed, memory)}
    (place.work / "streamed.h5").unlink()
    yield Row("throughput of data in their file over that in memory", rounds.ratio("in-memory", "streamed"),
              rounds.milliseconds("streamed"), rounds.milliseconds("in-memory"), "ms",
              f"{rows:,} rows, {gigabytes} GB; {rounds.milliseconds('streamed'):.2f} ms a step against {rounds.milliseconds('in-memory'):.2f} ms; "
              f"start {seconds:.0f} s")
    yield Row("peak memory of the whole process with data in their file, GB", peak["streamed"] * 2**20 / 1e9, peak["streamed"],
              peak["in-memory"], "MiB",
              f"{peak['streamed']:.0f} MiB with {gigabytes} GB of data, {peak['in-memory']:.0f} MiB with {gigabytes / 20} GB in memory")


def pair(place):
    """Two trainings at once on two cores, one thread each, beside one after the other."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    ratios, seconds, steps = [], [], 120
    for _ in range(3):  # what a neighbour on the same machine takes of caches and memory changes from minute to minute
        with contextlib.ExitStack() as stack:
            each = [stack.enter_context(ours(place, f"pair-{core}", Case(threads=1), steps, {core})) for core in cores]
            for number in range(-WARM_UP, place.rounds):
                alone = sum(one.ask({"steps": steps})["seconds"] for one in each)
                began = time.perf_counter()
                for one in each:
                    one.send({"steps": steps})
                for one in each:
                    one.read()
                together = time.perf_counter() - began
                if number >= 0:
                    ratios.append(alone / together)
                    seconds.append((alone / (2 * steps), together / (2 * steps)))
    alone, together = (1000 * each for each in medians(seconds))
    yield Row("two trainings at once, throughput over one after the other", statistics.median(ratios), together, alone, "ms",
              f"{together:.2f} ms against {alone:.2f} ms a step")


def processes(place):
    """One model on two processes of one thread each, beside one process of one thread."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    for name, case, steps in (("MLP step, batch 1,024", Case(batch=1024, threads=1), 20),
                              ("conv 64×64 step", Case("conv-64", threads=1), 6)):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            meeting = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        ratios, seconds = [], []
        with contextlib.ExitStack() as stack:
            alone = stack.enter_context(ours(place, f"alone {case.network}", case, steps, {cores[0]}))
            shared = dataclasses.replace(case, shards=2)
            both = [stack.enter_context(ours(place, f"process {rank} {case.network}", shared, steps, {core},
                                             {**meeting, "RANK": str(rank)})) for rank, core in enumerate(cores)]
            for number in range(-WARM_UP, place.rounds):
                one = alone.ask({"steps": steps})["seconds"] / steps
                for each in both:
                    each.send({"steps": steps})
                two = max(each.read()["seconds"] for each in both) / steps
                if number >= 0:
                    ratios.append(one / two)
                    seconds.append((one, two))
        one, two = (1000 * each for each in medians(seconds))
        yield Row(f"{name}, two processes over one, a thread each", statistics.median(ratios), two, one, "ms",
                  f"{two:.2f} ms against {one:.2f} ms")


def evaluated(place, run, *options):
    program(place, "evaluate", run, "--importance-samples", "0", *options)
    values = json.loads((run / "evaluation-test.json").read_text())["values"]
    return {name: value["mean"] for name, value in values.items() if "mean" in value}


def gpu_step(place):
    """On a GPU: a training step of the β-VAE's MLP beside PyTorch eager and torch.compile(mode="reduce-overhead")."""
    name, rounds = compared(place, Case(device="cuda"), 400, ["eager", "fused", "reduce-overhead"])
    yield row("GPU, MLP step: PyTorch eager, default Adam", rounds, "eager", name)
    yield row("GPU, MLP step: torch.compile, reduce-overhead", rounds, "reduce-overhead", name)


def gpu_grae(place):
    """On a GPU: a step of GRAE≈ beside the β-VAE's, and of exact GRAE, d = 16, beside its own matrix products."""
    cases = {objective: Case(objective=objective, device="cuda") for objective in ("beta-vae", "grae-approx", "grae")}
    rounds = in_turn(place, 200, *(functools.partial(ours, place, f"gpu-{name}", case, 200) for name, case in cases.items()),
                     lambda: theirs(place, "gpu-products", cases["grae"], "products", "gpu-grae"))
    yield cost("GPU, GRAE≈ step over the β-VAE's", rounds, "gpu-grae-approx", "gpu-beta-vae")
    yield cost("GPU, exact GRAE step, d = 16, over its matrix products", rounds, "gpu-grae", "gpu-products")


def gpu_precision(place):
    """On a GPU: a training step of the β-VAE's MLP at batch 4096 in TF32 and in bfloat16 beside float32."""
    cases = {name: Case(precision=name, device="cuda", batch=4096) for name in ("float32", "tf32", "bfloat16")}
    rounds = in_turn(place, 100, *(functools.partial(ours, place, f"gpu-{name}", case, 100) for name, case in cases.items()))
    for name in ("tf32", "bfloat16"):
        yield row(f"GPU, MLP step, batch 4096, in {name}: our float32", rounds, "gpu-float32", f"gpu-{name}")


def gpu_conv(place):
    """On a GPU: a training step of convolutional networks, 3×64×64."""
    name, rounds = compared(place, Case(network="conv-64", batch=64, device="cuda"), 100, ["fused", "reduce-overhead"])
    yield row("GPU, conv 64×64 step: PyTorch eager, fused Adam", rounds, "fused", name)
    yield row("GPU, conv 64×64 step: torch.compile, reduce-overhead", rounds, "reduce-overhead", name)


GPU = {"gpu-step": gpu_step, "gpu-grae": gpu_grae, "gpu-precision": gpu_precision, "gpu-conv": gpu_conv}
LARGE = {"stream": stream}  # asked for by name: it needs 20 GB of disk
ALL = {"step": step, "epochs": epochs, "conv": conv, "batches": batches, "shards": shards, "small": small, "bfloat16": bfloat16, "grae-approx": grae_approx, "grae": grae,
       "memory": memory, "evaluate": evaluate, "start": start, "tensorboard": tensorboard, "checkpoint": checkpoint,
       "reading": reading, "pair": pair, "processes": processes}
