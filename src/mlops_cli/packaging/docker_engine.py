"""Build, prove and push an image with the Docker engine that is there."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mlops_cli import _docker
from mlops_cli._files import sha256_of
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import base_image, write_context
from mlops_cli.packaging.dependencies import (
    BUNDLE,
    EXTRAS,
    Layer,
    Place,
    bill_in,
    dependencies_layer,
)
from mlops_cli.packaging.layers import END, append_folder
from mlops_cli.packaging.requirements import image_requirements
from mlops_cli.packaging.sbom import licences_in
from mlops_cli.packaging.sbom import sbom as sbom_of
from mlops_cli.packaging.scoring_test import prove_scoring
from mlops_cli.packaging.smoke_test import prove, sweep
from mlops_cli.packaging.wheels import Environment, fetch_wheels
from mlops_cli.progress import Progress

FINGERPRINT = "dev.mlops-cli.inputs"  # the label that says of what an image was made
LICENCES = "org.opencontainers.image.licenses"
BASE_DIGEST = "org.opencontainers.image.base.digest"
BASE_NAME = "org.opencontainers.image.base.name"
PYTHON_FEATURES = "dev.mlops-cli.python-features"  # code of the project's own that runs in it
_REVISION = "2"  # raise it when the same inputs have other labels
_CHUNK = 1 << 20
_SHOWN = 500


def ensure_image(
    bundle: Bundle, name: str, *, base: Base, labels: dict[str, str], progress: Progress
) -> None:
    """Have the image of `bundle` in the engine as `name`; see `Builder.ensure_image`."""
    with _docker.engine(f"{name} cannot be built") as client:
        sweep(client)
        base_id = _have_base(client, base_image(bundle, base.image), progress)
        layers = _layers(client, bundle, base, progress)
        with tempfile.TemporaryDirectory() as folder:
            context = _context(bundle, base, Path(folder))
            parts = (base_id, *(layer.sha256 for layer in layers), sha256_of(context))
            inputs = _digest(_REVISION, *parts)
            if _stands(client, name, inputs):
                return
            told = labels | {FINGERPRINT: inputs, LICENCES: _licences(layers)}
            told |= _base_labels(client, base_image(bundle, base.image))
            told |= _code_label(bundle)
            image = _build(client, [context, *(layer.file for layer in layers)], told, progress)
        _admit(client, image, bundle, name, base, progress)


def sbom(bundle: Bundle, *, base: Base, progress: Progress) -> bytes:
    """What the bundle's image installs; see `Builder.sbom`."""
    with _docker.engine("what an image installs cannot be told") as client:
        name = base_image(bundle, base.image)
        below = name, _identity(client, name)
        made = _environments(client, bundle, base).values()
        return sbom_of(*(fetch_wheels(e, progress=progress) for e in made), base=below)


def digests(names: Sequence[str]) -> dict[str, str]:
    """The digest of each image; see `Builder.digests`."""
    with _docker.engine("the image's digest cannot be told") as client:
        return {name: _identity(client, name) for name in names}


def _identity(client: Any, name: str) -> str:
    """What the registry calls the image that is here by this name, or else its id."""
    image = client.images.get(name)
    return _in_registry(image, name) or str(image.id)


def _in_registry(image: Any, name: str) -> str | None:
    repository = name.rpartition(":")[0]
    pushed = [d.partition("@") for d in image.attrs.get("RepoDigests") or ()]
    return next((digest for of, _, digest in pushed if of == repository), None)


def _base_labels(client: Any, name: str) -> dict[str, str]:
    """The base's name, and its digest where it is of a registry: an id is nobody else's."""
    digest = _in_registry(client.images.get(name), name)
    return {BASE_NAME: name} | ({BASE_DIGEST: digest} if digest else {})


def _code_label(bundle: Bundle) -> dict[str, str]:
    """Which files of the bundle are code that the server runs, by their digest; often none."""
    files = bundle.manifest.files
    told = [f"{name}@sha256:{files[name].sha256}" for name in bundle.python_files()]
    return {PYTHON_FEATURES: " ".join(told)} if told else {}


def _licences(layers: Sequence[Layer]) -> str:
    """What the packages in the layers are licensed by, as the bill in each says."""
    return licences_in(*(bill_in(layer) for layer in layers))


def _environments(client: Any, bundle: Bundle, base: Base) -> dict[Place, Environment]:
    machine = client.version()["Arch"]
    lists = {BUNDLE: image_requirements(bundle), EXTRAS: base.extras}
    python = bundle.manifest.python
    return {place: Environment(text, python, machine) for place, text in lists.items() if text}


def _layers(client: Any, bundle: Bundle, base: Base, progress: Progress) -> list[Layer]:
    made = _environments(client, bundle, base).items()
    return [dependencies_layer(environment, p, progress=progress) for p, environment in made]


