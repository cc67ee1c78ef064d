"""The bill of materials: what is installed, with licences, and the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import uuid
import zipfile
from pathlib import Path

from mlops_cli.packaging.sbom import licences_in, sbom


def _wheel(folder: Path, name: str, *metadata: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name.replace('-', '_')}-1.2-py3-none-any.whl"
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.2", *metadata]
    entry = zipfile.ZipInfo(f"{name}-1.2.dist-info/METADATA", (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(file, "w") as content:
        content.writestr(entry, "\n".join(lines) + "\n\nLicense: not this one\n")
    return file


def test_every_wheel_stands_in_it_with_its_licence(tmp_path: Path) -> None:
    first = _wheel(tmp_path / "a", "Some_Name", "License-Expression: MIT OR Apache-2.0")
    mit = "Classifier: License :: OSI Approved :: MIT License"
    _wheel(tmp_path / "a", "zclassified", "License: a long text", mit)
    _wheel(tmp_path / "a", "zsaid", "License: BSD, as it stands\n        in two lines")
    _wheel(tmp_path / "a", "zsilent")
    bill = json.loads(sbom(tmp_path / "a"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert uuid.UUID(bill["serialNumber"].removeprefix("urn:uuid:")).version == 5
    named = {c["name"]: c for c in bill["components"]}
    assert list(named) == ["some-name", "zclassified", "zsaid", "zsilent"]
    assert named["some-name"]["purl"] == "pkg:pypi/some-name@1.2"
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    assert named["some-name"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert [c["licenses"] for c in named.values()] == [
        [{"expression": "MIT OR Apache-2.0"}],
        [{"license": {"name": "MIT License"}}],
        [{"license": {"name": "BSD, as it stands"}}],
        [{"license": {"name": "not stated"}}],
    ]


def test_the_licences_of_all_are_one_expression(tmp_path: Path) -> None:
    _wheel(tmp_path / "a", "one", "License-Expression: MIT OR Apache-2.0")
    _wheel(tmp_path / "a", "two", "License: BSD, as it stands")
    _wheel(tmp_path / "b", "three", "License-Expression: MIT")
    _wheel(tmp_path / "b", "four", "License: BSD, as it stands")
    bills = [sbom(tmp_path / "a", base=("base:1", "sha256:00")), sbom(tmp_path / "b")]
    assert licences_in(*bills) == (
        "(MIT OR Apache-2.0) AND Apache-2.0 AND LicenseRef-BSD-as-it-stands AND MIT"
    )
    assert licences_in() == "Apache-2.0"


def test_the_same_wheels_have_the_same_bill_and_others_another(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        _wheel(tmp_path / folder, "one", "License-Expression: MIT")
    assert sbom(tmp_path / "a") == sbom(tmp_path / "b")
    _wheel(tmp_path / "b", "two", "License-Expression: MIT")
    bills = [json.loads(sbom(tmp_path / folder)) for folder in ("a", "b")]
    assert bills[0]["serialNumber"] != bills[1]["serialNumber"]
