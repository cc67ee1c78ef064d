"""Signatures of entries by OpenSSH keys: made and checked by `ssh-keygen -Y`, namespace `mlops`."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_cli._git import setting
from mlops_cli.audit.entry import Entry
from mlops_cli.errors import EnvironmentFault, UsageError

NAMESPACE = "mlops"
_KEY = re.compile(r"(?:^|\s)((?:sk-)?(?:ssh|ecdsa|webauthn)-[\w@.-]+)\s+(AAAA[\w+/=]+)")
_LITERAL = re.compile(r"^(?:key::)?((?:sk-)?(?:ssh|ecdsa)-[\w@.-]+ AAAA\S+.*)$")
_HEAD = re.compile(r"\s*(\"[^\"]*\"|\S+)\s+((\"[^\"]*\"|[^\s\"])+\s+)?")
_BOUND = re.compile(r"valid-after=", re.I)


def git_key(root: Path) -> str | None:
    """The key that git signs with, as its configuration has it; None without an OpenSSH one."""
    if setting(root, "gpg.format") != "ssh":
        return None
    key = setting(root, "user.signingkey")
    return key if key is None or _LITERAL.match(key) else str(root / Path(key).expanduser())


def sign(content: bytes, key: str) -> str:
    """The armored signature of `content`, by a key's file or a public key that an agent has.

    Raises `UsageError` with ssh-keygen's own reason, `EnvironmentFault` where there is none.
    """
    literal = _LITERAL.match(key)
    with _file((literal[1] if literal else "").encode()) as public:
        which = ["-U", "-f", public] if literal else ["-f", key]
        done = _ssh_keygen(["-Y", "sign", "-n", NAMESPACE, *which], content)
    if done.returncode or not done.stdout:
        raise UsageError(
            f"the key {key[:200]} does not sign: {_complaint(done)}",
            hint="name an OpenSSH key with --key FILE, or as git's user.signingkey",
        )
    return done.stdout.decode()


def principal_of(actor: str) -> str:
    """What an actor is called among the signers: the address of `NAME <EMAIL>`, else all of it."""
    named = re.fullmatch(r".*<(.+)>", actor)
    return named[1] if named else actor


def signed_by(entry: Entry, signers: bytes) -> str | None:
    """The principal whose key, by the signers at the entry's time, signed it; None: nobody's.

    It is the entry's own actor: what another one's key has signed is signed by nobody. Raises
    `EnvironmentFault` without ssh-keygen.
    """
    return None if unsigned(entry, signers) else principal_of(entry.actor)


def unsigned(entry: Entry, signers: bytes) -> str | None:
    """Why an entry counts as signed by nobody; None where its actor has signed it.

    `signers` is the content of a file in OpenSSH's format. Raises `EnvironmentFault` without
    ssh-keygen.
    """
    if entry.signature is None:
        return "it is not signed"
    who = principal_of(entry.actor)
    if not who or who.startswith("-") or not who.isprintable():
        return f"{who!r} is no principal"
    with _file(signers) as allowed, _file(entry.signature.encode()) as signature:
        at = f"-Overify-time={re.sub('[^0-9]', '', entry.time)}"
        which = ["-n", NAMESPACE, "-f", allowed, "-I", who, "-s", signature, at]
        done = _ssh_keygen(["-Y", "verify", *which], entry.signed_content)
    if done.returncode == 0:
        return None
    why = _complaint(done).replace(allowed, "the signers").replace(signature, "the signature")
    return f"no key of {who} has signed it: {why}"


def signer_faults(signers: bytes) -> list[str]:
    """What is wrong with the lines of a signers' file, a text each, by the line's number.

    Raises `EnvironmentFault` without ssh-keygen.
    """
    found: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(signers.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        named = _KEY.search(line)
        kind, key = named.groups() if named else ("", "")
        if named is None:
            found.append(f"line {number} holds no OpenSSH key, and is of no use")
            continue
        if _ssh_keygen(["-l", "-f", "-"], f"{kind} {key}\n".encode()).returncode:
            found.append(f"line {number}: ssh-keygen of this machine cannot read a {kind} key")
        if not _HEAD.fullmatch(line[: named.start(1)]):
            found.append(f"line {number} is not `PRINCIPALS [OPTION,OPTION...] KEY`, and no use")
        if not _BOUND.search(line[: named.start(1)]):
            found.append(
                f"line {number} has no valid-after: its key signs for any time in the past, too; "
                'write valid-after="YYYYMMDD" before the key'
            )
        if (first := seen.setdefault(key, number)) != number:
            found.append(f"line {number} names the key of line {first}: it is valid by either")
    return found


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.pub"
        path.write_bytes(content)
        yield str(path)


def _ssh_keygen(arguments: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=given,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
            capture_output=True,
            check=False,
        )
    except OSError as e:
        raise EnvironmentFault(
            "ssh-keygen, which makes and checks signatures, is not installed",
            hint="install OpenSSH's client",
        ) from e


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    said = done.stderr.strip() or done.stdout.strip()  # of `-Y verify` some of it goes to stdout
    lines = said.decode(errors="replace").splitlines()
    return "; ".join(dict.fromkeys(line.strip() for line in lines))[:300] or "ssh-keygen failed"
