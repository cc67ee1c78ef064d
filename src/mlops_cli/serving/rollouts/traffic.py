"""The document of a rollout that a server obeys, and which events it has meet the candidate."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlops_cli.bundle.manifest import Input, Name, Sha256
from mlops_cli.bundle.reader import bundle_faults
from mlops_cli.errors import BundleError
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.tree import Node, columns_of
from mlops_cli.expressions.values import Refused, converter
from mlops_cli.serving.logged_columns import scalars_reader
from mlops_cli.serving.rollouts.marked import Mark

Arm = Literal["champion", "candidate"]
CHAMPION: Arm = "champion"
CANDIDATE: Arm = "candidate"
PARTS = 10_000  # that traffic is divided into
_NULL = msgspec.Raw(b"null")
_first_64_bits = struct.Struct(">Q").unpack_from
_key_of = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers what. `percent` of what is eligible meets the candidate.

    `mirror`: the champion answers all, and `percent` is what the candidate is asked beside it.
    `arm`: this server holds that version alone, and counts what it answers for it. `segment` is a
    tree as `features.json` has them: events of which it is not true are not eligible. What brings
    the mark of `testers` meets the candidate, and counts for nobody.
    """

    salt: Annotated[str, Meta(min_length=1, max_length=200)]
    champion: Sha256
    candidate: Sha256
    percent: Annotated[float, Meta(ge=0, le=100)]
    step: Annotated[int, Meta(ge=0, le=1_000_000)]
    candidate_path: Annotated[str, Meta(min_length=1)] | None = None
    sticky: tuple[Name, ...] = ()
    segment: Node | None = None
    mirror: bool = False
    arm: Arm | None = None
    warm_until: datetime | None = None
    testers: Mark | msgspec.UnsetType = msgspec.UNSET  # servers of before know no such field


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rollout is by now; `state` is its owner's. Of two the higher generation counts."""

    generation: Annotated[int, Meta(ge=1, le=2**53)]
    traffic: Traffic | None = None
    state: msgspec.Raw = _NULL


_read = msgspec.json.Decoder(Document).decode


def parse_document(content: bytes) -> Document:
    """The document in JSON; raises `ValueError` naming what in it is otherwise."""
    try:
        return _read(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        raise ValueError(f"this is no rollout: {str(e)[:300]}") from e


class Assignment:
    """Finds the arm of an event, by the traffic's salt, share, sticky inputs and segment.

    `inputs` are those that champion or candidate know. A server that holds one version alone has
    all that is eligible meet it: the champion, as it calls it. Raises `ValueError` for a sticky
    name or a segment that reads another one, and a segment that is no condition.
    """

    def __init__(self, traffic: Traffic, inputs: Sequence[Input]) -> None:
        known = {i.name: i for i in inputs}
        self._salt = traffic.salt.encode() + b"\0"
        percent = traffic.percent if traffic.arm is None else 0
        self._limit = percent * PARTS / 100
        self._all = {0.0: CHAMPION, 100.0: CANDIDATE}.get(float(percent))
        self.by_event = bool(traffic.sticky or traffic.segment)
        self.sticky = bool(traffic.sticky)
        read = [*traffic.sticky, *(columns_of(traffic.segment) if traffic.segment else ())]
        for name in read:
            if name not in known:
                said = "sticky" if name in traffic.sticky else "segment"
                raise ValueError(f"{said}: {name[:80]!r} is an input of neither version")
        self._read = scalars_reader(list(dict.fromkeys(read)))
        self._sticky = [(name, _number(known[name])) for name in traffic.sticky]
        self._eligible = _condition(traffic.segment, known) if traffic.segment else None

    def of_body(self, request_id: bytes, body: bytes) -> Arm | None:
        """The arm of the event that `body` is; None: it is not eligible, or is no event at all."""
        if not self.by_event:
            return self.of_key(request_id)
        try:
            values = self._read(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self.of_event(request_id, values)

    def of_event(self, request_id: bytes, event: Mapping[str, Any]) -> Arm | None:
        """The arm of an event by the values it was sent with; None: it is not eligible."""
        if self._eligible is not None and not self._eligible(event):
            return None
        if not self._sticky:
            return self.of_key(request_id)
        values = [number(event.get(name)) for name, number in self._sticky]
        return self.of_key(_key_of(values).encode(errors="surrogatepass"))

    def of_key(self, key: bytes) -> Arm:
        """The arm of what is eligible, by its key."""
        if self._all is not None:
            return self._all
        number: int = _first_64_bits(sha256(self._salt + key).digest())[0]
        return CANDIDATE if number % PARTS < self._limit else CHAMPION


def _number(i: Input) -> Callable[[Any], Any]:
    """A number as its input's type has it: a client may write 3 for 3.0, or the other way round."""

    def as_float(value: Any) -> Any:
        return float(value) if type(value) is int and abs(value) < 2**53 else value

    def as_integer(value: Any) -> Any:
        return int(value) if type(value) is float and value.is_integer() else value

    if i.type == "float":
        return as_float
    return as_integer if i.type == "integer" else lambda value: value


def _condition(tree: Node, known: Mapping[str, Input]) -> Callable[[Mapping[str, Any]], bool]:
    try:
        with bundle_faults("segment"):
            compute = compile_tree(tree)
    except BundleError as e:
        raise ValueError(e.message.replace("features.json", "segment")) from e
    if tree.type != "boolean":
        raise ValueError(f"segment: it gives a {tree.type}, and has to give true or false")
    readers = list(_typed(known[name] for name in columns_of(tree)))

    def eligible(event: Mapping[str, Any]) -> bool:
        return compute({name: read(event.get(name)) for name, read in readers}) is True

    return eligible


def _typed(inputs: Iterable[Input]) -> Iterable[tuple[str, Callable[[Any], Any]]]:
    """Readers of values as the encoder of rows has them; what it would refuse is null."""
    for i in inputs:
        exact, convert = converter(i.type, i.missing, i.format)

        def read(value: Any, exact: type | None = exact, convert: Any = convert) -> Any:
            if value is None or type(value) is exact:
                return value
            try:
                return convert(value)
            except Refused:
                return None

        yield i.name, read
