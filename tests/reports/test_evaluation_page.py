"""The page of an evaluation: by itself, whole for every task, and readable in a browser."""

from __future__ import annotations

import re
from functools import cache

import msgspec
import pytest

import browser
from learning import make
from mlops_cli.evaluation.report import Report, read_report
from mlops_cli.reports.evaluation.page import evaluation_page
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune

TASKS = ["binary", "multiclass", "regression"]


@pytest.fixture(scope="module")
def report_of(tmp_path_factory):
    @cache
    def made(task: str) -> tuple[Report, str]:
        data = {"table": "data/raw/events.parquet", "target": "target", "time": "at"}
        project = make(
            tmp_path_factory.mktemp("page") / "p",
            task=task,
            n=2500,
            data={**data, "sensitive": ["kind", "open"]},
            evaluate={"slices": ["kind", "x > 12"]},
        )
        tune(project)
        train(project)
        report = read_report(project.root)
        return report, evaluation_page("small", report)

    return made


@pytest.mark.parametrize("task", TASKS)
def test_the_page_has_the_numbers_and_needs_no_network(report_of, task):
    report, page = report_of(task)
    assert not re.findall(r"https?://|src=|url\(|@import|<script|<link", page)
    assert len(page) < 400_000
    main = report.metrics[report.metric]
    for said in (f"{main.value:.4g}", f"{main.low:.4g} to {main.high:.4g}", report.version[:12]):
        assert said in page
    assert "nan" not in page.lower().replace("finance", "")
    assert "How it treats groups" in page
    assert ("Selection rates and the four-fifths rule are of two classes" in page) == (
        task != "binary"
    )
    assert "x &gt; 12" in page


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_groups_of_other_tasks_are_slices(report_of, task):
    report, *_ = report_of(task)
    assert report.fairness == {}
    assert list(report.sensitive) == ["kind", "open"]
    assert {"open = true", "open = false"} <= {s.name for s in report.slices}


def test_what_stands_in_the_data_is_text(report_of):
    report, *_ = report_of("binary")
    evil = "<img src=x onerror=alert(1)>"
    page = evaluation_page(evil, msgspec.structs.replace(report, target=evil, positive=evil))
    assert evil not in page
    assert "&lt;img" in page


def test_a_report_of_little_has_a_page(report_of):
    report, *_ = report_of("binary")
    bare = Report(
        version=report.version,
        task="binary",
        metric="log_loss",
        target="y",
        rows=3,
        fitted=9,
        metrics={"log_loss": report.metrics["log_loss"]},
        baseline=report.baseline,
    )
    assert "too few rows to look" in evaluation_page("p", bare)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.browser
@pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not on PATH: apt-get install it")
def test_a_browser_shows_it_on_a_phone(report_of, tmp_path, task, dark):
    _, page = report_of(task)
    file = tmp_path / "evaluation.html"
    file.write_text(page, encoding="utf-8")
    tab = browser.Browser(tmp_path / "profile")
    try:
        tab.open(file, width=390, dark=dark)
        assert tab.run("document.documentElement.scrollWidth") <= 390
        back = tab.run("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(18, 22, 28)" if dark else "rgb(246, 247, 249)")
        drawn = (
            "[...document.querySelectorAll('svg')].every(s => s.getBoundingClientRect().width > 50)"
        )
        assert tab.run(drawn)
        assert not [e for e in tab.events if e.get("method") == "Log.entryAdded"]
    finally:
        tab.close()
