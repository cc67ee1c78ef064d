"""Each pod's control endpoint: asked at its address from inside the cluster, else by kubectl exec.

From outside the control secret is read in the pod, where it is mounted, and never leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mlops_cli.serving.contract import CONTROL_FILE, PORT
from mlops_cli.targets.control import PATH, Away, Server, at
from mlops_cli.targets.kubernetes.address import is_inside
from mlops_cli.targets.kubernetes.faults import FORBIDDEN, UNREACHABLE, ClusterFault
from mlops_cli.targets.kubernetes.keys import read_control
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Object
from mlops_cli.targets.kubernetes.naming import CANDIDATE, DIGEST, NAME, PROJECT
from mlops_cli.targets.kubernetes.pods import leaving, runs
from mlops_cli.targets.kubernetes.rollout import pods_of
from mlops_cli.targets.readiness import url_of

_T = TypeVar("_T")
_AT_ONCE = 8
_ASK = f"""
import http.client, os, sys
with open(os.environ[{CONTROL_FILE!r}]) as file: secret = file.read().strip()
body = sys.stdin.buffer.read() or None
headers = {{"Authorization": "Bearer " + secret, "Content-Type": "application/json"}}
server = http.client.HTTPConnection("127.0.0.1", {PORT}, timeout=float(sys.argv[2]))
server.request(sys.argv[1], {PATH!r}, body, headers)
answer = server.getresponse()
sys.stdout.buffer.write(b"%d\\n" % answer.status + answer.read())
"""


class AskedPod:
    """A pod that runs, the digest of the bundle that it serves, and the way to ask it.

    `divided`: it holds a candidate, beside the champion or alone.
    """

    def __init__(self, pod: Object, server: Server) -> None:
        annotations, labels = (pod["metadata"].get(k, {}) for k in ("annotations", "labels"))
        self.digest = str(annotations.get(DIGEST, ""))
        self.divided = CANDIDATE in annotations or labels.get(NAME) != labels.get(PROJECT)
        self.server = server


def asked_pods(kubectl: Kubectl, name: str) -> list[AskedPod]:
    """The pods of the deployment `name` that run and were not told to go."""
    pods = [pod for pod in pods_of(kubectl, name) if runs(pod) and not leaving(pod)]
    secret = read_control(kubectl, name) if pods and is_inside(kubectl) else None
    if secret is None:
        return [AskedPod(pod, _by_exec(kubectl, pod["metadata"]["name"])) for pod in pods]
    return [AskedPod(p, at(url_of(p["status"]["podIP"], PORT), secret)) for p in pods]


def of_each(pods: Iterable[AskedPod], do: Callable[[AskedPod], _T]) -> list[_T]:
    """What `do` returns of each, several at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(do, pods))


def _by_exec(kubectl: Kubectl, pod: str) -> Server:
    def ask(method: str, body: bytes | None, limit: float) -> tuple[int, bytes]:
        inside = ("exec", pod, "--stdin", "--container=server", "--")
        program = ("python", "-S", "-c", _ASK, method, f"{limit:.0f}")
        given = body.decode() if body is not None else ""
        try:
            said = kubectl.run(*inside, *program, given=given, limit=limit + 10)
        except ClusterFault as e:
            if e.has_kind(FORBIDDEN, UNREACHABLE):
                raise
            raise Away(f"pod {pod} does not answer: {e.message}", hint="mlops logs") from e
        status, _, content = said.partition("\n")
        return int(status), content.encode()

    return Server(f"pod {pod}", ask)
