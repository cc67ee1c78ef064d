"""API keys on a cluster: in a Secret, mounted as a folder, and each pod told when it changes."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from clusters import kubectl, small
from mlops_cli._poll import wait_until
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.progress import QUIET
from mlops_cli.serving.auth import Key, digest_of_key, format_keys
from mlops_cli.serving.contract import KEYS
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.kubernetes.manifests import Spec, objects
from mlops_cli.targets.kubernetes.target import KubernetesTarget

PROJECT = "keys-delays"
VARIABLES = {"MLOPS_SERVE_KEYS": KEYS}
NOW = datetime.now(UTC)
SOON = 20  # seconds; a kubelet that nobody tells takes more than a minute


def content(*keys: str) -> bytes:
    """A file with these keys, each good for predictions."""
    return format_keys(Key(k[:1], digest_of_key(k.encode()), ("predict",), NOW) for k in keys)


def statuses(url: str, key: str) -> set[int]:
    """What an event that is none gets from whichever pod answers: 422 with a good key."""
    where, found = urlsplit(url), set()
    for _ in range(8):
        connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=10)
        connection.request("POST", "/v1/predict", b"{}", {"authorization": f"Bearer {key}"})
        found.add(connection.getresponse().status)
        connection.close()
    return found


def test_a_pod_mounts_the_secret_s_folder_only_where_keys_are_asked_for(first: Release) -> None:
    def pod(variables: dict[str, str]) -> dict:
        spec = Spec("p", first.digest, "p:1", KubernetesConfig(image="p:1"), variables)
        return objects(spec)["Deployment", "p"]["spec"]["template"]["spec"]

    with_keys = pod(VARIABLES)
    (volume,) = (v for v in with_keys["volumes"] if v["name"] == "keys")
    assert volume["secret"] == {"secretName": "p-keys", "optional": True, "defaultMode": 0o444}
    (mount,) = (m for m in with_keys["containers"][0]["volumeMounts"] if m["name"] == "keys")
    assert mount == {"name": "keys", "mountPath": "/run/mlops/keys", "readOnly": True}
    assert [v["name"] for v in pod({})["volumes"]] == ["tmp"]


@pytest.mark.kubernetes
def test_every_pod_takes_a_key_and_forgets_it_within_seconds(
    namespace: str, first: Release
) -> None:
    target = KubernetesTarget(PROJECT, small(namespace, 2), VARIABLES)
    assert target.keys() is None
    target.keep_keys(content("a" * 43))
    assert target.keys() == content("a" * 43)
    url = target.deploy(whole(first), progress=QUIET).url
    assert statuses(url, "a" * 43) == {422}
    assert statuses(url, "b" * 43) == {401}
    target.keep_keys(content("a" * 43, "b" * 43))
    assert wait_until(lambda: statuses(url, "b" * 43) == {422}, seconds=SOON, step=0.2)
    target.keep_keys(content("b" * 43))
    assert wait_until(lambda: statuses(url, "a" * 43) == {401}, seconds=SOON, step=0.2)
    assert statuses(url, "b" * 43) == {422}
    assert target.plan(whole(first)) == []
    secret = json.loads(kubectl("get", f"secret/{PROJECT}-keys", "-o", "json", namespace=namespace))
    assert b"b" * 43 not in base64.b64decode(secret["data"]["keys"])
    assert target.stop()
    assert target.keys() == content("b" * 43)  # what runs is gone, and its keys wait for the next
