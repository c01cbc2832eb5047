"""The instruction sets that bench.py measures with: which this machine has, and how both sides are held to one of them."""

import os
import pathlib
import platform
import re

TITLES = {"avx2": "AVX2", "avx512": "AVX-512"}
CAPABILITIES = {"avx2": "AVX2", "avx512": "AVX512"}  # LibTorch's words: torch.backends.cpu.get_cpu_capability()
FLAGS = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}  # what LibTorch asks for
# oneDNN, LibTorch, MKL, and the compiler that torch.compile calls, which would otherwise take all that the machine has.
AVX2_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2",
             "TORCHINDUCTOR_CPP_MARCH": "x86-64-v3"}


class Refused(SystemExit):
    """What was asked for cannot be measured here; the text says why."""


class Processor:
    """What /proc/cpuinfo says of the first processor."""

    def __init__(self, text=None, cores=None):
        found = dict(re.findall(r"^([^\t:\n]+?)\s*: *(.*)$", (text or pathlib.Path("/proc/cpuinfo").read_text()).split("\n\n")[0], re.M))
        self.flags = set(found.get("flags", "").split())
        model = f" (family {found['cpu family']}, model {found['model']})" if "cpu family" in found else ""
        self.name = f"{found.get('model name', platform.machine()).strip()}{model}, {cores or len(os.sched_getaffinity(0))} cores"

    def has(self, isa):
        return FLAGS[isa] <= self.flags

    def own(self):
        """The wider of the two sets that it has."""
        for isa in ("avx512", "avx2"):
            if self.has(isa):
                return isa
        raise Refused(f"bench compares AVX2 or AVX-512 kernels, and this processor ({self.name}) has neither.")


def chosen(asked, processor, environment):
    """The set to measure with: the one asked for, or the processor's own. Refuses what the machine cannot do, and variables
    of the caller's that would make one of the sides do something else than the row would say."""
    isa = asked or processor.own()
    if not processor.has(isa):
        lacking = ", ".join(sorted(FLAGS[isa] - processor.flags))
        raise Refused(f"--isa {isa} needs a processor with {TITLES[isa]}, and this one ({processor.name}) lacks {lacking}. "
                      "Measure on another machine, or leave --isa out to measure with this one's own.")
    for name, value in (AVX2_ONLY if isa == "avx2" else dict.fromkeys(AVX2_ONLY)).items():
        if environment.get(name, value) != value:
            raise Refused(f"{name} is set to '{environment[name]}', which is not what {TITLES[isa]} is measured with"
                          f"{f' ({value})' if value else ''}. Run: unset {name}")
    return isa


def environment(isa, processor, cache):
    """Variables for every process of a run. What torch.compile has made for one set is kept apart from the other's."""
    limited = AVX2_ONLY if isa == "avx2" and processor.has("avx512") else {}
    return {**limited, "TORCHINDUCTOR_CACHE_DIR": str(cache / f"inductor-{isa}")}


def confirm(name, capability, isa):
    """Refuses a side that says that it computes with other kernels than asked for; `capability` in LibTorch's words."""
    if isa and capability != CAPABILITIES[isa]:
        raise Refused(f"{name} computes with kernels for {capability}, but {CAPABILITIES[isa]} was asked for; nothing is reported.")
