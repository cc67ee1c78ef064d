"""What ends a library ends a child, and the server that would have loaded it says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving import child
from mlops_cli.serving.child import survive
from mlops_cli.serving.models import load_model


def _ends_by(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (_ends_by(signal.SIGSEGV), "SIGSEGV"),
        (_ends_by(signal.SIGTERM), "SIGTERM"),
        (_ends_by(signal.SIGKILL), "SIGKILL"),
        (os.abort, "SIGABRT"),
        (lambda: os._exit(3), "code 3"),
    ],
)
def test_what_ends_the_child_is_told(work: Callable[[], None], says: str) -> None:
    with pytest.raises(BundleError, match=rf"^model: .*{says}"):
        survive(work, "model")


def test_too_little_memory_is_one_way_to_be_killed() -> None:
    with pytest.raises(BundleError) as refused:
        survive(_ends_by(signal.SIGKILL), "model")
    assert "memory" in (refused.value.hint or "")


def test_work_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LIMIT", 1)
    with pytest.raises(BundleError, match="more than 1 s"):
        survive(lambda: time.sleep(60), "model")


def test_an_exception_is_no_end_and_the_child_says_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def work() -> None:
        os.write(2, b"terminate called after throwing")
        raise ValueError

    assert survive(lambda: None, "model")
    assert not survive(work, "model")
    assert capfd.readouterr() == ("", "")


_SERVE = """
import os, signal, sys
from pathlib import Path
from mlops_cli.errors import BundleError
from mlops_cli.serving import models
from mlops_cli.serving.server import Address, Heard, serve

here, load = os.getpid(), models._load
def guarded(bundle, content, threads, checked=False):
    if sys.argv[2] == "ends":
        assert os.getpid() != here, "the server itself came to load it"
        os.kill(os.getpid(), signal.SIGSEGV)
    assert checked == (os.getpid() == here), "the check is the child's, and once"
    return load(bundle, content, threads, checked=checked)
models._load = guarded
def answer(ready):
    print("ready")
    os.kill(here, signal.SIGTERM)
try:
    serve(Path(sys.argv[1]), Address(port=0), Heard(answer))
except BundleError as e:
    print(e.message)
"""


@pytest.mark.parametrize("onnx", [False, True])
@pytest.mark.parametrize(("how", "says"), [("ends", "SIGSEGV"), ("loads", "ready")])
def test_a_model_that_ends_its_library_does_not_end_the_server(
    samples: dict[tuple[str, bool], bundles.Sample], onnx: bool, how: str, says: str
) -> None:
    """`ends` stands in for a library that its file ends: no such file is kept here."""
    command = [sys.executable, "-c", _SERVE, str(samples["binary", onnx].path), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout


@pytest.mark.parametrize(("onnx", "model"), [(False, "multiclass"), (True, "multiclass")])
def test_a_model_of_another_task_is_refused(
    samples: dict[tuple[str, bool], bundles.Sample], tmp_path: Path, onnx: bool, model: str
) -> None:
    sample, other = samples["binary", onnx], samples[model, onnx]
    content = open_bundle(other.path).model_file.read_bytes()
    fitted = bundles.Fitted("onnx" if onnx else "xgboost", content, lambda m: m)
    golden = (sample.path / "golden.jsonl").read_bytes()
    bundles.write_fitted(tmp_path / "other", "binary", fitted, golden)
    with pytest.raises(BundleError, match="task binary"):
        load_model(open_bundle(tmp_path / "other"))
