"""What a rollout is not begun with, and what is said of the two versions when it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
import rolling
from mlops_cli.actions import rollout_start
from mlops_cli.actions.deploy import deploy
from mlops_cli.bundle.manifest import Input, Manifest
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.sections.rollout import RolloutConfig
from mlops_cli.errors import UsageError
from mlops_cli.features.expressions import parse
from rolling import canary


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    bundles.write(tmp_path / "bundle", n=60)
    return open_bundle(tmp_path / "bundle").manifest


def other(manifest: Manifest, **changed: Any) -> tuple[Manifest, Manifest]:
    return manifest, msgspec.structs.replace(manifest, **changed)


def test_python_and_modules_that_differ_cannot_share_a_process(manifest: Manifest) -> None:
    hold = rollout_start._hold_to_one_process
    hold(other(manifest))
    modules: Mapping[str, str] = {**manifest.modules, "numpy": "1.0"}
    with pytest.raises(UsageError, match=r"Python .* and 2\.7, numpy .* and 1\.0") as e:
        hold(other(manifest, python="2.7", modules=modules))
    assert "deploy.kubernetes.router: gateway" in str(e.value.hint)
    with pytest.raises(UsageError, match="another question: regression"):
        hold(other(manifest, task="regression", classes=None))


def test_other_inputs_are_answered_and_said(manifest: Manifest) -> None:
    new = Input("weather", "text", True, None, "event")
    both = other(manifest, inputs=(*manifest.inputs[1:], new))
    assert rollout_start._differences(both) == [
        "the candidate also reads weather; a request may bring the inputs of both",
        f"the candidate does without {manifest.inputs[0].name}; "
        "a request may bring the inputs of both",
    ]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"sticky": ["nobody"]}, "sticky: 'nobody' is an input of neither version"),
        ({"segment": "1 + 1"}, "segment is integer, and has to be true or false"),
        ({"segment": "nobody = 'x'"}, "nobody"),
    ],
)
def test_what_no_event_has_is_refused_before_anything_moves(
    tmp_path: Path, asked: dict[str, Any], why: str
) -> None:
    with rolling.pair(tmp_path, canary(**asked)) as pair:
        with pytest.raises(UsageError, match=why):
            deploy(pair.project)
        assert pair.status().state == "none"
        assert pair.entries() == []


def test_an_input_that_is_often_missing_is_a_bad_key(tmp_path: Path) -> None:
    bundles.write(tmp_path / "bundle", n=60)
    profile = open_bundle(tmp_path / "bundle").profile()
    column = profile.columns[0]
    lacking = msgspec.structs.replace(column, missing=column.count)  # as many as have it
    known = msgspec.structs.replace(profile, columns=(lacking,))
    config = RolloutConfig.model_validate({"sticky": [column.name]})
    (said,) = rollout_start._often_missing(config, known)
    assert said.startswith(f"warning: deploy.rollout.sticky: {column.name} is missing in 50%")
    full = msgspec.structs.replace(profile, columns=(msgspec.structs.replace(column, missing=0),))
    assert rollout_start._often_missing(config, full) == []


@pytest.mark.parametrize(("segment", "said"), [("temp > null", 1), ("temp > -100", 0)])
def test_a_segment_that_is_true_of_no_known_row_is_told(
    tmp_path: Path, segment: str, said: int
) -> None:
    bundles.write(tmp_path / "bundle", n=60)
    bundle = open_bundle(tmp_path / "bundle")
    tree = parse(segment, {i.name: i.type for i in bundle.manifest.inputs})
    lines = rollout_start._never_true(tree, bundle, bundle)
    assert len(lines) == said
    assert all("may meet no request" in line for line in lines)
