"""The page that a person opens after `mlops drift`."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.reports import drift as drift_page
from mlops_cli.reports.base import DriftPage

HOSTILE = "<script>alert('x')</script>"


def verdict(name: str, *, drifted: bool = False) -> ColumnDrift:
    return ColumnDrift(
        name=name,
        drifted=drifted,
        statistic="ks",
        value=0.31,
        threshold=0.05,
        p_value=0.001,
        effect=0.31,
        importance=0.4,
        psi=0.9,
        psi_threshold=0.2,
        wasserstein=2.0,
        missing_current=0.02,
        missing_reference=0.0,
        unseen=None,
    )


def page(**change: object) -> DriftPage:
    rng = np.random.default_rng(0)
    reference = pa.table({"distance": rng.normal(size=200), HOSTILE: ["a", "b"] * 100})
    current = pa.table({"distance": rng.normal(2, 1, 150), HOSTILE: ["a", None, "c"] * 50})
    whole = DriftPage(
        project="delays & co",
        version="0123456789ab",
        source="december.parquet",
        reference_rows=269_421,
        current_rows=5000,
        verdicts=(verdict("distance", drifted=True), verdict(HOSTILE)),
        reference=reference,
        current=current,
    )
    return replace(whole, **change)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "reports/drift.html"
    assert drift_page.write_drift_page(page(), path) is None
    return path.read_text(encoding="utf-8")


def ours(html: str) -> str:
    """The part of the page above its pictures."""
    return html.partition("<svg")[0]


def test_page_shows_our_verdicts_first(written: str) -> None:
    top = ours(written)
    assert "<html" in top
    assert "1 of 2 columns drifted" in top
    assert "269,421" in top
    assert '<tr class="drifted"><td>distance</td>' in top


def test_page_says_that_the_reference_rows_are_reconstructed(written: str) -> None:
    assert "reconstructed from the model's profile" in " ".join(ours(written).split())


def test_names_from_the_data_cannot_become_markup(written: str) -> None:
    assert HOSTILE not in written
    assert written.count("&lt;script&gt;alert") == 2  # in the table, and at its picture
    assert "delays &amp; co" in ours(written)


def pictures(html: str) -> dict[str, str]:
    """The picture of each column, by the column's name."""
    found = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    return {re.findall(r"<text[^>]*>([^<]*)<", one)[0]: one for one in found}


def test_a_picture_has_the_name_the_score_and_the_threshold_of_its_column(written: str) -> None:
    drawn = pictures(written)
    assert "ks 0.31 ≥ 0.05" in drawn["distance"]
    assert len(drawn) == 2


def test_a_histogram_holds_the_share_of_rows_of_both_sides(tmp_path: Path) -> None:
    then, now = [1.5] * 50 + [2.5] * 50, [1.5] * 25 + [2.5] * 75
    table = [pa.table({"distance": side}) for side in (then, now)]
    one = page(verdicts=(verdict("distance"),), reference=table[0], current=table[1])
    assert drift_page.write_drift_page(one, tmp_path / "drift.html") is None
    drawn = pictures((tmp_path / "drift.html").read_text(encoding="utf-8"))["distance"]
    heights = [float(h) for h in re.findall(r'<rect[^>]*height="([\d.]+)"', drawn)]
    assert heights[0] == heights[-1] == pytest.approx(max(heights))  # half of the rows each
    line = re.search(r'points="([^"]*)"', drawn)
    assert line is not None
    ys = [float(point.split(",")[1]) for point in line[1].split()]
    base, top, first = ys[0], min(ys), ys[1]
    assert base - top == pytest.approx(3 * (base - first), abs=0.2)  # 75 % against 25 %


def test_whole_numbers_of_a_small_range_have_a_bin_each(tmp_path: Path) -> None:
    table = pa.table({"day": [float(1 + n % 31) for n in range(310)]})
    one = page(verdicts=(verdict("day"),), reference=table, current=table)
    assert drift_page.write_drift_page(one, tmp_path / "drift.html") is None
    drawn = pictures((tmp_path / "drift.html").read_text(encoding="utf-8"))["day"]
    heights = re.findall(r'<rect[^>]*height="([\d.]+)"', drawn)
    assert len(heights) == 31
    assert len(set(heights)) == 1


