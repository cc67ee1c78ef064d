"""The command `contract`: versions of the tables' contracts, and what they must not break."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from mlops_cli._files import write_text
from mlops_cli._locks import locked
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.config.model import contract_of
from mlops_cli.config.project import Project
from mlops_cli.contracts.changes import Change, changes_of
from mlops_cli.contracts.compatibility import Break, incompatible
from mlops_cli.contracts.distribution import profile_of
from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.model import Contract, load_contract
from mlops_cli.contracts.published import (
    Published,
    contract_file,
    contract_files,
    published_versions,
    refuse_changed,
    version_file,
)
from mlops_cli.contracts.table_rules import Shares
from mlops_cli.contracts.write import with_keys, write_contract
from mlops_cli.errors import EnvironmentFault, GateError, UsageError
from mlops_cli.exports.base import Exported, write_files
from mlops_cli.exports.contracts import Form, contract_files_of
from mlops_cli.governance.contracts import publication, recorded_versions
from mlops_cli.reports.contract import write_contract_page
from mlops_cli.tables import open_engine
from mlops_cli.tracking import open_tracker

Action = Literal["infer", "check", "diff", "publish", "list", "export", "report"]
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ContractOptions:
    """What one of the actions asks beside a name.

    `reason` is of `publish`; `since` and `until` are the versions that `diff` compares (default:
    the last one, and the file as it stands); `form` and `folder` are those of `export`; `force`
    takes the place of a contract that is there, or of an exported file that a person changed.
    """

    reason: str | None = None
    since: int | None = None
    until: int | None = None
    form: Form | None = None
    folder: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class ContractEntry:
    """A contract: its published versions (null: the file was never published), and its owner.

    `changed` is whether the file says something else than its last version.
    """

    name: str
    version: int | None
    versions: tuple[int, ...]
    compatibility: str
    columns: int
    owner: str | None
    changed: bool


@dataclass(frozen=True, slots=True)
class ContractResult:
    """What an action did or found; what it is not about is empty.

    `name` is the contract, `version` the one that stands now, `published` whether it is new,
    `changes` what differs from the version before, `file` what was written.
    """

    action: Action
    contracts: tuple[ContractEntry, ...] = ()
    name: str | None = None
    version: int | None = None
    published: bool = False
    changes: tuple[Change, ...] = ()
    file: str | None = None
    exported: Exported | None = None
    remarks: tuple[str, ...] = ()


def contract(
    project: Project,
    action: Action = "list",
    name: str | None = None,
    *,
    options: ContractOptions | None = None,
) -> ContractResult:
    """List the contracts, infer, compare or publish one, or write it in another tool's form.

    `report` writes a page of what `mlops validate` found of all of them.

    `name` is the contract's (default: the main table's), of `infer` the table's file. `publish` and
    `check` raise `GateError` for what the contract's `compatibility` forbids, naming column and
    rule, and for a published version that was changed; `publish` is recorded in the audit log.
    Raises `UsageError` for a contract or version that does not exist, `DataError` for a table that
    cannot be read.
    """
    asked = options or ContractOptions()
    match action:
        case "list":
            return ContractResult(action, contracts=tuple(_entries(project)))
        case "infer":
            return _inferred(project, name, force=asked.force)
        case "check":
            return _checked(project, name)
        case "diff":
            return _compared(project, name, asked)
        case "publish":
            return _published(project, name, asked.reason)
        case "export":
            return _exported(project, name, asked)
        case "report":
            return ContractResult(action, file=write_contract_page(project))
        case _:
            assert_never(action)


def _entries(project: Project) -> list[ContractEntry]:
    return [_entry(project, name, path) for name, path in sorted(contract_files(project).items())]


def _entry(project: Project, name: str, path: Path) -> ContractEntry:
    here, known = load_contract(path), published_versions(project.root, name)
    last = max(known, default=None)
    return ContractEntry(
        name=name,
        version=last,
        versions=tuple(known),
        compatibility=here.compatibility,
        columns=len(here.columns),
        owner=here.owner,
        changed=last is not None and bool(changes_of(known[last].contract, here)),
    )


def _inferred(project: Project, table: str | None, *, force: bool) -> ContractResult:
    table = table or project.config.data.table
    path = project.root / table
    if not path.is_file():
        raise UsageError(f"no such file: {table}", hint="name a table: data/raw/NAME.parquet")
    file = project.contracts.get(table) or contract_of(table)
    if (project.root / file).is_file() and not force:
        raise UsageError(f"{file} is there already", hint="infer it anew in its place: --force")
    data = project.config.data
    times = [data.time] if data.time and table == data.table else []
    with open_engine(temporary=project.temporary) as engine:
        found, _ = infer_contract(engine, path, times=times)
    write_contract(project.root / file, found, table=table)
    return ContractResult("infer", name=Path(file).stem, file=file)


@dataclass(frozen=True, slots=True)
class _Versions:
    """A contract's file as it stands, and its published versions."""

    name: str
    path: Path
    here: Contract
    known: dict[int, Published]

    @property
    def last(self) -> int | None:
        return max(self.known, default=None)

    def changes(self) -> tuple[Change, ...]:
        """What the file changes of the last version."""
        return tuple(changes_of(self.known[self.last].contract, self.here)) if self.last else ()

    def refuse_incompatible(self) -> None:
        found = incompatible(self.here, {n: v.contract for n, v in self.known.items()})
        if found:
            raise GateError(
                f"contracts/{self.path.name}: {_told(found, self.here.compatibility)}",
                hint="give a new column nullable: true, widen the rule, or set compatibility: NONE",
            )


