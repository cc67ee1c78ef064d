"""What an image installs, as a bill of materials: CycloneDX, with licences."""

from __future__ import annotations

import email.parser
import hashlib
import json
import re
import uuid
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

from mlops_cli._files import sha256_of
from mlops_cli._json import canonical_json
from mlops_cli.bundle.requirements import canonical_name

SBOM = "sbom.cdx.json"
_SPACE = uuid.UUID("8c5d0e4e-6a3e-4a64-9f0f-2f6b1f0f6c11")  # of our serial numbers
_CLASSIFIER = "License ::"
_OWN = "Apache-2.0"  # of what we copy into the image
_LONGEST = 100  # characters of a licence that is told in words


def sbom(*wheels: Path, base: tuple[str, str] | None = None) -> bytes:
    """The bill of the wheels in folders: CycloneDX 1.6 as canonical JSON.

    Of each: name, version, package URL, sha256, and what its metadata say of its licence. It has no
    time, and a serial number made of its content: the same wheels have the same bill. `base` is the
    name of the image on which they stand, and its digest: what is in that, its own bill tells.
    """
    components = [_component(w) for folder in wheels for w in sorted(folder.glob("*.whl"))]
    if base is not None:
        components.insert(0, _image(*base))
    return document({"components": components})


def licences_in(*bills: bytes) -> str:
    """The licences of all components of bills as one expression of SPDX, with that of the server.

    What a package says in words becomes a `LicenseRef-`: a reader is to look at the bill for it.
    """
    found = {_OWN}
    for bill in bills:
        components = json.loads(bill)["components"]
        for said in (entry for c in components for entry in c.get("licenses", ())):
            if expression := said.get("expression"):
                found.add(f"({expression})" if " " in expression else expression)
            else:
                name = re.sub(r"[^A-Za-z0-9.]+", "-", said["license"]["name"]).strip("-")
                found.add(f"LicenseRef-{name or 'unknown'}")
    return " AND ".join(sorted(found))


def document(content: dict[str, Any]) -> bytes:
    """A CycloneDX 1.6 document as canonical JSON; its serial number is made of its content."""
    digest = hashlib.sha256(canonical_json(content)).hexdigest()
    return canonical_json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, digest)}",
            **content,
        }
    )


def _image(name: str, digest: str) -> dict[str, Any]:
    content = digest.rpartition(":")[2]
    return {
        "type": "container",
        "bom-ref": f"base-image@{content}",
        "name": name,
        "version": digest,
        "hashes": [{"alg": "SHA-256", "content": content}],
    }


def _component(wheel: Path) -> dict[str, Any]:
    metadata = _metadata(wheel)
    name, version = canonical_name(metadata["Name"]), metadata["Version"]
    url = f"pkg:pypi/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "hashes": [{"alg": "SHA-256", "content": sha256_of(wheel)}],
        "licenses": _licences(metadata),
    }


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as content:
        name = next(n for n in content.namelist() if n.endswith(".dist-info/METADATA"))
        return email.parser.BytesParser().parsebytes(content.read(name), headersonly=True)


def _licences(metadata: Message) -> list[dict[str, Any]]:
    """An expression of SPDX where there is one, else what stands in words."""
    if expression := metadata["License-Expression"]:
        return [{"expression": expression}]
    classified = [c for c in metadata.get_all("Classifier", ()) if c.startswith(_CLASSIFIER)]
    named = [c.rpartition(" :: ")[2] for c in classified]
    said = (metadata["License"] or "").strip().partition("\n")[0][:_LONGEST]
    return [{"license": {"name": name}} for name in named or [said or "not stated"]]
