"""The decision about a model: `decision.json`, which lives in git and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from mlops_cli._files import write_text
from mlops_cli._git import committed
from mlops_cli._json import pretty_json
from mlops_cli.config.paths import DECISION

Verdict = Literal["passed", "refused", "inconclusive", "undecided"]


class Opponent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a model was compared with, on `rows` hold-out rows that neither was fitted on.

    `value` is the model's metric on them and `bound` the opponent's; `difference` is positive
    where the model is better, and lies with 95 % confidence between `low` and `high`. `why` is
    there instead where they could not be compared.
    """

    role: Literal["champion", "best"]
    digest: str
    rows: int = 0
    value: float | None = None
    bound: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    why: str | None = None


class GateResult(msgspec.Struct, frozen=True):
    """What one gate said: `value` was held to `bound`; `why` is for a person.

    `inconclusive` means that the rows are too few to tell, `undecided` that the gate had nothing
    to decide by; the model passes in neither case. A gate that compares says with whom, and the
    gain that it would find with probability 0.8 (`detectable`).
    """

    gate: str
    verdict: Verdict
    why: str
    metric: str | None = None
    value: float | None = None
    bound: float | None = None
    detectable: float | msgspec.UnsetType = msgspec.UNSET
    compared: tuple[Opponent, ...] | msgspec.UnsetType = msgspec.UNSET

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
    `register` moved the alias, too; who is the champion is the registry's to say. `asked` are the
    gates as the main line has them, where approvals are asked.
    """

    passed: bool
    digest: str
    metric: str
    gates: tuple[GateResult, ...]
    champion_before: Named | None
    value: float | None = None
    champion: Named | None = None
    detectable: float | None = None
    first: bool = False
    asked: tuple[dict[str, Any], ...] | None = None

    @property
    def verdict(self) -> Verdict:
        """The gates in a word: a refusal is one, whatever the others cannot say."""
        said = {gate.verdict for gate in self.gates}
        order: tuple[Verdict, ...] = ("refused", "undecided", "inconclusive")
        return "passed" if self.passed else next((v for v in order if v in said), "undecided")


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
