"""The image on a real engine: proved before it is named, the same layers each time, small."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import bundles
from engine import docker, image, inspected
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context
from mlops_cli.packaging.dependencies import dependencies_layer
from mlops_cli.packaging.image import image_of, release_tag
from mlops_cli.packaging.replay import replay_over_http
from mlops_cli.packaging.smoke_test import TRIAL
from mlops_cli.packaging.wheels import Environment
from mlops_cli.progress import QUIET

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]


def spoiled(bundle: Bundle, folder: Path) -> Bundle:
    """A copy whose seventh golden row asks for another probability than the model's."""
    shutil.copytree(bundle.path, folder)
    bundles.spoil(folder, 6)
    return open_bundle(folder)


def test_the_image_says_what_it_is_and_holds_no_more(bundle: Bundle) -> None:
    name = image(bundle).build(progress=QUIET)
    assert name == f"delays:{bundle.version}-{release_tag()}"
    found, base = inspected(name), inspected(f"python:{bundle.manifest.python}-slim")
    labels = found["Config"]["Labels"]
    assert labels["dev.mlops-cli.digest"] == bundle.digest
    assert labels["org.opencontainers.image.version"] == bundle.version
    assert int(found["Config"]["User"].partition(":")[0]) > 0
    assert found["Config"]["Healthcheck"]["Test"][0] == "CMD"
    assert "DO_NOT_TRACK=1" in found["Config"]["Env"]
    assert found["Size"] - base["Size"] < 100e6
    layers = found["RootFS"]["Layers"]
    assert layers[: len(base["RootFS"]["Layers"])] == base["RootFS"]["Layers"]
    assert len(layers) == len(base["RootFS"]["Layers"]) + 4
    assert labels["org.opencontainers.image.base.name"] == f"python:{bundle.manifest.python}-slim"
    inside = docker("run", "--rm", "--entrypoint", "cat", name, "/opt/mlops/sbom.cdx.json")
    below, *installed = json.loads(image(bundle).sbom(progress=QUIET))["components"]
    assert json.loads(inside)["components"] == installed
    assert below["version"] in (base["Id"], *(d.partition("@")[2] for d in base["RepoDigests"]))
    assert "pkg:pypi/xgboost-cpu@" in inside
    heavy = "('pandas', 'mlflow', 'scipy', 'dvc', 'sklearn', 'pyarrow', 'evidently')"
    code = f"import importlib.util as u; print([m for m in {heavy} if u.find_spec(m)])"
    assert docker("run", "--rm", "--entrypoint", "python3", name, "-c", code).strip() == "[]"


def test_the_same_inputs_are_the_same_layers(bundle: Bundle, tmp_path: Path) -> None:
    """Built by hand, too, as the Dockerfile says, and twice without any cache of the engine's."""
    environment = Environment(
        (bundle.path / "requirements.txt").read_text(), bundle.manifest.python, "amd64"
    )
    write_context(bundle, tmp_path / "image", Base("python:{python}-slim"))
    layer = dependencies_layer(environment, progress=QUIET)
    with tarfile.open(layer.file) as tar:
        tar.extractall(tmp_path / "image", filter="tar")
    build = ("build", "--quiet", "--no-cache", "--network", "none", str(tmp_path / "image"))
    found = []
    for _ in range(2):
        made = docker(*build).strip()
        found.append(inspected(made)["RootFS"]["Layers"])
        docker("image", "rm", "--force", made)
    assert found[0] == found[1]


def test_it_says_when_by_whom_and_on_what_and_the_same_on_two_days(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is the clock's: what differs is the engine's own note of the build."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1709164800")
    name = image(bundle).name
    found = []
    for _ in range(2):
        docker("image", "rm", "--force", name)
        assert image(bundle).build(progress=QUIET) == name
        found.append(inspected(name))
    one, other = found
    assert one["Created"] != other["Created"]
    assert one["RootFS"]["Layers"] == other["RootFS"]["Layers"]
    labels = one["Config"]["Labels"]
    assert labels == other["Config"]["Labels"]
    assert labels["org.opencontainers.image.created"] == "2024-02-29T00:00:00Z"
    base = inspected(f"python:{bundle.manifest.python}-slim")
    digests = [d.partition("@")[2] for d in base["RepoDigests"]]
    assert labels.get("org.opencontainers.image.base.digest") in (digests or [None])
    licences = labels["org.opencontainers.image.licenses"]
    assert {"Apache-2.0", "MIT"} <= set(licences.replace("(", "").replace(")", "").split())
    assert not re.search(r"[^A-Za-z0-9.() +-]", licences)


