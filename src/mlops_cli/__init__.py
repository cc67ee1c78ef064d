"""From Python: every verb of the command line is a function of a project.

`mlops_cli.train(project)` does a stage's work in this process; `mlops_cli.run(project, "train")`
goes through DVC and does only what changed. Names are resolved when they are used, so that
importing this package costs nothing, also in an image that holds only `serving/` and `bundle/`.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # type checkers know the name; the module typing would cost 10 ms
if TYPE_CHECKING:
    from typing import Any

    from mlops_cli.actions.drift import drift
    from mlops_cli.actions.run import run
    from mlops_cli.actions.score import score
    from mlops_cli.actions.serve import serve
    from mlops_cli.actions.status import status
    from mlops_cli.config.load import load_project
    from mlops_cli.config.project import Project
    from mlops_cli.scaffold.examples import feature_values
    from mlops_cli.stages.featurize import featurize
    from mlops_cli.stages.package import package
    from mlops_cli.stages.register import register
    from mlops_cli.stages.train import train
    from mlops_cli.stages.tune import tune
    from mlops_cli.stages.validate import validate

__all__ = [
    "Project",
    "drift",
    "feature_values",
    "featurize",
    "load_project",
    "package",
    "register",
    "run",
    "score",
    "serve",
    "status",
    "train",
    "tune",
    "validate",
]

_ELSEWHERE = {
    "feature_values": "mlops_cli.scaffold.examples",
    "Project": "mlops_cli.config.project",
    "load_project": "mlops_cli.config.load",
}
_ACTIONS = ("drift", "run", "score", "serve", "status")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "actions" if name in _ACTIONS else "stages"
    module = importlib.import_module(_ELSEWHERE.get(name, f"mlops_cli.{room}.{name}"))
    return getattr(module, name)
