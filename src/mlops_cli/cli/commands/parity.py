"""`mlops parity`: is a row the same number in training, in `score` and behind HTTP?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, TargetOption
from mlops_cli.cli.rendering import echo_remarks
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import GateError

if TYPE_CHECKING:
    from mlops_cli.actions.parity import ParityResult
    from mlops_cli.scoring.parity import Pair


def parity_command(
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="At most so many.")] = 200,
    target: TargetOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what training's code, score and the running service make of the same rows."""

    def work() -> ParityResult:
        from mlops_cli.actions.parity import parity
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return parity(loaded, rows=rows, target=target, progress=TerminalProgress())

    code = GateError.exit_code
    execute("parity", work, _render, as_json=as_json, exit_code=lambda r: 0 if r.equal else code)


def _render(result: ParityResult) -> None:
    if result.url is None:
        echo_remarks([f"not deployed on {result.target}: training and score are compared"])
    for pair in result.pairs:
        told = "agree" if pair.equal else f"differ in {pair.rows:,} rows"
        echo_remarks([f"{pair.first} and {pair.second} {told}", *_largest(pair)])
    verdict = paint("equal", "green") if result.equal else paint("not equal", "red")
    left = f" ({result.left_out:,} cannot be sent)" if result.left_out else ""
    compared = f"{result.rows:,} {result.source} rows{left}, {result.features} features"
    typer.echo(f"{verdict}: {compared}, version {result.version}")


def _largest(pair: Pair) -> Iterator[str]:
    for kind, worst in (("feature", pair.feature), ("prediction", pair.prediction)):
        if worst is not None:
            both = ("missing" if v is None else repr(v) for v in (worst.first, worst.second))
            yield f"  largest: {kind} `{worst.name}`, {worst.row}: {' and '.join(both)}"
