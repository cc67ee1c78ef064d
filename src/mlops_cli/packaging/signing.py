"""Signing a bundle and its image; the envelopes stand in the project's folder `signatures/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlops_cli._files import write_bytes
from mlops_cli.bundle.reader import Bundle
from mlops_cli.bundle.signature import (
    BUNDLE,
    IMAGE,
    Signer,
    Subject,
    load_signer,
    statement,
)
from mlops_cli.config.paths import SIGNATURES
from mlops_cli.errors import UsageError
from mlops_cli.serving.trust import signature_of

OPENED_BY = "MLOPS_KEY_PASSWORD"  # the variable that opens an encrypted private key


def open_key(file: Path) -> Signer:
    """The private key in `file`; `MLOPS_KEY_PASSWORD` opens one that is encrypted.

    Raises `UsageError`, which says nothing of the content.
    """
    password = os.environ.get(OPENED_BY)
    try:
        return load_signer(file.read_bytes(), password.encode() if password else None)
    except OSError as e:
        raise UsageError(f"{file}: {e.strerror}", hint=_MAKE) from e
    except ValueError as e:
        lacks = "there is no password" in str(e)
        hint = f"set {OPENED_BY}: nobody is asked for it" if lacks else _MAKE
        raise UsageError(f"{file} {e}", hint=hint) from e


def sign_bundle(root: Path, bundle: Bundle, signer: Signer) -> Path:
    """Sign the bundle's digest; returns the envelope's file, relative to the project's folder."""
    subject = Subject(bundle.manifest.project, {"sha256": bundle.digest})
    return _sign(root, f"{bundle.version}.json", signer, statement(BUNDLE, (subject,)))


def sign_image(root: Path, name: str, digests: Mapping[str, str], signer: Signer) -> Path:
    """The same for an image of a bundle, by its digests (`sha256:...`) by name.

    The envelope is `signatures/NAME.json`.
    """
    return _sign(root, f"{name}.json", signer, statement(IMAGE, image_subjects(digests)))


def sign_provenance(root: Path, name: str, said: bytes, signer: Signer) -> Path:
    """The same for a statement of provenance, in `signatures/NAME.provenance.json`."""
    return _sign(root, f"{name}.provenance.json", signer, said)


def image_subjects(digests: Mapping[str, str]) -> tuple[Subject, ...]:
    """Images by name with their digests (`sha256:...`), as subjects of a statement."""
    return tuple(
        Subject(name, {"sha256": digest.removeprefix("sha256:")})
        for name, digest in sorted(digests.items())
    )


def signature(root: Path, bundle: Bundle) -> bytes | None:
    """The bundle's envelope, if the project has one."""
    return _content(root / SIGNATURES / f"{bundle.version}.json")


def bring_signature(root: Path, bundle: Bundle) -> None:
    """Put the bundle's envelope where a server looks for it, if the project has one."""
    if (content := signature(root, bundle)) is not None:
        write_bytes(signature_of(bundle.path), content)


def _sign(root: Path, name: str, signer: Signer, said: bytes) -> Path:
    file = Path(SIGNATURES) / name
    try:
        content = signer.sign_statement(said, _content(root / file))
    except ValueError as e:
        raise UsageError(f"{file} {e}", hint="remove it, and sign again") from e
    write_bytes(root / file, content)
    return file


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


_MAKE = "make one: openssl genpkey -algorithm ed25519 -out FILE"
