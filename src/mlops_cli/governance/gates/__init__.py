"""The gates that a model passes before it may become the champion: one port, a module a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never, cast

from mlops_cli._adapters import load_adapter, load_named
from mlops_cli.config.sections.register import (
    AnyGate,
    ChampionGate,
    FairnessGate,
    MetricGate,
    OtherGate,
)

if TYPE_CHECKING:
    from mlops_cli.governance.gates.base import Gate

GATES = {
    "metric": "mlops_cli.governance.gates.metric",
    "champion": "mlops_cli.governance.gates.champion",
    "fairness": "mlops_cli.governance.gates.fairness",
}


def open_gate(asked: AnyGate) -> Gate:
    """The gate of one entry of `register.gates`."""
    match asked:
        case MetricGate():
            kind = "metric"
        case ChampionGate():
            kind = "champion"
        case FairnessGate():
            kind = "fairness"
        case OtherGate():
            kind = asked.gate
        case _:
            assert_never(asked)
    return cast("Gate", load_named("gate", kind, GATES).open_gate(asked))


def preload() -> None:
    """Load every kind, in a process that others are forked from."""
    for module in GATES.values():
        load_adapter(module)
