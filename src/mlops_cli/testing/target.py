"""What every deploy target must do; a target's own test inherits it and brings the fixtures."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.progress import QUIET
from mlops_cli.targets.base import (
    KeepsLog,
    KeepsRollout,
    Release,
    RolloutMoved,
    Route,
    Target,
    whole,
)


def get(url: str, path: str = "/readyz", timeout: float = 10) -> tuple[int, dict[str, Any]]:
    """One GET on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def predict(url: str, release: Release) -> str:
    """Ask for a prediction of the release's first golden row; returns the request's id."""
    body = json.dumps(next(release.bundle.golden()).inputs)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("POST", "/v1/predict", body)
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    assert response.status == 200, answer
    return str(answer["request_id"])


class TargetConformance:
    """Inherit it, with a fixture `target` that has nothing deployed.

    The releases `first`, `second` and `broken` are fixtures of `mlops_cli.testing.releases`.
    """

    def test_nothing_runs_before_the_first_deploy(self, target: Target) -> None:
        assert target.status() is None
        assert target.stop() is False
        with pytest.raises(EnvironmentFault, match="not deployed"):
            target.logs()

    def test_a_plan_says_what_deploy_would_do_and_does_nothing(
        self, target: Target, first: Release, second: Release
    ) -> None:
        planned = target.plan(whole(first))
        assert planned
        assert {change.action for change in planned} == {"create"}
        assert target.status() is None
        found = target.deploy(whole(first), progress=QUIET)
        assert target.plan(whole(first)) == []
        assert "update" in {change.action for change in target.plan(whole(second))}
        assert target.status() == found

    def test_what_is_rendered_names_the_version_and_spares_other_files(
        self, target: Target, first: Release, tmp_path: Path
    ) -> None:
        folder = tmp_path / "rendered"
        folder.mkdir()
        (folder / "mine.txt").write_text("kept")
        files = target.render(whole(first), folder)
        assert files
        assert all(file.is_relative_to(folder) for file in files)
        assert any(first.version in file.read_text() for file in files)
        before = {file: file.read_bytes() for file in files}
        assert target.render(whole(first), folder) == files
        assert {file: file.read_bytes() for file in files} == before
        assert {*folder.rglob("*.*")} == {*files, folder / "mine.txt"}
        assert target.status() is None

    def test_logs_are_the_service_s_own_and_following_ends_with_it(
        self, target: Target, first: Release
    ) -> None:
        target.deploy(whole(first), progress=QUIET)
        said = list(target.logs())
        assert said
        assert not [line for line in said if line.endswith(("\n", "\r"))]
        following = target.logs(follow=True)
        assert next(following) == said[0]
        target.stop()
        rest = [said[0], *following]
        assert rest[: len(said)] == said

    def test_what_was_deployed_answers_with_its_digest(
        self, target: Target, first: Release
    ) -> None:
        found = target.deploy(whole(first), progress=QUIET)
        assert found == target.status()
        assert found.healthy
        assert found.digest == first.digest
        assert not found.url.endswith("/")
        assert get(found.url)[1]["digest"] == first.digest
        assert target.stop() is True
        assert target.status() is None
        with pytest.raises(ConnectionError):
            get(found.url)
        assert target.stop() is False

    def test_what_cannot_be_divided_is_refused_and_changes_nothing(
        self, target: Target, first: Release, second: Release
    ) -> None:
        both = (Route(first, 95), Route(second, 5))
        with pytest.raises(UsageError, match=f"{first.version}, {second.version}"):
            target.deploy(both, progress=QUIET)
        assert target.status() is None

    def test_deploying_again_replaces_and_a_failed_deploy_does_not(
        self, target: Target, first: Release, second: Release, broken: Release
    ) -> None:
        target.deploy(whole(first), progress=QUIET)
        replaced = target.deploy(whole(second), progress=QUIET)
        assert get(replaced.url)[1]["digest"] == second.digest
        with pytest.raises(EnvironmentFault, match=r"row 4 of /.*golden.jsonl"):
            target.deploy(whole(broken), progress=QUIET)
        assert get(replaced.url)[1]["digest"] == second.digest
        found = target.status()
        assert found is not None
        assert (found.digest, found.healthy) == (second.digest, True)

    def test_a_failed_first_deploy_leaves_nothing(self, target: Target, broken: Release) -> None:
        with pytest.raises(EnvironmentFault, match=r"row 4 of /.*golden.jsonl"):
            target.deploy(whole(broken), progress=QUIET)
        assert target.status() is None
        assert target.stop() is False


