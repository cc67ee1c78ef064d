"""Nothing secret anywhere: planted where users have secrets, searched for in all that is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import planted
import projects
from machine import TABLE, Machine
from servers import ImageRegistry, MlflowServer, PackageIndex, free_port


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folders = [tmp_path / name for name in ("work", "home", "tmp")]
    for folder in folders:
        folder.mkdir()
    return Machine(*folders, planted.plant_files(folders[1]))


def configure(machine: Machine, **sections: object) -> None:
    yaml = YAML()
    config = yaml.load(machine.project / "mlops.yaml")
    config.update(sections)
    yaml.dump(config, machine.project / "mlops.yaml")


def started(machine: Machine) -> None:
    """A project of the machine that names secrets as a configuration may."""
    projects.copy(projects.started("parcels"), machine.project)
    configure(
        machine,
        tune={"trials": 2, "rounds": 10},
        deploy={"port": free_port(), "kubernetes": {"context": "${PLANTED_CONTEXT}"}},
        tracking={"uri": "${PLANTED_TRACKING_URI}"},
    )
    remote = f"https://me:{planted.REMOTE}@dvc.example.com/store"
    machine.run([sys.executable, "-m", "dvc", "remote", "add", "--local", "-d", "far", remote])
    machine.planted.add(machine.project / ".dvc/config.local")
    origin = f"https://me:{planted.REGISTRY}@git.example.com/team/parcels.git"
    machine.run(["git", "remote", "add", "origin", origin])
    machine.planted.add(machine.project / ".git/config")


def failing(machine: Machine) -> None:
    """Commands that fail with a URL, a variable or a login in their hands."""
    away = f"http://me:{planted.AWAY}@127.0.0.1:9"
    env = {"MLFLOW_TRACKING_URI": away, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    machine.mlops("register", code=8, **env)
    machine.mlops("status", "--json", code=8, **env)
    machine.mlops("doctor", "--json", code=8, **env)
    database = f"postgresql+nosuchdriver://me:{planted.AWAY}@127.0.0.1/x"
    machine.mlops("status", code=8, MLFLOW_TRACKING_URI=database)
    machine.mlops("config", code=2, PLANTED_CONTEXT="", MLOPS_PROJECT=away)
    machine.mlops("score", TABLE, f"{away}/out.csv", code=2)
    machine.mlops("drift", "--current", f"s3://{planted.AWAY}@bucket/x.csv", "--json", code=2)
    configure(machine, deploy={"port": "${GITHUB_TOKEN}"})
    machine.mlops("config", "--json", code=2)
    machine.mlops("run", code=2)


def watched_loop(machine: Machine) -> None:
    """The whole loop, and what a user asks on the way."""
    machine.mlops("run", "--json")
    machine.mlops("config")
    shown = json.loads(machine.mlops("config", "--json"))["result"]["values"]
    assert {v["key"]: v["value"] for v in shown}[
        "tracking.uri"
    ] == "sqlite:///mlflow.db?password=***"
    machine.mlops("doctor", "--json")
    deployed = json.loads(machine.mlops("deploy", "--json"))["result"]
    try:
        environments = planted.leaks_in_environments(machine.project)
        assert environments, "no process of the deployment was seen"
        assert not any(environments.values()), environments
        machine.mlops("status", "--json")
        machine.mlops("logs", "--json")
        machine.mlops("score", TABLE, "scored.csv")
        machine.mlops("drift", "--current", TABLE, "--json")
        machine.mlops("deploy", "--plan", "--json")
        machine.mlops("status")
        machine.run(
            ["curl", "-sS", f"{deployed['url']}/metrics", f"{deployed['url']}/openapi.json"]
        )
    finally:
        machine.mlops("deploy", "--stop")
    machine.run(["git", "add", "--all"])
    machine.run(["git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "all"])


@pytest.mark.slow
def test_a_whole_run_leaves_no_secret_anywhere(machine: Machine) -> None:
    data = projects.parcels(machine.folder / "parcels.csv")
    asked = ("--data", data.name, "--target", "late = hours > 40", "--time", "sent")
    machine.mlops("init", "another", *asked, cwd=machine.folder)
    started(machine)
    with planted.Watcher(machine.folder.parent) as watcher:
        watched_loop(machine)
    assert watcher.looks > 50
    assert watcher.leaks == {}
    failing(machine)
    assert machine.leaks() == {}


@pytest.mark.slow
def test_a_registry_with_a_login_keeps_no_secret(machine: Machine) -> None:
    started(machine)
    there = {"context": "${PLANTED_CONTEXT}", "image": "registry.example.com/parcels:1"}
    configure(machine, tracking={"uri": "${PLANTED_SERVER}"}, deploy={"kubernetes": there})
    (machine.folder / "server").mkdir()
    store = ("--backend-store-uri", "sqlite:///runs.db", "--artifacts-destination", "./files")
    server = MlflowServer(machine.folder / "server", *store)
    try:
        login = server.wait().url.replace("//", f"//me:{planted.AWAY}@")
        for command in (("run",), ("status", "--json"), ("report",), ("score", TABLE, "out.csv")):
            machine.mlops(*command, PLANTED_SERVER=login)
        for target in ("docker", "kubernetes", "local"):
            asked = ("deploy", "--target", target, "--render", f"rendered-{target}")
            machine.mlops(*asked, PLANTED_SERVER=login)
    finally:
        server.stop()
    assert len(list((machine.folder / "server/files").rglob("manifest.json"))) == 1
    assert machine.leaks() == {}


def test_what_fails_with_a_url_in_its_hands_says_no_secret(machine: Machine) -> None:
    started(machine)
    machine.mlops("config", "--json")
    away = f"http://me:{planted.AWAY}@127.0.0.1:9"
    machine.mlops("status", "--json", code=8, MLFLOW_TRACKING_URI=away)
    configure(machine, deploy={"port": "${GITHUB_TOKEN}"})
    machine.mlops("run", code=2)
    assert machine.leaks() == {}


@pytest.fixture
def image(machine: Machine, docker_engine: str) -> Iterator[str]:
    started(machine)
    machine.mlops("run")
    asked = ("package", "--build", "--json")
    index = {name: os.environ.get(name, "") for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")}
    built = json.loads(machine.mlops(*asked, **index))["result"]["image"]
    yield built
    subprocess.run(["docker", "image", "rm", "--force", built], capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.docker
def test_an_image_holds_no_secret(machine: Machine, image: str) -> None:
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    assert len(saved) > 10_000_000
    assert planted.leaks_in_image(saved) == set()
    assert machine.leaks() == {}
    through_a_private_index(machine)
    if shutil.which("docker-registry"):
        pushed_with_a_login(machine)
    assert machine.leaks() == {}


def through_a_private_index(machine: Machine) -> None:
    """The wheels once more, from an index whose URL has a password: a wrong one, then the right."""
    asked = (machine.project / "model/requirements.txt").read_text()
    known = Path(os.environ["XDG_CACHE_HOME"]).glob("mlops-cli/images/*/wheels")
    fetched = next(w for w in known if (w / "requirements.txt").read_text() == asked)
    cache = str(machine.home / ".cache")
    with PackageIndex(fetched, f"pip:{planted.INDEX}") as index:
        for password, code in ((planted.AWAY, 8), (planted.INDEX, 0)):
            url = f"http://pip:{password}@{index.host}/simple"
            there = {"PIP_INDEX_URL": url, "PIP_EXTRA_INDEX_URL": "", "XDG_CACHE_HOME": cache}
            machine.mlops("package", "--build", "--json", code=code, **there)
        index.shutdown()
        assert index.fetched == len(index.wheels) > 3


def pushed_with_a_login(machine: Machine) -> None:
    (machine.folder.parent / "registry").mkdir()
    server = ImageRegistry(machine.folder.parent / "registry", f"me:{planted.REGISTRY_BCRYPT}")
    logins = machine.home / ".docker/config.json"
    try:
        known = json.loads(logins.read_text())
        known["auths"][server.wait().name] = known["auths"]["registry.example.com"]
        logins.write_text(json.dumps(known))
        configure(machine, deploy={"registry": f"{server.name}/team"})
        said = machine.mlops("package", "--push", "--json")
        pushed = json.loads(said)["result"]["pushed"]
        assert pushed.startswith(f"{server.name}/team/parcels:")
        subprocess.run(["docker", "image", "rm", pushed], capture_output=True, check=True)
    finally:
        server.stop()


@pytest.mark.parametrize("secret", planted.SECRETS)
def test_the_search_finds_a_secret_in_every_form(secret: str, tmp_path: Path) -> None:
    import base64
    import gzip
    import zipfile
    from urllib.parse import quote

    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "text").write_text(f"x {secret}")
    (tmp_path / "url").write_text(f"https://me:{quote(secret, safe='')}@host")
    (tmp_path / "header").write_bytes(base64.b64encode(f"me:{secret} and more".encode()))
    (tmp_path / "json").write_text(json.dumps({"a": secret}))
    (tmp_path / "packed").write_bytes(gzip.compress(secret.encode()))
    pq.write_table(pa.table({"a": [secret] * 9}), tmp_path / "table", compression="zstd")
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", secret)
    found = planted.leaks([tmp_path], set())
    assert {Path(name).name for name in found} == {p.name for p in tmp_path.iterdir()}
    assert all(secret in secrets for secrets in found.values())
