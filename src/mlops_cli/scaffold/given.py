"""The files that a project has from the templates, and the record of what they gave.

The record (`.mlops-init.json`, in git) is what a later release merges against: what it gave then,
what the project has now, what it would give today. `mlops.yaml` and the contract are none of
these files: they are the project's own from the first day.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from mlops_cli._files import write_text
from mlops_cli._templates import as_yaml, render
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.requirements import PACKAGE
from mlops_cli.config.paths import TEMPLATE_RECORD
from mlops_cli.errors import UsageError
from mlops_cli.scaffold.texts import comment, github_scalar, scalar
from mlops_cli.secret_forms import refuse_secrets
from mlops_cli.stages import PIPELINE

_TEMPLATES = {
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".gitattributes": "gitattributes",
    "tests/test_project.py": "test_project.py",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the templates know of a project; `folder` is its path inside another git work tree."""

    project: str
    task: Task
    table: str
    target_name: str
    expression: str | None
    contract: str
    reference: bool
    folder: str | None

    @property
    def workflow(self) -> str:
        """The file of what GitHub runs: it reads those at the top of a repository only."""
        folder = self.folder or ""
        part = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder).strip("-")
        name = f"mlops-{part}" if part else "mlops"
        return f"{'../' * len(Path(folder).parts)}.github/workflows/{name}.yml"


@dataclass(frozen=True, slots=True)
class Record:
    """The files that a release gave, by path, and which release that was."""

    version: str
    files: Mapping[str, str]


def given(facts: Facts) -> Record:
    """What this release gives a project.

    Raises `UsageError` where a name in it is a secret by its form: the files go to git.
    """
    python = sys.version_info
    release = version("mlops-cli")
    values = asdict(facts) | {
        "yaml": scalar,
        "github": github_scalar,
        "comment": comment,
        "quoted": as_yaml,
        "outs": [path for stage in PIPELINE for path in (*stage.outs, *stage.persist)],
        "workflow": facts.workflow,
        "paths": _paths(facts),
        "python": f"{python.major}.{python.minor}",
        "version": release,
        # The repository's variable MLOPS_REQUIREMENT names another source.
        "requirement": PACKAGE.format(release),
    }
    templates = _TEMPLATES | {facts.workflow: "workflow.yml"}
    files = {path: render(f"project/{name}.j2", **values) for path, name in templates.items()}
    for path, text in files.items():
        refuse_secrets(text, path)
    return Record(release, files)


def _paths(facts: Facts) -> list[str]:
    """Where a change makes GitHub run the workflow, as its filters take it; none: everywhere."""
    if facts.folder is None:
        return []
    # No expression may begin in a filter.
    plain = re.sub(r"([*?+\[\]!\\])", r"\\\1", facts.folder).replace("$", "[$]")
    return [f"{plain}/**", facts.workflow.replace("../", "")]


def write_record(root: Path, record: Record) -> None:
    """Write the record; a line of a file is a line of it, so that git shows what changed."""
    files = {path: text.splitlines(keepends=True) for path, text in record.files.items()}
    value = {"mlops": record.version, "files": files}
    write_text(root / TEMPLATE_RECORD, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_record(root: Path) -> Record | None:
    """The record of a project; None where it has none. Raises `UsageError` for a broken one."""
    try:
        found = json.loads((root / TEMPLATE_RECORD).read_text(encoding="utf-8"))
        return Record(found["mlops"], {p: "".join(lines) for p, lines in found["files"].items()})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise UsageError(
            f"{TEMPLATE_RECORD} is not what `mlops init` wrote",
            hint=f"git checkout -- {TEMPLATE_RECORD}, or delete it",
        ) from e
