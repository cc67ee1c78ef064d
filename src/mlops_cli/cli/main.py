"""`mlops`: every command, in the order in which a project meets them."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # type checkers know the name; the module typing would cost 10 ms
if TYPE_CHECKING:
    from typing import NoReturn

os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
# Threads that wait must sleep, not spin: on two busy cores XGBoost was 50 times slower. OpenMP
# reads this when its library is loaded, and the numbers stay the same.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    """The entry point of the command `mlops`."""
    try:
        _dispatch()
    except KeyboardInterrupt:  # while modules load: no command stands ready yet to tell it
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def command() -> NoReturn:
    """The console script: `main`, in a process of its own."""
    from mlops_cli._ending import end_process

    try:
        main()
    except SystemExit as e:
        if e.code is not None and not isinstance(e.code, int):
            raise
        end_process(e.code or 0)
    end_process(0)


def _dispatch() -> None:
    if sys.argv[1:2] == ["stage"]:  # called by DVC, six times a run: no parser, no Typer
        sys.exit(_stage(sys.argv[2:]))
    try:
        from mlops_cli.cli.app import app
    except ModuleNotFoundError as e:
        if e.name != "typer":
            raise
        sys.exit(_serving_alone(sys.argv[1:]))

    if "--json" in sys.argv[1:]:
        from mlops_cli.cli.execute import run_for_json

        sys.exit(run_for_json(app, sys.argv[1:]))
    app(prog_name="mlops")


def _serving_alone(arguments: list[str]) -> int:
    """What works where the package stands with a bundle's requirements and no more."""
    if arguments[:1] == ["serve"]:
        from mlops_cli.serving.__main__ import main as serve

        return serve(arguments[1:])
    from mlops_cli.cli.faults import print_error
    from mlops_cli.errors import EnvironmentFault

    fault = EnvironmentFault(
        "this environment has what serving needs, and no more",
        hint="mlops serve --bundle DIR; for the rest, pip install mlops-cli with its dependencies",
    )
    print_error(fault)
    return fault.exit_code


def _stage(arguments: list[str]) -> int:
    if arguments[:1] == ["--warm"]:
        _warm(*map(int, arguments[1:]))
    from mlops_cli.pipeline.forkserver.client import ask

    if (code := ask(arguments)) is not None:
        return code
    return _work(arguments)


def _work(arguments: list[str]) -> int:
    from mlops_cli.cli.interrupts import heed_interrupts

    heed_interrupts()
    from mlops_cli.cli.stage import stage_command

    return stage_command(arguments)


def _warm(listener: int, leader: int) -> NoReturn:
    from mlops_cli._ending import end_process
    from mlops_cli.pipeline.forkserver.server import forked_child

    arguments = forked_child(listener, leader)
    try:
        end_process(_work(arguments))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        end_process(130)
