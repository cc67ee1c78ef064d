"""The port of what builds images: an engine on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlops_cli.bundle.reader import Bundle
from mlops_cli.progress import Progress


@dataclass(frozen=True, slots=True)
class Base:
    """What an image is made of beside its bundle: the base image, and what a project has.

    `own` are the project's templates, `extras` a requirements.txt beyond the bundle's, `signature`
    the bundle's envelope. With `scored`, the files by which a project scores, the image's entry
    point is `mlops score`, else the server.
    """

    image: str
    own: Path | None = None
    extras: str = ""
    signature: bytes | None = None
    scored: Mapping[str, bytes] | None = None


class Builder(Protocol):
    """Builds, proves and pushes images."""

    def ensure_image(
        self, bundle: Bundle, name: str, *, base: Base, labels: dict[str, str], progress: Progress
    ) -> None:
        """Have the image of `bundle` in the engine as `name`, unless one of the same inputs is.

        It gets the name only after a container of it has answered every golden row over HTTP, or
        scored a file of them, as training did. What killed builds left running is removed. Raises
        `EnvironmentFault` with the reason of engine, pip or the row.
        """

    def sbom(self, bundle: Bundle, *, base: Base, progress: Progress) -> bytes:
        """The bill of materials of the bundle's image: see `sbom.sbom`; it names the base."""

    def digests(self, names: Sequence[str]) -> dict[str, str]:
        """The digest of each image (`sha256:...`) by its name: what its registry says, or else
        its id in the engine."""

    def push_image(self, name: str, target: str, *, progress: Progress) -> None:
        """Push the image `name` as `target` (`registry/name:tag`) with the user's own login.

        Raises `EnvironmentFault` with the registry's reason.
        """

    def images_of(self, repository: str, version: str) -> list[str]:
        """The names in the engine of every image of the version, whatever registry they name.

        Raises `EnvironmentFault` where no engine answers.
        """

    def forget(self, names: Sequence[str]) -> None:
        """Remove the names, and each image that has none left; one that is gone is no fault.

        Raises `EnvironmentFault` where a container runs on it.
        """