def test_texts_are_bars_with_all_others_and_missing(tmp_path: Path) -> None:
    many = [f"place {n}" for n in range(12) for _ in range(12 - n)]
    table = pa.table({"origin": [*many, None, None]})
    one = page(verdicts=(verdict("origin"),), reference=table, current=table)
    assert drift_page.write_drift_page(one, tmp_path / "drift.html") is None
    drawn = pictures((tmp_path / "drift.html").read_text(encoding="utf-8"))["origin"]
    assert "place 0<" in drawn
    assert "(all others)" in drawn
    assert "place 11" not in drawn
    few = pa.table({"origin": ["a", "a", None]})
    one = replace(one, reference=few, current=few)
    assert drift_page.write_drift_page(one, tmp_path / "drift.html") is None
    drawn = pictures((tmp_path / "drift.html").read_text(encoding="utf-8"))["origin"]
    assert "(missing)" in drawn
    assert "(all others)" not in drawn


@pytest.mark.extras
@pytest.mark.filterwarnings("ignore")
def test_evidently_draws_and_shows_our_score(tmp_path: Path) -> None:
    pytest.importorskip("evidently", reason="the extra evidently is not installed")
    path = tmp_path / "drift.html"
    assert drift_page.write_drift_page(page(), path, painter="evidently") is None
    top, _, frame = path.read_text(encoding="utf-8").partition("<iframe")
    assert "Drawn by Evidently" in top
    assert len(frame) > 1_000_000
    assert "mlops drift, as in the table above" in frame
    assert "0.31" in frame


def test_of_a_wide_table_the_first_columns_are_drawn(tmp_path: Path) -> None:
    names = [f"column_{n}" for n in range(drift_page.DRAWN + 1)]
    table = pa.table({name: [1.0, 2.0] * 20 for name in names})
    wide = page(verdicts=tuple(map(verdict, names)), reference=table, current=table)
    assert drift_page.write_drift_page(wide, tmp_path / "drift.html") is None
    html = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "the columns its first 50" in " ".join(ours(html).split())
    assert names[-1] in ours(html)
    assert [*pictures(html)] == names[:-1]


def test_a_column_without_values_is_left_out_of_the_pictures_alone(tmp_path: Path) -> None:
    one = page(verdicts=(verdict("distance"), verdict("usage")))
    reference = one.reference.append_column("usage", [[1.0] * 200])
    current = one.current.append_column("usage", pa.chunked_array([pa.nulls(150, pa.float64())]))
    one = replace(one, reference=reference, current=current)
    assert drift_page.write_drift_page(one, tmp_path / "drift.html") is None
    html = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "none that is finite: usage." in " ".join(ours(html).split())
    assert [*pictures(html)] == ["distance"]


@pytest.mark.parametrize(
    "values",
    [
        [0.0],
        [-3.0],
        [1e300],
        [-1.7e308, 1.7e308],
        [0.0, 5e-324],
        [1e9, 1e9 + 1e-6],
        [0.1],
        [-1e308],
    ],
)
def test_a_column_of_extremes_or_of_one_value_is_drawn(tmp_path: Path, values: list[float]) -> None:
    table = pa.table({"distance": values * 9})
    one = page(verdicts=(verdict("distance"),), reference=table, current=table)
    assert drift_page.write_drift_page(one, tmp_path / "drift.html") is None
    drawn = pictures((tmp_path / "drift.html").read_text(encoding="utf-8"))["distance"]
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert float(max(re.findall(r'<rect[^>]*height="([\d.]+)"', drawn))) > 0


def test_page_without_drawable_columns_keeps_the_verdicts_and_says_why(tmp_path: Path) -> None:
    empty = pa.table({"distance": pa.nulls(3, pa.float64()), HOSTILE: pa.nulls(3, pa.string())})
    fault = drift_page.write_drift_page(page(current=empty), tmp_path / "drift.html")
    assert fault is not None
    html = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "There are none: no column has values" in html
    assert "<td>distance</td>" in html


def test_page_without_evidently_keeps_the_verdicts_and_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
import sys; sys.modules["evidently"] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_drift import page
from mlops_cli.reports.drift import write_drift_page
print(write_drift_page(page(), Path({str(tmp_path / "drift.html")!r}), painter="evidently"))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'evidently' is not installed" in out.stdout
    assert "pip install 'mlops-cli[evidently]'" in out.stdout
    assert "<td>distance</td>" in (tmp_path / "drift.html").read_text(encoding="utf-8")
