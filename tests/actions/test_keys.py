"""`mlops keys`: what it writes, prints, records and refuses; a running server obeys."""

from __future__ import annotations

import stat
from http.client import HTTPConnection
from pathlib import Path

import pytest

import projects
from command_line import Mlops
from mlops_cli._poll import wait_until
from mlops_cli.audit.log import read_log
from mlops_cli.secret_forms import find_secret
from servers import free_port


@pytest.fixture
def guarded(tmp_path: Path) -> Path:
    """A project that has been run, and whose server asks for keys."""
    root = projects.copy(projects.finished("parcels"), tmp_path / "p")
    with (root / "mlops.yaml").open("a") as file:
        file.write("\nserve: {keys: secrets/keys}\n")
    return root


def test_a_key_is_printed_once_and_stands_in_no_file(guarded: Path, mlops: Mlops) -> None:
    added = mlops(
        guarded, "keys", "add", "web", "--scope", "predict,explain", "--expires", "90d", "--json",
        code=0,
    ).result  # fmt: skip
    key = added["key"]
    assert len(key) >= 43
    assert find_secret(f"key: {key}") == (1, "an API key of a server")
    (listed,) = mlops(guarded, "keys", "list", "--json", code=0).result["keys"]
    assert listed == added["keys"][0]
    assert listed["scopes"] == ["predict", "explain"]
    assert listed["expired"] is False
    file = guarded / "secrets/keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (guarded / "secrets/.gitignore").read_text() == "*\n"
    for path in guarded.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path
    done = mlops(guarded, "keys", "add", "other", code=0)
    assert done.out.splitlines()[1].startswith("mlops_")
    left = mlops(guarded, "keys", "revoke", "web", code=0).out
    assert left == mlops(guarded, "keys", "list", code=0).out
    assert left.split() == ["other", "predict", "without", "end"]
    found = [e.subject for e in read_log(guarded).entries.values() if e.action == "keys"]
    assert found == [
        {"target": "local", "key": "web", "change": "added", "scopes": "predict,explain"},
        {"target": "local", "key": "other", "change": "added", "scopes": "predict"},
        {"target": "local", "key": "web", "change": "revoked"},
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add"], "has no name"),
        (["add", "../x"], "is not a name"),
        (["add", "web", "--scope", "predict,fly"], "'fly' is no scope"),
        (["add", "web", "--scope", ""], "is no scope"),
        (["add", "web", "--expires", "soon"], "--expires"),
        (["revoke", "nobody"], "there is no key nobody"),
        (["add", "taken"], "there is a key taken already"),
    ],
)
def test_what_is_refused_changes_nothing(
    guarded: Path, mlops: Mlops, arguments: list[str], says: str
) -> None:
    mlops(guarded, "keys", "add", "taken", code=0)
    before = (guarded / "secrets/keys").read_bytes()
    done = mlops(guarded, "keys", *arguments, code=2)
    assert says in done.err
    assert (guarded / "secrets/keys").read_bytes() == before


def test_a_file_by_hand_that_is_none_is_named_by_its_line(guarded: Path, mlops: Mlops) -> None:
    mlops(guarded, "keys", "add", "web", code=0)
    with (guarded / "secrets/keys").open("a") as file:
        file.write("mlops_key\n")
    done = mlops(guarded, "keys", "add", "other", code=2)
    assert "line 2 is not a key" in done.err
    assert "mlops_key" not in done.err


def test_without_a_file_in_the_configuration_it_names_the_line(
    tmp_path: Path, mlops: Mlops
) -> None:
    root = projects.copy(projects.finished("parcels"), tmp_path / "p")
    done = mlops(root, "keys", "add", "web", code=2)
    assert "serve: {keys: secrets/keys}" in done.err


def test_a_running_server_takes_a_key_and_forgets_it_without_a_restart(
    guarded: Path, mlops: Mlops
) -> None:
    port = free_port()
    event = (guarded / "examples/request.json").read_bytes()

    def status(key: str) -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/predict", event, {"authorization": f"Bearer {key}"})
        found = connection.getresponse().status
        connection.close()
        return found

    told = mlops(guarded, "deploy", "--port", port, code=0)
    try:
        assert "no keys on local" in told.err
        assert status("none") == 401
        key = mlops(guarded, "keys", "add", "web", "--json", code=0).result["key"]
        assert wait_until(lambda: status(key) == 200, seconds=20, step=0.1)
        mlops(guarded, "keys", "revoke", "web", code=0)
        assert wait_until(lambda: status(key) == 401, seconds=20, step=0.1)
    finally:
        mlops(guarded, "deploy", "--stop", code=0)
    log = (guarded / ".mlops/local/server.log").read_text()
    assert "1 keys in" in log
    assert key not in log


def test_a_port_that_others_reach_is_told(guarded: Path, mlops: Mlops) -> None:
    assert "this machine alone" in mlops(guarded, "doctor", "--json").out
    text = (guarded / "mlops.yaml").read_text().replace("serve: {keys: secrets/keys}", "")
    text = text.replace("deploy: {}", "deploy: {host: 0.0.0.0}")
    (guarded / "mlops.yaml").write_text(text)
    said = mlops(guarded, "doctor", "--json").out
    assert "open to others on 0.0.0.0 without keys (serve.keys) and without TLS" in said
