"""Signing with the project's own command, and what becomes of the signature."""

from __future__ import annotations

import base64
import json
import stat
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from packaging.requirements import Requirement

import signers
from mlops_cli.bundle.reader import Bundle
from mlops_cli.bundle.requirements import canonical_name
from mlops_cli.errors import UsageError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context
from mlops_cli.packaging.extras import extra_requirements
from mlops_cli.packaging.image import image_of, release_tag
from mlops_cli.packaging.signing import (
    OPENED_BY,
    bring_signature,
    open_key,
    sign_bundle,
    sign_image,
    signature,
)
from mlops_cli.serving.trust import open_trusted, signature_of

KEY = signers.new()
BASE = "python:{python}-slim"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    (tmp_path / "key.pem").write_bytes(signers.private(KEY))
    return tmp_path / "key.pem"


def test_what_is_signed_here_is_trusted_there(bundle: Bundle, key: Path, tmp_path: Path) -> None:
    file = sign_bundle(tmp_path, bundle, open_key(key))
    assert str(file) == f"signatures/{bundle.version}.json"
    try:
        bring_signature(tmp_path, bundle)
        assert open_trusted(bundle.path, signers.public(KEY)).digest == bundle.digest
    finally:
        signature_of(bundle.path).unlink()
    before = (tmp_path / file).read_bytes()
    sign_bundle(tmp_path, bundle, open_key(key))
    assert (tmp_path / file).read_bytes() == before


def test_a_key_that_cannot_be_used_is_told_without_its_content(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    locked = tmp_path / "locked.pem"
    locked.write_bytes(KEY.key.private_bytes(*how))
    monkeypatch.delenv(OPENED_BY, raising=False)
    with pytest.raises(UsageError, match="is encrypted") as refused:
        open_key(locked)
    assert OPENED_BY in (refused.value.hint or "")
    monkeypatch.setenv(OPENED_BY, "wrong")
    with pytest.raises(UsageError, match="does not open by that password"):
        open_key(locked)
    monkeypatch.setenv(OPENED_BY, "open sesame")
    assert open_key(locked).public == KEY.public
    with pytest.raises(UsageError, match="No such file"):
        open_key(tmp_path / "none.pem")


def test_an_image_has_the_signature_beside_the_bundle_and_in_its_tag(
    bundle: Bundle, key: Path, tmp_path: Path
) -> None:
    plain = image_of(bundle, base=BASE, root=tmp_path).name
    assert plain == f"delays:{bundle.version}-{release_tag()}"
    sign_bundle(tmp_path, bundle, open_key(key))
    signed = image_of(bundle, base=BASE, root=tmp_path)
    assert signed.name.startswith(f"{plain}-")
    write_context(bundle, tmp_path / "image", Base(BASE, signature=signature(tmp_path, bundle)))
    inside = tmp_path / "image/model/opt/mlops/model.signature.json"
    assert inside.read_bytes() == (tmp_path / f"signatures/{bundle.version}.json").read_bytes()
    assert stat.S_IMODE(inside.stat().st_mode) == 0o644
    secret = signers.private(KEY).splitlines()[1]
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p != key]
    assert not [p for p in written if secret in p.read_bytes()]


def test_the_signature_of_an_image_names_its_digests(
    bundle: Bundle, key: Path, tmp_path: Path
) -> None:
    digests = {"delays:1": "sha256:" + "ab" * 32, "registry:5000/delays:1": "sha256:" + "cd" * 32}
    file = sign_image(tmp_path, f"{bundle.version}.image", digests, open_key(key))
    statement = json.loads(base64.b64decode(json.loads((tmp_path / file).read_bytes())["payload"]))
    found = {s["name"]: "sha256:" + s["digest"]["sha256"] for s in statement["subject"]}
    assert found == digests


def test_what_a_server_is_asked_for_is_in_the_image_and_in_its_tag(
    bundle: Bundle, tmp_path: Path
) -> None:
    assert extra_requirements({"MLOPS_SERVE_LOG__DIR": "/log"}) == ""
    asked = {
        "MLOPS_SERVE_LOG__TO": "s3://bucket",
        "MLOPS_SERVE_GRPC__PORT": "8001",
        "MLOPS_SERVE_TRUST": "keys",
        "MLOPS_SERVE_CACHE": "redis://cache/0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "set",
    }
    assert extra_requirements({"MLOPS_SERVE_CACHE": "memory:10"}) == ""
    names = [line.partition("==")[0] for line in extra_requirements(asked).splitlines()]
    wanted = {"obstore", "grpcio", "protobuf", "cryptography", "cffi", "redis", "opentelemetry-sdk"}
    assert wanted <= set(names)
    tags = set()
    for serve in ({}, *({k: v} for k, v in asked.items()), asked):
        image = image_of(bundle, base=BASE, root=tmp_path, serve=serve)
        tags.add(image.name)
        text = _dockerfile(bundle, tmp_path, extra_requirements(serve))
        assert ("COPY extras/ /" in text) == ("/opt/mlops/extras" in text) == bool(serve)
    assert len(tags) == 7


def _dockerfile(bundle: Bundle, folder: Path, extras: str) -> str:
    write_context(bundle, folder / "context", Base(BASE, extras=extras))
    return (folder / "context/Dockerfile").read_text()


@pytest.mark.parametrize("python", ["3.11.0", "3.11.14", "3.14.0"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MLOPS_SERVE_LOG__TO", "s3://bucket"),
        ("MLOPS_SERVE_GRPC__PORT", "8001"),
        ("MLOPS_SERVE_TRUST", "keys"),
        ("MLOPS_SERVE_CACHE", "redis://cache/0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "set"),
    ],
)
def test_the_versions_of_the_extras_go_together(variable: str, value: str, python: str) -> None:
    """What each of them needs on an image's Python is pinned, too, at a version that it takes."""
    lines = extra_requirements({variable: value}).splitlines()
    pinned = dict(line.split("==") for line in lines)
    there = {"extra": "", "python_full_version": python, "python_version": python[:4]}
    for name in pinned:
        with suppress(PackageNotFoundError):
            for text in requires(name) or ():
                need = Requirement(text)
                if need.marker is None or need.marker.evaluate(there):
                    assert need.specifier.contains(pinned[canonical_name(need.name)]), text
