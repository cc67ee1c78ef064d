"""The command `receipt`: all that stands behind one prediction, in a file that checks by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from mlops_cli._files import write_bytes
from mlops_cli._git import author
from mlops_cli._json import canonical_json
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import every_entry, read_log
from mlops_cli.audit.signatures import sign
from mlops_cli.audit.verify import graph_faults
from mlops_cli.bundle.manifest import MANIFEST, MODEL_FILES, REQUIREMENTS
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import InconclusiveError, TamperedError, UsageError
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.life import about
from mlops_cli.governance.proof import proof
from mlops_cli.monitoring.collected.logged import Line, lines_of, not_logged, row_features
from mlops_cli.reports.receipt import pack, verifier
from mlops_cli.tracking import open_tracker

_DIGEST = re.compile(r"(hmac-)?sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ReceiptResult:
    """The file, and the version that answered; `rows` of the request are in it.

    `number` is whether the features are in it by which the model's own library computes the number
    again; `left_out` says, a text each, what is not in it. `verifier` is the program that checks
    it, where one was asked for.
    """

    file: str
    request_id: str
    version: str
    digest: str
    rows: int
    number: bool
    signed: bool
    left_out: tuple[str, ...]
    verifier: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a receipt is asked for.

    `version` is whose answer, where several versions gave one; with `partial` a receipt without
    the number is one, too; `key` is an OpenSSH key that signs; `verifier` where the program goes.
    """

    version: str | None = None
    partial: bool = False
    key: Path | None = None
    verifier: Path | None = None


def receipt(
    project: Project, request_id: str, out: Path, *, asked: Asked = Asked()
) -> ReceiptResult:
    """Write the receipt of what was predicted for a request, from the log that was collected.

    Raises `UsageError` where no log was collected, it has no such request, or the model failed at
    it; `InconclusiveError` where it keeps too little to make the features again; `TamperedError`
    where the audit log does not verify by itself; and what `Tracker.fetch` raises.
    """
    lines = _answered(project, request_id, asked.version)
    tracker, log = open_tracker(project), read_log(project.root)
    if faults := graph_faults(log):
        raise TamperedError(f"the audit log does not verify: {faults[0]}", faults=faults)
    entries = every_entry(project.root, tracker)
    digest = version_of(project, tracker, entries, lines[0].version).digest
    bundle = open_bundle(tracker.fetch(digest))
    features, absent = _features(bundle, lines, partial=asked.partial)
    own = about(in_order(entries), digest)
    papers, lacking = proof(project, bundle, _evidence(own, digest))
    left_out = (
        *_left_out(project, bundle, lines, absent),
        *(f"{name}: this clone does not have the one of that registration" for name in lacking),
        *_others(len(entries) - len(own)),
    )
    content = pack(
        {
            "receipt.json": _summary(project, request_id, digest, left_out),
            "prediction.jsonl": b"".join(canonical_json(line) for line in lines),
            **features,
            **_model(bundle),
            **papers,
            "audit.jsonl": b"".join(e.line.encode() + b"\n" for e in own),
        },
        _signing(asked.key),
    )
    write_bytes(out, content)
    if asked.verifier is not None:
        write_bytes(asked.verifier, verifier().read_bytes())
    return ReceiptResult(
        file=str(out),
        request_id=request_id,
        version=bundle.version,
        digest=digest,
        rows=len(lines),
        number=bool(features),
        signed=asked.key is not None,
        left_out=left_out,
        verifier=str(asked.verifier) if asked.verifier else None,
    )


def _answered(project: Project, request_id: str, version: str | None) -> list[Line]:
    """The lines of what one version answered; those of a shadow only where it is named."""
    found = lines_of(project, request_id)
    if not found:
        raise not_logged(project, request_id)
    lines = [x for x in found if version in (None, x.version)]
    if version is None:
        lines = [x for x in lines if x.variant != "shadow"]  # whose answer nobody was given
    versions = sorted({line.version for line in lines})
    if len(versions) != 1:
        known = ", ".join(sorted({line.version for line in found}))
        what = "several versions" if versions else f"no version {version or 'but a shadow'}"
        raise UsageError(
            f"{what} answered the request {request_id}; the log has {known}",
            hint="name one: --version VERSION",
        )
    if failed := next((line for line in lines if line.prediction is None), None):
        raise UsageError(
            f"there is no number: {failed.version} failed at the request ({failed.error})",
            hint="`mlops logs` has what the server said",
        )
    return lines


def _features(
    bundle: Bundle, lines: Sequence[Line], *, partial: bool
) -> tuple[dict[str, bytes], list[str]]:
    """The features as an entry, and the inputs that the log does not have as they were sent."""
    rows = row_features(bundle, lines)
    inputs = [i.name for i in bundle.manifest.inputs]
    absent = [n for n in inputs if any(_is_hidden(line, n) for line in lines)]
    if rows is not None:
        names = [feature.name for feature in bundle.manifest.features]
        return {"features.json": canonical_json({"names": names, "rows": rows})}, absent
    if partial:
        return {}, absent
    some = ", ".join(f"`{name}`" for name in absent[:5]) or "an input"
    raise InconclusiveError(
        f"the features cannot be made again, as the log has not what was sent of {some}: "
        "left out, or a digest of it",
        hint="--partial makes a receipt without the number; serve.log (columns, hash, leave_out) "
        "and data.sensitive say what later ones can have",
    )


def _is_hidden(line: Line, name: str) -> bool:
    value = line.inputs.get(name)
    return name not in line.inputs or (isinstance(value, str) and bool(_DIGEST.fullmatch(value)))


def _model(bundle: Bundle) -> dict[str, bytes]:
    """What the number needs of a bundle: nothing that was made of rows."""
    names = (MANIFEST, MODEL_FILES[bundle.manifest.model], REQUIREMENTS)
    return {f"model/{name}": bundle.content(name) for name in names}


def _evidence(own: Sequence[Entry], digest: str) -> dict[str, str]:
    """The digests that the version was registered with last."""
    made = (e for e in reversed(own) if e.subject.get("digest") == digest)
    registered = (e for e in made if (e.action, e.outcome) == ("register", "done"))
    return next((e.evidence for e in registered), {})


def _left_out(
    project: Project, bundle: Bundle, lines: Sequence[Line], absent: Sequence[str]
) -> Iterator[str]:
    if absent:
        yield f"inputs that were not sent, or that the log does not keep: {', '.join(absent)}"
    log = project.config.serve.log
    if log is not None and log.sample < 1:
        yield f"other requests: the log keeps {log.sample:.4g} of them (serve.log.sample)"
    if any(line.features is None for line in lines):
        yield "the digest of the features, which the log does not have"
    yield "which API key was used"
    rest = sorted(bundle.manifest.files.keys() - {REQUIREMENTS, bundle.model_file.name})
    yield f"{', '.join(rest)} of the bundle: the manifest has their digests"
    yield "the data, which dvc.lock names by digest"


def _others(count: int) -> list[str]:
    return [f"{count} entries of the audit log, which are of other versions"] if count else []


def _summary(project: Project, request_id: str, digest: str, left_out: Sequence[str]) -> bytes:
    said = {
        "project": project.config.project,
        "request_id": request_id,
        "digest": digest,
        "made": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "by": author(project.root),
        "left_out": left_out,
    }
    return canonical_json(msgspec.to_builtins(said))


def _signing(key: Path | None) -> Callable[[bytes], str] | None:
    return partial(sign, key=str(key.absolute())) if key else None
