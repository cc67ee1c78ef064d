"""`mlops features`: each feature, how it is made, and the source columns of its value."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openlineage.client.facet_v2 import column_lineage_dataset, schema_dataset
from openlineage.client.generated import base
from openlineage.client.serde import Serde

from browser import Browser, needs_browser
from command_line import Mlops
from mlops_cli.actions.features import FeaturesResult, describe_features
from mlops_cli.actions.run import _prepare
from mlops_cli.audit.log import known_entries
from mlops_cli.config.load import load_project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import ApprovalError, GateError, UsageError
from mlops_cli.governance.features import FEATURES, FeatureState, enter_features, users_of
from mlops_cli.progress import QUIET
from mlops_cli.tracking.base import ModelVersion

CONFIG = """\
project: p
task: binary
data: {table: data/raw/trips.parquet, target: late, time: at}
features:
  columns: [km]
  row: {warm: "temp > 20 and km < 5"}
  join: [{table: data/raw/weather.parquet, on: [city], asof: at, lag: 1h, columns: [temp]}]
  aggregates:
    - {name: rain_day, expr: "sum(rain) / count(*)", table: data/raw/weather.parquet, by: [city],
       window: 24h, lag: 1h}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    at = ["2024-01-01T00:00:00", "2024-01-02T00:00:00"]
    trips = {"at": at, "city": ["a", "b"], "km": [1.5, 2.5], "late": [0, 1]}
    weather = {"at": at, "city": ["a", "b"], "temp": [1.5, 2.5], "rain": [0.5, 0.25]}
    for name, columns in {"trips": trips, "weather": weather}.items():
        pq.write_table(pa.table(columns), tmp_path / f"data/raw/{name}.parquet")
    write_missing_contracts(load_project(tmp_path))
    return tmp_path


def test_lineage_leads_to_the_source_columns(root: Path, mlops: Mlops) -> None:
    found = mlops(root, "features", "lineage", "--json", code=0).result
    weather, trips = "data/raw/weather.parquet", "data/raw/trips.parquet"
    sources = {
        f["name"]: [(s["table"], s["column"]) for s in f["sources"]] for f in found["features"]
    }
    assert sources == {
        "km": [(trips, "km")],
        "warm": [(weather, "temp"), (trips, "km")],
        "temp": [(weather, "temp")],
        "rain_day": [(weather, "rain")],
    }
    keys = {f["name"]: [s["column"] for s in f["keys"]] for f in found["features"]}
    assert keys == {"km": [], "warm": ["city", "at"], "temp": ["city", "at"],
                    "rain_day": ["city", "at"]}  # fmt: skip
    assert f"{weather}: rain" in mlops(root, "features", "lineage", code=0).out
    chart = mlops(root, "features", "lineage", "--mermaid", code=0).out
    assert chart.startswith("flowchart LR\n")
    assert f'["{weather}: rain"]' in chart
    assert chart.count("-->") == 5


def test_features_are_listed_with_how_they_are_made(root: Path, mlops: Mlops) -> None:
    out = mlops(root, "features", "list", code=0).out
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["km", "column", "float"],
        ["warm", "row", "boolean"],
        ["temp", "join", "float"],
        ["rain_day", "aggregate", "float"],
    ]
    shown = mlops(root, "features", "show", "rain_day", "--json", code=0).result["features"]
    assert [f["made"] for f in shown] == [
        "sum(rain) / count(*) of data/raw/weather.parquet by city over 1d, lag 1h"
    ]
    assert "did you mean 'rain_day'" in mlops(root, "features", "show", "rainday", code=2).err
    assert "which feature" in mlops(root, "features", "show", code=2).err


REGISTRY = """\
warm:
  version: 1
  owner: the weather team
  description: a warm day, and not far
  approver: ann@example.org
rain_day: {owner: ben}
"""


@pytest.fixture
def registered(root: Path) -> Path:
    """The project in git, whose committer is Ann, with two registered features."""
    (root / "features").mkdir()
    (root / "features/registry.yaml").write_text(REGISTRY)
    person(root, "ann@example.org")
    return root


def person(root: Path, address: str) -> None:
    for words in (("init", "-q"), ("config", "user.name", "P"), ("config", "user.email", address)):
        subprocess.run(["git", *words], cwd=root, check=True)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def states(result: FeaturesResult) -> dict[str, FeatureState]:
    return {state.name: state for state in result.registry}


