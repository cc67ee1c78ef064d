"""The Docker engine by its own command line, and the image of a bundle."""

from __future__ import annotations

import json
import subprocess

from mlops_cli.bundle.reader import Bundle
from mlops_cli.packaging.image import BundleImage, image_of


def docker(*command: str) -> str:
    return subprocess.run(["docker", *command], check=True, capture_output=True, text=True).stdout


def inspected(name: str) -> dict:
    return json.loads(docker("image", "inspect", name))[0]


def image(bundle: Bundle) -> BundleImage:
    return image_of(bundle, base="python:{python}-slim", root=bundle.path)
