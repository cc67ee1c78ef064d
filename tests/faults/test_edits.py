"""What a person edits while a stage works, which DVC would record with the old result."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from command_line import Mlops, mlops_process
from mlops_cli.stages import stage, validate
from said import check

BEFORE, READ, EDITED = (f"tune: {{trials: {n}, rounds: 5}}" for n in (2, 3, 4))


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@contextmanager
def held(project: Path, reader: int, edit: Callable[[], None]) -> Iterator[None]:
    """`edit` comes when the reader of that number has read mlops.yaml, and waits for the overlay.

    The overlay is a pipe, and a new one for each reader: none is given what another was to read.
    """
    overlay, ended = project / "mlops.held.yaml", threading.Event()

    def serve() -> None:
        readers = 0
        while not ended.is_set():
            try:
                pipe = os.open(overlay, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads
                ended.wait(0.01)
                continue
            os.mkfifo(project / "next")
            (project / "next").replace(overlay)
            readers += 1
            if readers == reader:
                edit()
            os.write(pipe, b"{}")
            os.close(pipe)

    os.mkfifo(overlay)
    server = threading.Thread(target=serve)
    server.start()
    try:
        yield
    finally:
        ended.set()
        server.join()
        overlay.unlink()


@pytest.mark.slow
def test_a_section_that_is_edited_while_its_stage_works(project: Path) -> None:
    config = project / "mlops.yaml"
    replace(config, BEFORE, READ)
    # Six by the command and the stage `settings`, then by the stage.
    with held(project, 7, lambda: replace(config, READ, EDITED)):
        check(mlops_process(project, "tune", "--env", "held"), "edited-while-it-ran")
    printed = mlops_process(project, "tune", "--json").said.splitlines()[-1]
    again = json.loads(printed)["result"]["stages"][-1]
    assert (again["name"], again["state"]) == ("tune", "ran")
    assert again["result"]["trials"] == 4


def during_validate(monkeypatch: pytest.MonkeyPatch, edit: Callable[[], object]) -> None:
    """Have `edit` happen when `validate` has done its work and has not ended yet."""
    work = validate.validate

    def edited(*arguments: Any, **options: Any) -> object:
        result = work(*arguments, **options)
        edit()
        return result

    monkeypatch.setattr(validate, "validate", edited)


VALIDATE = ("stage", "validate", "--revision", stage("validate").revision)


def test_a_contract_that_is_edited(
    project: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = project / "contracts/table.yaml"
    during_validate(monkeypatch, lambda: contract.write_text(contract.read_text() + "\n"))
    check(mlops(project, *VALIDATE), "contract-edited-while-it-ran")


def test_a_configuration_that_is_broken(
    project: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = project / "mlops.yaml"
    during_validate(monkeypatch, lambda: config.write_text("data: {table: "))
    check(mlops(project, *VALIDATE), "broken-while-it-ran")


def test_what_the_stage_does_not_read_may_be_edited(
    project: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = project / "mlops.yaml"
    during_validate(monkeypatch, lambda: replace(config, BEFORE, f"{EDITED}  # more"))
    assert mlops(project, *VALIDATE).code == 0
