"""The image of one bundle: its names, and its making when somebody needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from mlops_cli._templates import own_templates
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.packaging import open_builder
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.batch import project_files, score_requirements
from mlops_cli.packaging.extras import extra_requirements, tag_of
from mlops_cli.packaging.origin import created, origin
from mlops_cli.packaging.signing import signature
from mlops_cli.progress import Progress
from mlops_cli.serving.contract import ONLINE


@dataclass(frozen=True, slots=True)
class BundleImage:
    """The image that serves `bundle` on the base image `base`; `root` is the project's folder.

    `serve` are the server's settings, as variables: an image has what they need. With `scored`, the
    files by which the project scores, it scores files instead (see `batch`).
    """

    bundle: Bundle
    base: str
    root: Path
    serve: Mapping[str, str] = field(default_factory=dict)
    scored: Mapping[str, bytes] | None = None

    @property
    def name(self) -> str:
        """`project:version-release`, the bundle's version and the release of this package.

        A project's name in the form that a repository may have. With another release it is
        another image, which whoever runs it is to have anew. With extras or a signature, `-` and
        8 digits of their digest follow; `-batch` where it scores files.
        """
        base = self._base
        more = tag_of(base.extras, base.signature) if self.scored is None else "-batch"
        tag = f"{self.bundle.version}-{release_tag()}{more}"
        return f"{repository(self.bundle.manifest.project)}:{tag}"

    @property
    def _base(self) -> Base:
        own = own_templates(self.root)
        if self.scored is not None:
            return Base(self.base, own, score_requirements(), scored=self.scored)
        return Base(
            self.base,
            own,
            extra_requirements(self.serve),
            signature(self.root, self.bundle),
        )

    def name_in(self, registry: str) -> str:
        """The same below `registry`, host and path."""
        return f"{registry.rstrip('/')}/{self.name}"

    def build(self, *, progress: Progress) -> str:
        """Have it in the local engine, proved; see `Builder.ensure_image`."""
        labels = origin(self.root) | created(self.root)
        open_builder().ensure_image(
            self.bundle, self.name, base=self._base, labels=labels, progress=progress
        )
        return self.name

    def sbom(self, *, progress: Progress) -> bytes:
        """What it installs, as CycloneDX; see `Builder.sbom`."""
        return open_builder().sbom(self.bundle, base=self._base, progress=progress)

    def push(self, registry: str, *, progress: Progress) -> str:
        """Push it with the user's own login; see `Builder.push_image`."""
        target = self.name_in(registry)
        open_builder().push_image(self.build(progress=progress), target, progress=progress)
        return target


def image_of(
    bundle: Bundle, *, base: str, root: Path, serve: Mapping[str, str] | None = None
) -> BundleImage:
    """The image of `bundle`; nothing is built or asked yet."""
    return BundleImage(bundle, base, root, serve or {})


def project_image(project: Project, bundle: Bundle) -> BundleImage:
    """The image of a project's bundle, with what its `serve` and its secrets ask of a server."""
    config = project.config
    secrets = dict.fromkeys(config.deploy.secrets, "set")
    online = {ONLINE: project.online} if project.online else {}
    serve = {**config.serve.environment(), **online, **secrets}
    return image_of(bundle, base=config.package.base, root=project.root, serve=serve)


def batch_image(project: Project, bundle: Bundle) -> BundleImage:
    """The image that scores files by a project's bundle, as `mlops score` does.

    Raises `UsageError` for a secret in what it would hold of the project.
    """
    base, files = project.config.package.base, project_files(project)
    return BundleImage(bundle, base, project.root, scored=files)


def release_tag() -> str:
    """The release of this package, whose server is in the image, as a tag may have it."""
    return re.sub(r"[^\w.-]", "-", version("mlops-cli"))


def repository(project: str) -> str:
    """A project's name as Docker allows it: lower case, single separators, none at the ends."""
    return re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")
