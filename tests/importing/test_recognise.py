"""A file is what its content says, whatever it is called."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from mlops_cli.errors import UsageError
from mlops_cli.importing.recognise import recognise


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_every_protocol_under_any_name(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(pickle.dumps(Path("x"), protocol))
    assert recognise(file).form == "pickle"


def test_a_compressed_pickle(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(gzip.compress(pickle.dumps(1)))
    assert recognise(file).form == "pickle"


def test_skops_is_a_zip_with_a_schema(tmp_path: Path) -> None:
    file = tmp_path / "model.txt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", "{}")
    assert recognise(file).form == "skops"


@pytest.mark.parametrize(
    ("content", "form"),
    [(b"tree\nversion=v4\n", "lightgbm"), (b'{"learner": {}}', "xgboost"),
     (b"{L\x00\x00", "xgboost"),
     (b"\x08\x08\x12\x04", "onnx")],
)  # fmt: skip
def test_the_others_by_their_first_bytes(tmp_path: Path, content: bytes, form: str) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(content)
    assert recognise(file).form == form


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no model"),
        (b"hello", "no model"),
        (b'{"a": 1}', "no model"),
        (b'{"learner": ', "damaged JSON"),
        (b'{"learner": {}, "learner": {}}', "the key 'learner' stands twice"),
        (b'{"learner": {"a": 1, "b": {}, "a": 2}}', "the key 'a' stands twice"),
        (b'{"learner": ' + b"[" * 100_000, "nested too deep"),
        (b'{"name": "tree", "tree_info": []}', "save_model"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "model.json"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        recognise(file)
    assert why in f"{caught.value.message} {caught.value.hint}"


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        recognise(tmp_path / "none")


def _mlflow(folder: Path, data: str) -> Path:
    signature = json.dumps([{"type": "double", "name": "a"}, {"type": "double", "name": "b"}])
    folder.mkdir()
    (folder / "MLmodel").write_text(
        f"flavors:\n  xgboost:\n    data: {data}\nsignature:\n  inputs: '{signature}'\n"
    )
    return folder


def test_a_folder_of_mlflow_leads_to_its_file(tmp_path: Path) -> None:
    folder = _mlflow(tmp_path / "model", "model.xgb")
    (folder / "model.xgb").write_bytes(b'{"learner": {}}')
    found = recognise(folder)
    assert (found.file.name, found.form, found.names) == ("model.xgb", "xgboost", ("a", "b"))


@pytest.mark.parametrize("data", ["../outside", "none"])
def test_a_folder_of_mlflow_that_leads_elsewhere_is_refused(tmp_path: Path, data: str) -> None:
    (tmp_path / "outside").write_bytes(b'{"learner": {}}')
    with pytest.raises(UsageError, match=r"stands outside|not there"):
        recognise(_mlflow(tmp_path / "model", data))


def test_a_folder_without_mlmodel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MLmodel"):
        recognise(tmp_path)


@pytest.mark.parametrize("text", ["a: &a [1]\nb: [*a", "flavors: !!python/object:os.system {}\n"])
def test_an_mlmodel_that_is_no_plain_yaml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(UsageError, match=r"MLmodel, line \d"):
        recognise(tmp_path)
