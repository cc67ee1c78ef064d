"""Envelopes: what a key signed is taken, and nothing else is."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from mlops_cli.bundle.signature import (
    BUNDLE,
    IMAGE,
    Signer,
    Subject,
    key_id,
    load_public_keys,
    load_signer,
    signed_digest,
)

DIGEST = "ab" * 32
SUBJECTS = (Subject("delays", {"sha256": DIGEST}),)


def ed() -> Signer:
    return Signer(ed25519.Ed25519PrivateKey.generate())


def p256() -> Signer:
    return Signer(ec.generate_private_key(ec.SECP256R1()))


def pem(key: Any, password: bytes | None = None) -> bytes:
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def public(*signers: Signer) -> bytes:
    how = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    return b"".join(signer.public.public_bytes(*how) for signer in signers)


@pytest.mark.parametrize("make", [ed, p256])
def test_another_library_finds_it_sound(make: Callable[[], Signer]) -> None:
    signer = make()
    envelope = signer.sign(BUNDLE, SUBJECTS)
    key = SSlibKey.from_crypto(signer.public, keyid=key_id(signer.public))
    found = Envelope.from_dict(json.loads(envelope))
    assert list(found.verify([key], threshold=1)) == [key.keyid]
    statement = json.loads(found.payload)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "delays", "digest": {"sha256": DIGEST}}]


def test_the_key_of_openssl_signs_and_openssl_verifies(tmp_path: Path) -> None:
    def openssl(*command: str) -> str:
        return subprocess.run(
            ["openssl", *command], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "trust.pem")
    envelope = load_signer((tmp_path / "key.pem").read_bytes()).sign(BUNDLE, SUBJECTS)
    trusted = load_public_keys((tmp_path / "trust.pem").read_bytes())
    assert signed_digest(envelope, trusted) == DIGEST
    found = json.loads(envelope)
    payload = base64.b64decode(found["payload"])
    kind = b"application/vnd.in-toto+json"
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (tmp_path / "pae").write_bytes(pae)
    (tmp_path / "sig").write_bytes(base64.b64decode(found["signatures"][0]["sig"]))
    verify = ("-verify", "-pubin", "-inkey", "trust.pem", "-rawin", "-in", "pae", "-sigfile", "sig")
    assert "Success" in openssl("pkeyutl", *verify)


def test_any_of_several_keys_is_enough_and_one_that_was_taken_out_is_not() -> None:
    old, new, other = ed(), p256(), ed()
    envelope = old.sign(BUNDLE, SUBJECTS)
    assert signed_digest(envelope, load_public_keys(public(other, new, old))) == DIGEST
    with pytest.raises(ValueError, match="none of the 2 trusted keys"):
        signed_digest(envelope, load_public_keys(public(other, new)))
    both = new.sign(BUNDLE, SUBJECTS, envelope)
    for keys in (public(old), public(new)):
        assert signed_digest(both, load_public_keys(keys)) == DIGEST
    assert len(json.loads(both)["signatures"]) == 2


@pytest.mark.parametrize("make", [ed, p256])
def test_signing_again_changes_nothing(make: Callable[[], Signer]) -> None:
    signer = make()
    envelope = signer.sign(BUNDLE, SUBJECTS)
    assert signer.sign(BUNDLE, SUBJECTS, envelope) == envelope
    elsewhere = signer.sign(BUNDLE, (Subject("delays", {"sha256": "cd" * 32}),), envelope)
    assert signed_digest(elsewhere, [signer.public]) == "cd" * 32


def changed(envelope: bytes, **fields: Any) -> bytes:
    return json.dumps(json.loads(envelope) | fields).encode()


def test_what_was_changed_after_it_was_signed_is_refused() -> None:
    signer = ed()
    envelope = signer.sign(BUNDLE, SUBJECTS)
    payload = base64.b64decode(json.loads(envelope)["payload"])
    other = base64.b64encode(payload.replace(DIGEST.encode(), b"cd" * 32)).decode()
    short = json.loads(envelope)["signatures"]
    short[0]["sig"] = base64.b64encode(b"short").decode()
    for lie in ({"payload": other}, {"signatures": short}):
        with pytest.raises(ValueError, match="was changed after it was signed"):
            signed_digest(changed(envelope, **lie), [signer.public])
    with pytest.raises(ValueError, match="signed by nobody"):
        signed_digest(changed(envelope, signatures=[]), [signer.public])


def test_a_sound_signature_of_something_else_is_refused() -> None:
    signer = ed()
    for kind, subjects in ((IMAGE, SUBJECTS), (BUNDLE, ()), (BUNDLE, SUBJECTS * 2),
                           (BUNDLE, (Subject("delays", {"sha512": DIGEST}),))):  # fmt: skip
        with pytest.raises(ValueError, match="something else than a bundle"):
            signed_digest(signer.sign(kind, subjects), [signer.public])
    other = changed(signer.sign(BUNDLE, SUBJECTS), payloadType="application/json")
    with pytest.raises(ValueError, match="not an in-toto statement"):
        signed_digest(other, [signer.public])


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 60_000, b"\xff", b" " * 70_000, b'"x"'])
def test_what_is_no_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no DSSE envelope"):
        signed_digest(content, [ed().public])


def test_a_private_key_that_cannot_sign_is_refused_and_told_nothing_of() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    locked = pem(key, b"open sesame")
    for content, password, says in (
        (locked, None, "there is no password"),
        (locked, b"wrong", "does not open"),
        (pem(key), b"open sesame", "is not encrypted"),
        (b"nothing", None, "no private key in PEM"),
        (public(Signer(key)), None, "no private key in PEM"),
        (pem(rsa.generate_private_key(65537, 2048)), None, "neither Ed25519 nor ECDSA"),
        (pem(ec.generate_private_key(ec.SECP384R1())), None, "neither Ed25519 nor ECDSA"),
    ):
        with pytest.raises(ValueError, match=says):
            load_signer(content, password)
    assert load_signer(locked, b"open sesame").public == key.public_key()


def test_a_file_of_trusted_keys_holds_public_keys_and_no_more() -> None:
    one, two = ed(), p256()
    commented = b"the key of CI\n" + public(one) + b"\nbefore June\n" + public(two)
    assert load_public_keys(commented) == (one.public, two.public)
    of_rsa = rsa.generate_private_key(65537, 2048).public_key()
    rsa_pem = of_rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    p384 = Signer(ec.generate_private_key(ec.SECP384R1()))  # signs nothing here: `load_signer`
    empty = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    for content, says in (
        (b"", "holds no public key"),
        (public(one) + pem(two.key), "block 2 is a PRIVATE KEY"),
        (rsa_pem, "block 1 is neither"),
        (public(two) + public(p384), "block 2 is neither Ed25519 nor ECDSA on P-256"),
        (empty, "block 1 is no public key"),
    ):
        with pytest.raises(ValueError, match=says):
            load_public_keys(content)
