"""The line of champions, and the best of it by what was recorded."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from mlops_cli.audit.entry import Action, Draft, Entry, seal
from mlops_cli.audit.graph import FIRST, heads, line
from mlops_cli.bundle.manifest import Manifest, Target
from mlops_cli.governance.line import LAST, WORTH, Worth, line_of, question_of, tag_of, worth_of
from mlops_cli.tracking.base import DEPRECATED, WITHDRAWN, ModelVersion

ASKED = "q" * 64


def log(*happened: tuple[Action, dict[str, str]]) -> dict[str, Entry]:
    """A log of what happened, one after the other."""
    entries: dict[str, Entry] = {}
    for action, subject in happened:
        draft, at = Draft(action, "done", subject), datetime(2024, 1, 1, tzinfo=UTC)
        entry = seal(draft, parents=heads(entries), time=at, actor="x")
        entries[entry.id] = entry
    return entries


def crowned(*digests: str) -> dict[str, Entry]:
    return log(*(("register", {"digest": digest}) for digest in digests))


def version(
    digest: str, low: float | None, metric: str = "roc_auc", asked: str = ASKED, **tags: str
) -> ModelVersion:
    worth = {} if low is None else {WORTH: tag_of(Worth(low, metric, asked))}
    return ModelVersion(digest, digest, tags=worth | tags)


def best_first(entries: dict[str, Entry], *versions: ModelVersion) -> str:
    found = line_of(entries, versions, "roc_auc", ASKED)
    return "".join(v.digest for v in found.best_first)


def test_a_line_has_each_champion_once_by_its_last_reign() -> None:
    happened: list[tuple[Action, dict[str, str]]] = [
        ("register", {"digest": "b", "before": "a"}),
        ("register", {"digest": "x", "alias": "candidate"}),
        ("register", {"digest": "c", "before": "b"}),
        ("rollback", {"digest": "b", "before": "c"}),
        ("deploy", {"digest": "b", "target": "local"}),
    ]
    assert line(log(*happened)) == ["a", "c", "b"]
    anew: tuple[Action, dict[str, str]] = (
        "register",
        {"digest": "d", "before": "b", FIRST: "true"},
    )
    assert line(log(*happened, anew)) == ["d"]
    back: tuple[Action, dict[str, str]] = ("promote", {"digest": "c", "before": "d"})
    again: tuple[Action, dict[str, str]] = ("promote", {"digest": "d", "before": "c"})
    assert line(log(*happened, anew, back, again)) == ["c", "d"], "it began once"


def test_a_candidate_begins_a_line_when_it_is_promoted() -> None:
    waits: tuple[Action, dict[str, str]] = (
        "register",
        {"digest": "b", "before": "a", "alias": "candidate", FIRST: "true"},
    )
    promoted: tuple[Action, dict[str, str]] = ("promote", {"digest": "b", "before": "a"})
    first: tuple[Action, dict[str, str]] = ("register", {"digest": "a"})
    assert line(log(first, waits)) == ["a"]
    assert line(log(first, waits, promoted)) == ["b"]
    compared: tuple[Action, dict[str, str]] = (
        "register",
        {"digest": "b", "before": "a", "alias": "candidate"},
    )
    assert line(log(first, waits, compared, promoted)) == ["a", "b"], "compared after all"


def test_the_best_is_the_one_that_was_surely_worth_most() -> None:
    found = [version("a", 0.7), version("b", 0.9), version("c", 0.8), version("d", 0.8)]
    assert best_first(crowned("a", "b", "c", "d"), *found) == "bdca"
    assert best_first(crowned("a", "c"), *found) == "ca", (
        "a version that never reigned is not of it"
    )


@pytest.mark.parametrize(
    "other",
    [
        version("b", None),
        version("b", 0.9, metric="brier"),
        version("b", 0.9, asked="another"),
        version("b", 0.9, **{DEPRECATED: "complaints"}),
        version("b", 0.9, **{WITHDRAWN: "a leak"}),
        ModelVersion("b", "b", tags={WORTH: "{"}),
    ],
)
def test_who_is_not_of_the_line(other: ModelVersion) -> None:
    assert best_first(crowned("a", "b"), version("a", 0.7), other) == "a"


def test_the_line_is_of_the_last_ten_and_says_whom_the_registry_lost() -> None:
    names = "abcdefghijkl"
    found = [version(n, 1 - i / 100) for i, n in enumerate(names)]
    assert best_first(crowned(*names), *found) == names[-LAST:]
    taken_back = version("l", 0.9, **{DEPRECATED: "complaints"})
    assert best_first(crowned(*names), *found[:-1], taken_back) == names[1:-1]
    lost = line_of(crowned("a", "b", "c"), [version("b", 0.7)], "roc_auc", ASKED)
    assert lost.lost == ("a", "c")


def test_what_is_recorded_is_the_end_that_a_model_is_surely_above() -> None:
    manifest = Manifest(
        "1", "p", "regression", Target("y"), None, "xgboost", (), (), "3.11", {}, {}
    )
    metrics = {"r2": 0.5, "r2_low": 0.4, "r2_high": 0.6, "mae_low": 1.0, "mae_high": 2.0}
    up, down = worth_of(manifest, "r2", metrics), worth_of(manifest, "mae", metrics)
    assert up is not None
    assert down is not None
    assert (up.low, down.low) == (0.4, -2.0)
    assert worth_of(manifest, "rmse", metrics) is None
    asked = question_of(manifest)
    assert up.question == down.question == asked
    for other in ({"task": "binary"}, {"target": Target("y", "x > 0")}, {"classes": ("a", "b")}):
        assert question_of(msgspec.structs.replace(manifest, **other)) != asked
