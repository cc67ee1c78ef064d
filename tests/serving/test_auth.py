"""Keys: who is let in, for what, and for how long."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.app import App
from mlops_cli.serving.auth import Key, Keys, KeyScope, digest_of_key, format_keys, parse_keys
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.roster import Entry, Roster
from mlops_cli.serving.settings import Settings
from running import Client

NOW = datetime.now(UTC)
WEB, OPS = "w" * 43, "o" * 43


def _key(name: str, key: str, *scopes: KeyScope, expires: datetime | None = None) -> Key:
    return Key(name, digest_of_key(key.encode()), scopes, NOW, expires)


def _bearer(key: str, kind: str = "Bearer") -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", f"{kind} {key}".encode())]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with two keys."""
    path = tmp_path / "keys"
    path.write_bytes(
        format_keys([_key("ops", OPS, "admin", "metrics"), _key("web", WEB, "predict")])
    )
    return path


def _status(keys: Keys, headers: list[tuple[bytes, bytes]], scope: KeyScope) -> int:
    with pytest.raises(RequestError) as refused:
        keys.check(headers, scope)
    return refused.value.status


def test_a_key_is_good_for_its_scopes_alone(file: Path) -> None:
    keys = Keys(file)
    assert keys.check(_bearer(WEB), "predict") == "web"
    assert keys.check(_bearer(WEB, "bearer"), "predict") == "web"
    assert keys.check(_bearer(OPS), "admin") == "ops"
    assert _status(keys, _bearer(WEB), "admin") == 403
    assert _status(keys, _bearer(OPS), "predict") == 403


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        _bearer("w" * 42),
        _bearer(WEB + "w"),
        _bearer(WEB, "Basic"),
        _bearer(digest_of_key(WEB.encode())),
        [(b"x-authorization", f"Bearer {WEB}".encode())],
    ],
)
def test_without_a_known_key_nobody_is_let_in(
    file: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(RequestError) as refused:
        Keys(file).check(headers, "predict")
    assert refused.value.status == 401
    assert (b"www-authenticate", b"Bearer") in refused.value.headers
    assert WEB not in refused.value.message


def test_a_key_ends_with_its_time(file: Path) -> None:
    late, soon = NOW - timedelta(seconds=1), NOW + timedelta(hours=1)
    file.write_bytes(
        format_keys(
            [_key("late", WEB, "predict", expires=late), _key("soon", OPS, "predict", expires=soon)]
        )
    )
    keys = Keys(file)
    assert _status(keys, _bearer(WEB), "predict") == 401
    assert keys.check(_bearer(OPS), "predict") == "soon"


def test_a_change_of_the_file_or_of_the_folder_is_seen(tmp_path: Path, file: Path) -> None:
    """Kubernetes mounts a link to a folder and moves it to another one."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, known in ((first, [_key("web", WEB, "predict")]), (second, [])):
        folder.mkdir()
        (folder / "keys").write_bytes(format_keys(known))
    link = tmp_path / "data"
    link.symlink_to(first)
    keys = Keys(link / "keys")
    assert keys.check(_bearer(WEB), "predict") == "web"
    new = tmp_path / "new"
    new.symlink_to(second)
    new.rename(link)
    keys.look()
    assert _status(keys, _bearer(WEB), "predict") == 401
    (second / "keys").unlink()
    file.rename(second / "keys")
    keys.look()
    assert keys.check(_bearer(OPS), "admin") == "ops"


def test_without_a_file_nobody_is_let_in_and_one_that_comes_later_counts(
    tmp_path: Path, file: Path
) -> None:
    keys = Keys(tmp_path / "later/keys")
    assert _status(keys, _bearer(WEB), "predict") == 401
    (tmp_path / "later").mkdir()
    file.rename(tmp_path / "later/keys")
    keys.look()
    assert keys.check(_bearer(WEB), "predict") == "web"
    (tmp_path / "later/keys").unlink()
    keys.look()  # it may be on its way to be replaced
    assert keys.check(_bearer(WEB), "predict") == "web"
    keys.look()
    assert _status(keys, _bearer(WEB), "predict") == 401


def test_a_file_that_cannot_be_read_leaves_in_force_what_was_read(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(file)
    file.write_bytes(b'{"name": "web"}\n')
    with caplog.at_level(logging.ERROR):
        keys.look()
    assert "line 1 is not a key" in caplog.text
    assert keys.check(_bearer(WEB), "predict") == "web"


def test_what_is_written_is_read_and_holds_no_key(file: Path) -> None:
    content = file.read_bytes()
    assert format_keys(parse_keys(content)) == content
    assert WEB.encode() not in content


@pytest.fixture
def guarded(binary: bundles.Sample, file: Path) -> Client:
    """An application that asks for keys, also for its metrics."""
    bundle = open_bundle(binary.path)
    settings = Settings(keys=str(file), metrics="protected")
    return Client(App(bundle, open_predictor(bundle), settings=settings))


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("POST", "/v1/predict", None, 401),
        ("POST", "/v1/predict", OPS, 403),
        ("POST", "/v1/predict", WEB, 200),
        ("POST", "/v1/models/delays/predict", None, 401),
        ("GET", "/healthz", None, 200),
        ("GET", "/readyz", None, 200),
        ("GET", "/metrics", None, 401),
        ("GET", "/metrics", WEB, 403),
        ("GET", "/metrics", OPS, 200),
        ("GET", "/openapi.json", None, 401),
        ("GET", "/openapi.json", WEB, 200),
    ],
)
def test_what_a_server_with_keys_answers(
    guarded: Client, binary: bundles.Sample, method: str, path: str, key: str | None, status: int
) -> None:
    body = msgspec.json.encode(binary.events[0]) if method == "POST" else b""
    headers = _bearer(key) if key else []
    found, answered, content = asyncio.run(guarded.ask(method, path, body, headers))
    assert found == status
    assert answered[b"x-request-id"]
    if status >= 400:
        assert msgspec.json.decode(content)["error"]["message"]
    assert (b"www-authenticate" in answered) is (status == 401)


def test_the_control_secret_is_good_for_versions_and_counters_and_no_more(
    binary: bundles.Sample, tmp_path: Path
) -> None:
    bundle = open_bundle(binary.path)
    predictor = open_predictor(bundle)
    secret, body = tmp_path / "secret", msgspec.json.encode(binary.events[1])
    secret.write_text("s" * 43 + "\n")

    def statuses(keys: str | None, given: str | None) -> list[int]:
        settings = Settings(keys=keys, control=str(secret), metrics="protected")
        app = App(bundle, predictor, None, settings, Roster(Entry(str(bundle.path), bundle.digest)))
        head = [(b"authorization", f"Bearer {given}".encode())] if given else []
        asked = (
            ("POST", "/v1/predict", body),
            ("GET", "/v1/models", b""),
            ("GET", "/metrics", b""),
            ("POST", "/v1/admin/models", b"{}"),
        )
        client = Client(app)
        return [asyncio.run(client.ask(m, p, b, head))[0] for m, p, b in asked]

    none = str(tmp_path / "keys")  # no file: nobody is let in by a key
    assert statuses(none, "s" * 43) == [401, 200, 200, 422]
    assert statuses(none, "x" * 43) == [401, 401, 401, 401]
    assert statuses(None, "s" * 43) == [200, 200, 200, 422]
    assert statuses(None, None) == [200, 200, 200, 404]
    secret.write_text("")
    assert statuses(None, "") == [200, 200, 200, 404]
