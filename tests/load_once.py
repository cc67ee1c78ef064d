"""Brings an image into the cluster, unless a test of this cluster did so before.

usage: load_once.py IMAGE COMMAND...    the command is run where the image is not there yet
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path


def main(image: str, *command: str) -> int:
    """The command's exit code, or 0."""
    known = (
        ("docker", "image", "inspect", "--format", "{{.Id}}", image),
        ("kubectl", "get", "namespace", "kube-system", "--output", "jsonpath={.metadata.uid}"),
    )
    said = [subprocess.run(c, capture_output=True, text=True).stdout.strip() for c in known]
    if not all(said):  # the command says why
        return subprocess.run(command).returncode
    key = hashlib.sha256(" ".join((image, *said)).encode()).hexdigest()[:16]
    mark = Path(tempfile.gettempdir()) / f"mlops-cli-tests-loaded-{key}"
    with mark.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if file.read():
            return 0
        code = subprocess.run(command).returncode
        if code == 0:
            file.write("loaded\n")
        return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
