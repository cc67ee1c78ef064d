"""Rows without consent for the project's purpose: counted, and in nothing that comes after."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heard import Heard
from learning import configure, reconfigure
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import DataError, UsageError
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate

N = 200


def project(root, *, consent="consent: agreed", kind="boolean"):
    """People of whom the even ones consent, and their incomes, which a fifth lets be used."""
    (root / "data/raw").mkdir(parents=True)
    person = np.arange(N)
    agreed = {
        "boolean": pa.array([None if i == 1 else i % 2 == 0 for i in range(N)]),
        "integer": pa.array([1 - i % 2 for i in range(N)]),
        "text": pa.array(["mail; scoring" if i % 2 == 0 else "scoringly" for i in range(N)]),
    }[kind]
    people = {"person": person, "agreed": agreed, "x": person * 1.0, "y": person % 3 == 0}
    pq.write_table(pa.table(people), root / "data/raw/people.parquet")
    incomes = {"person": person, "income": person * 10.0, "uses": ["scoring", *["mail"] * 4] * 40}
    pq.write_table(pa.table(incomes), root / "data/raw/incomes.parquet")
    made = configure(
        root,
        {
            "project": "p",
            "task": "binary",
            "data": {
                "table": "data/raw/people.parquet",
                "target": "y",
                "purpose": "scoring",
                "id": {"subject": ["person"]},
            },
            "features": {
                "columns": ["x"],
                "join": [
                    {"table": "data/raw/incomes.parquet", "on": ["person"], "columns": ["income"]}
                ],
            },
        },
    )
    write_missing_contracts(made)
    for name, text in (("people", consent), ("incomes", "consent: uses\npurpose: [scoring, mail]")):
        file = root / f"contracts/{name}.yaml"
        file.write_text(f"{file.read_text()}{text}\n")
    return made


@pytest.mark.parametrize("kind", ["boolean", "integer", "text"])
@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine", "warn"])
def test_rows_without_consent_are_counted_and_left_out(tmp_path, kind, on_bad_rows):
    made = reconfigure(project(tmp_path, kind=kind), validate={"on_bad_rows": on_bad_rows})
    heard = Heard()
    result = validate(made, progress=heard)
    assert [t.without_consent for t in result.tables] == [100, 160]
    assert [t.bad_rows for t in result.tables] == [0, 0]
    assert (result.passed, result.rejected) == (True, 260)
    report = json.loads((tmp_path / "reports/validate.json").read_text())
    assert [t["without_consent"] for t in report["tables"]] == [100, 160]
    assert "100 rows without consent to scoring" in heard.lines[0]
    assert "mlops erase --subject person=VALUE" in heard.lines[0]
    featurize(made)
    rows = pq.read_table(tmp_path / "data/features.parquet").to_pylist()
    assert [r["x"] for r in rows] == [float(i) for i in range(0, N, 2)]
    assert {r["x"] for r in rows if r["income"] is not None} == set(range(0, N, 10))


def test_featurize_does_not_go_on_without_the_rows_that_validation_left_out(tmp_path):
    with pytest.raises(
        DataError, match=r"rejected\.parquet is missing, which has the rows without"
    ):
        featurize(project(tmp_path))


@pytest.mark.parametrize(
    ("purpose", "consent", "message"),
    [
        ("ads", "purpose: [scoring, mail]", "data.purpose is 'ads', and contracts/people.yaml all"),
        (None, "purpose: [scoring]", "names no data.purpose"),
        ("scoring", "consent: agred", "no column 'agred' here; the nearest is 'agreed'"),
        ("scoring", "consent: x", "consent needs a boolean, an integer or a text, not 'x'"),
    ],
)
def test_a_purpose_that_is_not_allowed_is_refused(tmp_path, purpose, consent, message):
    made = project(tmp_path, consent=consent)
    data = made.config.data.model_dump(exclude_defaults=True) | {"purpose": purpose}
    with pytest.raises(UsageError, match=message):
        validate(reconfigure(made, data=data))


def test_who_is_asked_yes_or_no_needs_no_purpose(tmp_path):
    made = project(tmp_path)
    (tmp_path / "contracts/incomes.yaml").unlink()
    write_missing_contracts(made)
    data = made.config.data.model_dump(exclude_defaults=True) | {"purpose": None}
    assert validate(reconfigure(made, data=data)).tables[0].without_consent == 100
