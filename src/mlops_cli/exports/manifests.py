"""The manifests that `deploy` applies, as data that another object is made of.

Comments and the order of the keys stay, and so does what a project's own templates add.
"""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from mlops_cli.targets.kubernetes.manifests import KINDS, Spec, manifests, values_of
from mlops_cli.targets.kubernetes.naming import MANAGED_BY

EXPORTED = {MANAGED_BY: "mlops-export"}  # of what no deploy may take for its own, and delete
Object = dict[str, Any]
_WIDTH = 4096  # a value of the configuration is one line of JSON, however long


def read(text: str) -> Object:
    """The one document of a text."""
    found: Object = _yaml().load(text)
    return found


def written(thing: Object) -> str:
    """An object as YAML."""
    stream = StringIO()
    _yaml().dump(thing, stream)
    return stream.getvalue()


def values(spec: Spec) -> dict[str, Any]:
    """What a template gets of a spec, with the labels of what no deploy makes."""
    found = values_of(spec)
    return found | {"labels": found["labels"] | EXPORTED}


def deployment(spec: Spec) -> Object:
    """The Deployment that `deploy` applies."""
    return read(manifests(spec)[file_of("Deployment")])


def others(spec: Spec, *kinds: str) -> dict[str, str]:
    """The manifests of these kinds by their files' names, just as `deploy` applies them."""
    texts = manifests(spec)
    return {file_of(kind): texts[file_of(kind)] for kind in kinds if kind in spec.kinds}


def file_of(kind: str) -> str:
    """The name of the file of a kind."""
    return f"{KINDS[kind][0]}.yaml"


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.preserve_quotes = True  # a text such as "yes" stays one for every reader
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
