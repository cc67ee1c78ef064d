"""Secrets where a user's machine has them, and a search that finds each in any form and file."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

PLAIN = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtn/K7MDENG+bPxRfiCYzEXAMPLE",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEB4aDPLANTED",
    "GITHUB_TOKEN": "ghp_planted0123456789abcdef",
    "MLFLOW_TRACKING_USERNAME": "planted-user-of-mlflow",
    "MLFLOW_TRACKING_PASSWORD": "planted-mlflow-pa55",
    "MLFLOW_TRACKING_TOKEN": "planted-mlflow-t0ken",
    "OPENAI_API_KEY": "sk-planted-0123456789",
    "DOCKER_AUTH_CONFIG": '{"auths": {"r": {"auth": "cGxhbnRlZDpkMGNrZXI="}}}',
    "SLACK_WEBHOOK_SECRET": "planted-slack-5ecret",
    "PGPASSWORD": "planted-pg-pa55word",
}
"""By the variable's own name; a user's name alone is no secret, and stays."""
URLS = {
    "DATABASE_URL": ("postgresql://app:{}@db.example.com/app", "planted-db:pa55/w@rd"),
    "PIP_INDEX_URL": ("https://pip:{}@pypi.example.com/simple", "planted-pip-pa55"),
    "PIP_EXTRA_INDEX_URL": ("https://{}@pypi.example.com/simple", "planted-pip-t0ken"),
    "UV_INDEX_URL": ("https://uv:{}@pypi.example.com/simple", "planted-uv-pa55"),
    "HTTPS_PROXY_OF_PLANTED": ("http://proxy:{}@proxy.example.com:3128", "planted-pr0xy"),
    "PLANTED_TRACKING_URI": ("sqlite:///mlflow.db?password={}", "planted-db-parameter"),
    "PLANTED_CONTEXT": ("https://kube:{}@cluster.example.com", "planted-kube-pa55"),
}
REMOTE = "planted-dvc-remote-pa55"
REGISTRY = "planted-registry-login"
REGISTRY_BCRYPT = "$2b$05$XBmZ372AHOq/JPZkTvzzC.ZWJ9d0GSL37DogLdckcZUxqcpUDg.ri"
INDEX = "planted-private-index-pa55"
KUBE = "planted-kubeconfig-t0ken"
AWAY = "planted-server-that-is-away"
SECRETS = (
    *(value for name, value in PLAIN.items() if not name.endswith("USERNAME")),
    *(password for _, password in URLS.values()),
    *(REMOTE, REGISTRY, INDEX, KUBE, AWAY),
)


def environment() -> dict[str, str]:
    """The variables that hold secrets."""
    return PLAIN | {name: url.format(quote(p, safe="")) for name, (url, p) in URLS.items()}


def plant_files(home: Path) -> set[Path]:
    """The files of a home that hold secrets: the logins of a registry, a cluster, git and pip."""
    auth = base64.b64encode(f"me:{REGISTRY}".encode()).decode()
    written = {
        ".docker/config.json": json.dumps({"auths": {"registry.example.com": {"auth": auth}}}),
        ".kube/config": f"users: [{{name: me, user: {{token: {KUBE}}}}}]\ncurrent-context: none\n",
        ".netrc": f"machine example.com login me password {REGISTRY}\n",
        ".git-credentials": f"https://me:{REGISTRY}@example.com\n",
    }
    for name, text in written.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {home / name for name in written}


def forms(secret: str) -> set[bytes]:
    """A secret as it may stand in text, a URL, JSON, or a header."""
    plain = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
    found = {form.encode() for form in plain}
    for shift in range(3):  # wherever it begins within base64's groups of three
        encoded = base64.b64encode(b"x" * shift + secret.encode())
        found.add(encoded[4 if shift else 0 : -4])
    return {form for form in found if len(form) >= 8}


_FORMS = {form: secret for secret in SECRETS for form in forms(secret)}


def found_in(content: bytes) -> set[str]:
    """The secrets that stand in bytes."""
    return {secret for form, secret in _FORMS.items() if form in content}


def leaks(folders: Iterable[Path], planted: set[Path]) -> dict[str, set[str]]:
    """Each file below the folders that holds a secret, but for those that were planted."""
    files = {p for folder in folders for p in folder.rglob("*") if p.is_file()}
    return {
        str(path): secrets
        for path in sorted(files - planted)
        if (secrets := {s for content in _contents(path) for s in found_in(content)})
    }


def _contents(path: Path) -> Iterator[bytes]:
    """What a file holds: itself, and what is compressed in it."""
    content = path.read_bytes()
    yield str(path).encode()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:4] == b"PAR1":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        yield repr([table.schema.metadata, table.to_pylist()]).encode()
    elif zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def leaks_in_git(project: Path) -> set[str]:
    """Secrets in any object of the repository, reachable or not."""
    command = ["git", "cat-file", "--batch-all-objects", "--batch"]
    said = subprocess.run(command, cwd=project, capture_output=True, check=True).stdout
    assert said, "the repository holds nothing"
    return found_in(said)


def leaks_in_image(saved: bytes) -> set[str]:
    """Secrets in an image as `docker save` gives it: configuration, history, all layers."""
    found = found_in(saved)
    with tarfile.open(fileobj=io.BytesIO(saved)) as image:
        for member in image.getmembers():
            content = image.extractfile(member).read() if member.isfile() else b""
            found |= found_in(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    return found


class Watcher:
    """Looks at the command lines of all processes of a folder until it is told to stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder).encode()
        self.leaks: dict[str, set[str]] = {}
        self.looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self.looks += 1
            for pid, content in _processes("cmdline"):
                if (secrets := found_in(content)) and self._is_ours(pid, content):
                    self.leaks[f"{pid}: {content[:200]!r}"] = secrets

    def _is_ours(self, pid: int, command: bytes) -> bool:
        """Another session of these tests has the same secrets in other folders."""
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            environment = b""
        return self._folder in command + environment


def leaks_in_environments(project: Path) -> Mapping[str, set[str]]:
    """Secrets in the environment of the processes that serve the project."""
    found: dict[str, set[str]] = {}
    commands = dict(_processes("cmdline"))
    for pid, content in _processes("environ"):
        if str(project).encode() in commands.get(pid, b"") and pid != os.getpid():
            found[commands[pid].replace(b"\0", b" ").decode()] = found_in(content)
    return found


def _processes(what: str) -> Iterator[tuple[int, bytes]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield int(entry.name), (entry / what).read_bytes()
            except OSError:
                continue
