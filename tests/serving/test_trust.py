"""A server that was told keys loads what one of them signed, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest

import bundles
import signers
from mlops_cli.bundle import signature
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError, UsageError
from mlops_cli.serving.auth import Key, digest_of_key, format_keys
from mlops_cli.serving.following import load_served
from mlops_cli.serving.roster import Entry
from mlops_cli.serving.trust import open_trusted, signature_of
from running import serving
from servers import free_port

KEY = "k" * 43
OURS = signers.new()
TRUST = signers.public(OURS)


@pytest.fixture
def folder(tmp_path: Path, binary: bundles.Sample) -> Path:
    """A bundle that is signed."""
    shutil.copytree(binary.path, tmp_path / "models/first")
    signers.sign(tmp_path / "models/first", OURS)
    return tmp_path / "models/first"


def test_a_signed_bundle_is_opened_by_the_file_of_keys_or_by_the_keys(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "trust.pem").write_text(signers.public(signers.new(), OURS))
    digest = open_bundle(folder).digest
    for trust in (str(tmp_path / "trust.pem"), TRUST, None):
        assert open_trusted(folder, trust).digest == digest


def test_a_bundle_in_a_version_of_mlflow_has_its_signature_beside_it(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "version/bundle")
    with pytest.raises(BundleError, match="bears no signature"):
        open_trusted(tmp_path / "version", TRUST)
    shutil.copy(signature_of(folder), tmp_path / "version/bundle.signature.json")
    assert open_trusted(tmp_path / "version", TRUST).path == tmp_path / "version/bundle"


def test_what_is_not_signed_so_is_refused_with_the_reason(
    folder: Path, tmp_path: Path, binary: bundles.Sample
) -> None:
    file = signature_of(folder)
    sound = file.read_bytes()
    other = bundles.write(tmp_path / "models/other", n=180).path
    signers.sign(other, OURS)

    def refused(says: str, trust: str = TRUST, path: Path = folder) -> None:
        with pytest.raises(BundleError, match=says) as raised:
            open_trusted(path, trust)
        assert "mlops package --sign" in (raised.value.hint or "")

    refused("none of the 1 trusted keys", signers.public(signers.new()))
    shutil.copy(signature_of(other), file)  # swapped; or stale, of the model before
    refused(f"is of the bundle {open_bundle(other).version}, and .* holds .*")
    file.write_bytes(sound.replace(b"payload", b"payl0ad", 1))
    refused("no DSSE envelope")
    file.unlink()
    refused("bears no signature")
    file.mkdir()
    refused("first.signature.json is not a file")
    file.rmdir()
    os.mkfifo(file)
    refused("first.signature.json is not a file")
    file.unlink()
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    refused("no DSSE envelope: it has more than")
    file.write_bytes(sound)
    resigned = folder / "manifest.json"  # of another project: whole in itself, and not signed
    resigned.write_bytes(resigned.read_bytes().replace(b'"delays"', b'"delayz"'))
    assert open_bundle(folder).manifest.project == "delayz"
    refused("is of the bundle")


def test_keys_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    load = signature.load_public_keys
    monkeypatch.setattr(signature, "load_public_keys", lambda pem: found.append(pem) or load(pem))
    open_trusted(folder, TRUST)
    assert found == [TRUST.encode()]


def test_a_changed_file_is_named_as_without_a_signature(folder: Path) -> None:
    with (folder / "model.ubj").open("ab") as model:
        model.write(b"more")
    with pytest.raises(BundleError, match=r"model\.ubj is not the file that manifest\.json names"):
        open_trusted(folder, TRUST)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("", "holds no public key"),
        (signers.private(OURS).decode(), "is a PRIVATE KEY"),
    ],
)
def test_a_file_that_holds_no_public_keys_is_no_trust(
    folder: Path, tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "trust.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match=says) as refused:
        open_trusted(folder, str(file))
    assert "PRIVATE KEY-----" not in str(refused.value)


def test_a_worker_loads_no_version_that_is_not_signed(folder: Path, tmp_path: Path) -> None:
    entry = Entry(str(folder), open_bundle(folder).digest)
    assert load_served(entry, trust=TRUST).version == entry.digest[:12]
    signature_of(folder).unlink()
    with pytest.raises(BundleError, match="bears no signature"):
        load_served(entry, trust=TRUST)


def run(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlops_cli.serving", "--check", "--bundle", str(folder)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_server_itself_refuses_and_says_why(folder: Path) -> None:
    assert run(folder, MLOPS_SERVE_TRUST=TRUST).returncode == 0
    found = run(folder, MLOPS_SERVE_TRUST=signers.public(signers.new()))
    assert found.returncode == BundleError.exit_code
    assert "none of the 1 trusted keys" in found.stderr


def test_no_cryptography_is_imported_where_nothing_is_asked_of_it(binary: bundles.Sample) -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from mlops_cli.serving.__main__ import main\n"
        f"raise SystemExit(main(['--check', '--bundle', {str(binary.path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def port(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A service of two workers that trusts our key, and may load what stands beside `first`."""
    now = datetime.now(UTC)
    key = Key("ops", digest_of_key(KEY.encode()), ("predict", "admin"), now)
    (tmp_path / "keys").write_bytes(format_keys([key]))
    monkeypatch.setenv("MLOPS_SERVE_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("MLOPS_SERVE_MODELS", str(folder.parent))
    monkeypatch.setenv("MLOPS_SERVE_WORKERS", "2")
    monkeypatch.setenv("MLOPS_SERVE_TRUST", TRUST)
    port = free_port()
    with serving(folder, "--port", str(port)):
        yield port


def test_admin_loads_what_is_signed_alone(port: int, folder: Path) -> None:
    second = bundles.write(folder.parent / "second", n=180).path

    def load() -> tuple[int, dict]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            body = msgspec.json.encode({"path": "second"})
            head = {"authorization": f"Bearer {KEY}"}
            connection.request("POST", "/v1/admin/models", body, head)
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read())

    status, said = load()
    assert (status, "bears no signature" in said["error"]["message"]) == (422, True)
    signers.sign(second, signers.new())
    status, said = load()
    assert (status, "none of the 1 trusted keys" in said["error"]["message"]) == (422, True)
    signers.sign(second, OURS)
    assert load()[0] == 201
