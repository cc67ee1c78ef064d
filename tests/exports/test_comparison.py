"""The rules of a rollout as queries: promtool computes them of series that a service would make."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlops_cli.config.sections.rollout import RuleConfig
from mlops_cli.exports.comparison import Comparison, standard_errors
from mlops_cli.serving.metrics import Metrics

OLD, NEW = "81c07e55d1aa", "3fa9c1d20b7e"
ERRORS = RuleConfig.model_validate({"metric": "error_rate", "worse_by": 0.005})
RELATIVE = RuleConfig.model_validate({"metric": "error_rate", "worse_by": "400%"})
P99 = RuleConfig.model_validate({"metric": "latency_p99", "worse_by": "20%"})
MILLISECONDS = RuleConfig.model_validate({"metric": "latency_p50", "worse_by": "200ms"})
COMPARED = Comparison("rain", "3600s", 4.0, candidate=NEW)
FAST, SLOW = (0.02, 0.05, 0.1), (0.1,)  # the buckets in which all requests are


def pod(version: str, good: int, bad: int, buckets: tuple[float, ...] = FAST) -> list[Any]:
    """What a pod of a version exports that answers so many a minute."""
    of = f'job="rain",instance="{version}"'

    def series(name: str, labels: str, each: int) -> dict[str, str]:
        return {"series": f"{name}{{{of},{labels}}}", "values": f"0+{each}x60"}

    model = {"series": f'mlops_model_info{{{of},version="{version}"}}', "values": "1x60"}
    asked = (("200", good), ("500", bad))
    return [
        model,
        *(series("mlops_requests_total", f'version="{version}",code="{c}"', n) for c, n in asked),
        *(
            series("mlops_request_seconds_bucket", f'le="{le}"', (good + bad) * (le in buckets))
            for le in (0.02, 0.05, 0.1)
        ),
        series("mlops_request_seconds_bucket", 'le="+Inf"', good + bad),
    ]


@pytest.mark.prometheus
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
@pytest.mark.parametrize(
    ("rule", "candidate", "broken"),
    [
        (ERRORS, pod(NEW, 98, 2), False),
        (ERRORS, pod(NEW, 92, 8), True),
        (ERRORS, pod(NEW, 9800, 230), False),  # surely more, and within the margin
        (ERRORS, pod(NEW, 9, 1)[:3], True),
        (ERRORS, [], False),  # nothing of it is there yet
        (ERRORS, pod(NEW, 0, 0), False),
        (RELATIVE, pod(NEW, 92, 8), False),
        (RELATIVE, pod(NEW, 88, 12), True),
        (P99, pod(NEW, 98, 2), False),
        (P99, pod(NEW, 98, 2, SLOW), True),
        (P99, [], False),
        (MILLISECONDS, pod(NEW, 98, 2, SLOW), False),
    ],
)
def test_a_rule_is_broken_where_it_surely_is(
    tmp_path: Path, rule: RuleConfig, candidate: list[Any], broken: bool
) -> None:
    query = COMPARED.query(rule)
    answered = {"expr": f"({query}) > bool 0", "eval_time": "60m",
                "exp_samples": [{"labels": "{}", "value": int(broken)}]}  # fmt: skip
    test = {"interval": "1m", "input_series": [*pod(OLD, 980, 20), *candidate],
            "promql_expr_test": [answered]}  # fmt: skip
    (tmp_path / "test.yml").write_text(json.dumps({"tests": [test]}), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not on PATH")
def test_requests_are_those_of_the_candidate(tmp_path: Path) -> None:
    tests = []
    for candidate, known in ((pod(NEW, 5, 0), 300), ([], 0)):
        answered = {"expr": COMPARED.requests, "eval_time": "60m",
                    "exp_samples": [{"labels": "{}", "value": known}]}  # fmt: skip
        tests.append({"interval": "1m", "input_series": [*pod(OLD, 980, 20), *candidate],
                      "promql_expr_test": [answered]})  # fmt: skip
    (tmp_path / "test.yml").write_text(json.dumps({"tests": tests}), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_queries_ask_for_what_a_service_exports() -> None:
    metrics = Metrics()
    metrics.answered(200, 0.01, 1, "champion", NEW)
    told = metrics.exposition([{"model": "rain", "version": NEW}]).decode()
    for rule in (ERRORS, P99):
        for name in re.findall(r"\bmlops_\w+", COMPARED.query(rule) or ""):
            assert f"\n{name}{{" in told
    assert COMPARED.query(RuleConfig.model_validate(
        {"metric": "prediction_mean", "differs_by": 0.05})) is None  # fmt: skip


def test_more_looks_ask_for_more() -> None:
    assert standard_errors(0.05, 1, [ERRORS]) == pytest.approx(1.645, abs=0.001)
    assert standard_errors(0.05, 1000, [ERRORS, P99]) == pytest.approx(4.06, abs=0.01)
