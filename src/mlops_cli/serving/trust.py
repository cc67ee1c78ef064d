"""Which bundles a server takes: where it is told keys, those that bear a signature of one."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.manifest import MANIFEST, digest_of, short
from mlops_cli.bundle.reader import Bundle, bundle_folder, open_bundle
from mlops_cli.errors import BundleError, UsageError

_PEM = "-----BEGIN "
_HINT = "mlops package --sign --key FILE signs a bundle; serve.trust names the keys that count"


def signature_of(bundle: Path) -> Path:
    """Where a bundle's signature stands: beside its folder, whose content it leaves alone."""
    folder = bundle_folder(bundle).resolve()
    return folder.with_name(f"{folder.name}.signature.json")


def open_trusted(path: Path, trust: str | None) -> Bundle:
    """`open_bundle`, after its signature was held to the keys of `trust`: a file in PEM, or its
    content. None trusts any bundle.

    Raises `BundleError` where there is no signature, none of those keys, or of another bundle;
    `UsageError` where `trust` holds no keys; and what `open_bundle` raises.
    """
    if trust is None:
        return open_bundle(path)
    signed = _signed(path, trust)
    found = _digest(path)
    if found == signed:
        bundle = open_bundle(path)
        found = bundle.digest  # of what was read this time
        if found == signed:
            return bundle
    raise BundleError(
        f"{signature_of(path)} is of the bundle {ascii(short(signed))[1:-1]}, and {path} holds "
        f"{short(found)}",
        hint=_HINT,
    )


def digests_of(listed: str) -> list[str]:
    """The digests that `MLOPS_DIGEST` names: the champion's, and in a rollout the candidate's."""
    return [digest.strip() for digest in listed.split(",") if digest.strip()]


def trusted_keys(trust: str) -> bytes:
    """The public keys in PEM that `trust` means; raises `UsageError` where it holds none."""
    return _keys(trust)[0]


def _keys(trust: str) -> tuple[bytes, Any]:
    """The keys in PEM, and as those who verify take them."""
    try:
        pem = trust.encode() if trust.startswith(_PEM) else Path(trust).read_bytes()
        return pem, _signatures().load_public_keys(pem)
    except (OSError, ValueError) as e:
        what = "serve.trust" if trust.startswith(_PEM) else trust
        why = e.strerror if isinstance(e, OSError) else e
        raise UsageError(
            f"{what}: {why}",
            hint="serve.trust is a file of public keys: openssl pkey -in KEY -pubout",
        ) from e


def _signed(path: Path, trust: str) -> str:
    _, keys = _keys(trust)
    file = signature_of(path)
    try:
        return str(_signatures().signed_digest(_envelope(file), keys))
    except FileNotFoundError as e:
        raise BundleError(
            f"{path} bears no signature, and serve.trust wants one: there is no {file}", hint=_HINT
        ) from e
    except (OSError, ValueError) as e:
        raise BundleError(f"{file} {e}", hint=_HINT) from e


def _envelope(file: Path) -> bytes:
    """What a signature's file holds, and no more of it than an envelope may have and one byte."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError("is not a file")  # a pipe would never end
    with file.open("rb") as opened:
        return opened.read(_signatures().LARGEST + 1)


def _digest(path: Path) -> str:
    try:
        return digest_of((bundle_folder(path) / MANIFEST).read_bytes())
    except OSError:
        return open_bundle(path).digest  # which says what is wrong


def _signatures() -> Any:
    """`bundle.signature`, whose library only a server that was told keys needs."""
    return load_adapter("mlops_cli.bundle.signature")
