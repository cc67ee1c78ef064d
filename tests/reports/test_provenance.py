"""Provenance and ML-BOM, held to what their owners publish, and to what is on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import MessageToDict, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

import projects
import signers
from command_line import Mlops
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.bundle.signature import key_id
from mlops_cli.reports.provenance import IMAGE_BUILD, TRAINING, image_provenance

SLSA = "https://slsa.dev/provenance/v1"


def checked(content: bytes) -> dict[str, Any]:
    """The predicate of a statement that in-toto's own classes take, with no field they lack."""
    said = json.loads(content)
    statement = Statement.copy_from_pb(ParseDict(said, Message()))
    statement.validate()
    assert statement.pb.predicate_type == SLSA
    found = ParseDict(said["predicate"], Provenance())
    build, run = found.build_definition, found.run_details
    assert build.build_type.startswith("https://")
    assert build.external_parameters.fields
    assert run.builder.id.startswith("https://")
    for descriptor in (*build.resolved_dependencies, *run.byproducts):
        ResourceDescriptor.copy_from_pb(descriptor).validate()
    assert (
        MessageToDict(found)["buildDefinition"].keys()
        == said["predicate"]["buildDefinition"].keys()
    )
    predicate: dict[str, Any] = said["predicate"]
    return predicate


def valid_bom(content: bytes) -> dict[str, Any]:
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode())
    assert fault is None, fault
    bom: dict[str, Any] = json.loads(content)
    return bom


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.copy(
        projects.finished("parcels"), tmp_path_factory.mktemp("provenance") / "parcels"
    )


