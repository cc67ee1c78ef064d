"""The settings of a server, as its environment gives them; the section `serve` of mlops.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from mlops_cli.errors import UsageError
from mlops_cli.serving.contract import SETTINGS

DURATION = r"^(\d+)\s*(s|m|h)$"
ONLINE = r"^(sqlite:[^\s].*|rediss?://[^\s]+)$"
CACHE = r"^(memory:[1-9]\d{0,8}|rediss?://[^\s]+)$"
SIZE = r"^(\d+)\s*(B|KB|KiB|MB|MiB|GB|GiB)$"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2,
          "GB": 1000**3, "GiB": 1024**3}  # fmt: skip


class Seconds(float):
    """A duration, written as `30s`, `5m` or `1h`."""


class Size(int):
    """A number of bytes, written as `64KiB` or `1MB`."""


class Names(tuple[str, ...]):
    """Names of columns, written as `a,b` or, where one holds a comma, as a list in JSON."""


ALL = Names(("all",))  # as the names of what is logged: every input
Count = Annotated[int, msgspec.Meta(ge=1)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What clients may take: beyond it they are refused, and others are answered.

    `in_flight` counts requests whose body is read and whose answer is not written; `timeout` is
    what a client has for a request's header, and again for its body, and for taking an answer.
    """

    in_flight: Count = 256
    timeout: Seconds = Seconds(30)
    header: Size = Size(64 * 1024)
    connections: Count = 1000


class Grpc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the Open Inference Protocol answers over gRPC; nowhere without a port."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None


class TlsPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files, in PEM, of a certificate and its key; without them there is no TLS."""

    cert: str | None = None
    key: str | None = None


class Rotate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a segment of the log is closed: at this size, or this long after its first line."""

    size: Size = Size(64 * 1000**2)
    every: Seconds = Seconds(300)


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prediction log: without a folder `dir` there is none.

    `sample` is the share of requests; `columns` are the inputs that are kept, `hash` those of
    which a digest is, `leave_out` those that are not. `max` is what all segments in the folder
    take at most, in bytes; closed ones are uploaded `to` an s3:// URL, and kept until they are.
    """

    sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    columns: Names = ALL
    hash: Names = Names()
    leave_out: Names = Names()
    dir: str | None = None
    max: Size = Size(1000**3)
    rotate: Rotate = Rotate()
    to: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings; without any, a server runs by these values.

    `keys` is the file of API keys; without one whoever reaches the port is answered. `models` is
    the folder below which a key for admin, or the secret in the file `control`, may load bundles.
    `cache` keeps what was predicted: `memory:ROWS` in each worker, or the URL of a Redis. `trust`
    are public keys in PEM, or the file of them: a bundle that none of them signed is not loaded.
    `rollout` is the file of the rollout that is obeyed, while there is one. `online` is where
    features are looked up: `sqlite:FILE`, or the URL of a Redis.
    """

    limits: Limits = Limits()
    workers: Count = 1
    keys: str | None = None
    models: str | None = None
    trust: str | None = None
    tls: TlsPair = TlsPair()
    control: str | None = None
    metrics: Literal["open", "protected"] = "open"
    cache: Annotated[str, msgspec.Meta(pattern=CACHE)] | None = None
    grpc: Grpc = Grpc()
    log: Log | None = Log()
    rollout: str | None = None
    online: Annotated[str, msgspec.Meta(pattern=ONLINE)] | None = None


def from_environment(variables: Mapping[str, str]) -> Settings:
    """The settings in variables such as `MLOPS_SERVE_LIMITS__IN_FLIGHT`; `__` leads to a key.

    Raises `UsageError` naming the variable that is no setting, or whose value is none.
    """
    tree: dict[str, Any] = {}
    for name in sorted(n for n in variables if n.startswith(SETTINGS)):
        *path, key = name.removeprefix(SETTINGS).lower().split("__")
        section = tree
        for part in path:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise _no_setting(name, f"a part of {section!r}")
        section[key] = variables[name]
        _convert(tree, name)
    found = _convert(tree, SETTINGS)
    if (found.tls.cert is None) != (found.tls.key is None):
        raise _no_setting(f"{SETTINGS}TLS__CERT and {SETTINGS}TLS__KEY", "one needs the other")
    return found


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that give these settings to a server: those that are not the default."""
    own, default = dict(_leaves(settings)), dict(_leaves(Settings()))
    return {name: value for name, value in own.items() if value != default.get(name)}


def _leaves(section: msgspec.Struct, prefix: str = SETTINGS) -> Iterator[tuple[str, str]]:
    for key, value in msgspec.structs.asdict(section).items():
        name = f"{prefix}{key.upper()}"
        if isinstance(value, msgspec.Struct):
            yield from _leaves(value, f"{name}__")
        else:
            yield name, _written(value)


def _written(value: object) -> str:
    match value:
        case Seconds():
            return f"{int(value)}s"
        case Size():
            return f"{int(value)}B"
        case None:
            return "null"
        case tuple():
            return msgspec.json.encode(value).decode()
    return str(value)


def _convert(tree: dict[str, Any], name: str) -> Settings:
    try:
        return msgspec.convert(tree, Settings, strict=False, dec_hook=_with_unit)
    except msgspec.ValidationError as e:
        raise _no_setting(name, str(e).partition(" - at")[0]) from e


def _no_setting(name: str, why: str) -> UsageError:
    hint = "docs/guides/server.md lists the settings and how their values are written"
    return UsageError(f"{name}: {why}", hint=hint)


def size(text: str) -> Size:
    """A number of bytes as it is written; raises `ValueError` for what is none, or not above 0."""
    return Size(_number(text, SIZE, _BYTES, "64KiB or 1MB"))


def _with_unit(kind: type, value: object) -> Seconds | Size | Names:
    if kind is Names:
        return _names(str(value))
    if kind is Size:
        return size(str(value))
    return Seconds(_number(str(value), DURATION, _SECONDS, "30s or 5m"))


def _names(text: str) -> Names:
    if not text.lstrip().startswith("["):
        return Names(name for part in text.split(",") if (name := part.strip()))
    try:
        return Names(msgspec.json.decode(text, type=list[str]))
    except msgspec.DecodeError as e:
        raise ValueError(f"{text[:40]!r} is no list of names in JSON") from e


def _number(text: str, pattern: str, units: Mapping[str, int], like: str) -> int:
    match = re.match(pattern, text.strip())
    number = int(match[1]) * units[match[2]] if match and len(match[1]) < 16 else 0
    if not number:
        raise ValueError(f"{text[:40]!r} is not a value such as {like}")
    return number