def test_another_model_is_another_last_layer_and_nothing_else(
    bundle: Bundle, tmp_path: Path
) -> None:
    bundles.write(tmp_path / "model", n=235)
    names = [image(b).build(progress=QUIET) for b in (bundle, open_bundle(tmp_path / "model"))]
    one, other = (inspected(name)["RootFS"]["Layers"] for name in names)
    assert one[:-1] == other[:-1]
    assert one[-1] != other[-1]


def test_what_stands_already_is_not_built_again(bundle: Bundle) -> None:
    name = image(bundle).build(progress=QUIET)
    created = inspected(name)["Created"]

    class Heard:
        def __init__(self) -> None:
            self.said: list[str] = []

        def update(self, message: str, *, done: float = 0, total: float | None = None) -> None:
            self.said.append(message)

        def log(self, message: str) -> None:
            self.said.append(message)

    heard = Heard()
    image(bundle).build(progress=heard)
    assert inspected(name)["Created"] == created
    assert not [x for x in heard.said if "sent" in x or "golden" in x]


KILLED = """
import os, signal, sys
from pathlib import Path
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.packaging.image import image_of

class Killed:
    def update(self, message, **_):
        if message == "golden rows replayed":
            os.kill(os.getpid(), signal.SIGKILL)
    def log(self, message):
        pass

bundle = open_bundle(Path(sys.argv[1]))
image_of(bundle, base="python:{python}-slim", root=bundle.path).build(progress=Killed())
"""


def on_trial(bundle: Bundle) -> str:
    mine = f"label=dev.mlops-cli.digest={bundle.digest}"
    return docker("ps", "-aq", "--filter", mine, "--filter", f"label={TRIAL}")


def test_what_a_killed_build_left_running_is_removed_by_the_next(
    bundle: Bundle, tmp_path: Path
) -> None:
    bundles.write(tmp_path / "model", n=237)  # nobody else's, for it loses its name
    killed = open_bundle(tmp_path / "model")
    subprocess.run(["docker", "image", "rm", image(killed).name], check=False, capture_output=True)
    done = subprocess.run([sys.executable, "-c", KILLED, killed.path], check=False)
    assert done.returncode == -signal.SIGKILL
    image(bundle).build(progress=QUIET)
    assert on_trial(killed) == ""


def test_what_is_on_trial_for_a_living_build_or_another_machine_stays(bundle: Bundle) -> None:
    name = image(bundle).build(progress=QUIET)
    gone = 1 << 22  # the kernel's numbers end below
    living = [f"{os.uname().nodename}-{os.getpid()}", f"elsewhere-{gone}"]
    killed = f"{os.uname().nodename}-{gone}"
    made = {
        docker("create", "--label", f"{TRIAL}={of}", name).strip(): of for of in [*living, killed]
    }
    try:
        image(bundle).build(progress=QUIET)
        found = docker("ps", "-aq", "--no-trunc", "--filter", f"label={TRIAL}").split()
        assert [of for container, of in made.items() if container in found] == living
    finally:
        for container in made:
            subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)


def test_an_image_that_does_not_reproduce_a_row_gets_no_name(
    bundle: Bundle, tmp_path: Path
) -> None:
    wrong = spoiled(bundle, tmp_path / "model")
    with pytest.raises(EnvironmentFault, match=r"row 7 of .*golden\.jsonl.*probability"):
        image(wrong).build(progress=QUIET)
    label = f"label=dev.mlops-cli.digest={wrong.digest}"
    assert docker("image", "ls", "--quiet", "--filter", label) == ""
    assert docker("ps", "--all", "--quiet", "--filter", label) == ""


def test_golden_rows_over_http_name_row_and_field(bundle: Bundle, tmp_path: Path) -> None:
    """A server whose own replay was passed: the comparison from outside finds it, too."""
    name = image(bundle).build(progress=QUIET)
    container = docker("run", "--detach", "--publish", "127.0.0.1::8000", name).strip()
    try:
        port = int(docker("port", container, "8000/tcp").split(":")[1].split()[0])
        wait = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz')"
        for _ in range(100):
            if not subprocess.run(
                ["docker", "exec", container, "python3", "-c", wait], capture_output=True
            ).returncode:
                break
        assert replay_over_http(bundle, "127.0.0.1", port) == 230
        wrong = spoiled(bundle, tmp_path / "model")
        same = Bundle(wrong.path, wrong.manifest, bundle.digest)
        with pytest.raises(EnvironmentFault, match=r"row 7 .*probability: wanted 0\.123456, got"):
            replay_over_http(same, "127.0.0.1", port)
    finally:
        docker("rm", "--force", container)


def test_a_base_that_cannot_be_had_is_named(bundle: Bundle) -> None:
    absent = image_of(bundle, base="127.0.0.1:9/absent:1", root=bundle.path)
    with pytest.raises(EnvironmentFault, match=r"base image 127\.0\.0\.1:9/absent:1") as refused:
        absent.build(progress=QUIET)
    assert "package.base" in (refused.value.hint or "")
