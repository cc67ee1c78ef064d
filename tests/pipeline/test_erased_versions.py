"""A bundle whose golden rows are rows of the data is told where one of them is the subject's."""

from __future__ import annotations

from dataclasses import replace

import msgspec

import projects
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.pipeline.erasure.registry import rows_held


def test_a_row_of_the_subject_in_a_bundle_of_rows() -> None:
    bundle = open_bundle(projects.finished("people") / "model")
    golden = next(row for row in bundle.golden() if None not in row.inputs.values())
    row = {name: str(value) for name, value in golden.inputs.items()} | {"person": "x"}
    old = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, format="1.0"))
    new = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, format="1.1"))
    assert rows_held(old, [row]) == 1
    assert not rows_held(new, [row])
    assert not rows_held(old, [row | {"city": "Nowhere"}])
    assert not rows_held(old, [{"person": "x"}])
    assert not rows_held(old, [])
