"""A service that refuses a row, serves another version or is not there: each told as what it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import EnvironmentFault, GateError
from mlops_cli.targets.asked import explanations
from running import serving
from servers import free_port

Served = tuple[str, str, bundles.Sample]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server's URL, its version, and the events of its bundle."""
    sample = bundles.write(tmp_path_factory.mktemp("bundle") / "b")
    port = free_port()
    with serving(sample.path, "--port", str(port)):
        yield f"http://127.0.0.1:{port}", open_bundle(sample.path).version, sample


def test_each_event_has_its_answer_in_order(served: Served) -> None:
    url, version, sample = served
    events = sample.events[:120]  # more than one request
    answers = list(explanations(url, version, events, [str(i) for i in range(120)]))
    assert [a["probability"] for a in answers] == pytest.approx(sample.raw[:120].tolist(), abs=2e-6)


def test_a_refused_row_is_named(served: Served) -> None:
    url, version, sample = served
    events = [*sample.events[:70], sample.events[0] | {"distance": "far"}]
    names = [f"row {i}" for i in range(71)]
    with pytest.raises(GateError, match=r"refuses row 70, .*distance"):
        list(explanations(url, version, events, names))


def test_another_version_and_nobody_are_no_answer(served: Served) -> None:
    url, version, sample = served
    with pytest.raises(EnvironmentFault, match=f"answers by {version}, and 000000000000"):
        list(explanations(url, "0" * 12, sample.events[:1], ["row 0"]))
    with pytest.raises(EnvironmentFault, match="does not answer"):
        list(explanations(f"http://127.0.0.1:{free_port()}", version, sample.events[:1], ["row"]))
