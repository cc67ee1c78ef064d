"""The page of the contracts: what broke, the runs before, no value of anybody."""

from __future__ import annotations

import re
import subprocess
from html import unescape
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from browser import CHROMIUM, Browser
from command_line import Mlops
from mlops_cli.config.load import load_project
from mlops_cli.stages.validate import validate

CONFIG = """\
project: shop
task: binary
data: {table: sales.parquet, target: y, sensitive: [name]}
validate: {on_bad_rows: warn}
"""
CONTRACT = """\
columns:
  name: {type: text, pattern: "[a-z]+"}
  price: {type: float, max: 100}
  y: {type: integer}
owner: ann <b>
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/sales.yaml").write_text(CONTRACT)
    _git(tmp_path, "init", "-q")
    return tmp_path


def _git(root: Path, *command: str) -> None:
    who = ("-c", "user.email=a@b.c", "-c", "user.name=a")
    subprocess.run(["git", *who, *command], cwd=root, check=True, capture_output=True)


def _validated(root: Path, rows: int, *, bad: int = 0, commit: bool = True) -> None:
    names = ["ann"] * (rows - bad) + ["Secretive 7"] * bad
    columns = {"name": names, "price": [1.0] * rows, "y": [0, 1] * (rows // 2)}
    pq.write_table(pa.table(columns), root / "sales.parquet")
    validate(load_project(root))
    if commit:
        _git(root, "add", "reports/validate.json")
        _git(root, "commit", "-qm", "run")


def _page(root: Path, mlops: Mlops) -> str:
    written = mlops(root, "contract", "report", "--json", code=0).result["file"]
    return (root / written).read_text()


def test_it_tells_what_broke_and_the_runs_before(root: Path, mlops: Mlops) -> None:
    _validated(root, 100)
    assert "Yes: no rule is broken." in _page(root, mlops)
    _validated(root, 120, bad=6)
    _validated(root, 140, bad=7, commit=False)
    page = _page(root, mlops)
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))
    assert "1 of 1 tables break a rule" in text
    assert "name pattern [a-z]+ 7 rows, such as row 133, 134, 135, 136, 137" in text
    assert re.search(r"now 140 7 1 [0-9a-f]{12} [-0-9]+ [:0-9]+ 120 6 1 [0-9a-f]{12}", text)
    assert page.count('class="bar second"') == 4  # two runs of three, in both pictures
    assert "ann &lt;b&gt;" in page


def test_no_value_of_a_sensitive_column_is_in_the_page_or_the_report(
    root: Path, mlops: Mlops
) -> None:
    _validated(root, 100, bad=5)
    assert "Secretive" not in _page(root, mlops)
    assert "Secretive" not in (root / "reports/validate.json").read_text()


def test_without_a_validation_there_is_nothing_to_tell(root: Path, mlops: Mlops) -> None:
    assert "mlops validate" in mlops(root, "contract", "report", code=2).err


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH: apt-get install it")
def test_it_is_readable_in_both_schemes_and_on_a_phone(
    root: Path, mlops: Mlops, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _validated(root, 100)
    _validated(root, 120, bad=6)
    _page(root, mlops)
    file = root / "reports/contract.html"
    browser = Browser(tmp_path_factory.mktemp("profile"))
    try:
        for width, dark in ((360, True), (1280, False)):
            browser.open(file, width=width, dark=dark)
            assert browser.complaints() == []
            assert browser.loaded() == [file.as_uri()]
            assert browser.run("document.documentElement.scrollWidth") <= width
            look = "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
            back, text = (sum(map(int, c[4:-1].split(","))) for c in browser.run(look))
            assert (back < text) is dark
    finally:
        browser.close()