class LogConformance:
    """Inherit it where a target keeps a log: `target` has nothing deployed, and its log is on."""

    def test_what_was_answered_comes_once_and_outlives_what_answered(
        self, target: Target, first: Release, second: Release
    ) -> None:
        assert isinstance(target, KeepsLog)
        lines: list[dict[str, Any]] = []

        def take(files: Sequence[Path]) -> None:
            texts = (file.read_bytes().splitlines() for file in files)
            lines.extend(json.loads(line) for text in texts for line in text)

        target.collect(take)
        assert lines == []
        url = target.deploy(whole(first), progress=QUIET).url
        asked = [predict(url, first) for _ in range(3)]
        target.collect(take, closing=True)
        assert [line["request_id"] for line in lines] == asked
        assert {line["version"] for line in lines} == {first.version}
        target.collect(take, closing=True)
        assert len(lines) == 3
        url = target.deploy(whole(second), progress=QUIET).url
        predict(url, second)
        target.collect(take, closing=True)
        assert [line["version"] for line in lines[3:]] == [second.version]

    def test_where_nobody_takes_them_segments_stay(self, target: Target, first: Release) -> None:
        assert isinstance(target, KeepsLog)
        predict(target.deploy(whole(first), progress=QUIET).url, first)
        seen: list[str] = []

        def fail(files: Sequence[Path]) -> None:
            seen.extend(file.name for file in files)
            raise OSError("no room")

        for _ in range(2):
            with pytest.raises(OSError, match="no room"):
                target.collect(fail, closing=True)
        assert len(seen) == 2
        assert seen[0] == seen[1]


def rollout_document(
    pair: tuple[Release, Release], path: str, percent: float | None, generation: int = 1
) -> bytes:
    """A document that divides the traffic so; without a percentage it is over."""
    champion, candidate = pair
    traffic = {
        "salt": "a1",
        "champion": champion.digest,
        "candidate": candidate.digest,
        "candidate_path": path,
        "percent": percent,
        "step": 0,
    }
    state = {"generation": generation, "traffic": None if percent is None else traffic}
    return json.dumps(state | {"state": {"kept": generation}}).encode()


class RolloutConformance:
    """Inherit it where a target keeps rollouts: `target` has nothing deployed, and a secret."""

    def test_a_document_is_obeyed_and_swapped_and_goes_with_the_deployment(
        self, target: Target, first: Release, second: Release
    ) -> None:
        assert isinstance(target, KeepsRollout)
        assert target.rollout() is None
        url, both = target.deploy(whole(first), progress=QUIET).url, (first, second)
        assert target.alone(first.digest)
        path = target.bring_beside(first, second, progress=QUIET)
        assert target.bring_beside(first, second, progress=QUIET) == path
        assert answers(url, first) == {first.version}
        target.keep_rollout(rollout_document(both, path, 100), None)
        begun = target.rollout()
        assert begun is not None
        assert json.loads(begun.document)["state"] == {"kept": 1}
        assert answers(url, first) == {second.version}
        with pytest.raises(RolloutMoved):
            target.keep_rollout(rollout_document(both, path, 0), None)
        assert answers(url, first) == {second.version}
        target.keep_rollout(rollout_document(both, path, 0, 2), begun)
        with pytest.raises(RolloutMoved):
            target.keep_rollout(rollout_document(both, path, 50, 3), begun)
        assert answers(url, first) == {first.version}
        counts = [t for c in target.counted() for t in c.tallies]
        assert sum(t.requests for t in counts if t.arm == "candidate") == ASKED * 2
        target.keep_rollout(rollout_document(both, path, None, 3), target.rollout())
        assert answers(url, first) == {first.version}
        target.keep_seen(b"{}")
        assert target.seen() == b"{}"
        assert target.stop()
        assert target.rollout() is None
        assert target.seen() is None

    def test_its_end_is_a_deploy_and_no_answer_goes_back(
        self, target: Target, first: Release, second: Release
    ) -> None:
        assert isinstance(target, KeepsRollout)
        url, both = target.deploy(whole(first), progress=QUIET).url, (first, second)
        path = target.bring_beside(first, second, progress=QUIET)
        target.keep_rollout(rollout_document(both, path, 100), None)
        assert target.deploy(whole(second), progress=QUIET).digest == second.digest
        assert target.alone(second.digest)
        assert answers(url, second) == {second.version}
        target.keep_rollout(rollout_document(both, path, None, 2), target.rollout())
        assert answers(url, second) == {second.version}

    def test_a_candidate_that_cannot_be_loaded_begins_nothing(
        self, target: Target, first: Release, broken: Release
    ) -> None:
        assert isinstance(target, KeepsRollout)
        url = target.deploy(whole(first), progress=QUIET).url
        with pytest.raises(MlopsError, match="row 4"):  # in its image, or in the server
            begin(target, first, broken)
        assert target.rollout() is None
        assert answers(url, first) == {first.version}


def begin(target: KeepsRollout, champion: Release, candidate: Release) -> None:
    """Divide the traffic between what runs and another release."""
    path = target.bring_beside(champion, candidate, progress=QUIET)
    target.keep_rollout(rollout_document((champion, candidate), path, 50), None)


ASKED = 20


def answers(url: str, release: Release) -> set[str]:
    """The versions that answer some requests of the release's first golden row."""
    body = json.dumps(next(release.bundle.golden()).inputs)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    found = set()
    try:
        for _ in range(ASKED):
            connection.request("POST", "/v1/predict", body)
            response = connection.getresponse()
            answer = json.loads(response.read())
            assert response.status == 200, answer
            found.add(str(answer["version"]))
    finally:
        connection.close()
    return found
