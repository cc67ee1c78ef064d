"""How a rollout looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.rollout import RolloutResult

_COLOURS = {"done": "green", "rolled_back": "red", "paused": "yellow"}


def render_rollout(result: RolloutResult) -> None:
    """A line for each thing, and one for each arm."""
    echo_rows(_rows(result))


def _rows(result: RolloutResult) -> Iterator[Row]:
    if result.state == "none":
        yield row("rollout", f"none on {result.target}")
        return
    state = result.state.replace("_", " ")
    yield row("rollout", f"{result.strategy} on {result.target}: {state}", colour=_colour(result))
    yield row("candidate", f"{result.candidate} answers {result.weight:g} %{_mirrored(result)}")
    yield row("champion", f"{result.champion}")
    if result.stepped is not None:
        yield row("step", f"{result.step}, since {result.stepped:%Y-%m-%d %H:%M:%S} UTC")
    for why in result.why:
        yield row("why", why)
    if result.judge is None:
        return
    yield row("judge", result.judge.verdict)
    for reason in result.judge.reasons:
        yield row("", reason)
    for name, arm in result.judge.arms.items():
        yield row(name, _arm(arm))


def _colour(result: RolloutResult) -> Any:
    return _COLOURS.get(result.state)


def _mirrored(result: RolloutResult) -> str:
    return f", and is asked beside the champion for {result.mirrored:g} %" * bool(result.mirrored)


def _arm(arm: Any) -> str:
    told = [f"{arm['requests']:,} requests", f"{arm['errors']:,} errors"]
    units = {"p50_ms": "p50 {:.1f} ms", "p99_ms": "p99 {:.1f} ms", "mean": "mean {:.4g}"}
    told += [form.format(arm[key]) for key, form in units.items() if arm.get(key) is not None]
    told += [f"{arm['labels']:,} labels"] if arm.get("labels") else []
    return ", ".join(told)
