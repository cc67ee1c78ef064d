"""`train.refit: all`: what is served was fitted on every row, what is judged was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from learning import make, reconfigure
from mlops_cli.actions.register import register
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context
from mlops_cli.stages.register import register as register_stage
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.tracking import open_tracker
from mlops_cli.training.data import read_events
from mlops_cli.training.fitted_rows import unseen_by


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory):
    """A project that was trained without, and then with; and both results."""
    project = make(tmp_path_factory.mktemp("refit") / "p", n=400)
    tune(project)
    plain = train(project)
    again = reconfigure(project, train={"refit": "all"})
    return again, plain, train(again)


def test_the_twin_is_the_model_that_would_be_served_without(twice):
    project, plain, refit = twice
    bundle = open_bundle(project.root / "model")
    assert refit.digest == bundle.digest != plain.digest
    assert bundle.twin().digest == plain.digest == bundle.judged_digest
    assert (refit.holdout, refit.judged) == (plain.holdout, plain.version)
    assert (plain.rows, refit.rows) == (320, 400)


def test_metrics_say_whose_they_are(twice):
    project, plain, refit = twice
    report = json.loads((project.root / "reports/evaluation.json").read_text())
    assert (report["version"], report["served"]) == (plain.digest, refit.digest)


def test_the_same_again_is_the_same_bytes(twice):
    project, _, refit = twice
    assert train(project).digest == refit.digest


def test_nothing_of_the_hold_out_is_new_to_it_and_all_to_its_twin(twice):
    project, _, _ = twice
    bundle = open_bundle(project.root / "model")
    rows = read_events(project.root, project.config)
    assert not len(unseen_by(bundle, rows, project.config))
    assert len(unseen_by(bundle.twin(), rows, project.config)) == len(rows.split.holdout)


def test_the_twin_is_no_part_of_an_image_and_missed_where_it_is_asked_for(twice, tmp_path: Path):
    project, _, _ = twice
    write_context(open_bundle(project.root / "model"), tmp_path / "image", Base("python:{python}"))
    (copy,) = (tmp_path / "image").rglob("manifest.json")
    served = open_bundle(copy.parent)
    assert not (copy.parent / "judged").exists()
    with pytest.raises(BundleError, match="is not a bundle"):
        served.twin()


def test_champion_and_candidate_are_compared_by_their_twins(twice):
    project, _, refit = twice
    register(project, first=True)
    kept = open_bundle(open_tracker(project).fetch(refit.digest))
    assert kept.twin().digest == kept.judged_digest  # the version has it, too
    later = reconfigure(project, train={"refit": "all", "seed": 1})
    tune(later)
    candidate = train(later)
    gates = {g.gate: g for g in register_stage(later, experiment=True).gates}
    (opponent,) = gates["champion: not_worse"].compared
    assert opponent.digest == refit.digest
    assert opponent.rows == 80  # each row of the hold-out, of which the served ones know all
    assert opponent.value == pytest.approx(candidate.holdout["roc_auc"])
    assert opponent.bound == pytest.approx(refit.holdout["roc_auc"])
