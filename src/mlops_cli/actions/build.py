"""The command `package --build`: the image of the workspace's model, proved and maybe pushed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops_cli._files import write_bytes
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.paths import CACHE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.packaging.image import image_of
from mlops_cli.progress import QUIET, Progress


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image, by its tag in the local engine, and the bundle that it serves.

    `pushed` is its name in the registry, None where it was not pushed; `sbom` is the file of the
    project that tells what it installs, the same as in the image.
    """

    image: str
    digest: str
    version: str
    sbom: str
    pushed: str | None = None


def build(project: Project, *, push: bool = False, progress: Progress = QUIET) -> BuildResult:
    """Build the image of `model/`, have it replay the golden rows, and only then name it.

    The stage `package` comes before: it refuses a model that its gates refused. With `push` it
    goes to `deploy.registry`, with the user's own login. Raises `UsageError` where there is no
    registry, `EnvironmentFault` where engine, pip or registry fail, or a row differs.
    """
    registry = project.config.deploy.registry or project.config.deploy.kubernetes.registry
    if push and registry is None:
        raise UsageError(
            "there is no registry to push to",
            hint="deploy: {registry: registry.example.com/team} in mlops.yaml",
        )
    bundle = open_bundle(project.root / MODEL)
    image = image_of(bundle, base=project.config.package.base, root=project.root)
    tag = image.build(progress=progress)
    pushed = image.push(registry, progress=progress) if push and registry else None
    bill = Path(CACHE) / "sbom" / f"{bundle.version}.cdx.json"
    (project.root / bill).parent.mkdir(parents=True, exist_ok=True)
    write_bytes(project.root / bill, image.sbom(progress=progress))
    return BuildResult(tag, bundle.digest, bundle.version, str(bill), pushed)
