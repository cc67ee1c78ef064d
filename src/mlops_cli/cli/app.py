"""The command line, made from the table of the commands: each is loaded when it is asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mlops_cli.actions import COMMANDS, groups
from mlops_cli.actions.command import Command

_WIDEST = 120  # columns of a help page: a line that is longer is hard to read
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST}


class _Page(TyperCommand):
    """A command whose help ends with examples, each on a line of its own."""

    examples: tuple[str, ...] = ()

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are typed."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.examples))


class _Loaded(Mapping[str, Any]):
    """The commands by name; only the one that is asked for is loaded."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = _load(next((c for c in COMMANDS if c.name == name), None), name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return (c.name for c in COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    """The command `mlops`: what it says of its commands comes from the table."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Loaded()  # type: ignore[assignment]  # nothing is ever added to it

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, without loading a command."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """A section for each group."""
        for group, commands in groups():
            with formatter.section(group):
                formatter.write_dl([(c.name, c.summary) for c in commands])


def _load(command: Command | None, name: str) -> Any:
    if command is None:
        raise KeyError(name)
    one = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    one.command(name, cls=_Page, help=command.summary)(_function(command))
    page = get_command(one)
    if isinstance(page, _Page):
        page.examples = command.examples
    return page


def _function(command: Command) -> Callable[..., None]:
    """What the terminal does: `cli/commands/NAME.py`, and for a stage without one what all do."""
    name = command.module.rpartition(".")[2]
    module = f"mlops_cli.cli.commands.{name}"
    if importlib.util.find_spec(module):
        found: Callable[..., None] = getattr(importlib.import_module(module), f"{name}_command")
        return found
    from mlops_cli.cli.pipeline import command_of

    return command_of(command.name)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"mlops {version('mlops-cli')}")
        raise typer.Exit


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help costs more than all else that `mlops --help` does
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
    help="Takes a tabular model from a notebook to production and keeps it healthy there.",
)


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass
