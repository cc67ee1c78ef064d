"""A rollout of two versions of which one has a threshold and a calibrator, or an interval.

Each row is answered by the threshold and in the form of the version that answers it.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
import decided
from rollouts import Service, arm, logged_lines, service, sticky_key, tensors
from running import client_of

STICKY = ("origin", "distance")


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, decided.Decided]:
    """Candidates that answer otherwise: by a threshold, and with an interval."""
    folder = tmp_path_factory.mktemp("candidates")
    return {name: decided.write(folder / name, name) for name in ("strict", "interval")}


def alone(path: Path, events: list[Any]) -> list[dict[str, Any]]:
    """What a server of that bundle alone answers."""
    _, answer = asyncio.run(client_of(path).predict(events))
    found: list[dict[str, Any]] = answer["predictions"]
    return found


def arms_of(events: list[Any]) -> list[str]:
    found = [arm(sticky_key(e, *STICKY), 40) for e in events]
    assert {"champion", "candidate"} == set(found)
    return found


def by_arm(one: Service, events: list[Any]) -> list[dict[str, Any]]:
    """What each event's own version answers alone."""
    said = {name: alone(getattr(one, name).path, events) for name in ("champion", "candidate")}
    return [said[name][i] for i, name in enumerate(arms_of(events))]


def test_labels_follow_the_threshold_of_the_version_that_answers(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    binary: bundles.Sample,
    candidates: dict[str, decided.Decided],
) -> None:
    new = candidates["strict"]
    events, log = new.events[3:60], str(tmp_path / "log")
    with service(tmp_path, monkeypatch, binary, new, LOG__DIR=log) as one:
        one.weigh(40, sticky=list(STICKY))
        wanted = by_arm(one, events)
        labels = [p["label"] for p in wanted]
        sure = [p["probability"] >= 0.5 for p in wanted]  # what the champion's would say
        assert any(a and not b for a, b in zip(sure, labels, strict=True))
        assert any(labels)
        listed = one.predict(events)["predictions"]
        assert [{k: p[k] for k in ("probability", "label")} for p in listed] == wanted
        status, answer = one.ask("POST", "/v2/models/delays/infer", tensors(events))
        assert status == 200, answer
        outputs = {o["name"]: o["data"] for o in answer["outputs"]}
        assert outputs["probability"] == [p["probability"] for p in wanted]
        assert outputs["label"] == labels
        one.weigh(100, step=1, mirror=True)
        before = len(logged_lines(tmp_path, 2 * len(events)))
        assert one.predict(events)["predictions"] == alone(binary.path, events)
        logged = logged_lines(tmp_path, before + 2 * len(events))
    shadows = {x["row"]: x["prediction"] for x in logged if x["variant"] == "shadow"}
    assert [shadows[i] for i in range(len(events))] == alone(new.path, events)


def test_an_interval_is_missing_in_tensors_where_a_version_has_none(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    samples: dict[tuple[str, bool], bundles.Sample],
    candidates: dict[str, decided.Decided],
) -> None:
    plain, with_ends = samples["regression", False], candidates["interval"]
    events = with_ends.events[3:40]
    for champion, candidate in ((plain, with_ends), (with_ends, plain)):
        folder = tmp_path / str(champion is plain)
        folder.mkdir()
        with service(folder, monkeypatch, champion, candidate) as one:
            one.weigh(40, sticky=list(STICKY))
            wanted = by_arm(one, events)
            _, answer = one.ask("POST", "/v2/models/delays/infer", tensors(events))
            outputs = {o["name"]: o["data"] for o in answer["outputs"]}
            for name in ("value", "low", "high"):
                found = np.array(outputs[name], float)
                np.testing.assert_array_equal(found, [p.get(name, math.nan) for p in wanted])
            asked = tensors(events[:1]) | {"outputs": [{"name": "high"}]}
            one.weigh(100, step=1)
            status, answer = one.ask("POST", "/v2/models/delays/infer", asked)
            if champion is plain:
                assert (status, "no output 'high'" in answer["error"]) == (400, True)
            else:
                assert (status, answer["outputs"][0]["data"]) == (200, [None])
