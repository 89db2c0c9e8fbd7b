"""Failures as alarms: raised once, cleared once, with their mode, retained, and without effect on the readings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from wire_feeds import EPOCH_NS, ROOT, small_meta

from factory_sim.errors import PayloadError
from factory_sim.plant.states import Outcome, State
from factory_sim.records import Message, Readings, Rows
from factory_sim.wire.formats import FORMATS, clear
from factory_sim.wire.formats.unit_messages import UnitEncoder
from factory_sim.wire.topics import matches

META = small_meta()
WITH_UNITS = [name for name, found in FORMATS.items() if issubclass(found.encoder, UnitEncoder)]
TOPIC = "Works_Ltd/Chongqing/gearbox/housing_machining/OP10/M_1_a/alarm"
STORY = [  # unit 1 breaks down with mode 1 (coolant), gives its finished part while down, and works again
    (State.BUSY, 7, Outcome.TOOK, 0),
    (State.DOWN, 7, Outcome.NONE, 1),
    (State.REPAIR, 7, Outcome.NONE, 1),
    (State.REPAIR, 7, Outcome.PASSED, 0),
    (State.STARVED, -1, Outcome.NONE, 0),
    (State.DOWN, -1, Outcome.NONE, 0),
]


def rows(first: int, stop: int) -> Readings:
    t_ns = EPOCH_NS + np.arange(first, stop) * 10**9 + 3_600 * 10**9
    state, part, outcome, detail = zip(*STORY[first:stop], strict=True)
    return Readings(
        Rows(
            t_ns,
            np.full(len(t_ns), 1, np.int16),
            np.arange(first, stop),
            np.array(state, np.uint8),
            np.array(part, np.int32),
            np.array(outcome, np.uint8),
            np.array(detail, np.int32),
        )
    )


def alarms(messages: list[Message]) -> list[Message]:
    return [m for m in messages if m.topic.endswith("/alarm")]


@pytest.mark.parametrize("name", WITH_UNITS)
@pytest.mark.parametrize("cut", range(1, len(STORY)))
def test_an_alarm_is_raised_and_cleared_once_whatever_the_slices(name: str, cut: int) -> None:
    encoder = FORMATS[name].encoder(META, ROOT)
    found = alarms([*encoder.data(rows(0, cut)), *encoder.data(rows(cut, len(STORY)))])
    said = [json.loads(m.payload) for m in found]
    assert [(one["active"], one["mode"], one["seq"]) for one in said] == [
        (True, "coolant", 1),
        (False, "coolant", 4),
        (True, "spindle", 5),
    ]
    assert [one["t_ns"] for one in said] == [EPOCH_NS + (3_600 + k) * 10**9 for k in (1, 4, 5)]
    assert {(m.topic, m.retain) for m in found} == {(TOPIC, True)}
    assert matches(FORMATS[name].topic_filter(ROOT), TOPIC)


@pytest.mark.parametrize("name", WITH_UNITS)
def test_an_alarm_reads_as_nothing_and_a_damaged_one_is_refused(name: str) -> None:
    encoder, decoder = FORMATS[name].encoder(META, ROOT), FORMATS[name].decoder(META, ROOT)
    good = alarms(encoder.data(rows(0, 3)))[0]
    assert decoder.feed(good).count() == 0
    for cut in range(len(good.payload)):
        with pytest.raises(PayloadError):
            decoder.feed(Message(TOPIC, good.payload[:cut]))
    for wrong in ({"active": 1}, {"v": 2}, {"mode": None}, {"t_ns": 5}, {"more": 1}):
        with pytest.raises(PayloadError):
            decoder.feed(Message(TOPIC, json.dumps(json.loads(good.payload) | wrong).encode()))


def test_alarms_of_an_earlier_run_are_deleted() -> None:
    cleared = alarms(clear(META, ROOT))
    assert TOPIC in {m.topic for m in cleared}
    assert all(m.retain and not m.payload for m in cleared)


def test_the_page_shows_the_alarm_that_is_sent() -> None:
    page = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
    sent = alarms(FORMATS["machine"].encoder(META, ROOT).data(rows(0, 3)))[0]
    assert f"{sent.topic}\n{sent.payload.decode()}" in page
