"""The decision about a model: `decision.json`, which lives in git and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from mlops_cli._files import write_text
from mlops_cli._git import committed
from mlops_cli._json import pretty_json
from mlops_cli.config.paths import DECISION

Verdict = Literal["passed", "refused", "undecided"]


class GateResult(msgspec.Struct, frozen=True):
    """What one gate said: `value` was held to `bound`; `why` is for a person.

    `undecided` means that the gate had nothing to decide by; the model does not pass then either.
    """

    gate: str
    verdict: Verdict
    why: str
    metric: str | None = None
    value: float | None = None
    bound: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the gate lets the model through."""
        return self.verdict == "passed"


class Named(msgspec.Struct, frozen=True):
    """A model by its digest, and its main metric on the hold-out rows of this decision."""

    digest: str
    value: float | None = None


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `decision.json`: without a clock, so that the same inputs give the same file.

    `metric` is the main metric, which `value` and the value of `champion_before` are of; that is
    the champion that it was compared with. `champion` is read of earlier releases, whose stage
    `register` moved the alias, too; who is the champion is the registry's to say.
    """

    passed: bool
    digest: str
    metric: str
    gates: tuple[GateResult, ...]
    champion_before: Named | None
    value: float | None = None
    champion: Named | None = None


def write_decision(root: Path, decision: Decision) -> None:
    """Write `decision.json`, whole or not at all, in a form whose changes git shows by the line."""
    write_text(root / DECISION, pretty_json(decision))


def read_decision(root: Path) -> Decision | None:
    """The last decision: on disk, else as committed; None where there is none to be read.

    DVC removes a stage's outputs before it runs the stage; git still has the file.
    """
    file = root / DECISION
    raw = file.read_bytes() if file.is_file() else committed(root, "HEAD", DECISION)
    try:
        return msgspec.json.decode(raw or b"", type=Decision)
    except msgspec.DecodeError:
        return None


def decided_champion(root: Path) -> str | None:
    """The digest of the champion that the last decision names, or compared its model with."""
    decision = read_decision(root)
    named = (decision.champion or decision.champion_before) if decision else None
    return named.digest if named else None
