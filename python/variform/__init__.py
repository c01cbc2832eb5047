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

    class MyFamily(variform.Family): …             # a component in Python, to try an idea out (docs/from_python_to_plugin.md)
    variform.check(MyFamily); variform.train_python("quickstart", {"model.family": MyFamily}, steps=500)

help(variform.Run) describes all of it, with shapes and units. docs/python.md is the page.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._components import Batch, Build, Component, Family, Known, Likelihood, Model, Objective, Prior, Setting
    from ._library import VariformWarning
    from ._program import train
    from ._run import Posterior, Run, load
    from ._search import Search, search
    from ._study import Figure, Study, study
    from ._trackers import export_runs
    from ._train import Checked, check, train_python

__all__ = ["Batch", "Build", "Checked", "Component", "Family", "Figure", "Known", "Likelihood", "Model", "Objective", "Posterior",
           "Prior", "Run", "Search", "Setting", "Study", "VariformWarning", "check", "export_runs", "load", "search", "study",
           "train", "train_python"]

# Imported when they are first asked for: the command `variform` imports this package, and need not wait for torch.
_MODULES = {name: module for module, names in {
    "_components": "Batch Build Component Family Known Likelihood Model Objective Prior Setting",
    "_library": "VariformWarning",
    "_program": "train",
    "_run": "Posterior Run load",
    "_search": "Search search",
    "_study": "Figure Study study",
    "_trackers": "export_runs",
    "_train": "Checked check train_python"}.items() for name in names.split()}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
