"""Two versions beside each other in a namespace: what stands there, and how the second comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops_cli.errors import UsageError
from mlops_cli.progress import Progress
from mlops_cli.serving.rollouts.traffic import CANDIDATE
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Beside, Key, Object, Spec, objects
from mlops_cli.targets.kubernetes.naming import CANDIDATE as CANDIDATE_DIGEST
from mlops_cli.targets.kubernetes.naming import DIGEST, NAME, candidate_name
from mlops_cli.targets.kubernetes.ownership import applied
from mlops_cli.targets.kubernetes.release import Rollout, rehearse


@dataclass(frozen=True, slots=True)
class Pair:
    """The versions of a rollout that stand there, each by its digest and its image."""

    champion: Beside
    candidate: Beside

    def image_of(self, digest: str) -> str | None:
        """The image of a version; None where it is neither."""
        return {v.digest: v.image for v in (self.candidate, self.champion)}.get(digest)


def standing(live: Mapping[Key, Object], name: str) -> Beside | None:
    """The version that the Deployment `name` is to serve, by digest and image."""
    deployment = live.get(("Deployment", name))
    if deployment is None:
        return None
    digest = deployment["metadata"].get("annotations", {}).get(DIGEST, "")
    return Beside(str(digest), _image(deployment, "containers", "server"))


def stood(kubectl: Kubectl, name: str, digest: str) -> str | None:
    """The image of a version that the Deployment `name` served before; None where that is not kept.

    Its ReplicaSets tell. A tick in a pod goes back by it: nothing can be built there.
    """
    for kept in kubectl.items(["replicasets"], f"--selector={NAME}={name}"):
        marks = kept["spec"]["template"]["metadata"].get("annotations", {})
        if marks.get(DIGEST) == digest:
            return _image(kept, "containers", "server")
    return None


def pair_of(live: Mapping[Key, Object], name: str) -> Pair | None:
    """The pair of a rollout, in the same pods or in two Deployments; None where there is none."""
    champion = standing(live, name)
    if champion is None:
        return None
    deployment = live["Deployment", name]
    digest = deployment["metadata"].get("annotations", {}).get(CANDIDATE_DIGEST)
    if digest:
        image = _image(deployment, "initContainers", "candidate")
        return Pair(champion, Beside(str(digest), image))
    candidate = standing(live, candidate_name(name))
    return Pair(champion, candidate) if candidate is not None else None


def is_beside(live: Mapping[Key, Object], name: str) -> bool:
    """Whether there is a pair, or anything is left of a candidate's own objects."""
    called = candidate_name(name)
    left = any(x["metadata"]["labels"].get(NAME) == called for x in live.values())
    return left or pair_of(live, name) is not None


def specs_of(spec: Spec, pair: Pair, share: float) -> tuple[Spec, ...]:
    """What stands while `pair` does: `spec`, of whatever version, says all else of it."""
    champion = replace(spec, digest=pair.champion.digest, image=pair.champion.image)
    if not spec.routed:
        return (replace(champion, beside=pair.candidate),)
    digest, image = pair.candidate.digest, pair.candidate.image
    candidate = replace(spec, digest=digest, image=image, arm=CANDIDATE)
    return replace(champion, share=share), candidate


def part_of(live: Mapping[Key, Object], spec: Spec) -> dict[Key, Object]:
    """Those objects that are called as `spec` is."""
    return {k: x for k, x in live.items() if x["metadata"]["labels"].get(NAME) == spec.name}


def bring(
    kubectl: Kubectl, live: Mapping[Key, Object], spec: Spec, until: float, progress: Progress
) -> None:
    """Have the objects of `spec`, and no others that are called so, and wait for its pods."""
    wanted, here = objects(spec), part_of(live, spec)
    force = rehearse(kubectl, wanted, progress=progress)
    rollout = Rollout(kubectl, spec, here, wanted, wanted)
    rollout.carry_out(until=until, force=force, progress=progress)


def differing(live: Mapping[Key, Object], wanted: Mapping[Key, Object]) -> dict[Key, Object]:
    """Those of `wanted` that are not there just so: who may change no others need not."""
    return {
        key: thing
        for key, thing in wanted.items()
        if key not in live or applied(live[key]) != thing
    }


def refuse_same_image(champion: str, candidate: str, given: str | None) -> None:
    """Raise `UsageError` where `deploy.kubernetes.image` still names the champion's."""
    if given is not None and champion == candidate:
        raise UsageError(
            f"deploy.kubernetes.image: {given} holds the champion, which answers",
            hint="name the image of the version that is to follow",
        )


def _image(deployment: Object, kind: str, name: str) -> str:
    containers = deployment["spec"]["template"]["spec"].get(kind, [])
    return next((str(c["image"]) for c in containers if c["name"] == name), "")
