"""What the audit log says was published of a contract."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.contracts.published import Published

_NAME, _VERSION = "contract", "version"


def recorded_versions(name: str, entries: Mapping[str, Entry]) -> dict[int, str]:
    """The sha256 (64 hex digits) of each version's file as it was published, by number."""
    return {
        int(entry.subject[_VERSION]): entry.evidence[_NAME]
        for entry in entries.values()
        if entry.action == "contract" and entry.subject.get(_NAME) == name
    }


def publication(name: str, version: Published) -> Draft:
    """The entry that says a version was published, by whom and why."""
    subject = {_NAME: name, _VERSION: str(version.number)}
    return Draft("contract", "done", subject, version.contract.reason, {_NAME: version.digest})
