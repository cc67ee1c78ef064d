"""A model with a function of the project's own: its bundle alone serves it, or no server does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import learning
import projects
from mlops_cli.actions.score import score
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import BundleError, UsageError
from mlops_cli.features.python import refuse_imports
from mlops_cli.packaging.batch import project_files
from mlops_cli.packaging.docker_engine import PYTHON_FEATURES, _code_label
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune

CODE = """
import math

def swing(x: float | None, k: int, dow: int) -> float | None:
    if k == 77:
        raise RuntimeError("no such k")
    return None if x is None else math.sin(x) * k + dow

def mark(kind: str | None, swing: float | None) -> str:
    return f"{kind}{'+' if swing is not None and swing > 0 else '-'}"
"""
# What a server does with the bundle, where no project is known.
ALONE = """
import json, sys
from pathlib import Path
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.requests import RequestError
predictor = open_predictor(open_bundle(Path(sys.argv[1])))
events = json.loads(sys.stdin.read())
print(json.dumps(predictor.predict(events)))
for many in (events[:1], events):
    try:
        predictor.predict([*many, {**events[0], "k": 77}])
    except RequestError as e:
        print(e.status, e.row, e.message)
"""


@dataclass(frozen=True)
class Made:
    """A trained project whose server may run the functions, and one whose may not."""

    served: Project
    kept: Project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("functions") / "p"
    (root / "features").mkdir(parents=True)
    (root / "features/own.py").write_text(CODE)
    features = {
        "columns": ["x", "k", "kind"],
        "row": {"dow": "dayofweek(at)"},
        "python": ["features/own.py:swing", "features/own.py:mark"],
    }
    small = {"trials": 1, "rounds": 10, "finish": False}
    kept = learning.make(root, features=features, tune=small)
    tune(kept)
    train(kept)
    before = open_bundle(root / "model")
    (root / "model").rename(root / "model-before")
    served = learning.reconfigure(kept, features={**features, "python_in_server": True})
    train(served)
    assert before.digest != open_bundle(root / "model").digest
    return Made(served, kept)


def bundle(made: Made) -> Bundle:
    return open_bundle(made.served.root / "model")


def without(made: Made) -> Bundle:
    return open_bundle(made.served.root / "model-before")


def alone(folder: Path, events: list[dict[str, object]], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", ALONE, str(folder)],
        cwd=cwd,
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )


def rows(project: Project, n: int) -> list[dict[str, object]]:
    table = pq.read_table(project.root / "data/raw/events.parquet").slice(0, n)
    return [
        {k: v.isoformat() + "Z" if k == "at" else v for k, v in row.items() if k != "target"}
        for row in table.to_pylist()
    ]


def test_the_bundle_alone_answers_what_score_writes(made: Made, tmp_path: Path) -> None:
    (name,) = bundle(made).python_files()
    assert name.startswith("python-own-")
    assert (bundle(made).path / name).read_text() == CODE
    out = tmp_path / "scored.parquet"
    source = made.served.root / "data/raw/events.parquet"
    score(made.served, source, out, bundle=bundle(made).path)
    wanted = pq.read_table(out).column("probability").to_pylist()[:40]
    done = alone(bundle(made).path, rows(made.served, 40), tmp_path)
    assert done.returncode == 0, done.stderr
    found = [p["probability"] for p in json.loads(done.stdout.splitlines()[0])]
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    said = "features/own.py:swing raised RuntimeError: no such k (features/own.py, line 6)"
    assert [line[: len(said) + 7] for line in done.stdout.splitlines()[1:]] == [
        f"422 1 {said},",
        f"422 40 {said},"[: len(said) + 7],
    ]


def test_a_server_without_the_code_does_not_start(made: Made, tmp_path: Path) -> None:
    done = alone(without(made).path, rows(made.served, 1), tmp_path)
    assert "features/own.py:swing as it was when the model was made" in done.stderr
    with pytest.raises(UsageError, match="whose code its bundle does not hold") as told:
        without(made).refuse_unserved()
    assert "features.python_in_server: true" in (told.value.hint or "")
    bundle(made).refuse_unserved()


def test_score_needs_no_code_in_the_bundle(made: Made, tmp_path: Path) -> None:
    out, source = tmp_path / "scored.csv", made.served.root / "data/raw/events.parquet"
    assert score(made.kept, source, out, bundle=without(made).path).rows == 300


def test_the_image_and_a_scoring_image_name_and_hold_the_code(made: Made) -> None:
    (name,) = bundle(made).python_files()
    label = _code_label(bundle(made))
    digest = bundle(made).manifest.files[name].sha256
    assert label == {PYTHON_FEATURES: f"{name}@sha256:{digest}"}
    assert _code_label(without(made)) == {}
    assert "features/own.py" in project_files(made.served)


def test_a_changed_file_of_the_bundle_is_refused(made: Made, tmp_path: Path) -> None:
    spoiled = projects.copy(bundle(made).path, tmp_path / "model")
    (name,) = bundle(made).python_files()
    (spoiled / name).write_text("def swing(x, k, dow):\n    return 1.0\n")
    with pytest.raises(BundleError, match=f"{name} is not the file"):
        open_predictor(open_bundle(spoiled))


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("import math\nimport numpy as np\nfrom datetime import date\n", None),
        ("import pandas\n", "pandas"),
        ("def f(x):\n    from sklearn.linear_model import Ridge\n", "sklearn.linear_model"),
        ("from . import other\n", r"\."),
        ("from features.helpers import y\n", "features.helpers"),
    ],
)
def test_what_an_image_lacks_is_not_imported(text: str, refused: str | None) -> None:
    if refused is None:
        refuse_imports("features/own.py", text.encode())
        return
    with pytest.raises(UsageError, match=rf"line \d imports {refused}, which the image"):
        refuse_imports("features/own.py", text.encode())
