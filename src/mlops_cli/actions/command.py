"""What the table of the commands is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command: `mlops NAME` in a terminal, `mlops_cli.FUNCTION` from Python.

    `module` holds the function. `usage` is how it is typed, `examples` are whole lines.
    """

    name: str
    group: str
    summary: str
    module: str
    function: str
    usage: str = ""
    examples: tuple[str, ...] = ()


def action(
    name: str,
    group: str,
    summary: str,
    *,
    function: str = "",
    module: str = "",
    usage: str = "",
    examples: str = "",
) -> Command:
    """A command of `actions/`; `examples` has one a line."""
    return Command(
        name=name,
        group=group,
        summary=summary,
        module=f"mlops_cli.actions.{module or name}",
        function=function or name,
        usage=usage,
        examples=tuple(line for line in examples.splitlines() if line),
    )
