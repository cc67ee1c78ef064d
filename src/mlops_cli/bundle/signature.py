"""Signatures of bundles and images: DSSE envelopes over in-toto statements, by keys in PEM.

An envelope holds the statement and any number of signatures over it. What is signed is not the
statement alone but its type and length, too (PAE of the DSSE specification, version 1), so that no
text of another kind can be taken for one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from mlops_cli._json import canonical_json

BUNDLE = "https://github.com/mlops-cli/mlops-cli/attestation/bundle/v1"
IMAGE = "https://github.com/mlops-cli/mlops-cli/attestation/image/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST = 64 * 1024  # bytes of an envelope that a server reads
_LARGEST_OWN = 64 << 20  # of one that is signed further
_UNKNOWN = "neither Ed25519 nor ECDSA on P-256"
_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class _Signature(msgspec.Struct, frozen=True):
    sig: bytes
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    payload: bytes
    payload_type: str
    signatures: tuple[_Signature, ...]


class Subject(msgspec.Struct, frozen=True):
    """A thing that is signed for: its name, and its digests in hex by algorithm."""

    name: str
    digest: dict[str, str]


class _Statement(
    msgspec.Struct, frozen=True, rename={"type": "_type", "predicate_type": "predicateType"}
):
    type: str
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_statement = msgspec.json.Decoder(_Statement).decode


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key."""

    key: PrivateKey

    @property
    def public(self) -> PublicKey:
        """The key that others trust."""
        return self.key.public_key()

    def sign(self, kind: str, subjects: Sequence[Subject], earlier: bytes | None = None) -> bytes:
        """An envelope over a statement of this kind that says no more than its subjects."""
        return self.sign_statement(statement(kind, subjects), earlier)

    def sign_statement(self, payload: bytes, earlier: bytes | None = None) -> bytes:
        """An envelope over a statement.

        Signatures that `earlier`, an envelope over the same statement, has from other keys stay,
        and so does a sound one of this key: signing again changes nothing.
        """
        before = _read(earlier, _LARGEST_OWN) if earlier is not None else None
        kept = before.signatures if before is not None and before.payload == payload else ()
        if not any(_is_by(self.public, payload, s) for s in kept):
            own = _Signature(self._raw(_pae(payload)), key_id(self.public))
            kept = (*(s for s in kept if s.keyid != own.keyid), own)
        return canonical_json(_Envelope(payload, _PAYLOAD_TYPE, kept))

    def _raw(self, content: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(content)
        return self.key.sign(content, ec.ECDSA(SHA256()))


def statement(
    kind: str, subjects: Sequence[Subject], predicate: Mapping[str, Any] | None = None
) -> bytes:
    """An in-toto statement of this kind about these subjects, as canonical JSON."""
    said = dict(predicate or {})
    return canonical_json(_Statement(_STATEMENT, tuple(subjects), kind, said))


def load_signer(pem: bytes, password: bytes | None = None) -> Signer:
    """The private key in a PEM file: Ed25519, or ECDSA on P-256.

    Nobody is asked for a password. Raises `ValueError` that says nothing of the content.
    """
    try:
        key = load_pem_private_key(pem, password)
    except TypeError as e:
        if password is None:
            raise ValueError("is encrypted, and there is no password") from e
        raise ValueError("is not encrypted, and there is a password") from e
    except (ValueError, UnsupportedAlgorithm) as e:
        why = "is no private key in PEM" if password is None else "does not open by that password"
        raise ValueError(why) from e
    if isinstance(key, PrivateKey) and _is_known(key):
        return Signer(key)
    raise ValueError(f"is {_UNKNOWN}")


def load_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """The public keys in a PEM file, whatever else stands between them.

    They are those of `load_signer`. Raises `ValueError` where there is none, or another block.
    """
    found: list[PublicKey] = []
    for number, block in enumerate(_BLOCK.finditer(pem), 1):
        if block[1] != b"PUBLIC KEY":
            raise ValueError(f"block {number} is a {block[1].decode()}, not a PUBLIC KEY")
        try:
            key = load_pem_public_key(block[0])
        except (ValueError, UnsupportedAlgorithm) as e:
            raise ValueError(f"block {number} is no public key") from e
        if not isinstance(key, PublicKey) or not _is_known(key):
            raise ValueError(f"block {number} is {_UNKNOWN}")
        found.append(key)
    if not found:
        raise ValueError("holds no public key in PEM")
    return tuple(found)


def _is_known(key: PrivateKey | PublicKey) -> bool:
    """Whether a key of these two kinds is Ed25519, or ECDSA on P-256."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return isinstance(key.curve, ec.SECP256R1)
    return True


def key_id(key: PublicKey) -> str:
    """The sha256 of a public key, as DER, in hex."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def signed_digest(envelope: bytes, keys: Sequence[PublicKey]) -> str:
    """The digest of the bundle that an envelope is a signature of, by one of `keys`.

    Raises `ValueError` with the reason where it is none.
    """
    found = _read(envelope)
    if not any(_is_by(key, found.payload, s) for key in keys for s in found.signatures):
        named = {s.keyid for s in found.signatures}
        if named & {key_id(key) for key in keys}:
            raise ValueError("was changed after it was signed")
        by = ", ".join(sorted(ascii(name)[1:13] for name in named)[:5]) or "nobody"
        raise ValueError(f"is signed by {by}, and none of the {len(keys)} trusted keys is that")
    return _bundle_in(found.payload)


def _bundle_in(payload: bytes) -> str:
    try:
        statement = _read_statement(payload)
    except (ValueError, RecursionError):
        statement = None
    if statement and (statement.type, statement.predicate_type) == (_STATEMENT, BUNDLE):
        digests = [subject.digest.get("sha256") for subject in statement.subject]
        if len(digests) == 1 and digests[0]:
            return digests[0]
    raise ValueError("is a signature of something else than a bundle")


def _read(envelope: bytes, most: int = LARGEST) -> _Envelope:
    if len(envelope) > most:
        raise ValueError(f"is no DSSE envelope: it has more than {most} bytes")
    try:
        found = _read_envelope(envelope)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"is no DSSE envelope: {str(e)[:200]}") from e
    if found.payload_type != _PAYLOAD_TYPE:
        raise ValueError(f"holds {ascii(found.payload_type)[:80]}, not an in-toto statement")
    return found


def _is_by(key: PublicKey, payload: bytes, signature: _Signature) -> bool:
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature.sig, _pae(payload))
        else:
            key.verify(signature.sig, _pae(payload), ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _pae(payload: bytes) -> bytes:
    kind = _PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
