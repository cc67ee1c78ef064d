"""A rollout over gRPC: the same arms, and each row's version where they differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

import bundles
from rollouts import Start, arm
from servers import free_port

pytestmark = pytest.mark.extras
grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed: nox -s extras")

from mlops_cli.serving.protocols import open_inference_pb2 as pb  # noqa: E402

KINDS = {"distance": ("INT64", "int64_contents")}


def infer(channel: Any, events: list[Any], **named: str) -> Any:
    message = pb.ModelInferRequest(model_name="delays", **named)
    for name, (kind, field) in {"origin": ("BYTES", "bytes_contents"), **KINDS}.items():
        tensor = message.inputs.add(name=name, datatype=kind, shape=[len(events)])
        values = [e[name].encode() if kind == "BYTES" else e[name] for e in events]
        getattr(tensor.contents, field).extend(values)
    ask = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=pb.ModelInferResponse.FromString,
    )
    return ask(message, timeout=20)


def test_rows_meet_their_arms_over_grpc_too(start: Start, other: bundles.Sample) -> None:
    port = str(free_port())
    with start(GRPC__PORT=port) as one:
        one.weigh(40, sticky=["origin", "distance"])
        events = other.events[3:23]
        keys = [json.dumps([e["origin"], e["distance"]], separators=(",", ":")) for e in events]
        versions = [getattr(one, arm(key, 40)).version for key in keys]
        assert len(set(versions)) == 2
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = infer(channel, events)
            assert answer.parameters["versions"].string_param == ",".join(versions)
            assert answer.model_version == one.champion.version
            alone = [infer(channel, [event]) for event in events]
            assert [a.model_version for a in alone] == versions
            several = list(answer.outputs[0].contents.fp64_contents)
            assert [a.outputs[0].contents.fp64_contents[0] for a in alone] == several
            tallies = one.tallies()
            assert tallies[0, "candidate"]["requests"] == 1 + versions.count(one.candidate.version)
            named = infer(channel, events, model_version=one.candidate.version)
            assert named.model_version == one.candidate.version
            assert one.tallies() == tallies
