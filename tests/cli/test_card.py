"""mlops card: what is recorded, what a person tells, and what nobody has told."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import Mlops
from mlops_cli.config.document import read_yaml


def test_a_card_has_what_is_recorded_and_says_what_is_empty(project: Path, mlops: Mlops) -> None:
    told = mlops(project, "card", "--json", code=0).result
    assert told["empty"] == ["purpose", "users", "out_of_scope", "data_origin", "limits", "risks",
                             "owner"]  # fmt: skip
    assert told["convention"]
    made = json.loads((project / "model/provenance.json").read_text())["fitted"]
    assert told["data"]["rows of the table"] == str(made["rows"])
    assert told["data"]["split by"].startswith(f"{made['by']}, {made['validation']:g} of them")
    config = read_yaml(project / "mlops.yaml")
    assert told["data"]["table"] == config["data"]["table"]
    manifest = json.loads((project / "model/manifest.json").read_text())["target"]
    assert told["model"]["target"].startswith(manifest["name"])
    (project / "governance/card.yaml").write_text(
        "purpose: |\n  Tells <b>who</b> comes.\n\n  Twice | a day.\nowner: Ann\n"
    )
    text = mlops(project, "card", told["version"], code=0).out
    assert text.startswith("# ")
    assert "Tells &#60;b&#62;who&#60;/b&#62; comes.\n\nTwice &#124; a day." in text
    assert text.count("*Nobody has told.*") == 5
    assert "Not told, and asked for in `governance/card.yaml`: users, " in text
    for part in (told["life"]["digest"], told["life"]["evidence"]["data"], "95 % interval"):
        assert part in text
    assert "None is recorded." in text
    assert "governance.signers` is not set" in text


def test_what_a_person_tells_is_held_to_its_keys(project: Path, mlops: Mlops) -> None:
    for wrong in ("porpoise: x\n", "purpose: [a]\n", "- a\n", "a: b: c\n"):
        (project / "governance/card.yaml").write_text(wrong)
        assert "card.yaml" in mlops(project, "card", code=2).said
    (project / "governance/card.yaml").unlink()
    assert "no version" in mlops(project, "card", "0" * 12, code=2).said
