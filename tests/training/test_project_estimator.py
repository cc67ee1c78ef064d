"""`train.estimator: module:function`: what a project's own code makes, and what it may not be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from learning import make, reconfigure
from mlops_cli.errors import MlopsError, UsageError
from mlops_cli.pipeline.dvc_yaml import deps_of
from mlops_cli.serving import onnx_model
from mlops_cli.stages import stage
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.testing.estimator import FEATURES, make_part
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Problem

FORESTS = """
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC

def forest(n_estimators=10, max_depth=4):
    return RandomForestClassifier(n_estimators=n_estimators, max_depth=max_depth, n_jobs=2)

def scaled(C=1.0, random_state=None):
    return make_pipeline(MinMaxScaler(), LogisticRegression(C=C, random_state=random_state))

def nothing(): pass
def a_class(): return LogisticRegression
def of_values(): return Ridge()
def sure(): return LinearSVC()
def asking(C): return LogisticRegression(C=C)
def raising(): raise ZeroDivisionError("by hand")
number = 3
"""


def opened(root: Path, name: str, **fixed: object):
    (root / "mine.py").write_text(FORESTS)
    (root / "broken.py").write_text("import no_such_package\n")
    (root / "cut.py").write_text("def f(:\n")
    problem = Problem("binary", FEATURES, 2, "roc_auc", 7, fixed, threads=1, root=root)
    return open_estimator(name, problem)


@pytest.mark.parametrize("name", ["mine:forest", "mine:scaled"])
def test_what_a_function_gives_is_fitted_and_served(tmp_path: Path, name: str):
    part, rows = make_part("binary", 600), make_part("binary", seed=1)
    estimator = opened(tmp_path, name)
    estimator.check(part, [{}])
    fitted = estimator.fit(part, {}, None)
    served = onnx_model.load(fitted.content(), "binary", 1).predict(rows.matrix)
    np.testing.assert_allclose(served, fitted.predict(rows.matrix), rtol=1e-5, atol=1e-6)
    assert opened(tmp_path, name).fit(part, {}, None).content() == fitted.content()
    assert fitted.importance()["x"] > 0
    assert not (tmp_path / "__pycache__").exists()
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mine:no_such", "mine:no_such, which mine.py does not have as a function"),
        ("mine:number", "does not have as a function"),
        ("missing:f", "there is no missing.py"),
        ("broken:f", r"cannot be imported: ModuleNotFoundError.*\(broken.py, line 1\)"),
        ("cut:f", r"cannot be imported: SyntaxError.*\(cut.py, line 1\)"),
        ("mine:nothing", "gives None, and not an estimator"),
        ("mine:a_class", "gives the class LogisticRegression, and not an estimator"),
        ("mine:of_values", "gives Ridge, which is no classifier"),
        ("mine:sure", "gives LinearSVC, which gives no probabilities"),
        ("mine:asking", "its parameter 'C' has no default"),
        ("mine:raising", r"raised ZeroDivisionError: by hand \(mine.py, line \d+\)"),
        ("json:loads", "there is no json.py"),
    ],
)
def test_what_cannot_be_an_estimator_is_refused_by_its_reason(tmp_path: Path, name: str, told: str):
    with pytest.raises(UsageError, match=told):
        opened(tmp_path, name)


def test_its_parameters_are_those_of_the_function(tmp_path: Path):
    with pytest.raises(UsageError, match="'min_samples' is no parameter of mine:forest"):
        opened(tmp_path, "mine:forest").check(make_part("binary"), [{"min_samples": 3}])
    opened(tmp_path, "mine:asking", C=0.5).check(make_part("binary"), [{}])


def test_one_that_onnx_cannot_say_is_refused(tmp_path: Path):
    (tmp_path / "odd.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n"
        "class Odd(LogisticRegression):\n"
        "    def predict_proba(self, x):\n"
        "        return super().predict_proba(x) ** 2\n"
        "def make(): return Odd()\n"
    )
    with pytest.raises(UsageError, match=r"train.estimator odd:make cannot be served"):
        opened(tmp_path, "odd:make").check(make_part("binary"), [{}])


def test_a_module_of_the_library_is_not_taken_for_the_projects(tmp_path: Path):
    (tmp_path / "json.py").write_text("def make(): pass\n")
    with pytest.raises(UsageError, match="another module of that name was imported before"):
        opened(tmp_path, "json:make")


def test_a_project_is_trained_by_its_own_code_and_again_where_that_changes(tmp_path: Path):
    project = make(tmp_path / "p", n=400)
    code = project.root / "models"
    code.mkdir()
    (code / "mine.py").write_text(
        "from models.depth import DEPTH\n" + FORESTS.replace("=4", "=DEPTH")
    )
    (code / "depth.py").write_text("DEPTH = 2\n")
    space = {"n_estimators": {"int": [5, 8]}}
    tuned = {"trials": 2, "space": space}
    project = reconfigure(project, train={"estimator": "models.mine:forest"}, tune=tuned)
    for name in ("tune", "train"):
        assert {"models/mine.py", "models/depth.py"} <= set(deps_of(project, stage(name)))
    tune(project)
    first = train(project)
    assert first.golden > 0
    tune(project)
    assert train(project).digest == first.digest
    (code / "depth.py").write_text("DEPTH = 5\n")
    tune(project)
    assert train(project).digest != first.digest
    (code / "depth.py").write_text("1 / 0\n")
    with pytest.raises(MlopsError, match=r"ZeroDivisionError.*models/depth.py, line 1"):
        tune(project)
