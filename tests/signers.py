"""Keys that sign bundles in tests."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundle.signature import BUNDLE, Signer, Subject
from mlops_cli.serving.trust import signature_of


def new() -> Signer:
    return Signer(ed25519.Ed25519PrivateKey.generate())


def private(signer: Signer) -> bytes:
    return signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public(*signers: Signer) -> str:
    how = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    return "".join(signer.public.public_bytes(*how).decode() for signer in signers)


def sign(folder: Path, signer: Signer) -> None:
    """Sign the bundle in a folder, where a server looks."""
    bundle = open_bundle(folder)
    subject = Subject(bundle.manifest.project, {"sha256": bundle.digest})
    signature_of(folder).write_bytes(signer.sign(BUNDLE, (subject,)))
