"""Of what a bundle and its image were made, as others read it: SLSA provenance in in-toto's form.

Nothing in a statement depends on when it is written: the same model has the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import MANIFEST
from mlops_cli.bundle.reader import Bundle
from mlops_cli.bundle.signature import PROVENANCE, Subject, statement
from mlops_cli.config.paths import CONFIG, DECISION, DVC_LOCK, METRICS_FILE
from mlops_cli.config.project import Project
from mlops_cli.governance.candidate import provenance
from mlops_cli.governance.sources import files_read
from mlops_cli.packaging.origin import origin
from mlops_cli.packaging.signing import image_subjects
from mlops_cli.redaction import redact

_OURS = "https://github.com/mlops-cli/mlops-cli/attestation"
TRAINING = f"{_OURS}/training/v1"
IMAGE_BUILD = f"{_OURS}/image-build/v1"
BUILDER = f"{_OURS}/builder/v1"

Json = dict[str, Any]


def bundle_provenance(project: Project, bundle: Bundle, sections: Sequence[str]) -> bytes:
    """How the bundle of the workspace was made: an in-toto statement, canonical JSON.

    Its subjects are the bundle by its digest, and each of its files. `sections` are those of
    `mlops.yaml` that training reads: they stand in it as far as they still are what it read.
    """
    made = provenance(bundle)
    files = {MANIFEST: bundle.digest} | {n: f.sha256 for n, f in bundle.manifest.files.items()}
    subjects = [
        Subject(bundle.manifest.project, {"sha256": bundle.digest}),
        *(Subject(f"model/{name}", {"sha256": d}) for name, d in sorted(files.items())),
    ]
    said = _trained(project, made, sections)
    packages = [_package(n, v) for n, v in bundle.requirements().items()]
    said["resolvedDependencies"] = [*said["resolvedDependencies"], *packages]
    return statement(PROVENANCE, subjects, _predicate(said, made, [*_byproducts(project)]))


def image_provenance(
    bundle: Bundle,
    digests: Mapping[str, str],
    base: str,
    sbom: bytes,
    *,
    scored: Mapping[str, bytes] | None = None,
) -> bytes:
    """How an image was made, by its digests (`sha256:...`) by name; see `bundle_provenance`.

    `base` is the base image as the configuration names it, `sbom` the image's bill of materials,
    `scored` the files of the project that are in it.
    It tells no time: who builds the same image again has the same one.
    """
    components = msgspec.json.decode(sbom)["components"]
    said: Json = {
        "buildType": IMAGE_BUILD,
        "externalParameters": {"base": base, "bundle": bundle.digest},
        "resolvedDependencies": [
            {"name": bundle.manifest.project, "digest": {"sha256": bundle.digest}},
            *(
                {"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
                for name, content in sorted((scored or {}).items())
            ),
            *map(_component, components),
        ],
    }
    bill = {"name": "sbom.cdx.json", "digest": {"sha256": hashlib.sha256(sbom).hexdigest()}}
    made = {"mlops_cli_version": version("mlops-cli")}
    return statement(PROVENANCE, image_subjects(digests), _predicate(said, made, [bill]))


def _trained(project: Project, made: Json, sections: Sequence[str]) -> Json:
    said = project.config.model_dump(mode="json", by_alias=True, include=set(sections))
    text = canonical_json(said)
    asked: Json = {"command": "mlops run", "file": CONFIG, "digest": {}}
    if digest := made.get("config_digest"):
        asked["digest"] = {"sha256": digest}
    same = hashlib.sha256(text).hexdigest() == digest
    if same and redact(text.decode()) == text.decode():
        asked["sections"] = said
    return {
        "buildType": TRAINING,
        "externalParameters": {"configuration": asked},
        "internalParameters": {
            f"mlops_cli_{name}": made[key]
            for name, key in (("version", "mlops_cli_version"), ("code_sha256", "code_digest"))
            if made.get(key)
        },
        "resolvedDependencies": [*_source(project, made), *_read(project, made)],
    }


def _source(project: Project, made: Json) -> Iterator[Json]:
    """The commit that was checked out; its place is git's remote, without any login."""
    if commit := made.get("git_commit"):
        url = origin(project.root).get("org.opencontainers.image.source")
        named = {"uri": f"git+{url}@{commit}"} if url else {"name": "the project's repository"}
        yield named | {"digest": {"gitCommit": commit}}


def _read(project: Project, made: Json) -> Iterator[Json]:
    for path, md5 in files_read(project.root).items():
        if md5:
            yield {"name": path, "digest": {"md5": md5}}
    if digest := made.get("data_digest"):
        yield {"name": "the table of features and its plan", "digest": {"sha256": digest}}


def _byproducts(project: Project) -> Iterator[Json]:
    for name in (DECISION, METRICS_FILE, DVC_LOCK):
        file = project.root / name
        if file.is_file():
            yield {
                "name": name,
                "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
            }


def _package(name: str, release: str) -> Json:
    return {"uri": f"pkg:pypi/{name}@{release}", "name": name}


def _component(component: Json) -> Json:
    known = {"uri": component["purl"]} if "purl" in component else {}
    digest = component["hashes"][0]["content"]
    return {**known, "name": component["name"], "digest": {"sha256": digest}}


def _predicate(said: Json, made: Json, byproducts: list[Json]) -> Json:
    release = made.get("mlops_cli_version")
    run: Json = {
        "builder": {"id": BUILDER} | ({"version": {"mlops-cli": release}} if release else {})
    }
    times = {"invocationId": made.get("run_id"), "finishedOn": made.get("time")}
    if known := {k: v for k, v in times.items() if isinstance(v, str)}:
        run["metadata"] = known
    return {
        "buildDefinition": said,
        "runDetails": run | ({"byproducts": byproducts} if byproducts else {}),
    }
