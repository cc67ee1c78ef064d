"""The command `package --build`: the image of the workspace's model, proved and maybe pushed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli._files import write_bytes
from mlops_cli.actions.card import told_by_a_person
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import CACHE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.candidate import read_candidate
from mlops_cli.packaging import open_builder
from mlops_cli.packaging.image import BundleImage, batch_image, project_image
from mlops_cli.packaging.signing import open_key, sign_bundle, sign_image, sign_provenance
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.ml_bom import ml_bom
from mlops_cli.reports.provenance import bundle_provenance, image_provenance
from mlops_cli.stages import stage


@dataclass(frozen=True, slots=True)
class BatchImage:
    """The image that scores files, by its tag; `sbom` and `pushed` as of `BuildResult`."""

    image: str
    sbom: str
    pushed: str | None


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image, by its tag in the local engine, and the bundle that it serves.

    `pushed` is its name in the registry, None where it was not pushed; `sbom` is the file of the
    project that tells what it installs. `ml_bom` is the one that tells what the model is, and
    `provenance` are the statements of what the bundle and, where one was built, the image were
    made from. `signed` are the files of the envelopes, if a key was given. `batch` is the second
    image, which scores files, where it was asked for.
    """

    image: str | None
    digest: str
    version: str
    sbom: str | None
    pushed: str | None = None
    ml_bom: str | None = None
    provenance: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    batch: BatchImage | None = None


def build(
    project: Project,
    *,
    image: bool = True,
    batch: bool = False,
    push: bool = False,
    key: Path | None = None,
    progress: Progress = QUIET,
) -> BuildResult:
    """Build the image of `model/`, have it replay the golden rows, and only then name it.

    What model and image were made from is written for others to read, with `image` or without. With
    `batch` there is a second image, whose entry point is `mlops score`: it has scored the golden
    rows before it is named.

    With `key`, a private key in PEM, bundle, image and their provenance are signed, the bundle
    before, so that the image has that signature; without `image` the bundle alone. The stage
    `package` comes before: it refuses a model that its gates refused. With `push` it goes to
    `deploy.registry`, with the user's own login. Raises `UsageError` where there is no registry,
    or `key` is none that opens; `EnvironmentFault` where engine, pip or registry fail, or a row
    differs.
    """
    registry = project.config.deploy.registry or project.config.deploy.kubernetes.registry
    if push and registry is None:
        raise UsageError(
            "there is no registry to push to",
            hint="deploy: {registry: registry.example.com/team} in mlops.yaml",
        )
    bundle = open_bundle(project.root / MODEL)
    signer = open_key(key) if key is not None else None
    signed = [sign_bundle(project.root, bundle, signer)] if signer is not None else []
    said = {bundle.version: bundle_provenance(project, bundle, stage("train").params)}
    bill = _bill(project, bundle)
    built = {
        name: _built(project, name, one, registry if push else None, progress)
        for name, one in _wanted(project, bundle, image=image, batch=batch).items()
    }
    base = project.config.package.base
    said |= {
        name: image_provenance(bundle, one.digests, base, one.bill, scored=one.scored)
        for name, one in built.items()
    }
    if signer is not None:
        signed += [sign_image(project.root, n, one.digests, signer) for n, one in built.items()]
        signed += [sign_provenance(project.root, n, text, signer) for n, text in said.items()]
    return replace(
        _found(bundle, built),
        ml_bom=bill,
        provenance=tuple(_kept(project, "provenance", f"{n}.json", t) for n, t in said.items()),
        signed=tuple(map(str, signed)),
    )


def _bill(project: Project, bundle: Bundle) -> str:
    told, metrics = told_by_a_person(project.root), read_candidate(project.root).metrics
    content = ml_bom(project, bundle, metrics, told)
    return _kept(project, "sbom", f"{bundle.version}.ml.cdx.json", content)


def _kept(project: Project, folder: str, name: str, content: bytes) -> str:
    """Write a document into `.mlops/`; returns its path relative to the project."""
    file = Path(CACHE) / folder / name
    (project.root / file).parent.mkdir(parents=True, exist_ok=True)
    write_bytes(project.root / file, content)
    return str(file)


@dataclass(frozen=True, slots=True)
class _Built:
    """An image that is built: its tag, that of the registry, and the file of its bill of materials.

    `digests` are by name, `bill` is the content of the file; `scored` as of `BundleImage`.
    """

    tag: str
    pushed: str | None
    sbom: str
    digests: dict[str, str]
    bill: bytes
    scored: Mapping[str, bytes] | None


def _wanted(
    project: Project, bundle: Bundle, *, image: bool, batch: bool
) -> dict[str, BundleImage]:
    """The images, by what their documents are called."""
    wanted = {}
    if image:
        wanted[_document(bundle, "image")] = project_image(project, bundle)
    if batch:
        wanted[_document(bundle, "batch")] = batch_image(project, bundle)
    return wanted


def _document(bundle: Bundle, kind: str) -> str:
    return f"{bundle.version}.{kind}"


def _built(
    project: Project, name: str, image: BundleImage, registry: str | None, progress: Progress
) -> _Built:
    tag = image.build(progress=progress)
    pushed = image.push(registry, progress=progress) if registry else None
    digests = open_builder().digests([tag, *([pushed] if pushed else [])])
    content = image.sbom(progress=progress)
    bill = _kept(project, "sbom", f"{name.removesuffix('.image')}.cdx.json", content)
    return _Built(tag, pushed, bill, digests, content, image.scored)


def _found(bundle: Bundle, built: Mapping[str, _Built]) -> BuildResult:
    found = BuildResult(None, bundle.digest, bundle.version, None)
    if serves := built.get(_document(bundle, "image")):
        found = replace(found, image=serves.tag, sbom=serves.sbom, pushed=serves.pushed)
    if scores := built.get(_document(bundle, "batch")):
        found = replace(found, batch=BatchImage(scores.tag, scores.sbom, scores.pushed))
    return found
