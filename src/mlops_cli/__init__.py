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

    from mlops_cli.config.load import Project, load_project
    from mlops_cli.pipeline.run import run
    from mlops_cli.scaffold.examples import feature_values
    from mlops_cli.stages.drift import drift
    from mlops_cli.stages.featurize import featurize
    from mlops_cli.stages.package import package
    from mlops_cli.stages.register import register
    from mlops_cli.stages.score import score
    from mlops_cli.stages.serve import serve
    from mlops_cli.stages.status import status
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
    "Project": "mlops_cli.config.load",
    "load_project": "mlops_cli.config.load",
    "run": "mlops_cli.pipeline.run",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_ELSEWHERE.get(name, f"mlops_cli.stages.{name}"))
    return getattr(module, name)
