"""Variform in Python: trained models as torch modules, and the program's trainings, evaluations and studies.

    import torch, variform

    run = variform.load("runs/quickstart-…")       # or: variform.train("quickstart", {"train.steps": 100})
    x = run.batch("test", 0, 64)["x"]              # [64, 1, 28, 28]
    q = run.posterior(x)
    z = q.rsample(5, seed=1)                       # [5, 64, d]
    q.log_prob(z); q.kl(); q.mean; q.covariance
    run.decode(z); run.nll(x, z); run.log_prior(z); run.sample(16, seed=1)
    run.jacobian(z[0]); run.hessian(x, z[0])

    optimizer = torch.optim.Adam(run.parameters(), lr=1e-4)
    run.objective(x).backward(); optimizer.step()  # the engine's own tensors: this trains the model
    run.save("tuned.h5"); run.evaluate()

help(variform.Run) describes all of it, with shapes and units. docs/python.md is the page.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._library import VariformWarning
    from ._program import train
    from ._run import Posterior, Run, load
    from ._search import Search, search
    from ._study import Figure, Study, study
    from ._trackers import export_runs

__all__ = ["Figure", "Posterior", "Run", "Search", "Study", "VariformWarning", "export_runs", "load", "search", "study", "train"]

# Imported when they are first asked for: the command `variform` imports this package, and need not wait for torch.
_MODULES = {"VariformWarning": "_library", "train": "_program", "Posterior": "_run", "Run": "_run", "load": "_run",
            "Search": "_search", "search": "_search", "Figure": "_study", "Study": "_study", "study": "_study",
            "export_runs": "_trackers"}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