def test_a_version_is_published_and_approved_by_who_is_named(registered: Path) -> None:
    project = load_project(registered)
    first = states(describe_features(project))
    assert list(first) == ["warm", "rain_day"]
    assert (first["warm"].published, first["warm"].missing) == (False, "ann@example.org")
    assert describe_features(project, "publish").published == ("warm 1", "rain_day 1")
    assert describe_features(project, "publish").published == ()
    person(registered, "eve@example.org")
    with pytest.raises(ApprovalError, match=r"names ann@example\.org as its approver, and not eve"):
        describe_features(project, "approve", "warm")
    assert states(describe_features(project))["warm"].approved_by is None
    person(registered, "Ann@example.org")
    describe_features(project, "approve", "warm", reason="looked at it")
    found = states(describe_features(project))
    assert found["warm"].approved_by == "ann@example.org"
    assert found["warm"].missing is None
    assert found["rain_day"].missing is None, "nobody is asked"
    entries = [*map(json.loads, (registered / "governance/audit.jsonl").read_text().splitlines())]
    assert [(e["subject"]["step"], e["outcome"]) for e in entries] == [
        ("publish", "done"), ("publish", "done"), ("approve", "refused"), ("approve", "done")
    ]  # fmt: skip
    assert entries[-1]["reason"] == "looked at it"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("temp > 20 and", "temp > 21 and"),  # of the row feature itself
        ("asof: at, lag: 1h", "asof: at, lag: 2h"),  # of the join whose column it reads
    ],
)
def test_a_changed_meaning_needs_a_version_and_an_approval(
    registered: Path, old: str, new: str
) -> None:
    describe_features(load_project(registered), "approve", "warm")
    change(registered / "mlops.yaml", "temp > 20 and km < 5", "temp>20   AND km < 5")
    describe_features(load_project(registered), "show", "warm")  # written otherwise, the same
    change(registered / "mlops.yaml", old.replace("temp > 20 and", "temp>20   AND"), new)
    project = load_project(registered)
    with pytest.raises(GateError, match="warm is no longer what its version 1 was") as told:
        describe_features(project, "publish")
    assert "warm: version: 2" in (told.value.hint or "")
    assert told.value.exit_code == 4
    assert states(describe_features(project))["warm"].changed
    with pytest.raises(GateError, match="warm is no longer"):
        _prepare(project, QUIET)
    change(registered / "features/registry.yaml", "version: 1", "version: 2")
    assert describe_features(project, "publish").published == ("warm 2",)
    assert states(describe_features(project))["warm"].missing == "ann@example.org"
    with pytest.raises(ApprovalError, match="version 2 of the feature warm is not approved"):
        enter_features(project, known_entries(registered), None, of={"warm"})


def test_a_model_says_which_versions_it_was_made_with(registered: Path) -> None:
    project = load_project(registered)
    describe_features(project, "approve", "warm")
    chosen = enter_features(project, known_entries(registered), None, of={"warm"})
    assert json.loads(chosen[FEATURES]) == {"warm": 1}  # train.select has left the other out
    both = {"warm", "rain_day"}
    tag = enter_features(project, known_entries(registered), None, of=both)
    assert json.loads(tag[FEATURES]) == {"warm": 1, "rain_day": 1}
    version = ModelVersion(digest="ab" * 32, number="1", metrics={}, tags=tag)
    assert users_of([version]) == {"warm": [("ab" * 6, 1)], "rain_day": [("ab" * 6, 1)]}
    (registered / "features/registry.yaml").unlink()
    assert enter_features(project, {}, None, of=both) == {}
    assert describe_features(project).registry == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("warn: {}\n", "makes no feature 'warn'"),
        ("warm: {version: 0}\n", "`warm.version`"),
        ("warm: {color: red}\n", "`warm.color`"),
        ("- warm\n", "is not a mapping"),
    ],
)
def test_a_fault_in_the_registry_is_named(registered: Path, text: str, says: str) -> None:
    (registered / "features/registry.yaml").write_text(text)
    with pytest.raises(UsageError, match=says) as told:
        describe_features(load_project(registered))
    assert "features/registry.yaml" in told.value.message


