"""What a server needs beside the bundle, by what its settings ask for: a layer of the image.

The versions are this release's own, whatever is installed here: with them the server was tried.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from mlops_cli.bundle.requirements import format_requirements
from mlops_cli.serving import contract
from mlops_cli.serving.tracing import ENDPOINTS

_S3 = {"obstore": "0.12.1", "typing-extensions": "4.16.0"}
_GRPC = {"grpcio": "1.85.3", "protobuf": "7.36.2", "typing-extensions": "4.16.0"}
_REDIS = {
    "async-timeout": "5.0.1",  # for Python before 3.11.3
    "hiredis": "3.5.0",
    "redis": "8.1.0",
}
_OTEL = {
    "certifi": "2026.10.19.post1",
    "charset-normalizer": "3.5.3",
    "googleapis-common-protos": "1.76.0",
    "idna": "3.20",
    "opentelemetry-api": "1.45.2",
    "opentelemetry-exporter-http-transport": "0.66b2",
    "opentelemetry-exporter-otlp-common": "0.66b2",
    "opentelemetry-exporter-otlp-proto-common": "1.45.2",
    "opentelemetry-exporter-otlp-proto-http": "1.45.2",
    "opentelemetry-proto": "1.45.2",
    "opentelemetry-sdk": "1.45.2",
    "opentelemetry-semantic-conventions": "0.66b2",
    "protobuf": "7.36.2",
    "requests": "2.34.2",
    "typing-extensions": "4.16.0",
    "urllib3": "2.8.0",
}
_TRUST = {"cffi": "2.1.1", "cryptography": "50.0.2", "pycparser": "3.12"}

# The variable of a setting, whether its value asks for more, and what that is.
_ASKED: tuple[tuple[str, Callable[[str], bool], Mapping[str, str]], ...] = (
    (contract.UPLOADED, bool, _S3),
    (contract.GRPC_PORT, bool, _GRPC),
    (contract.TRUST, bool, _TRUST),
    (contract.CACHE, lambda value: value.startswith(contract.REDIS), _REDIS),
    (contract.ONLINE, lambda value: value.startswith(contract.REDIS), _REDIS),
    *((variable, bool, _OTEL) for variable in ENDPOINTS),
)


def extra_requirements(settings: Mapping[str, str]) -> str:
    """A requirements.txt of all that a server with these variables needs; mostly empty."""
    found: dict[str, str] = {}
    for variable, asks, versions in _ASKED:
        if asks(settings.get(variable, "")):
            found |= versions
    return format_requirements(found)


def tag_of(extras: str, signature: bytes | None) -> str:
    """What a tag has after the version: it tells images of one bundle apart."""
    if not extras and signature is None:
        return ""
    parts = extras.encode() + b"\0" + (signature or b"")
    return f"-{hashlib.sha256(parts).hexdigest()[:8]}"
