"""Faults and links in plant files: read into SI, inherited key by key, refused with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim.distributions import Distribution, constant
from factory_sim.plant.spec import LinkProfile, SensorFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.errors import Problem
    from factory_sim.plant.spec import Plant

TEXT = """
plant: faulty
link: wired
kinds:
  cnc:
    faults: {gateway: {kind: drop_out, after: exponential(20 h), duration: 40 s}}
    sensors:
      power: {kind: power, faults: {glitch: {kind: spike, start: 1 min, after: exponential(2 h), size: 30 kW}}}
machines:
  M002:
    faults: {clock: {kind: clock_skew, start: 1 h, size: -400 ms}, gateway: null}
    sensors: {power: {faults: {ratio: {kind: drift, start: 2 h, duration: 4 h, size: 0.5}}}}
sources: {blanks: {interarrival: saturated}}
sections: {a: {operations: {OP10: {kind: cnc, machines: 2, cycle_time: 30 s, buffer: 3, from: blanks}}}}
"""


def test_faults_are_read_into_si_and_inherited(read: Callable[..., Plant]) -> None:
    plant = read(TEXT)
    first, second = plant.machines
    seldom = Distribution("exponential", 72_000.0)
    assert first.faults == (SensorFault("gateway", "drop_out", 0.0, seldom, constant(40.0)),)
    assert second.faults == (SensorFault("clock", "clock_skew", 3600.0, None, None, -0.4),)
    glitch = SensorFault("glitch", "spike", 60.0, Distribution("exponential", 7200.0), None, 30_000.0)
    assert plant.sensors[0].faults == (glitch,)
    assert plant.sensors[1].faults == (SensorFault("ratio", "drift", 7200.0, None, constant(14_400.0), 0.5),)


@pytest.mark.parametrize(
    ("old", "new", "reported"),
    [
        ("kind: spike", "kind: spke", "Did you mean spike?"),
        ("kind: spike", "kind: clock_skew", "is not a kind of fault that is possible here"),
        ("kind: clock_skew", "kind: stuck", "is not a kind of fault that is possible here"),
        ("kind: drop_out, ", "", "gateway.kind: is missing"),
        (", size: 30 kW", "", "glitch.size: is missing: how large is it?"),
        ("size: 30 kW", "size: 30 bar", "expected a"),
        ("size: -400 ms", "size: 2 h", "at most 1800 s"),
        ("size: -400 ms", "size: 4", "has no unit"),
        ("duration: 40 s}", "duration: 40 s, size: 3 s}", "has no meaning for drop_out"),
        (", duration: 40 s", "", "gateway.duration: is missing"),
        (", duration: 4 h", "", "ratio.duration: is missing"),
        ("after: exponential(2 h)", "after: 1 us", "is below 1 ms"),
        ("duration: 40 s", "duration: 0 s", "is not above 0 s"),
        ("start: 1 min", "begin: 1 min", "begin: is not a known key"),
        ("link: wired", "link: {latency: 0 s, jitter: 1 ms}", "needs a latency above 0 s"),
        ("link: wired", "link: {outage: 5 s}", "needs outage_every"),
        ("link: wired", "link: {outage_every: 5 h}", "needs outage"),
        ("link: wired", "link: 6g", "Known: 5g, wifi, wired"),
    ],
)
def test_a_wrong_fault_or_link_is_refused_with_a_sentence(
    problems: Callable[..., list[Problem]], old: str, new: str, reported: str
) -> None:
    assert old in TEXT
    found = problems(TEXT.replace(old, new))
    assert any(reported in str(problem) for problem in found), "\n".join(map(str, found))


def test_own_numbers_replace_those_of_a_profile(read: Callable[..., Plant]) -> None:
    plant = read(TEXT.replace("link: wired", "link: {profile: wifi, loss: 2 %, outage_every: 1 h, outage: 20 s}"))
    assert plant.link == LinkProfile("wifi", 0.008, 0.006, 0.02, 3600.0, 20.0)