def push_image(name: str, target: str, *, progress: Progress) -> None:
    """Push the image `name` as `target`; see `Builder.push_image`."""
    repository, _, tag = target.rpartition(":")
    with _docker.engine(f"{target} cannot be pushed") as client:
        client.images.get(name).tag(repository, tag)
        try:
            _push(client, repository, tag, progress)
        except BaseException:
            with suppress(_docker.EngineError):  # the registry's reason must not be lost
                client.images.remove(target)  # the name alone: the image has another
            raise


def _push(client: Any, repository: str, tag: str, progress: Progress) -> None:
    for said in client.api.push(repository, tag, stream=True, decode=True):
        if "error" in said:
            raise EnvironmentFault(
                f"{repository}:{tag} cannot be pushed: {str(said['error'])[:_SHOWN]}",
                hint=f"docker login {repository.partition('/')[0]}",
            )
        _tell(said, f"MB of {repository}:{tag} pushed", progress)


def _have_base(client: Any, base: str, progress: Progress) -> str:
    try:
        return str(client.images.get(base).id)
    except _docker.NotFound:
        pass
    repository, colon, tag = base.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = base, "latest"
    try:
        for said in client.api.pull(repository, tag, stream=True, decode=True):
            if "error" in said:
                raise EnvironmentFault(str(said["error"])[:_SHOWN])
            _tell(said, f"MB of {base} pulled", progress)
        return str(client.images.get(base).id)
    except (_docker.EngineError, EnvironmentFault) as e:
        raise EnvironmentFault(
            f"the base image {base} is not in the engine and cannot be pulled: {str(e)[:_SHOWN]}",
            hint=f"docker pull {base}, or name another base image in package.base",
        ) from e


def _context(bundle: Bundle, base: Base, folder: Path) -> Path:
    """What of the build context belongs to this bundle, as an archive without its end."""
    write_context(bundle, folder / "image", base)
    with (folder / "context.tar").open("wb") as archive:
        append_folder(folder / "image", archive)
    return folder / "context.tar"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _stands(client: Any, name: str, inputs: str) -> bool:
    try:
        return bool(client.images.get(name).labels.get(FINGERPRINT) == inputs)
    except _docker.NotFound:
        return False


def _build(client: Any, sent: Sequence[Path], labels: dict[str, str], progress: Progress) -> str:
    """Build without a tag and without a network; returns the image's id."""
    lines = client.api.build(
        fileobj=_sent(sent, progress),
        custom_context=True,
        labels=labels,
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
        use_config_proxy=False,
    )
    image = ""
    for said in lines:
        if "error" in said:
            raise EnvironmentFault(f"the image cannot be built: {str(said['error'])[:_SHOWN]}")
        image = said.get("aux", {}).get("ID", image)
        if step := str(said.get("stream", "")).strip():
            progress.update(f"building: {step}")
    return image


def _sent(files: Sequence[Path], progress: Progress) -> Iterator[bytes]:
    total, done = sum(f.stat().st_size for f in files), 0
    for file in files:
        with file.open("rb") as content:
            for chunk in _chunks(content):
                done += len(chunk)
                progress.update("MB sent to the engine", done=done / 1e6, total=total / 1e6)
                yield chunk
    yield END


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _admit(
    client: Any, image: str, bundle: Bundle, name: str, base: Base, progress: Progress
) -> None:
    """Give the image its name if it reproduces the golden rows; else remove it."""
    try:
        proof = prove if base.scored is None else prove_scoring
        proof(client, image, bundle, progress=progress)
    except BaseException:
        _forget(client, image)
        raise
    before = _id(client, name)
    repository, _, tag = name.rpartition(":")
    client.images.get(image).tag(repository, tag)
    if before not in (None, image):  # of the same bundle, by another release or on another base
        _forget(client, before)


def _id(client: Any, name: str) -> str | None:
    try:
        return str(client.images.get(name).id)
    except _docker.NotFound:
        return None


def images_of(repository: str, version: str) -> list[str]:
    """See `Builder.images_of`."""
    begins = f"{repository}:{version}"
    with _docker.engine(f"the images of {version} cannot be listed") as client:
        tags = [tag for image in client.images.list() for tag in image.tags]
    return sorted({tag for tag in tags if tag.rpartition("/")[2].startswith(begins)})


def forget(names: Sequence[str]) -> None:
    """See `Builder.forget`."""
    with _docker.engine("the images cannot be removed") as client:
        for name in names:
            with suppress(_docker.NotFound):
                client.images.remove(name)


def _forget(client: Any, image: str | None) -> None:
    """Remove an image that has lost its name, unless a container or another name holds it."""
    with suppress(_docker.EngineError):
        if not client.images.get(image).tags:
            client.images.remove(image)


def _tell(said: dict[str, Any], what: str, progress: Progress) -> None:
    part = said.get("progressDetail") or {}
    done, total = part.get("current", 0), part.get("total", 0)
    if max(done, _CHUNK) < total:  # small layers are over before anybody could read of them
        progress.update(what, done=done / 1e6, total=total / 1e6)
