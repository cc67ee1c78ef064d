"""The page of monitoring in a real browser: both colour schemes, a phone, keys, a year of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import judged
from browser import Browser, needs_browser
from mlops_cli.audit.entry import Draft
from mlops_cli.reports.monitor import write_monitor_page

pytestmark = needs_browser
SEGMENTS = ("origin=JFK", "origin=LGA", "origin=EWR")
LONG = "a_column_with_a_name_that_goes_on_and_on_" * 4
PHONE = 360


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of daily windows, 200 columns, 3 segments, with alerts and deployments."""
    project = judged.project(tmp_path_factory.mktemp("year") / "p")
    judged.change(project.root, "firing", "drift", 20)
    judged.change(project.root, "firing", f"null_rate of {LONG} > 5%", 20)
    judged.act(project.root, Draft("deploy", "done", {"target": "local", "digest": "1" * 64}), 9)
    write_monitor_page(project, judged.year(segments=SEGMENTS))
    return project.root / "reports/monitor.html"


def test_a_year_of_200_columns_opens_in_two_seconds(browser: Browser, year: Path) -> None:
    browser.open(year)  # the browser itself has started
    assert min(browser.open(year) for _ in range(3)) < 2


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, 1280])
def test_it_is_readable_in_both_schemes_and_on_a_phone(
    browser: Browser, year: Path, width: int, dark: bool
) -> None:
    browser.open(year, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.loaded() == [year.as_uri()]
    assert browser.run("document.documentElement.scrollWidth") <= width
    back, text = (
        sum(map(int, found[4:-1].split(",")))
        for found in browser.run(
            "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
        )
    )
    assert (back < text) is dark
    heights = browser.run(
        "[...document.querySelectorAll('.part:not([hidden]) svg text')]"
        ".map(t => t.getBoundingClientRect().height).filter(height => height)"
    )
    assert len(heights) > 20
    assert min(heights) >= 10


def test_no_labels_lie_on_each_other(browser: Browser, year: Path) -> None:
    for width in (PHONE, 1280):
        browser.open(year, width=width)
        overlapping = browser.run(
            """[...document.querySelectorAll(".part:not([hidden]) :is(.times, .values)")]
            .filter(svg => {
              const found = [...svg.querySelectorAll("text")].map(t => t.getBoundingClientRect())
                .filter(box => box.width);
              return found.some((a, i) => found.some((b, j) => i < j && a.left < b.right
                && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3));
            }).length"""
        )
        assert overlapping == 0


def test_a_segment_is_chosen_and_windows_are_read_by_keys(browser: Browser, year: Path) -> None:
    browser.open(year)
    shown = "[...document.querySelectorAll('.part:not([hidden]) h2')].map(h => h.textContent)"
    assert browser.run(shown) == ["All rows"]
    browser.run("document.getElementById('part').focus()")
    browser.press("ArrowDown")
    second = browser.run("document.querySelectorAll('option')[1].textContent")
    assert second in SEGMENTS
    assert browser.run(shown) == [second]
    browser.run("document.querySelector('.part:not([hidden]) .pictures').focus()")
    said = "document.querySelector('.part:not([hidden]) .readout').textContent"
    browser.press("ArrowLeft")
    assert "window 2026-03-02" in browser.run(said)
    browser.press("ArrowLeft")
    assert "window 2026-03-01" in browser.run(said)
    assert browser.complaints() == []


def test_a_page_without_windows_opens(browser: Browser, tmp_path: Path) -> None:
    project = judged.project(tmp_path / "p")
    write_monitor_page(project, [])
    browser.open(project.root / "reports/monitor.html", width=PHONE)
    assert browser.complaints() == []
    assert "No window has been judged yet" in browser.run("document.body.innerText")


def test_without_a_script_every_segment_stands_there(browser: Browser, year: Path) -> None:
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(year, painted=False)
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.run("[...document.querySelectorAll('.part')].filter(p => p.hidden).length") == 0
    assert browser.run("document.querySelectorAll('#parts a').length") == 4
