"""Text of the data in the files of a project: it stays where it was put."""

from __future__ import annotations

import re

from mlops_cli._templates import as_yaml

# Plain YAML scalars that some reader (YAML 1.1 among them) takes for something else.
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n"}
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./-]+)*")


def scalar(text: str) -> str:
    """Text as a YAML scalar, quoted where it must be."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if plain else as_yaml(text)


def github_scalar(text: str) -> str:
    """The same in a workflow, where `${{` would begin an expression: it is written as one."""
    return scalar(text.replace("${{", "${{ '${{' }}"))


def comment(text: str) -> str:
    """Text that stays in its comment: what ends a line, or is none, becomes a space."""
    return "".join(c if c.isprintable() else " " for c in text)
