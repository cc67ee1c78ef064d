"""The page that a person opens after `mlops monitor`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

import judged
from mlops_cli.audit.entry import Draft
from mlops_cli.config.project import Project
from mlops_cli.monitoring.performance.estimate import BLIND
from mlops_cli.monitoring.windows.records import DriftFound, LabelsFound, Part, QualityFound, Window
from mlops_cli.reports.monitor import write_monitor_page

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}</script>\u202e"
DEPLOYED = {"digest": "0123456789ab" + "0" * 52, "target": "local"}


class Text(HTMLParser):
    """What a person reads, what stands for pictures, and every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.labels: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if found.get("aria-label"):
            self.labels.append(found["aria-label"] or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return judged.project(tmp_path / "p")


def written(project: Project, windows: Sequence[Window]) -> str:
    write_monitor_page(project, windows)
    return (project.root / "reports/monitor.html").read_text(encoding="utf-8")


def page(project: Project, windows: Sequence[Window]) -> Text:
    return Text(written(project, windows))


def drift(*names: str, drifted: bool = True) -> DriftFound:
    columns = tuple(judged.column(name, drifted=drifted, effect=0.4) for name in names)
    return DriftFound(drifted=drifted, rows=1000, columns=columns)


def test_the_head_tells_what_fires_and_the_newest_verdict(project: Project) -> None:
    judged.change(project.root, "firing", "null_rate > 5%", 0)
    judged.change(project.root, "resolved", "null_rate > 5%", 1)
    judged.change(project.root, "firing", "roc_auc < baseline - 5%", 1, segment="origin=JFK")
    found = page(project, [judged.window(0), judged.window(1, drift=drift("temp", "wind"))]).text
    assert "1 alert firing: roc_auc < baseline - 5% of origin=JFK" in found
    assert "Newest window, 2025-03-04: drift in temp, wind" in found
    assert "0123456789ab" in found


def test_a_quiet_service_is_said_to_be_well(project: Project) -> None:
    found = page(project, [judged.window(0)]).text
    assert "No alerts are configured. Newest window, 2025-03-03: as before" in found
    assert "roc_auc by labels: 0.87 (0.86 to 0.88), of 1,000 of 1,000 rows" in found


def test_nothing_judged_yet(project: Project) -> None:
    found = page(project, [])
    assert "No window has been judged yet" in found.text
    assert "svg" not in {tag for tag, _ in found.elements}


def test_figures_are_told_in_words_and_in_a_table(project: Project) -> None:
    late = LabelsFound(rows=1000, labelled=200, over=False, partial=True)
    windows = [
        judged.window(0, performance=judged.figures("roc_auc", 0.91, 0.01)),
        judged.window(1, performance=judged.figures("roc_auc", 0.79, 0.05), labels=late),
    ]
    found = page(project, windows)
    (auc,) = [label for label in found.labels if label.startswith("Performance: roc_auc")]
    assert "by labels: 0.79 (0.74 to 0.84) on 2025-03-04" in auc
    assert "highest 0.91 on 2025-03-03" in auc
    assert "estimated without labels: 0.86 (0.84 to 0.88)" in auc
    assert "labels are still to come" in found.text
    assert BLIND in found.text
    assert "200 of 1,000 rows (partial)" in found.text
    assert any("p99: 20 ms" in label for label in found.labels)
    whole = judged.window(0)
    assert "labels are still to come" not in page(project, [whole]).text


def test_an_estimate_that_does_not_hold_is_called_so(project: Project) -> None:
    check = judged.EstimateCheck(reliable=False, windows=30, missed=9)
    found = page(project, [judged.window(0), judged.window(1, estimate_check=check)]).text
    assert "The estimate is not reliable now: of 30 windows with labels 9 lay outside" in found
    assert "(0.84 to 0.88), which is not reliable now" in found


def test_the_columns_that_moved_most_stand_first_and_the_rest_is_counted(project: Project) -> None:
    names = [f"column {i:02}" for i in range(45)]
    windows = [judged.window(day, drift=drift(*names[: 45 - day])) for day in range(3)]
    windows.append(judged.window(3, drift=drift(*names, drifted=False)))
    found = page(project, windows)
    drawn = [label for label in found.labels if " drifted in " in label]
    assert len(drawn) == 40
    assert drawn[0] == "column 00 drifted in 3 of 4 windows, the last of them 2025-03-05"
    assert not [label for label in drawn if "column 44" in label]
    assert "45 of 45 columns drifted at some time; the 40 that moved most are drawn" in found.text


def test_segments_can_be_chosen_and_stand_there_without_a_script(project: Project) -> None:
    part = Part(rows=321, drift=drift("wind"))
    found = page(project, [judged.window(0, segments={"origin=JFK": part})])
    assert "Newest window, 2025-03-03: drift in wind of origin=JFK" in found.text
    options = [attrs["value"] for tag, attrs in found.elements if tag == "option"]
    sections = [a["id"] for tag, a in found.elements if tag == "section" and a.get("id")]
    assert options == sections == ["part-0", "part-1"]
    assert not [a for tag, a in found.elements if tag == "section" and "hidden" in a]
    assert any(label.startswith("Volume. rows: 321 on") for label in found.labels)


def test_many_segments_are_counted(project: Project) -> None:
    parts = {f"origin={i}": Part(rows=i) for i in range(20)}
    found = page(project, [judged.window(0, segments=parts)])
    assert len([tag for tag, _ in found.elements if tag == "option"]) == 13
    assert "8 more segments" in found.text


def test_broken_data_is_no_drift_and_silence_is_told(project: Project) -> None:
    fault = "temp is missing in 31% of the rows"
    broken = QualityFound(broken=True, figures={"null_rate": 0.3}, faults=(fault,))
    found = page(project, [judged.window(0, quality=broken, drift=None)]).text
    assert f"Newest window, 2025-03-03: broken data: {fault}" in found
    silent = page(project, [judged.window(0), judged.window(1, rows=0, drift=None)]).text
    assert "Newest window, 2025-03-04: nothing was asked" in silent


def test_what_was_deployed_and_trained_stands_on_the_axis(project: Project) -> None:
    days = [judged.window(day) for day in range(10)]
    judged.act(project.root, Draft("deploy", "done", DEPLOYED), 2)
    judged.act(project.root, Draft("deploy", "failed", DEPLOYED, "the port is taken"), 3)
    judged.act(project.root, Draft("deploy", "done", DEPLOYED | {"target": "docker"}), 4)
    moment = (judged.START + 5 * judged.DAY).isoformat()
    judged.act(project.root, Draft("retrain", "refused", {"at": moment}, "drift: 3"), 300)
    judged.act(project.root, Draft("approve", "done", {"digest": "1" * 64}), 6)
    judged.act(project.root, Draft("rollback", "done", DEPLOYED), 400)
    found = page(project, days)
    lanes = [
        label for label in found.labels if re.match(r"(deploy|retrain|rollback|approve):", label)
    ]
    assert lanes == [
        "deploy: 2025-03-06 00:00 failed, 2025-03-05 00:00 done",
        "retrain: 2025-03-08 00:00 refused",
    ]
    places = [a["cx"] for tag, a in found.elements if tag == "circle"]
    assert places == ["30.0%", "20.0%", "50.0%"]
    assert "the port is taken" in found.text
    assert "2026-04-07" in found.text  # the rollback, after these windows: in the table alone


def test_names_are_text_and_nothing_is_loaded(project: Project) -> None:
    judged.change(project.root, "firing", HOSTILE, 0, segment=HOSTILE)
    judged.act(project.root, Draft("deploy", "failed", DEPLOYED, HOSTILE), 0.5)
    hostile = QualityFound(broken=True, faults=(HOSTILE,))
    windows = [
        judged.window(
            0, drift=drift(HOSTILE), segments={HOSTILE: Part(rows=3, drift=drift(HOSTILE))}
        ),
        judged.window(
            1,
            version=HOSTILE,
            target=HOSTILE,
            quality=hostile,
            remarks=(HOSTILE,),
            performance={HOSTILE: 0.5},
            skew={HOSTILE: 1.0},
        ),
    ]
    html = written(project, windows)
    found = Text(html)
    assert "img" not in {tag for tag, _ in found.elements}
    assert html.count("<script>") == html.count("</script>") == 1
    assert found.text.count("<img src=x") > 5
    assert "{{7*7}}" in found.text
    assert not [
        a for _, a in found.elements for name in a if name.startswith("on") or name == "style"
    ]
    assert not [a for _, a in found.elements if a.keys() & {"src", "href", "srcset"}
                and not (a.get("href") or "").startswith("#part-")]  # fmt: skip
    (policy,) = [a["content"] for tag, a in found.elements if a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_strange_figures_make_a_page(project: Project) -> None:
    huge = {"roc_auc": 1e308, "roc_auc_low": -1e308, "roc_auc_high": 1.7e308}
    odd = [
        judged.window(0, performance=huge, latency={"p50": 1e-320}, errors=0.0),
        judged.window(2, performance={"roc_auc": 0.5}, estimated=None, baseline=None),
        judged.window(3, performance={"roc_auc": -1e299}, drift=None, quality=None, volume=None),
    ]
    html = written(project, odd)
    assert not re.search(r'[ dxy]="[^"]*(nan|inf)', html)
    assert "Performance: roc_auc" in html


def test_the_last_verdict_counts_and_only_windows_as_long_as_the_last(project: Project) -> None:
    hour = timedelta(hours=1)
    at = judged.START + 23 * hour
    short = [judged.window(0, start=at, end=at + hour, rows=7)]
    found = page(project, [*short, judged.window(0, rows=8), judged.window(0, rows=9)])
    (volume,) = [label for label in found.labels if label.startswith("Volume")]
    assert volume.startswith("Volume. rows: 9 on 2025-03-03; lowest 9 on")
    assert "Newest window, 2025-03-03: as before" in found.text


def test_the_newest_400_windows_are_drawn(project: Project) -> None:
    found = page(project, [judged.window(day) for day in range(410)])
    assert len([a for tag, a in found.elements if tag == "tr" and "data-step" in a]) == 400
    assert "10 older ones are in" in found.text


def test_a_year_of_many_columns_is_no_large_file(project: Project) -> None:
    segments = ("origin=JFK", "origin=LGA", "origin=EWR")
    html = written(project, judged.year(days=365, columns=200, segments=segments))
    assert len(html.encode()) < 3_000_000


def test_what_is_known_of_all_rows_alone_is_not_said_of_a_segment(project: Project) -> None:
    check = judged.EstimateCheck(reliable=False, windows=30, missed=9)
    part = Part(rows=9, estimated=judged.figures("roc_auc", 0.8, 0.1))
    found = page(project, [judged.window(0, estimate_check=check, segments={"origin=JFK": part})])
    assert found.text.count("The estimate is not reliable") == 1
    assert found.text.count(BLIND) == 2
    assert any("of all rows at training: 0.88" in label for label in found.labels)


def test_without_labels_and_without_errors(project: Project) -> None:
    bare = judged.window(0, performance=None, estimated=None, labels=None, errors=0.0)
    html = written(project, [bare])
    assert "No labels of these windows have come, and nothing was estimated" in Text(html).text
    assert "50 %" not in html  # the axis of what is 0 throughout
    heads = re.findall(r"<h3>([^<:]+)", html)
    assert heads[:2] == ["Performance", "Drift"]
