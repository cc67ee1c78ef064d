"""The examples of a new project are made of the data, and none of them is a row of it."""

from __future__ import annotations

import csv
import json

import projects
from mlops_cli.config.load import load_project
from mlops_cli.scaffold.examples import feature_values


def test_no_example_is_a_row_of_the_data():
    root = projects.started("parcels")
    with (root / "data/raw/parcels.csv").open() as file:
        known = {(r["depot"], r["weight"], r["km"], r["sent"]) for r in csv.DictReader(file)}
    request = json.loads((root / "examples/request.json").read_text())
    examples = json.loads((root / "tests/examples.json").read_text())
    assert examples["rows"][0] == request
    assert len(examples["rows"]) == 5
    for row in examples["rows"]:
        assert None not in row.values()
        said = (row["depot"], str(row["weight"]), str(row["km"]), f"{row['sent']}Z")
        assert said not in known
        for column, value in zip(range(4), said, strict=True):
            assert value in {of[column] for of in known}
    assert feature_values(load_project(root), examples["rows"]) == examples["features"]
