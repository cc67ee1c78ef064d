"""What the tests of receipts share: a project whose deployment was asked, and the verifier."""

from __future__ import annotations

import http.client
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import projects
from audit_logs import commit
from command_line import Done
from mlops_cli import collect, deploy, load_project
from mlops_cli.reports.receipt import verifier
from servers import free_port


def asked(root: Path, requests: Iterable[tuple[str, list[dict[str, Any]]]]) -> None:
    """Deploy the champion of the project, ask it, and collect what it has logged."""
    port = free_port()
    deploy(load_project(root), port=port)
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            for request_id, events in requests:
                body = json.dumps(events).encode()
                connection.request("POST", "/v1/predict", body, {"X-Request-Id": request_id})
                answer = connection.getresponse()
                assert answer.status == 200, answer.read()
                answer.read()
        collect(load_project(root), closing=True)
    finally:
        deploy(load_project(root), stop=True)


def event(n: int) -> dict[str, Any]:
    """An event of the project `parcels`; some have no distance."""
    sent = f"2024-{1 + n % 6:02}-{1 + n % 28:02}T{n % 24:02}:00:00Z"
    km = None if n % 7 == 3 else n * 13 % 97
    return {"sent": sent, "depot": "NSWX"[n % 4], "weight": n * 7 % 41, "km": km}


def project(folder: Path, *, config: str = "") -> Path:
    """A copy of a project that was run, in `folder`, as a commit; `config` is added to it."""
    root = projects.copy(projects.finished("parcels"), folder)
    if config:
        with (root / "mlops.yaml").open("a") as file:
            file.write(config)
    commit(root)
    return root


def checked(receipt: Path, *options: object) -> Done:
    """What the verifier says, as a module: NumPy and XGBoost are imported once."""
    module, out = loaded(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(sys, "argv", ["verify_receipt.py", str(receipt), *map(str, options)])
        code = module.main()
    return Done(code, out.getvalue(), "")


def checked_alone(receipt: Path, *options: object) -> Done:
    """The same in a process of its own, which stands elsewhere and has nothing on its path."""
    copied = receipt.with_name("verify_receipt.py")
    copied.write_bytes(verifier().read_bytes())
    command = [sys.executable, "-I", str(copied), str(receipt), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return Done(done.returncode, done.stdout, done.stderr)


def loaded() -> ModuleType:
    """The verifier as a module."""
    spec = importlib.util.spec_from_file_location("verify_receipt", verifier())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def layout(content: bytes) -> list[tuple[str, int, int]]:
    """Each part of a receipt: its name, where it begins and where it ends."""
    header = content.index(b"\n") + 1
    index, signature = (int(n) for n in content[:header].split()[4:6])
    parts = [("header", 0, header), ("index", header, header + index)]
    at = header + index + signature
    parts.append(("signature", header + index, at))
    for entry in json.loads(content[header : header + index]):
        parts.append((entry["name"], at, at + entry["bytes"]))
        at += entry["bytes"]
    assert at == len(content)
    return parts


def entries_of(file: Path) -> dict[str, bytes]:
    """The entries of a receipt, but for index and signature."""
    found: dict[str, bytes] = loaded().unpack(file.read_bytes())
    return {name: c for name, c in found.items() if name not in ("index", "signature")}
