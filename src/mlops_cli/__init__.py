"""From Python: every command is a function, most of them of a project.

`mlops_cli.train(project)` does a stage's work in this process; `mlops_cli.run(project, "train")`
goes through DVC and does only what changed. Names are resolved when they are used, so that
importing this package costs nothing, also in an image that holds only `serving/` and `bundle/`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; the module typing would cost 10 ms
if TYPE_CHECKING:
    from typing import Any

    from mlops_cli.actions.ab import ab
    from mlops_cli.actions.alerts import alerting
    from mlops_cli.actions.approve import approve
    from mlops_cli.actions.audit import audit_log
    from mlops_cli.actions.card import card
    from mlops_cli.actions.collect import collect
    from mlops_cli.actions.compare import compare
    from mlops_cli.actions.config import configuration
    from mlops_cli.actions.contract import contract
    from mlops_cli.actions.demo import demo
    from mlops_cli.actions.deploy import deploy
    from mlops_cli.actions.doctor import doctor
    from mlops_cli.actions.drift import drift
    from mlops_cli.actions.erase import erase
    from mlops_cli.actions.export import export
    from mlops_cli.actions.features import describe_features
    from mlops_cli.actions.import_model import import_model
    from mlops_cli.actions.ingest import ingest
    from mlops_cli.actions.init import init
    from mlops_cli.actions.keys import keys
    from mlops_cli.actions.labels import labels
    from mlops_cli.actions.logs import logs
    from mlops_cli.actions.monitor import monitor
    from mlops_cli.actions.parity import parity
    from mlops_cli.actions.promote import promote
    from mlops_cli.actions.receipt import receipt
    from mlops_cli.actions.register import register
    from mlops_cli.actions.reject import reject
    from mlops_cli.actions.report import report
    from mlops_cli.actions.reproduce import reproduce
    from mlops_cli.actions.retrain import retrain
    from mlops_cli.actions.rollback import rollback
    from mlops_cli.actions.rollout import rollout
    from mlops_cli.actions.run import run
    from mlops_cli.actions.score import score
    from mlops_cli.actions.serve import serve
    from mlops_cli.actions.status import status
    from mlops_cli.actions.update import update_project
    from mlops_cli.config.load import load_project
    from mlops_cli.config.project import Project
    from mlops_cli.scaffold.examples import feature_values
    from mlops_cli.scoring.loaded import LoadedModel, load
    from mlops_cli.stages.featurize import featurize
    from mlops_cli.stages.package import package
    from mlops_cli.stages.train import train
    from mlops_cli.stages.tune import tune
    from mlops_cli.stages.validate import validate

__all__ = [
    "LoadedModel",
    "Project",
    "ab",
    "alerting",
    "approve",
    "audit_log",
    "card",
    "collect",
    "compare",
    "configuration",
    "contract",
    "demo",
    "deploy",
    "describe_features",
    "doctor",
    "drift",
    "erase",
    "export",
    "feature_values",
    "featurize",
    "import_model",
    "ingest",
    "init",
    "keys",
    "labels",
    "load",
    "load_project",
    "logs",
    "monitor",
    "package",
    "parity",
    "promote",
    "receipt",
    "register",
    "reject",
    "report",
    "reproduce",
    "retrain",
    "rollback",
    "rollout",
    "run",
    "score",
    "serve",
    "status",
    "train",
    "tune",
    "update_project",
    "validate",
]

_ELSEWHERE = {
    "LoadedModel": "mlops_cli.scoring.loaded",
    "feature_values": "mlops_cli.scaffold.examples",
    "Project": "mlops_cli.config.project",
    "load": "mlops_cli.scoring.loaded",
    "load_project": "mlops_cli.config.load",
    "update_project": "mlops_cli.actions.update",
}


def __getattr__(name: str) -> Any:
    import importlib  # noqa: PLC0415  importing this package costs nothing

    module = _ELSEWHERE.get(name)
    if module is None and not name.startswith("_"):
        commands = importlib.import_module("mlops_cli.actions").COMMANDS
        module = next((c.module for c in commands if c.function == name), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
