"""`serve` in the foreground: a bundle by its folder, and what it refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request

import msgspec
import pytest

import bundles
from mlops_cli.actions.serve import serve
from mlops_cli.errors import BundleError, UsageError
from servers import free_port


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bundles.Sample:
    """A bundle of a binary model."""
    return bundles.write(tmp_path_factory.mktemp("serve") / "model")


def test_without_a_project_a_bundle_must_be_named() -> None:
    with pytest.raises(UsageError, match="no bundle is named") as caught:
        serve(None)
    assert "--bundle" in str(caught.value.hint)


def test_a_changed_bundle_is_refused_naming_the_file(sample: bundles.Sample) -> None:
    bundles.write(sample.path.parent / "changed", n=210)
    model = sample.path.parent / "changed" / "model.ubj"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"model\.ubj"):
        serve(None, bundle=model.parent, port=0)


def test_it_answers_until_it_is_interrupted_and_says_what_it_served(
    sample: bundles.Sample,
) -> None:
    port = free_port()
    code = (
        "from pathlib import Path; from mlops_cli.actions.serve import serve;"
        f"print(serve(None, bundle=Path({str(sample.path)!r}), port={port}).url)"
    )
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            answer = _answer(f"{url}/v1/predict", msgspec.json.encode(sample.events[3]))
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert answer["predictions"][0]["probability"] == pytest.approx(float(sample.raw[3]))
    assert (process.returncode, said.decode().strip()) == (0, url)


def _answer(url: str, body: bytes) -> dict[str, list[dict[str, float]]]:
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, body) as answer:
                return msgspec.json.decode(answer.read())
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
