"""`serve` in the foreground: a bundle by its folder, and what it refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
import pytest

import bundles
from mlops_cli.actions.serve import serve
from mlops_cli.bundle.reader import open_bundle
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


def test_with_json_it_says_on_one_line_where_it_answers_and_how_it_fails(
    sample: bundles.Sample, tmp_path: Path
) -> None:
    port = free_port()
    serve = [sys.executable, "-m", "mlops_cli", "serve", "--json", "--port", str(port), "--bundle"]
    with subprocess.Popen([*serve, sample.path], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            told = msgspec.json.decode(process.stdout.readline())
            url = told["result"]["url"]
            assert _answer(f"{url}/v1/predict", msgspec.json.encode(sample.events[3]))
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    bundle = open_bundle(sample.path)
    assert told == {
        "command": "serve",
        "result": {
            "bundle": str(sample.path),
            "version": bundle.version,
            "digest": bundle.digest,
            "url": f"http://127.0.0.1:{port}",
            "port": port,
        },
    }
    assert (process.returncode, rest) == (0, b"")
    failed = subprocess.run([*serve, tmp_path], capture_output=True, check=False)
    assert failed.returncode == 8
    assert msgspec.json.decode(failed.stdout)["error"]["code"] == 8


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
