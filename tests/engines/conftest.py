"""One project with a model for all engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine_worlds import world
from fitted import fit
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.validate import validate


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose features are made, with a model; not to be changed."""
    project = world(tmp_path_factory.mktemp("engines"))
    validate(project)
    featurize(project)
    fit(project.root)
    return project.root
