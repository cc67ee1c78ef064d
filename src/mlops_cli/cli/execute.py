"""What every command has in common: its result printed, its error told, its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from typer.exceptions import TyperException

from mlops_cli.cli.faults import INTERRUPTED, bug, os_fault, print_error
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.redaction import redact_all

T = TypeVar("T")


def execute(
    command: str,
    work: Callable[[], T],
    render: Callable[[T], None],
    *,
    as_json: bool = False,
    exit_code: Callable[[T], int] = lambda _: 0,
) -> None:
    """Do the work and print its result; every failure becomes one message and an exit code.

    A result that is None was told while the work went on.
    """
    with _failures(command, as_json=as_json):
        try:
            result = work()
        finally:
            TerminalProgress.clear_shown()
        if as_json and result is not None:
            print_result(command, result)
        elif not as_json:
            render(result)
        if code := exit_code(result):
            raise typer.Exit(code)


def print_result(command: str, result: object) -> None:
    """The object that `--json` promises, on one line."""
    from mlops_cli.pipeline.stage import as_builtins

    _print_json({"command": command, "result": redact_all(as_builtins(result))})


def run_for_json(app: Callable[..., Any], arguments: Sequence[str]) -> int:
    """Run a command line that asks for JSON, and say in JSON, too, what the parser refuses."""
    try:
        return int(app(list(arguments), prog_name="mlops", standalone_mode=False) or 0)
    except typer.Abort:
        return INTERRUPTED
    except TyperException as e:
        named = next((a for a in arguments if not a.startswith("-")), "")
        fault = UsageError(e.format_message(), hint=f"mlops {named} --help".replace("  ", " "))
        command = named or "mlops"
        _tell(command, fault, as_json=True)
        return fault.exit_code


@contextmanager
def _failures(command: str, *, as_json: bool) -> Iterator[None]:
    try:
        yield
    except typer.Exit:
        raise
    except MlopsError as e:
        _fail(command, e, as_json=as_json)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(0) from None
    except OSError as e:
        _fail(command, os_fault(e), as_json=as_json)
    except Exception as e:  # noqa: BLE001  the last resort: a bug of ours becomes exit 1
        _fail(command, bug(e), as_json=as_json)


def _fail(command: str, e: MlopsError, *, as_json: bool) -> NoReturn:
    _tell(command, e, as_json=as_json)
    raise typer.Exit(e.exit_code) from e


def _tell(command: str, e: MlopsError, *, as_json: bool) -> None:
    if as_json:
        error = {
            "code": e.exit_code,
            "kind": e.kind,
            "message": e.message,
            "hint": e.hint or "",
            **e.details,
        }
        _print_json({"command": command, "error": error})
    print_error(e)


def _print_json(value: dict[str, Any]) -> None:
    import json

    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def relative(path: Path | str) -> str:
    """A path as seen from here, where that is shorter."""
    absolute = Path(path).absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)