def test_the_page_holds_each_feature_and_loads_nothing(registered: Path) -> None:
    project = load_project(registered)
    change(registered / "features/registry.yaml", "not far", "<b>not</b> far")
    describe_features(project, "approve", "warm")
    assert describe_features(project, "page").file == "reports/features.html"
    page = (registered / "reports/features.html").read_text()
    for name in ("km", "warm", "temp", "rain_day"):
        assert f"<bdi>{name}</bdi>" in page
    assert "&lt;b&gt;not&lt;/b&gt; far" in page
    assert "the weather team" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert page.count('<path class="use"') == 5
    assert page.count('<path class="key"') == 6


def test_lineage_as_an_event_of_openlineage(root: Path, mlops: Mlops) -> None:
    event = json.loads(mlops(root, "features", "lineage", "--as", "openlineage", code=0).out)
    (output,) = event["outputs"]
    fields = output["facets"]["columnLineage"]["fields"]
    assert list(fields) == ["km", "warm", "temp", "rain_day"]
    warm = [(i["field"], i["transformations"][0]["type"]) for i in fields["warm"]["inputFields"]]
    assert warm == [("temp", "DIRECT"), ("km", "DIRECT"), ("city", "INDIRECT"), ("at", "INDIRECT")]
    assert fields["rain_day"]["inputFields"][0]["transformations"][0]["subtype"] == "AGGREGATION"
    assert [i["name"] for i in event["inputs"]] == ["data/raw/trips.parquet",
                                                     "data/raw/weather.parquet"]  # fmt: skip
    assert _bare(json.loads(Serde.to_json(_by_its_owners(event)))) == _bare(event)


def _bare(value: Any) -> Any:
    """Without what is empty, which says nothing."""
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if v not in ({}, [], None)}
    return [_bare(v) for v in value] if isinstance(value, list) else value


def _by_its_owners(event: dict[str, Any]) -> base.JobEvent:
    """The event of the classes that OpenLineage makes from its schema, which take nothing else."""

    def facet(said: dict[str, Any], kind: Any, fields: Any) -> Any:
        assert set(said) == {"_producer", "_schemaURL", "fields"}
        made = kind(fields, producer=said["_producer"])
        assert made._schemaURL == said["_schemaURL"]
        return made

    def schema(said: dict[str, Any]) -> Any:
        fields = [schema_dataset.SchemaDatasetFacetFields(**f) for f in said["fields"]]
        return facet(said, schema_dataset.SchemaDatasetFacet, fields)

    def lineage(said: dict[str, Any]) -> Any:
        steps = column_lineage_dataset.Transformation
        read = column_lineage_dataset.InputField
        fields = {
            name: column_lineage_dataset.Fields(
                [
                    read(**{**i, "transformations": [steps(**t) for t in i["transformations"]]})
                    for i in of["inputFields"]
                ]
            )
            for name, of in said["fields"].items()
        }
        return facet(said, column_lineage_dataset.ColumnLineageDatasetFacet, fields)

    def facets(said: dict[str, Any]) -> dict[str, Any]:
        makers = {"schema": schema, "columnLineage": lineage}
        return {name: makers[name](content) for name, content in said.items()}

    said = dict(event)
    schema_url = said.pop("schemaURL")
    said["job"] = base.Job(**said["job"])
    for key, kind in (("inputs", base.InputDataset), ("outputs", base.OutputDataset)):
        said[key] = [kind(**{**d, "facets": facets(d["facets"])}) for d in said[key]]
    made = base.JobEvent(**said)
    assert made.schemaURL == schema_url
    return made


@pytest.mark.parametrize(
    ("width", "dark"),
    [pytest.param(w, d, marks=needs_browser) for w, d in ((390, True), (1280, False))],
)
def test_the_page_fits_a_phone_and_both_colour_schemes(
    registered: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    describe_features(load_project(registered), "page")
    tab = Browser(tmp_path / "profile")
    try:
        tab.open(registered / "reports/features.html", width=width, dark=dark)
        assert tab.run("document.documentElement.scrollWidth") <= width
        back = tab.run("getComputedStyle(document.body).backgroundColor")
        assert back == ("rgb(18, 22, 28)" if dark else "rgb(246, 247, 249)")
        texts = "[...document.querySelectorAll('svg text')]"
        end = f"Math.max(...{texts}.map(t => t.getBoundingClientRect().right))"
        assert tab.run(end) <= width  # both sides of the picture are seen
        assert tab.complaints() == []
    finally:
        tab.close()
