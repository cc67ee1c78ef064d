"""The command `package --build`: the image of the workspace's model, proved and maybe pushed."""

from __future__ import annotations

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
from mlops_cli.packaging.image import project_image
from mlops_cli.packaging.signing import open_key, sign_bundle, sign_image, sign_provenance
from mlops_cli.progress import QUIET, Progress
from mlops_cli.reports.ml_bom import ml_bom
from mlops_cli.reports.provenance import bundle_provenance, image_provenance
from mlops_cli.stages import stage


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image, by its tag in the local engine, and the bundle that it serves.

    `pushed` is its name in the registry, None where it was not pushed; `sbom` is the file of the
    project that tells what it installs. `ml_bom` is the one that tells what the model is, and
    `provenance` are the statements of what the bundle and, where one was built, the image were
    made from. `signed` are the files of the envelopes, if a key was given.
    """

    image: str | None
    digest: str
    version: str
    sbom: str | None
    pushed: str | None = None
    ml_bom: str | None = None
    provenance: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()


def build(
    project: Project,
    *,
    image: bool = True,
    push: bool = False,
    key: Path | None = None,
    progress: Progress = QUIET,
) -> BuildResult:
    """Build the image of `model/`, have it replay the golden rows, and only then name it.

    What model and image were made from is written for others to read, with `image` or without.

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
    found = BuildResult(None, bundle.digest, bundle.version, None)
    if image:
        found, digests, sbom = _built(project, bundle, registry if push else None, progress)
        base = project.config.package.base
        said[f"{bundle.version}.image"] = image_provenance(bundle, digests, base, sbom)
        if signer is not None:
            signed.append(sign_image(project.root, bundle, digests, signer))
    if signer is not None:
        signed += [sign_provenance(project.root, n, text, signer) for n, text in said.items()]
    return replace(
        found,
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


def _built(
    project: Project, bundle: Bundle, registry: str | None, progress: Progress
) -> tuple[BuildResult, dict[str, str], bytes]:
    """The image, its digests by name, and its bill of materials."""
    image = project_image(project, bundle)
    tag = image.build(progress=progress)
    pushed = image.push(registry, progress=progress) if registry else None
    digests = open_builder().digests([tag, *([pushed] if pushed else [])])
    content = image.sbom(progress=progress)
    bill = _kept(project, "sbom", f"{bundle.version}.cdx.json", content)
    found = BuildResult(tag, bundle.digest, bundle.version, bill, pushed)
    return found, digests, content
