from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlops_cli.config.load import load_project
from mlops_cli.errors import UsageError


def test_a_projects_folder_may_be_given_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "{project: x, task: binary, data: {table: t.csv, target: y}, features: {columns: [a]}}"
    (tmp_path / "mlops.yaml").write_text(text)
    monkeypatch.delenv("MLOPS_PROJECT", raising=False)
    assert load_project(str(tmp_path)).root == tmp_path.resolve()


VALID = "project: x\ntask: binary\ndata: {table: t.csv, target: y}\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("drift: {every: 99999999999999999999d}", "longer than any calendar"),
        ("drift: {false_alarms_per_month: .inf}", "`drift.false_alarms_per_month`"),
        ("train: {params: {eta: .nan}}", "`train.params.eta"),
        ('validate: {contract: "a\\tb.yaml"}', "cannot be printed"),
        ('validate: {contract: "a/${b.c}.yaml"}', "DVC would fill it in"),
        ("tune: {space: {eta: [0.1, 0.2]}}", "a range is `{float: [0.01, 0.3], log: true}`"),
        ("tune: {space: {eta: {low: 1, high: 2}}}", "`tune.space.eta`: a range is"),
        ("? " + "x" * 5000 + "\n: 1", "unknown key"),
        (
            "train: {estimator: random_forest}",
            "is none of xgboost, lightgbm, catboost, auto, sklearn:module.Class, module:function",
        ),
        ("train: {estimator: xgbost}", "did you mean xgboost?"),
        ("train: {estimator: sklearn}", "write xgboost, lightgbm, catboost, auto, or"),
        ("train: {calibrate: isotonik}", "`train.calibrate`"),
        ("train: {costs: {false_positive: 1}}", "`train.costs.false_negative`"),
        ("train: {costs: {false_positive: 0, false_negative: 1}}", "`train.costs.false_positive`"),
        ("train: {costs: {false_positive: 1, false_negative: -2}}", "`train.costs.false_negative`"),
        ("train: {costs: {false_positive: 1, false_negative: .inf}}", "finite"),
        ("train: {interval: 0.9}", "train.interval is of a regression's values"),
        ("train: {interval: 1.2}", "`train.interval`"),
        ("train: {quantiles: [0.1, 0.9]}", "train.quantiles is of a regression's values"),
        ("train: {quantiles: [0.9, 0.1]}", "0.9 is not below 0.1"),
        ("train: {quantiles: [0.5, 0.5]}", "0.5 is not below 0.5"),
        ("train: {quantiles: [0.1]}", "`train.quantiles"),
        (
            "train: {quantiles: [0.1, 0.9], estimator: 'sklearn:linear_model.Ridge'}",
            "learned by xgboost alone",
        ),
        ("train: {calibrate: sigmoid, update: 0123456789ab}", "train from nothing"),
    ],
)
def test_what_would_break_later_is_refused_when_it_is_read(
    tmp_path: Path, lines: str, said: str
) -> None:
    (tmp_path / "mlops.yaml").write_text(VALID + lines)
    with pytest.raises(UsageError) as e:
        load_project(tmp_path)
    assert said in e.value.message
    assert len(e.value.message) <= 2100


@pytest.mark.parametrize(
    "line",
    [
        "deploy: {port: '${SECRET_PORT}'}",
        "deploy: {host: 'a ${SECRET_PORT}'}",
        "deploy: {kubernetes: {timeout: '${SECRET_PORT}'}}",
        "drift: {every: '${SECRET_PORT}'}",
        "deploy: {kubernetes: {replicas: ['${SECRET_PORT}']}}",
        "deploy: {kubernetes: '${SECRET_PORT}'}",
        "tracking: {'${SECRET_PORT}': 1}",
    ],
)
def test_what_a_variable_holds_is_never_shown(
    tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_PORT", "tr0ub4dor&3")
    (tmp_path / "mlops.yaml").write_text(VALID + line)
    with pytest.raises(UsageError) as e:
        load_project(tmp_path)
    assert "tr0ub4dor" not in e.value.message + (e.value.hint or "")
    assert re.search("SECRET_PORT|replicas", e.value.message)


def test_the_environment_names_the_overlay_where_nobody_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it reaches the stages, which DVC starts without any option of ours."""
    (tmp_path / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: t.csv, target: y}\ndeploy: {port: 8001}\n"
    )
    for name, port in (("prod", 8002), ("test", 8003)):
        (tmp_path / f"mlops.{name}.yaml").write_text(f"deploy: {{port: {port}}}\n")
    monkeypatch.setenv("MLOPS_ENV", "prod")
    assert load_project(tmp_path).config.deploy.port == 8002
    assert load_project(tmp_path, env="test").config.deploy.port == 8003
    (tmp_path / "mlops.prod.yaml").write_text("deploy: {prot: 1}\n")
    with pytest.raises(UsageError, match=r"mlops\.prod\.yaml: unknown key `deploy\.prot`"):
        load_project(tmp_path)
    (tmp_path / "mlops.prod.yaml").write_text("tune: {rounds: 1}\n")
    with pytest.raises(UsageError) as e:
        load_project(tmp_path)
    assert "-S 'mlops.yaml:++tune.KEY=VALUE'" in (e.value.hint or "")
    monkeypatch.setenv("MLOPS_ENV", "")
    assert load_project(tmp_path).config.deploy.port == 8001


def test_the_url_of_a_cache_is_handed_on_with_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "tr0ub4dor")
    url = "redis://:${REDIS_PASSWORD}@host:6379/0"
    (tmp_path / "mlops.yaml").write_text(f"{VALID}serve: {{cache: '{url}'}}\n")
    serve = load_project(tmp_path).config.serve
    assert serve.cache == url
    assert serve.environment()["MLOPS_SERVE_CACHE"] == url


@pytest.mark.parametrize(
    ("task", "section", "said"),
    [
        ("regression", "{calibrate: isotonic}", "train.calibrate is of probabilities"),
        ("regression", "{costs: {false_positive: 1, false_negative: 2}}", "train.costs is of prob"),
        ("multiclass", "{costs: {false_positive: 1, false_negative: 2}}", "are of two classes"),
        ("multiclass", "{calibrate: isotonic}", "of several, temperature"),
        ("multiclass", "{calibrate: sigmoid}", "of several, temperature"),
        ("multiclass", "{interval: 0.9}", "train.interval is of a regression's values"),
    ],
)
def test_what_is_decided_suits_the_task(tmp_path: Path, task: str, section: str, said: str) -> None:
    text = VALID.replace("binary", task) + f"features: {{columns: [a]}}\ntrain: {section}\n"
    (tmp_path / "mlops.yaml").write_text(text)
    with pytest.raises(UsageError) as e:
        load_project(tmp_path)
    assert said in e.value.message
