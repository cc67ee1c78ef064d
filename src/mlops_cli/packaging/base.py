"""The port of what builds images: an engine on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlops_cli.bundle.reader import Bundle
from mlops_cli.progress import Progress


@dataclass(frozen=True, slots=True)
class Base:
    """What an image is made on: the base image, and the project's own templates, if any."""

    image: str
    own: Path | None = None


class Builder(Protocol):
    """Builds, proves and pushes images."""

    def ensure_image(
        self, bundle: Bundle, name: str, *, base: Base, labels: dict[str, str], progress: Progress
    ) -> None:
        """Have the image of `bundle` in the engine as `name`, unless one of the same inputs is.

        It gets the name only after a container of it has answered every golden row over HTTP as
        training did. What killed builds left running is removed. Raises `EnvironmentFault` with
        the reason of engine, pip or the row.
        """

    def sbom(self, bundle: Bundle, *, progress: Progress) -> bytes:
        """The bill of materials that stands in the bundle's image: see `sbom.sbom`."""

    def push_image(self, name: str, target: str, *, progress: Progress) -> None:
        """Push the image `name` as `target` (`registry/name:tag`) with the user's own login.

        Raises `EnvironmentFault` with the registry's reason.
        """
