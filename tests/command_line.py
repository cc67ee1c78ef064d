"""A command as a person types it: in this process, which is cheap, or in one of its own."""

from __future__ import annotations

import functools
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlops_cli.cli.main import main

MLOPS = str(Path(sys.executable).parent / "mlops")
_OUTPUT = Path(__file__).resolve().parents[1] / "docs/schemas/output.schema.json"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return f"{self.err}\n{self.out}"

    @property
    def result(self) -> Any:
        """What `--json` printed: one object of the published schema; its result, or its error."""
        told = json.loads(self.out)
        _published().validate(told)
        return told["result"] if "result" in told else told["error"]


@functools.cache
def _published() -> jsonschema.Draft202012Validator:
    """Of the published schema, which is checked itself, once."""
    schema = json.loads(_OUTPUT.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


Mlops = Callable[..., Done]  # a folder and the command's arguments; `code` is how it must end


def in_process(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Mlops:
    """Commands in this process; what they print at any depth is caught."""

    def run(folder: Path, *arguments: object, code: int | None = None) -> Done:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["mlops", *map(str, arguments)])
        monkeypatch.setenv("MLOPS_RUN", "")  # what a run sets is taken back afterwards
        monkeypatch.delenv("MLOPS_RUN")
        capfd.readouterr()
        ended = 0
        try:
            main()
        except SystemExit as e:
            ended = int(e.code or 0)
        finally:
            os.environ.pop("MLOPS_RUN", None)
        out, err = capfd.readouterr()
        return _checked(Done(ended, out, err), code)

    return run


def mlops_process(
    folder: Path, *arguments: object, code: int | None = None, **options: Any
) -> Done:
    """A command in a process of its own; `options` are those of `subprocess.run`."""
    done = subprocess.run(
        [MLOPS, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )
    return _checked(Done(done.returncode, done.stdout, done.stderr), code)


def in_little_room(folder: Path, *arguments: object, most: int) -> Done:
    """A command that can write at most so many bytes into any file.

    None is of Python's bytecode, which would be cut for all that run after it.
    """
    return mlops_process(
        folder,
        *arguments,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


def _checked(done: Done, code: int | None) -> Done:
    if code is not None:
        assert done.code == code, done.said
        assert "Traceback" not in done.said
    return done


def at_work(folder: Path) -> list[str]:
    """Command lines of the processes that stand in the folder or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            here = str((process / "cwd").readlink()).startswith(str(folder)) or str(folder) in line
            if line and here and int(process.name) != os.getpid():
                found.append(line)
    return found
