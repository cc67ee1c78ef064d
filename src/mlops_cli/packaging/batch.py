"""What an image whose entry point is `mlops score` has beyond a server's: packages, a project."""

from __future__ import annotations

import msgspec

from mlops_cli.bundle.requirements import format_requirements
from mlops_cli.config.document import read_project_yaml
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.secret_forms import refuse_secrets

# What `mlops score` imports and no bundle names, at the versions that this release was tried with.
# Typer's own needs lack Rich, which it draws help pages with where it is asked to: it is not.
_SCORE = {
    "annotated-doc": "0.0.7",
    "annotated-types": "0.8.0",
    "duckdb": "2.0.0",
    "pyarrow": "25.0.1",
    "pydantic": "2.14.3",
    "pydantic-core": "2.50.4",
    "ruamel-yaml": "0.19.1",
    "shellingham": "1.5.4",
    "sqlglot": "30.30.0",
    "typer": "0.29.2",
    "typing-extensions": "4.16.0",
    "typing-inspection": "0.4.5",
}
_SECTIONS = ("project", "task", "data", "validate", "features")  # of mlops.yaml; none has ${VAR}


def score_requirements() -> str:
    """A requirements.txt of what scoring a file needs beside a bundle's own packages."""
    return format_requirements(_SCORE)


def project_files(project: Project) -> dict[str, bytes]:
    """What scoring reads of a project, by its path there.

    That is some of `mlops.yaml`, the contracts, and the files of `features.python`.

    No data, and nothing of servers, tracking or targets. Raises `UsageError` for a literal in them
    that is a secret by its form.
    """
    config = read_project_yaml(project.root / CONFIG)
    said = {section: config[section] for section in _SECTIONS if section in config}
    files = {CONFIG: msgspec.json.encode(said) + b"\n"}  # JSON is YAML, and has no comments
    for contract in project.contracts.values():
        read_project_yaml(project.root / contract)
        files[contract] = (project.root / contract).read_bytes()
    for name in project.config.features.python_files:
        files[name] = (project.root / name).read_bytes()
        refuse_secrets(files[name].decode("utf-8", "replace"), name)
    return files
