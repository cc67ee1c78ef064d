"""A bundle that was made again by somebody else, digests and all: each fault is a `BundleError`."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.bundle.requirements import KNOWN
from mlops_cli.errors import BundleError
from mlops_cli.packaging.base import Base
from mlops_cli.packaging.context import write_context
from mlops_cli.packaging.requirements import serving_requirements
from mlops_cli.serving.golden import replay
from mlops_cli.serving.models import load_model
from mlops_cli.serving.predictor import open_predictor

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound bundle of each task; by `onnx` one of the other library."""
    root = tmp_path_factory.mktemp("bundles")
    for task in ("binary", "multiclass", "regression"):
        bundles.write(root / task, task)
    bundles.write(root / "onnx", onnx=True)
    return {path.name: path for path in root.iterdir()}


@pytest.fixture
def copy(sound: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: shutil.copytree(sound[name], tmp_path / "model")


def resign(folder: Path, change: Change = lambda manifest: None, **files: bytes) -> Path:
    """Write files of a bundle (`golden_jsonl=...`) anew, and a manifest that agrees with them."""
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    for key, content in files.items():
        name = key.replace("_", ".")
        (folder / name).write_bytes(content)
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest()}
    change(manifest)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def _set(**values: object) -> Change:
    return lambda manifest: manifest.update(values)


def _of(key: str, **values: object) -> Change:
    return lambda manifest: manifest[key].update(values)


def _first(key: str, **values: object) -> Change:
    return lambda manifest: manifest[key][0].update(values)


@pytest.mark.parametrize(
    "change",
    [
        _set(modules={}),
        _set(modules={"this": "1"}),
        _set(modules={"numpy": "2.4.6"}),
        _of("modules", antigravity="1"),
        _of("modules", numpy="2.4.6\n"),
        _of("modules", numpy=2),
        _set(project="delays\nRUN id"),
        _set(project="delays\n"),
        _set(project='delays" x="'),
        _set(project="d" * 64),
        _set(project=""),
        _set(python="3.11\n"),
        _set(python="3.11-slim AS x"),
        _set(python="--help"),
        _set(classes=None),
        _set(classes=["a"]),
        _set(classes=["a", "b", "c"]),
        _set(classes=["a", "a"]),
        _set(classes=["a", 1]),
        _set(classes=["true", True]),
        _set(task="regression"),
        _set(task="regression", classes=None, model="none"),
        _set(task="ranking"),
        _set(model="onnx"),
        _set(features=[]),
        _set(inputs={}),
        _set(target=None),
        _set(format=1),
        _set(format="2.0"),
        _of("target", name=""),
        _first("inputs", name="n" * 10_001),
        _first("inputs", type="binary"),
        _first("inputs", format="%Q"),
        _first("inputs", type="float", categories=None, format="%d.%m.%Y"),
        _first("inputs", type="date", categories=None, format="decimal_comma"),
        _first("features", kind="numeric"),
        _first("features", categories=None),
        _first("features", categories=["AA", "AA"]),
        _of("files", **{"n" * 5_000: {"sha256": "0" * 64}}),
        _of("files", **{"../model.ubj": {"sha256": "0" * 64}}),
        _of("files", **{"model.ubj": {"sha256": "0"}}),
        _of("files", **{"a\nb": {"sha256": "0" * 64}}),
        lambda manifest: manifest["inputs"].append(manifest["inputs"][0]),
        lambda manifest: manifest["features"].append(manifest["features"][0]),
        lambda manifest: manifest.pop("python"),
    ],
)
def test_a_manifest_that_lies_is_refused(copy: Callable[[str], Path], change: Change) -> None:
    with pytest.raises(BundleError, match="manifest") as refused:
        open_bundle(resign(copy("binary"), change))
    assert len(refused.value.message) < 700


def test_a_bundle_of_the_first_format_is_read_and_predicts(
    sound: dict[str, Path], copy: Callable[[str], Path]
) -> None:
    new = open_bundle(sound["binary"])
    assert new.manifest.format == "1.1"
    old = open_bundle(resign(copy("binary"), _set(format="1.0")))
    assert replay(old, open_predictor(old)) == len(list(new.golden()))
    assert old.profile() == new.profile()
    assert old.trees() == new.trees()


