"""The verifier of receipts: any changed byte, any lie that is packed well, and each library."""

from __future__ import annotations

import ast
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import bundles
import receipts
from mlops_cli import load_project, receipt
from mlops_cli.actions.receipt import Asked
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.reports.receipt import pack, verifier
from mlops_cli.serving.predictions import render

VERIFIER = receipts.loaded()


def test_the_verifier_is_short_and_imports_nothing_of_ours() -> None:
    text = verifier().read_text()
    assert len(text.splitlines()) <= 200
    named = {
        alias.name.partition(".")[0] if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert named <= set(sys.stdlib_module_names)
    assert set(re.findall(r'import_module\("(\w+)"\)', text)) == {"numpy", "xgboost", "onnxruntime"}


def flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_a_flipped_byte_names_its_entry(answered: Path, tmp_path: Path, keys: Path) -> None:
    file = tmp_path / "n1"
    receipt(load_project(answered), "n1", file, asked=Asked(key=keys / "ann"))
    content = file.read_bytes()
    parts = receipts.layout(content)
    assert [name for name, *_ in parts[:4]] == ["header", "index", "signature", "receipt.json"]
    spots = [(n, at) for n, start, end in parts for at in {start, (start + end) // 2, end - 1}]
    for name, at in spots:
        for bit in range(8):
            with pytest.raises(ValueError, match=f"^{re.escape(name)}: it is not what was"):
                VERIFIER.unpack(flipped(content, at, bit))
    for name, at in (spots[0], spots[-1]):
        file.write_bytes(flipped(content, at, 3))
        said = receipts.checked(file)
        assert (said.code, said.out) == (1, f"FAULT {name}: it is not what was written\n")
    last = parts[-1][0]
    for broken, says in (
        (b"", "header: "),
        (b"{}", "header: "),
        (content[:-1], f"{last}: "),
        (content + b"\n", "end: "),
    ):
        file.write_bytes(broken)
        said = receipts.checked(file)
        assert said.code == 1
        assert said.out.startswith(f"FAULT {says}")


@pytest.mark.slow
def test_ten_thousand_flips_in_a_thousand_receipts(tmp_path: Path) -> None:
    root = receipts.project(tmp_path / "parcels")
    receipts.asked(root, [(f"n{n}", [receipts.event(n)]) for n in range(1000)])
    project, chance = load_project(root), random.Random(0)
    for n in range(1000):
        file = tmp_path / "receipt"
        receipt(project, f"n{n}", file)
        content = file.read_bytes()
        e = VERIFIER.unpack(content)
        told = json.loads(e["receipt.json"])
        VERIFIER.OPEN.clear()
        VERIFIER.check_model(told["digest"], e)
        VERIFIER.check_log(told, e, None)
        assert VERIFIER.OPEN == []
        parts = receipts.layout(content)
        for _ in range(10):
            at = chance.randrange(len(content))
            name = next(name for name, start, end in parts if start <= at < end)
            with pytest.raises(ValueError, match=f"^{re.escape(name)}: it is not what was"):
                VERIFIER.unpack(flipped(content, at, chance.randrange(8)))


def changed(e: dict[str, bytes], name: str, old: bytes, new: bytes) -> bytes:
    """A receipt in which only what it says is another: its digests are right."""
    assert e[name].count(old) >= 1, e[name]
    return pack(e | {name: e[name].replace(old, new, 1)})


def test_a_lie_that_is_packed_well_is_found(answered: Path, tmp_path: Path) -> None:
    file = tmp_path / "n1"
    receipt(load_project(answered), "n1", file)
    e = receipts.entries_of(file)
    assert receipts.checked(file).code == 0
    probability = json.loads(e["prediction.jsonl"])["prediction"]["probability"]
    weight = json.dumps(json.loads(e["features.json"])["rows"][0][1]).encode()
    sha = json.loads(e["model/manifest.json"])["files"]["model.ubj"]["sha256"].encode()
    for lie, says in (
        (("prediction.jsonl", str(probability).encode(), b"0.5001"), "prediction.jsonl: row 0: xg"),
        (("prediction.jsonl", b'"label":false', b'"label":true'), "prediction.jsonl: row 0: xg"),
        (("prediction.jsonl", b'"version":"', b'"version":"0'), "model/manifest.json: it is not"),
        (("features.json", weight, b"99.5"), "features.json: row 0 has another digest"),
        (("features.json", b'"weight"', b'"height"'), "features.json: they are not the features"),
        (("model/manifest.json", sha, b"0" * 64), "model/manifest.json: it is not of the version"),
        (("model/model.ubj", b"learner", b"lEarner"), "model/model.ubj: it is not the file"),
        (("dvc.lock", b"md5: ", b"md5: 0"), "dvc.lock: it is not what the version was registered"),
        (("decision.json", b'"passed": true', b'"passed": True'), "decision.json: it is not what"),
        (("commit", b"author ", b"author E"), "commit: it is not what"),
        (("audit.jsonl", b'"done"', b'"DONE"'), "audit.jsonl: entry "),
    ):
        file.write_bytes(changed(e, *lie))
        said = receipts.checked(file)
        assert said.code == 1, (lie, said.out)
        assert f"FAULT {says}" in said.out, said.out
    told = json.loads(e["receipt.json"]) | {"request_id": "n1\n  all of it holds\x1b[2K"}
    file.write_bytes(pack(e | {"receipt.json": json.dumps(told).encode()}))
    assert "n1\\n  all of it holds\\x1b[2K" in receipts.checked(file).out
    file.write_bytes(pack(e | {"audit.jsonl": b""}))
    said = receipts.checked(file)
    assert "FAULT decision.json: it is not what the version was registered with" in said.out
    del e["decision.json"]
    file.write_bytes(pack(e))
    said = receipts.checked(file)
    assert said.code == 3
    assert "? decision.json is not in it" in said.out
    del e["receipt.json"]
    file.write_bytes(pack(e))
    assert receipts.checked(file).out == "FAULT 'receipt.json'\n"


@pytest.mark.parametrize("onnx", [False, True], ids=["xgboost", "onnx"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_each_library_computes_what_the_service_says(task: Any, onnx: bool, tmp_path: Path) -> None:
    sample = bundles.write(tmp_path / "model", task, onnx=onnx, n=60)
    bundle = open_bundle(tmp_path / "model")
    manifest = json.loads((tmp_path / "model/manifest.json").read_bytes())
    e = {f"model/{bundle.model_file.name}": bundle.model_file.read_bytes()}
    numbers, library = VERIFIER.predict(manifest, e, sample.matrix.tolist())
    assert library.startswith("onnxruntime" if onnx else "xgboost")
    said = render(bundle.manifest, np.asarray(sample.raw, np.float64))
    for number, one in zip(numbers, map(msgspec.to_builtins, said), strict=True):
        told = json.loads(json.dumps(one))
        assert VERIFIER.differs(manifest, number, told) is None
        key = next(k for k in ("probability", "value", "label") if k in told)
        told[key] = "other" if key == "label" else told[key] + 0.001 * max(abs(told[key]), 1)
        assert VERIFIER.differs(manifest, number, told) is not None
