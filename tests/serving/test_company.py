"""What the latencies of a candidate are held to: the champion's, in the same company."""

from __future__ import annotations

import socket
import time

import msgspec
import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.rollouts.candidate import Candidate
from mlops_cli.serving.rollouts.company import Turn, quickest
from mlops_cli.serving.rollouts.messages import Frames, framed, read_told
from mlops_cli.serving.served import Served
from mlops_cli.serving.split import LISTED, Asked, Told


def test_a_request_takes_longer_by_what_the_candidate_does_beyond_the_champion() -> None:
    turn = Turn(place=20, many=32, rows=[], at=0.0, seconds=800e-6, work=270e-6, each=4e-6)
    same = Told(1, seconds=270e-6, each=4e-6)
    assert turn.compared(same) == (800e-6, 800e-6)
    slower = Told(1, seconds=3 * 270e-6, each=3 * 4e-6)  # 12 events were read while it waited
    champion, candidate = turn.compared(slower)
    assert (champion, candidate) == (800e-6, pytest.approx((800 + 2 * 270 + 12 * 8) * 1e-6))


def test_a_candidate_answers_first_and_then_tells_what_a_question_takes(
    binary: bundles.Sample,
) -> None:
    bundle = open_bundle(binary.path)
    ours, its = socket.socketpair()
    with ours, its:
        for number, event in enumerate(binary.events[:3], 1):
            rows = 8 if number == 2 else 0
            ours.sendall(framed(Asked(number, [msgspec.json.encode(event)], rows=rows)))
        ours.shutdown(socket.SHUT_WR)
        Candidate(Served(bundle, open_predictor(bundle))).answer(its)
        its.shutdown(socket.SHUT_WR)
        content = b"".join(iter(lambda: ours.recv(65536), b""))
    told = [read_told(one) for one in Frames().add(content)]
    assert [(one.number, len(one.contents)) for one in told] == [(1, 1), (2, 1), (3, 1), (2, 0)]
    assert told[-1].seconds > told[-1].each > 0


def test_a_list_is_timed_as_it_is(binary: bundles.Sample) -> None:
    bundle = open_bundle(binary.path)
    bodies = [msgspec.json.encode(event) for event in binary.events[3:90]]
    ours, its = socket.socketpair()
    with ours, its:
        ours.sendall(framed(Asked(1, bodies, rows=LISTED)))
        ours.shutdown(socket.SHUT_WR)
        Candidate(Served(bundle, open_predictor(bundle))).answer(its)
        its.shutdown(socket.SHUT_WR)
        content = b"".join(iter(lambda: ours.recv(65536), b""))
    told = [read_told(one) for one in Frames().add(content)]
    assert [(one.number, len(one.contents), one.error) for one in told] == [
        (1, len(bodies), None),
        (1, 0, None),
    ]
    assert told[1].seconds > 0


def test_who_waits_instead_of_working_is_seen() -> None:
    assert quickest(lambda: time.sleep(0.02)) >= 0.02 * 0.9
