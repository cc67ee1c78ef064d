"""Signatures by OpenSSH keys: whose they are, when they count, and what a signers' file lacks."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from audit_logs import LOG, git
from mlops_cli.audit.entry import Draft, Entry, parse, seal
from mlops_cli.audit.log import append, read_log
from mlops_cli.audit.record import record
from mlops_cli.audit.signatures import (
    git_key,
    sign,
    signed_by,
    signer_faults,
    unsigned,
)
from mlops_cli.config.model import Config
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANN = "Ann Example <ann@example.org>"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ann", "eve"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name]
        subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    return folder


def public(keys: Path, name: str) -> str:
    return " ".join((keys / f"{name}.pub").read_text().split()[:2])


def approval(keys: Path, name: str = "ann", actor: str = ANN) -> Entry:
    draft = Draft("approve", "done", {"digest": "a" * 64})
    signing = partial(sign, key=str(keys / name))
    return seal(draft, parents=(), time=NOON, actor=actor, sign=signing)


def test_an_entry_is_signed_by_its_actor_and_by_nobody_else(keys: Path) -> None:
    entry, line = approval(keys), f"ann@example.org {public(keys, 'ann')}\n"
    assert parse(entry.line.encode()).signature == entry.signature
    assert signed_by(entry, line.encode()) == "ann@example.org"
    assert signed_by(approval(keys, "eve"), line.encode()) is None
    both = line + f"eve@example.org {public(keys, 'eve')}\n"
    assert signed_by(approval(keys, "eve"), both.encode()) is None
    assert "Could not verify signature" in (unsigned(approval(keys, "eve"), line.encode()) or "")
    bare = seal(Draft("approve", "done"), parents=(), time=NOON, actor=ANN)
    assert unsigned(bare, both.encode()) == "it is not signed"


def test_what_is_signed_is_the_line_without_id_and_signature(keys: Path, tmp_path: Path) -> None:
    entry = approval(keys)
    rest = {k: v for k, v in json.loads(entry.line).items() if k not in ("id", "signature")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    (tmp_path / "signers").write_text(f"ann@example.org {public(keys, 'ann')}\n")
    (tmp_path / "sig").write_text(entry.signature or "")
    which = ["-n", "mlops", "-f", "signers", "-I", "ann@example.org", "-s", "sig"]
    done = subprocess.run(["ssh-keygen", "-Y", "verify", *which], input=text.encode(), cwd=tmp_path)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ('valid-after="20260601115959Z"', True),
        ('valid-after="20260601120001Z"', False),
        ('valid-before="20260601120001Z"', True),
        ('valid-before="20260601115959Z"', False),
        ('namespaces="mlops"', True),
        ('namespaces="git"', False),
        ('valid-after="whenever"', False),
        ("cert-authority", False),
    ],
)
def test_a_key_counts_at_the_entrys_time(keys: Path, options: str, counts: bool) -> None:
    line = f"ann@example.org {options} {public(keys, 'ann')}\n"
    assert (signed_by(approval(keys), line.encode()) is not None) == counts
    by_two = f'ann@example.org valid-before="20200101" {public(keys, "ann")}\n' + line
    assert (signed_by(approval(keys), by_two.encode()) is not None) == counts


@pytest.mark.parametrize("bad", ["x@y ssh-foo AAAA", "garbage", "ann@example.org ssh-foo", "\0"])
def test_a_bad_line_takes_nothing_from_another_one(keys: Path, bad: str) -> None:
    text = f"{bad}\nann@example.org {public(keys, 'ann')}\n"
    assert signed_by(approval(keys), text.encode()) == "ann@example.org"


def test_the_faults_of_a_signers_file_are_named_by_line(keys: Path) -> None:
    key = public(keys, "ann")
    good = f'ann@example.org valid-after="20260101Z" {key}'
    unknown, bare = "x@y ssh-foo AAAAB3NzaC1yc2EAAAA", f"ann@example.org {key}"
    apart = f'eve namespaces="mlops" valid-after="20260101Z" {public(keys, "eve")}'
    lines = ["# who may sign", good, unknown, bare, "z", apart]
    found = signer_faults("\n".join(lines).encode())
    assert [f.split()[1].rstrip(":") for f in found] == ["3", "3", "4", "4", "5", "6"]
    assert "cannot read a ssh-foo key" in found[0]
    assert "valid-after" in found[2]
    assert "the key of line 2" in found[3]
    assert signer_faults(good.encode()) == []
    assert signed_by(approval(keys), good.encode()) == "ann@example.org"


@pytest.mark.parametrize("actor", ["-f <-f>", "ann\n <ann\x00>", "github:ann", ""])
def test_an_actor_is_no_option(keys: Path, actor: str) -> None:
    assert signed_by(approval(keys, actor=actor), b"* " + public(keys, "ann").encode()) in (
        "github:ann", None)  # fmt: skip


def project(root: Path, **config: object) -> Project:
    base = {"project": "p", "task": "binary", "data": {"table": "data/t.csv", "target": "y = a"}}
    return Project(root, Config.model_validate(base | {"governance": config}))


def test_entries_are_signed_by_the_key_that_git_signs_with(keys: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.name", "Ann")
    git(tmp_path, "config", "user.email", "ann@example.org")
    git(tmp_path, "config", "user.signingkey", str(keys / "ann"))
    draft, signers = Draft("stop", "done"), f"* {public(keys, 'ann')}\n".encode()
    signed = project(tmp_path, signers="governance/allowed_signers")
    assert git_key(tmp_path) is None, "that is a key of GnuPG's"
    git(tmp_path, "config", "gpg.format", "ssh")
    assert record(project(tmp_path), draft, copies=None).signature is None
    assert signed_by(record(signed, draft, copies=None), signers)
    git(tmp_path, "config", "user.signingkey", str(keys / "gone"))
    assert record(signed, draft, copies=None).signature is None, "what was done is still recorded"
    named = record(signed, draft, copies=None, key=keys / "ann")
    assert signed_by(named, signers)
    before = (tmp_path / LOG).read_bytes()
    with pytest.raises(UsageError, match="does not sign"):
        record(signed, draft, copies=None, key=tmp_path / LOG)
    assert (tmp_path / LOG).read_bytes() == before


def test_an_agent_signs_for_a_public_key(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        added = ["ssh-add", "-q", str(keys / "ann")]
        while subprocess.run(added, check=False, capture_output=True).returncode:
            assert agent.poll() is None
        entry = seal(Draft("approve", "done"), parents=(), time=NOON, actor=ANN,
                     sign=partial(sign, key=f"key::{public(keys, 'ann')}"))  # fmt: skip
        assert signed_by(entry, f"* {public(keys, 'ann')}".encode()) == "ann@example.org"
    finally:
        agent.terminate()
        agent.wait(10)


def test_without_ssh_keygen_nothing_is_taken_for_unsigned(
    keys: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = approval(keys)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="not installed"):
        signed_by(entry, b"x")


def test_a_changed_signature_is_a_fault_of_the_log(keys: Path, tmp_path: Path) -> None:
    entry = append(tmp_path, Draft("approve", "done"), copies=None,
                   sign=partial(sign, key=str(keys / "ann")))  # fmt: skip
    text, signature = (tmp_path / LOG).read_text(), json.dumps(entry.signature)
    half = len(signature) // 2
    other = "A" if signature[half] != "A" else "B"
    (tmp_path / LOG).write_text(text.replace(signature[half - 20 : half + 1],
                                             signature[half - 20 : half] + other))  # fmt: skip
    assert len(read_log(tmp_path).faults) == 1