def _versions(project: Project, name: str | None) -> _Versions:
    found, path = contract_file(project, name)
    return _Versions(found, path, load_contract(path), published_versions(project.root, found))


def _told(breaks: list[Break], mode: str) -> str:
    first = breaks[0]
    where = f"{first.column}: " if first.column else ""
    reader = (
        f"data of version {first.version} cannot be read by this one"
        if first.direction == "BACKWARD"
        else f"new data cannot be read by version {first.version}"
    )
    more = f"; and {len(breaks) - 1} more" if len(breaks) > 1 else ""
    return f"{where}{mode} is broken, rule `{first.rule}`: {reader}: {first.why}{more}"


def _checked(project: Project, name: str | None) -> ContractResult:
    versions = _versions(project, name)
    entries = every_entry(project.root, open_tracker(project))
    refuse_changed(versions.name, versions.known, recorded_versions(versions.name, entries))
    versions.refuse_incompatible()
    return ContractResult(
        "check", name=versions.name, version=versions.last, changes=versions.changes()
    )


def _compared(project: Project, name: str | None, asked: ContractOptions) -> ContractResult:
    versions = _versions(project, name)
    since = asked.since or versions.last
    if since is None:
        raise UsageError(
            f"the contract {versions.name} has no published version to compare with",
            hint=f"mlops contract publish {versions.name}",
        )
    before = _version(versions, since)
    after = versions.here if asked.until is None else _version(versions, asked.until)
    return ContractResult(
        "diff",
        name=versions.name,
        version=since,
        changes=tuple(changes_of(before, after)),
    )


def _version(versions: _Versions, number: int) -> Contract:
    if number not in versions.known:
        known = ", ".join(map(str, versions.known)) or "none"
        raise UsageError(
            f"the contract {versions.name} has no version {number}", hint=f"published: {known}"
        )
    return versions.known[number].contract


def _published(project: Project, name: str | None, reason: str | None) -> ContractResult:
    tracker = open_tracker(project)
    busy = EnvironmentFault("another process publishes a contract", hint="try again")
    with locked(project.cache / "contracts.lock", otherwise=busy, seconds=_LOCK_SECONDS):
        versions = _versions(project, name)
        recorded = recorded_versions(versions.name, every_entry(project.root, tracker))
        refuse_changed(versions.name, versions.known, recorded)
        changes, new = versions.changes(), versions.last is None or bool(versions.changes())
        if new:
            versions.refuse_incompatible()
            number = (versions.last or 0) + 1
            _write(project, versions, number, reason)
            versions = _versions(project, name)
        last = versions.known[versions.last or 1]
        if versions.here.version != last.number:  # the last step of one that was killed
            _set_version(versions.path, last.number)
        if last.number not in recorded:
            record(project, publication(versions.name, last), copies=tracker)
    file = version_file(project.root, versions.name, last.number).relative_to(project.root)
    return ContractResult(
        "publish",
        name=versions.name,
        version=last.number,
        published=new,
        changes=changes,
        file=str(file),
    )


def _write(project: Project, versions: _Versions, number: int, reason: str | None) -> None:
    text = versions.path.read_text(encoding="utf-8")
    said: dict[str, object] = {"version": number} | ({"reason": reason} if reason else {})
    if profile := _profile(project, versions):
        said["profile"] = {n: p.model_dump(exclude_none=True) for n, p in profile.items()}
    file = version_file(project.root, versions.name, number)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, with_keys(text, said))


def _profile(project: Project, versions: _Versions) -> dict[str, Shares] | None:
    """What the version keeps of its table, for `distribution`."""
    if versions.here.distribution is None:
        return None
    of = {Path(file).stem: table for table, file in project.contracts.items()}
    if versions.name not in of:
        raise UsageError(
            f"distribution of the contract {versions.name} needs its table",
            hint="mlops.yaml: `validate: {tables: [FILE]}` names it",
        )
    with open_engine(temporary=project.temporary) as engine:
        return profile_of(engine, project.root / of[versions.name], versions.here)


def _set_version(path: Path, number: int) -> None:
    write_text(path, with_keys(path.read_text(encoding="utf-8"), {"version": number}))


def _exported(project: Project, name: str | None, asked: ContractOptions) -> ContractResult:
    if asked.form is None or asked.folder is None:
        raise UsageError(
            "an export needs a form and a folder",
            hint="mlops contract export NAME --as json-schema --to DIR",
        )
    versions = _versions(project, name)
    rendered = contract_files_of(versions.name, versions.here, asked.form)
    written = write_files(asked.folder, rendered.files, force=asked.force)
    return ContractResult("export", name=versions.name, exported=written, remarks=rendered.remarks)
