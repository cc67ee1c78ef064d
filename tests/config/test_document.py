"""Files that no person wrote by hand: each is refused in one line, and soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_cli.config.document import read_project_yaml, read_yaml
from mlops_cli.errors import UsageError


def aliases(levels: int) -> str:
    """A few lines that mean ten times as much with each."""
    lines = ["a0: &a0 [0]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (aliases(9), "holds more than 1000000 values"),
        ("a: &a {b: *a}", "nested deeper than 50"),
        ("a: " + "[" * 1000, "nested deeper than 50"),
        ("a: " + "[" * 60 + "]" * 60, "nested deeper than 50"),
        ("a: " + "9" * 5000, "cannot be read: Exceeds the limit"),
        ("a: 2013-99-99", "cannot be read: month must be in 1..12"),
        ("a: !!float z", "cannot be read: could not convert"),
        ("a: !!python/object/apply:os.system ['touch PLANTED']", "line 1, column 4: could not"),
        (r'a: "\ud800"', r"holds '\ud800', which is no text"),
        (r'"\ud800": 1', r"holds '\ud800', which is no text"),
        (r'a: "x\0y"', r"holds 'x\x00y', which is no text"),
        ('a: 1\n"a": "\\ud800"', r'duplicate key "a" with value "\ud800"'),
    ],
)
def test_what_cannot_be_plain_data_is_refused_in_one_line(
    tmp_path: Path, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError) as e:
        read_yaml(tmp_path / "x.yaml")
    assert said in e.value.message
    assert e.value.message.startswith("x.yaml")
    assert len(e.value.message.encode()) < 400
    assert not (tmp_path / "PLANTED").exists()


def test_anchors_and_aliases_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a {b: [1, é, 2013-01-01]}\nc: *a\nd: {<<: *a, e: 2}\n")
    read = read_yaml(tmp_path / "x.yaml")
    assert read["c"] == read["a"] == {"b": read["d"]["b"]}
    assert read["d"]["e"] == 2


def test_an_anchor_may_be_named_again(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a 1\nb: *a\nc: &a 2\nd: *a\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize(
    "text",
    [
        "# http://bob:hunter2pw@example.com/",
        "a: http://bob:hunter2pw@example.com/",
        'a: [{b: "http://bob:\\\n  hunter2pw@example.com/"}]',
        'a: "http:\\u002f/bob:hunter2pw@example.com/"',
        '"http:\\x2f/bob:hunter2pw@example.com/": 1',
    ],
)
def test_a_secret_is_found_however_yaml_writes_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(f"z: 1\n{text}\n")
    with pytest.raises(UsageError, match="a URL with a password may not stand here") as refused:
        read_project_yaml(tmp_path / "a.yaml")
    assert "hunter" not in refused.value.message
