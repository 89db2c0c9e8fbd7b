"""Messages leave at the moment of their last reading."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim import registry
from factory_sim.live import pacing
from factory_sim.live.publish import RunSetup, publish
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.loopback import Loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.records import Message

PLANT = registry.load(Path(__file__).with_name("three.yaml"))
ORDER = RunSetup(duration_s=90.0, payload_format="machine", speed=20.0, start_ns=1_767_225_600_000_000_000)


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return time.time_ns()


class Watched(Loopback):
    """Notes when each message was sent."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock, self.turns = clock, 0
        self.sent: list[tuple[float, Message]] = []

    def publish(self, messages: Iterable[Message]) -> None:
        self.sent += [(self._clock.now_s, message) for message in messages]

    def wait(self, seconds: float) -> None:
        self.turns += 1
        self._clock.now_s += seconds


def paced(monkeypatch: pytest.MonkeyPatch, order: RunSetup, stop_at_s: float = pacing.MAX) -> tuple[Clock, Watched]:
    clock = Clock()
    stop = Event()

    class Stopping(Watched):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            if clock.now_s >= stop_at_s:
                stop.set()

    sender = Stopping(clock)
    monkeypatch.setattr(pacing, "time", clock)
    publish(PLANT, order, sender, stop=stop)
    return clock, sender


@pytest.mark.parametrize("name", FORMATS)
def test_every_message_leaves_when_its_last_reading_is_made(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    clock, sender = paced(monkeypatch, replace(ORDER, payload_format=name))
    data = [(at_s, m.ready_ns - (ORDER.start_ns or 0)) for at_s, m in sender.sent if m.ready_ns]
    assert len(data) > 7
    for at_s, ready_ns in data:
        late_s = at_s - ready_ns / 1e9 / ORDER.speed
        assert -1e-6 - 0.0005 / ORDER.speed <= late_s <= pacing.TOGETHER_S + 1e-6  # Sparkplug rounds to the millisecond
    assert clock.now_s == pytest.approx(90 / 20)
    assert sender.turns > 20  # waiting takes acknowledgements and heals connections


def test_a_run_that_is_stopped_sends_at_once_what_it_has_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sender = paced(monkeypatch, ORDER, stop_at_s=2.0)
    assert clock.now_s == pytest.approx(2.0, abs=0.11)
    closing = sender.sent[-1][1]
    assert closing.topic.endswith("/meta")
    sent_ticks = [m for _, m in sender.sent if "/CUT/" in m.topic and m.topic.endswith("/data")]
    assert f'"sent_ticks":[[1000000,0,{len(sent_ticks)}]]'.encode() in closing.payload


def test_at_maximum_speed_nothing_waits_and_a_slice_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sender = paced(monkeypatch, replace(ORDER, speed=pacing.MAX))
    assert clock.now_s == 0
    assert {at_s for at_s, _ in sender.sent} == {0.0}


@given(st.lists(st.integers(0, 10_000)), st.integers(1, 3_000))
def test_groups_hold_everything_once_in_order_of_time(moments: list[int], together: int) -> None:
    t_us = np.array(moments, np.int64)
    found = pacing.groups(t_us, together)
    flat = [i for some, _ in found for i in some]
    assert sorted(flat) == list(range(len(moments)))
    assert [moments[i] for i in flat] == sorted(moments)
    for some, last in found:
        assert max(moments[i] for i in some) == last
        assert last - min(moments[i] for i in some) < together
