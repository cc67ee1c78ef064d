"""The bundle whose image the tests of an engine build."""

from __future__ import annotations

import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("imaged") / "model"
    bundles.write(folder, n=230)
    return open_bundle(folder)
