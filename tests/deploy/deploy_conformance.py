"""What every deploy target must do; a target's own test inherits it and brings the fixtures."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from mlops_cli.bundle.reader import Bundle
from mlops_cli.deploy.base import Target
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import QUIET


def get(url: str, path: str = "/readyz", timeout: float = 10) -> tuple[int, dict]:
    """One GET on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


class TargetConformance:
    """Inherit it, with the fixtures `target`, `first`, `second` and `broken` (bundles)."""

    def test_nothing_runs_before_the_first_deploy(self, target: Target) -> None:
        assert target.status() is None
        assert target.stop() is False

    def test_what_was_deployed_answers_with_its_digest(self, target: Target, first: Bundle) -> None:
        found = target.deploy(first, progress=QUIET)
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

    def test_deploying_again_replaces_and_a_failed_deploy_does_not(
        self, target: Target, first: Bundle, second: Bundle, broken: Bundle
    ) -> None:
        target.deploy(first, progress=QUIET)
        replaced = target.deploy(second, progress=QUIET)
        assert get(replaced.url)[1]["digest"] == second.digest
        with pytest.raises(EnvironmentFault, match=r"row 4 of /.*golden.jsonl"):
            target.deploy(broken, progress=QUIET)
        assert get(replaced.url)[1]["digest"] == second.digest
        found = target.status()
        assert found is not None
        assert (found.digest, found.healthy) == (second.digest, True)

    def test_a_failed_first_deploy_leaves_nothing(self, target: Target, broken: Bundle) -> None:
        with pytest.raises(EnvironmentFault, match=r"row 4 of /.*golden.jsonl"):
            target.deploy(broken, progress=QUIET)
        assert target.status() is None
        assert target.stop() is False
