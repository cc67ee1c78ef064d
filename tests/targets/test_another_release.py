"""The same bundle by another release of the tool, on a cluster: its pods are replaced."""

from __future__ import annotations

import pytest

from clusters import Load, small
from mlops_cli.packaging import image as packaged
from mlops_cli.progress import QUIET
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.kubernetes.target import KubernetesTarget

# That its plan names the image, and that a change of pods loses nothing, is tested in any run.
pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]


def test_another_release_of_the_tool_rolls_the_pods_and_loses_no_request(
    namespace: str, first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = KubernetesTarget("conformance-delays", small(namespace, 1))
    url = target.deploy(whole(first), progress=QUIET).url
    assert target.plan(whole(first)) == []
    monkeypatch.setattr(packaged, "version", lambda _: "99.0")
    (change,) = target.plan(whole(first))
    assert change.kind == "Deployment"
    assert f'image: "conformance:{first.version}-99.0"' in change.detail
    with Load(url) as load:
        target.deploy(whole(first), progress=QUIET)
    assert set(load.answers) == {first.version}
    assert target.plan(whole(first)) == []