@pytest.mark.parametrize(
    "raw",
    [b"[" * 100_000, b'{"format":"1.0","more":' + b"[" * 100_000, b"", b"null", b"\xff\xfe{}",
     b'{"format": "1.0"}', b'{"format":"1.0","files":{"a":{"sha256":"\xff"}}}'],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(copy: Callable[[str], Path], raw: bytes) -> None:
    folder = copy("binary")
    (folder / "manifest.json").write_bytes(raw)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        open_bundle(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_bundle_that_may_not_be_read_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("binary")
    (folder / "manifest.json").chmod(0)
    with pytest.raises(BundleError, match="Permission"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression", "onnx"])
def test_what_training_writes_is_read(sound: dict[str, Path], name: str) -> None:
    bundle = open_bundle(sound[name])
    assert len(bundle.trees().features) == len(bundle.manifest.features)
    assert len(list(bundle.golden())) == 240
    assert bundle.requirements()["numpy"]


@pytest.mark.parametrize(
    "line",
    [
        "evil @ file:///tmp/evil",
        "evil @ https://example.com/evil-1.0.tar.gz",
        "./evil",
        "-e ./evil",
        "--index-url https://example.com/simple",
        "--extra-index-url=https://example.com/simple",
        "-r other.txt",
        "-c other.txt",
        "--find-links /tmp",
        "--pre",
        "requests==2.32.0",
        "numpy",
        "numpy>=2",
        "numpy==2.*",
        "numpy===2.4.6",
        "numpy[x]==2.4.6",
        "numpy==2.4.6 ; python_version > '3'",
        "numpy==2.4.6 --hash=sha256:00",
        "numpy==2.4.6\\",
        "numpy==${VERSION}",
        "numpy==2.4.6\r--index-url https://example.com/simple",
        "h11==0.16.0\x0b--pre",
        "h11==0.16.0\u2028--pre",
        "# a comment",
        "",
        " h11==0.16.0",
        "h11==0.16.0\nh11==0.15.0",
        "H11==0.16.0",
        "h1\uff11==0.16.0",
        "h11==\u0661",
    ],
)
def test_requirements_hold_versions_of_what_serving_needs_and_no_more(
    copy: Callable[[str], Path], line: str
) -> None:
    folder = copy("binary")
    text = (folder / "requirements.txt").read_text()
    kept = "".join(x for x in text.splitlines(keepends=True) if not x.startswith("h11"))
    with pytest.raises(BundleError, match=r"requirements\.txt"):
        open_bundle(resign(folder, requirements_txt=f"{kept}{line}\n".encode()))


def test_every_package_that_serving_needs_today_is_known() -> None:
    for kind in ("xgboost", "onnx"):
        names = {line.partition("==")[0] for line in serving_requirements(kind).splitlines()}
        assert names <= KNOWN


def test_the_closure_of_an_older_release_is_read(copy: Callable[[str], Path]) -> None:
    """ONNX Runtime 1.19 brought these; a bundle that names them is as good as ever."""
    folder = copy("onnx")
    more = b"coloredlogs==15.0.1\nhumanfriendly==10.0\nmpmath==1.3.0\nsympy==1.13.3\n"
    text = (folder / "requirements.txt").read_bytes() + more
    assert open_bundle(resign(folder, requirements_txt=text)).requirements()["sympy"] == "1.13.3"


def test_a_manifest_with_a_key_twice_is_refused(copy: Callable[[str], Path]) -> None:
    """Whoever reads it by another library would read another model."""
    folder = copy("binary")
    raw = (folder / "manifest.json").read_bytes()
    twice = raw.replace(b'"project":"delays"', b'"project":"other","project":"delays"')
    assert twice != raw
    (folder / "manifest.json").write_bytes(twice)
    with pytest.raises(BundleError, match=r"manifest\.json: the key 'project' stands twice"):
        open_bundle(folder)


READERS: dict[str, Callable[[Bundle], object]] = {
    "features.json": Bundle.trees,
    "profile.json": Bundle.profile,
    "requirements.txt": Bundle.requirements,
    "golden.jsonl": lambda bundle: list(bundle.golden()),
    "model.ubj": load_model,
    "manifest.json": lambda bundle: write_context(bundle, bundle.path.parent / "made", Base("x")),
}


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_was_changed_after_it_was_opened_is_refused(
    copy: Callable[[str], Path], name: str
) -> None:
    """What is used was compared: what comes after the comparison of all files is seen, too."""
    bundle = open_bundle(copy("binary"))
    READERS[name](bundle)
    content = (bundle.path / name).read_bytes()
    assert bundle.content(name) == content
    (bundle.path / name).write_bytes(content + b"\n")
    says = rf"{re.escape(name)} is not the file that manifest\.json names"
    with pytest.raises(BundleError, match=says):
        READERS[name](bundle)
    (bundle.path / name).unlink()
    with pytest.raises(BundleError, match=re.escape(name)):
        READERS[name](bundle)


def test_no_other_file_of_the_folder_is_content_of_a_bundle(copy: Callable[[str], Path]) -> None:
    bundle = open_bundle(copy("binary"))
    for name in ("provenance.json", "../model/model.ubj"):
        with pytest.raises(BundleError, match=re.escape(name)):
            bundle.content(name)


def _golden(task: str, **prediction: object) -> bytes:
    return msgspec.json.encode({"inputs": {}, "features": [0.0] * 7, "prediction": prediction})


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        ("binary", b""),
        ("binary", b"[" * 100_000),
        ("binary", b'{"inputs":' + b"[" * 100_000),
        ("binary", b"\xff\n"),
        ("binary", _golden("binary", label=True)),
        ("binary", _golden("binary", probability="0.5", label=True)),
        ("binary", _golden("binary", probability=0.5, label="late")),
        ("binary", _golden("binary", probability=0.5, label=1)),
        ("binary", _golden("binary", value=1.0)),
        ("multiclass", _golden("multiclass", probability=0.5, label="late")),
        ("multiclass", _golden("multiclass", label="late", probabilities={"late": 1.0})),
        ("multiclass", _golden("multiclass", label="late", probabilities=[1.0, 0.0, 0.0])),
        ("regression", _golden("regression", value=None)),
        ("regression", _golden("regression")),
    ],
)
def test_golden_rows_fit_the_task(copy: Callable[[str], Path], task: str, rows: bytes) -> None:
    bundle = open_bundle(resign(copy(task), golden_jsonl=rows))
    with pytest.raises(BundleError, match=r"golden\.jsonl"):
        list(bundle.golden())


def _nested(depth: int) -> bytes:
    before, after = b'{"op":"neg","type":"float","args":[', b"]}"
    leaf = b'{"op":"column","type":"float","value":"temp"}'
    return before * depth + leaf + after * depth


def _trees(first: bytes) -> bytes:
    others = msgspec.json.encode(bundles.TREES.features[1:])
    return b'{"features":[{"name":"carrier","tree":' + first + b"}," + others[1:] + b"}"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"{}",
        b'{"features":[]}',
        _trees(_nested(0)),
        _trees(_nested(300)),
        _trees(_nested(100_000)),
        _trees(b'{"op":"column","type":"text","value":"tail"}'),
        _trees(b'{"op":"column","type":"text"}'),
        _trees(b'{"op":"exec","type":"text","args":[{"op":"literal","type":"text","value":"x"}]}'),
        _trees(b'{"op":"lower","type":"text"}'),
        _trees(b'{"op":"literal","type":"date","value":"never"}'),
    ],
)
def test_trees_are_those_of_the_manifest(copy: Callable[[str], Path], content: bytes) -> None:
    bundle = open_bundle(resign(copy("binary"), features_json=content))
    with pytest.raises(BundleError, match=r"features\.json"):
        bundle.trees()


@pytest.mark.parametrize("content", [b"{}", b"[" * 100_000, b"\xff", b'{"rows":1,"columns":[{}]}'])
def test_a_profile_that_is_none_is_refused(copy: Callable[[str], Path], content: bytes) -> None:
    bundle = open_bundle(resign(copy("binary"), profile_json=content))
    with pytest.raises(BundleError, match=r"profile\.json"):
        bundle.profile()