def digests(found: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {d["name"]: d["digest"] for d in found if "digest" in d}


def test_what_a_model_was_made_from_is_what_stands_in_the_project(
    packaged: Path, mlops: Mlops, tmp_path: Path
) -> None:
    (tmp_path / "key.pem").write_bytes(signers.private(key := signers.new()))
    result = mlops(
        packaged, "package", "--sign", "--key", tmp_path / "key.pem", "--json", code=0
    ).result
    version, bundle = result["version"], open_bundle(packaged / "model")
    assert result["provenance"] == [f".mlops/provenance/{version}.json"]
    content = (packaged / result["provenance"][0]).read_bytes()
    predicate = checked(content)
    subjects = digests(json.loads(content)["subject"])
    assert subjects.pop("parcels") == {"sha256": bundle.digest}
    for name, digest in subjects.items():
        assert hashlib.sha256((packaged / name).read_bytes()).hexdigest() == digest["sha256"]
    assert "model/model.ubj" in subjects
    build = predicate["buildDefinition"]
    assert build["buildType"] == TRAINING
    table = next(d for d in build["resolvedDependencies"] if d.get("name") == TABLE)
    md5 = hashlib.md5((packaged / TABLE).read_bytes(), usedforsecurity=False).hexdigest()
    assert table["digest"] == {"md5": md5}
    said = build["externalParameters"]["configuration"]
    text = json.dumps(said["sections"], sort_keys=True, separators=(",", ":")) + "\n"
    assert hashlib.sha256(text.encode()).hexdigest() == said["digest"]["sha256"]
    for name, digest in digests(predicate["runDetails"]["byproducts"]).items():
        assert hashlib.sha256((packaged / name).read_bytes()).hexdigest() == digest["sha256"]
    assert f"signatures/{version}.provenance.json" in result["signed"]
    envelope = Envelope.from_dict(
        json.loads((packaged / f"signatures/{version}.provenance.json").read_bytes())
    )
    public = SSlibKey.from_crypto(key.public, keyid=key_id(key.public))
    assert list(envelope.verify([public], threshold=1)) == [public.keyid]
    assert envelope.payload == content


TABLE = "data/raw/parcels.csv"


def test_the_bill_of_a_model_is_a_valid_one_and_has_its_card(packaged: Path, mlops: Mlops) -> None:
    def bill() -> bytes:
        result = mlops(packaged, "package", "--provenance", "--json", code=0).result
        assert result["image"] is None
        assert result["signed"] == []
        return (packaged / result["ml_bom"]).read_bytes()

    (packaged / "governance/card.yaml").unlink(missing_ok=True)
    first = bill()
    assert bill() == first
    bom = valid_bom(first)
    model = bom["metadata"]["component"]
    assert model["hashes"][0]["content"] == open_bundle(packaged / "model").digest
    card = model["modelCard"]
    assert "considerations" not in card
    assert card["modelParameters"]["task"] == "binary classification"
    metrics = json.loads((packaged / "metrics.json").read_bytes())["holdout"]
    said = {m["type"]: m for m in card["quantitativeAnalysis"]["performanceMetrics"]}
    assert float(said["roc_auc"]["value"]) == metrics["roc_auc"]
    assert float(said["roc_auc"]["confidenceInterval"]["lowerBound"]) == metrics["roc_auc_low"]
    assert {c["name"] for c in bom["components"] if c["type"] == "data"} == {TABLE}
    assert any(c["name"].startswith("xgboost") for c in bom["components"])
    (packaged / "governance/card.yaml").write_text(
        "purpose: Plans vans.\nusers: Planners\nlimits: No snow.\nout_of_scope: Letters\n"
        "risks: Late parcels in small villages\n"
    )
    told = valid_bom(bill())["metadata"]["component"]["modelCard"]["considerations"]
    assert told == {
        "users": ["Planners"],
        "useCases": ["Plans vans."],
        "technicalLimitations": ["No snow.", "not for: Letters"],
        "ethicalConsiderations": [{"name": "Late parcels in small villages"}],
    }
    (packaged / "governance/card.yaml").write_text("porpoise: x\n")
    assert "card.yaml" in mlops(packaged, "package", "--provenance", code=2).said


def test_settings_that_changed_since_are_named_by_digest_alone(
    packaged: Path, tmp_path: Path
) -> None:
    from mlops_cli.config.load import load_project
    from mlops_cli.reports.provenance import bundle_provenance
    from mlops_cli.stages import stage

    root = projects.copy(packaged, tmp_path / "changed")
    with (root / "mlops.yaml").open("a") as file:
        file.write("\n")
    text = (root / "mlops.yaml").read_text().replace("split: {}", "split: {holdout: 0.3}")
    (root / "mlops.yaml").write_text(text)
    content = bundle_provenance(
        load_project(root), open_bundle(root / "model"), stage("train").params
    )
    said = checked(content)["buildDefinition"]["externalParameters"]["configuration"]
    assert "sections" not in said
    assert len(said["digest"]["sha256"]) == 64


def test_an_image_names_its_bundle_its_base_and_every_wheel(packaged: Path) -> None:
    bundle: Bundle = open_bundle(packaged / "model")
    from mlops_cli.packaging.sbom import document

    wheel = {
        "type": "library",
        "name": "numpy",
        "version": "2.4",
        "purl": "pkg:pypi/numpy@2.4",
        "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
    }
    base = {
        "type": "container",
        "name": "python:3.11-slim",
        "hashes": [{"alg": "SHA-256", "content": "cd" * 32}],
    }
    sbom = document({"components": [base, wheel]})
    content = image_provenance(
        bundle, {"parcels:1": "sha256:" + "ef" * 32}, "python:{python}-slim", sbom
    )
    predicate = checked(content)
    assert json.loads(content)["subject"] == [
        {"name": "parcels:1", "digest": {"sha256": "ef" * 32}}
    ]
    build = predicate["buildDefinition"]
    assert build["buildType"] == IMAGE_BUILD
    assert digests(build["resolvedDependencies"]) == {
        "parcels": {"sha256": bundle.digest},
        "python:3.11-slim": {"sha256": "cd" * 32},
        "numpy": {"sha256": "ab" * 32},
    }
    bill = predicate["runDetails"]["byproducts"][0]["digest"]["sha256"]
    assert bill == hashlib.sha256(sbom).hexdigest()


@pytest.mark.docker
@pytest.mark.usefixtures("docker_engine")
@pytest.mark.slow
def test_a_real_image_has_valid_papers(packaged: Path, mlops: Mlops, tmp_path: Path) -> None:
    (packaged / "governance/card.yaml").unlink(missing_ok=True)
    (tmp_path / "key.pem").write_bytes(signers.private(signers.new()))
    result = mlops(
        packaged, "package", "--build", "--sign", "--key", tmp_path / "key.pem", "--json", code=0
    ).result
    version = result["version"]
    assert result["provenance"][1] == f".mlops/provenance/{version}.image.json"
    content = (packaged / result["provenance"][1]).read_bytes()
    found = checked(content)["buildDefinition"]["resolvedDependencies"]
    bom = valid_bom((packaged / result["sbom"]).read_bytes())
    assert {d["name"] for d in found} == {"parcels", *(c["name"] for c in bom["components"])}
    assert f"signatures/{version}.image.provenance.json" in result["signed"]
    subject = json.loads(content)["subject"]
    assert [s["name"] for s in subject] == [result["image"]]
