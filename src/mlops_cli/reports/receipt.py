"""A receipt's form: entries in one file, every byte of which a digest covers.

A line `mlops-receipt 1 INDEX SIGNATURE BYTES BYTES HEAD`, whose digests are of the index, of the
signature and of the line up to its last blank; then the index, JSON that names each entry with its
bytes and sha256; the signature of the index, which may be empty; and the entries, one behind the
other. `templates/receipt/verify_receipt.py` reads it, and imports nothing of ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_cli._json import canonical_json
from mlops_cli._templates import template_folder

VERIFIER = "receipt/verify_receipt.py"


def pack(entries: Mapping[str, bytes], sign: Callable[[bytes], str] | None = None) -> bytes:
    """The receipt of these entries; `sign` makes the signature of the index."""
    index = canonical_json(
        [{"name": n, "bytes": len(c), "sha256": _sha256(c)} for n, c in entries.items()]
    )
    signature = sign(index).encode() if sign else b""
    digests = f"{_sha256(index)} {_sha256(signature)} {len(index)} {len(signature)}"
    head = f"mlops-receipt 1 {digests}"
    line = f"{head} {_sha256(head.encode())}\n".encode()
    return b"".join((line, index, signature, *entries.values()))


def verifier() -> Path:
    """The program that checks a receipt by itself."""
    return template_folder() / VERIFIER


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
