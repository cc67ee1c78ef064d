"""The command `package --build`: the image of the workspace's model, proved and maybe pushed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli._files import write_bytes
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import CACHE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.packaging import open_builder
from mlops_cli.packaging.image import project_image
from mlops_cli.packaging.signing import open_key, sign_bundle, sign_image
from mlops_cli.progress import QUIET, Progress


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image, by its tag in the local engine, and the bundle that it serves.

    `pushed` is its name in the registry, None where it was not pushed; `sbom` is the file of the
    project that tells what it installs. `signed` are the files of the envelopes, if a key was
    given: of the bundle and, where one was built, of the image.
    """

    image: str | None
    digest: str
    version: str
    sbom: str | None
    pushed: str | None = None
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

    With `key`, a private key in PEM, bundle and image are signed, the bundle before, so that the
    image has that signature; without `image` the bundle alone. The stage `package` comes before:
    it refuses a model that its gates refused. With `push` it goes to `deploy.registry`, with the
    user's own login. Raises `UsageError` where there is no registry, or `key` is none that opens;
    `EnvironmentFault` where engine, pip or registry fail, or a row differs.
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
    found = BuildResult(None, bundle.digest, bundle.version, None)
    if image:
        found = _built(project, bundle, registry if push else None, progress)
        if signer is not None and found.image is not None:
            names = [found.image, *([found.pushed] if found.pushed else [])]
            digests = open_builder().digests(names)
            signed.append(sign_image(project.root, bundle, digests, signer))
    return replace(found, signed=tuple(map(str, signed)))


def _built(
    project: Project, bundle: Bundle, registry: str | None, progress: Progress
) -> BuildResult:
    image = project_image(project, bundle)
    tag = image.build(progress=progress)
    pushed = image.push(registry, progress=progress) if registry else None
    bill = Path(CACHE) / "sbom" / f"{bundle.version}.cdx.json"
    (project.root / bill).parent.mkdir(parents=True, exist_ok=True)
    write_bytes(project.root / bill, image.sbom(progress=progress))
    return BuildResult(tag, bundle.digest, bundle.version, str(bill), pushed)
