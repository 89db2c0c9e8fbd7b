"""Small lines with known results: exact, ordered, or within an interval."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_sim.distributions import Distribution, constant
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import Batch, Crew, FailureMode, Fleet, Input, Inspection, Plant, Shift, Source
from factory_sim.plant.states import Outcome, State
from factory_sim.plant.wall_clock import repeated
from factory_sim.random_streams import draw_us, durations_us, key
from factory_sim.sim.run import simulate
from factory_sim.validation.exact.lines import Stop, erlang, exponential, line

if TYPE_CHECKING:
    from factory_sim.records import I8, EventLog

S = 1_000_000


def departures(plant: Plant, until_s: float, seed: int = 1) -> I8:
    """Moments at which good parts left [µs]."""
    log = simulate(plant, seed=seed, until_us=round(until_s * S)).log
    return log.t_us[log.outcome == Outcome.LEFT]


def saturated(*stops: Stop) -> Plant:
    return line(list(stops), Source("in", 0))


@given(
    times=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    places=st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_a_deterministic_line_gives_its_nth_part_at_the_sum_and_n_less_one_times_the_slowest(
    times: list[int], places: list[int]
) -> None:
    plant = saturated(
        *(Stop(constant(t), 1, b if i else 0) for i, (t, b) in enumerate(zip(times, places, strict=False)))
    )
    left = departures(plant, 600)
    n = np.arange(len(left))
    assert len(left)
    assert np.array_equal(left, (sum(times) + n * max(times)) * S)


# name, (mean service s, Erlang phases, machines) by station, buffers, failures (clock, MTBF, MTTR), parts per second
# Figures: Hunt 1956, Hillier and Boling 1967; Gershwin and Berman 1981's model; the others by solving the Markov chain
# of the line (tests/exact re-derives them).
TANDEM = [
    ("two balanced, no buffer", [(1, 1, 1)] * 2, [0], None, 2 / 3),
    ("two balanced, two places", [(1, 1, 1)] * 2, [2], None, 4 / 5),
    ("three balanced, no buffer", [(1, 1, 1)] * 3, [0, 0], None, 22 / 39),
    ("three unequal", [(1, 1, 1), (1 / 1.2, 1, 1), (1 / 0.9, 1, 1)], [2, 1], None, 0.7119934762598008),
    ("Erlang phases", [(1, 2, 1)] * 2, [1], None, 0.8214285714285714),
    ("parallel machines", [(2, 1, 2)] * 2, [0], None, 0.75),
    ("failures while busy", [(1, 1, 1)] * 2, [2], ("busy", 100, 10), 0.6953862230268721),
    ("failures at any time", [(1, 1, 1)] * 2, [2], ("calendar", 100, 10), 0.6732141941364023),
]


@pytest.mark.parametrize(
    ("stations", "places", "failure", "rate"), [row[1:] for row in TANDEM], ids=[row[0] for row in TANDEM]
)
def test_a_tandem_line_agrees_with_the_exact_table(
    stations: list[tuple[float, int, int]], places: list[int], failure: tuple[str, float, float] | None, rate: float
) -> None:
    modes: tuple[FailureMode, ...] = ()
    if failure is not None:
        clock, mtbf, mttr = failure
        modes = (FailureMode("f", exponential(mtbf), exponential(mttr), clock=clock),)
    stops = [
        Stop(erlang(mean, k), c, places[i - 1] if i else 0, failures=modes) for i, (mean, k, c) in enumerate(stations)
    ]
    spread = [len(departures(saturated(*stops), 3000, seed)) / 3000 for seed in range(1, 9)]
    error = np.std(spread, ddof=1) / math.sqrt(len(spread))
    assert abs(np.mean(spread) - rate) < 5.4 * error + 1 / 3000  # t(7): 99.9 %, and the part that the end cuts
    assert error < 0.02 * rate


@pytest.mark.parametrize("clock", ["busy", "calendar"])
def test_a_single_machine_is_available_mtbf_of_mtbf_and_mttr(clock: str) -> None:
    mode = FailureMode("f", exponential(200), Distribution("lognormal", 50, 1.0), clock=clock)
    until_s = 200_000
    log = simulate(saturated(Stop(constant(7), 1, 0, failures=(mode,))), until_us=until_s * S).log
    busy_s = busy(log, 1, until_s * S) / S
    assert busy_s / until_s == pytest.approx(0.8, abs=5 * math.sqrt(2 * 0.8**2 * 0.2**2 / (until_s / 250)))


def busy(log: EventLog, unit: int, end_us: int) -> int:
    mine = log.take(log.unit == unit)
    return int(np.diff(np.append(mine.t_us, end_us))[mine.state == State.BUSY].sum())


@st.composite
def tandems(draw: st.DrawFn) -> Plant:
    """Single machines, any service times, failures on a busy clock."""
    n = draw(st.integers(2, 5))
    means = draw(st.lists(st.integers(5, 40), min_size=n, max_size=n))
    kinds = draw(st.lists(st.sampled_from(("constant", "exponential", "uniform")), min_size=n, max_size=n))
    fails = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    stops = []
    for i, (mean, kind, failing) in enumerate(zip(means, kinds, fails, strict=True)):
        service = Distribution(kind, 0.5 * mean, 1.5 * mean) if kind == "uniform" else Distribution(kind, float(mean))
        modes = (FailureMode("f", exponential(150), exponential(30)),) if failing else ()
        stops.append(Stop(service, 1, draw(st.integers(0, 3)) if i else 0, failures=modes))
    return saturated(*stops)


@settings(max_examples=40)
@given(plant=tandems(), data=st.data())
def test_one_more_place_never_makes_any_part_later(plant: Plant, data: st.DataObject) -> None:
    i = data.draw(st.integers(1, len(plant.operations) - 1))
    operation = plant.operations[i]
    feed = operation.inputs[0]
    wider = replace(operation, inputs=(replace(feed, capacity=feed.capacity + 1),))
    assert no_later(plant, replace(plant, operations=tuple(wider if o is operation else o for o in plant.operations)))


@settings(max_examples=40)
@given(plant=tandems(), data=st.data(), factor=st.sampled_from((0.5, 0.9, 0.99)))
def test_a_shorter_processing_time_never_makes_any_part_later(plant: Plant, data: st.DataObject, factor: float) -> None:
    """Without failures: with a busy clock a shorter time moves failures from part to part."""
    sound = replace(plant, machines=tuple(replace(m, failures=()) for m in plant.machines))
    operation = data.draw(st.sampled_from(sound.operations))
    faster = replace(operation, cycle_time=operation.cycle_time.scaled(factor))
    assert no_later(sound, replace(sound, operations=tuple(faster if o is operation else o for o in sound.operations)))


def no_later(before: Plant, after: Plant) -> bool:
    """Whether every part leaves `after` no later than `before`, on common random numbers."""
    a, b = departures(before, 1800), departures(after, 1800)
    return len(b) >= len(a) and bool(np.all(b[: len(a)] <= a))


def test_a_reversed_tandem_line_has_the_same_long_run_output() -> None:
    means, places = [10, 14, 9, 12], [0, 2, 1]
    forth = saturated(*(Stop(exponential(m), 1, b) for m, b in zip(means, [0, *places], strict=True)))
    back = saturated(*(Stop(exponential(m), 1, b) for m, b in zip(means[::-1], [0, *places[::-1]], strict=True)))
    counts = np.array([[len(departures(p, 25_000, seed)) for seed in range(1, 7)] for p in (forth, back)], float)
    error = math.sqrt(counts.var(axis=1, ddof=1).sum() / counts.shape[1])
    assert abs(counts[0].mean() - counts[1].mean()) < 4.6 * error  # t(10): 99.9 %
    assert error < 0.02 * counts.mean()


def test_conwip_never_has_more_parts_inside_than_cards() -> None:
    plant = line([Stop(exponential(10)), Stop(exponential(12))], Source("in", 0, cards=3))
    log = simulate(plant, until_us=3600 * S).log
    inside = np.cumsum((log.outcome == Outcome.ENTERED).astype(int) - (log.outcome == Outcome.LEFT))
    assert inside.max() == 3


def test_an_arrival_without_room_is_lost_at_a_source_that_loses() -> None:
    plant = line([Stop(constant(25), 1, 1)], Source("in", 0, constant(10), when_full="lose"))
    log = simulate(plant, until_us=1000 * S).log
    lost, entered = (np.count_nonzero(log.outcome == o) for o in (Outcome.LOST, Outcome.ENTERED))
    assert entered + lost == 99
    assert entered == pytest.approx(41, abs=1)


def test_a_furnace_waits_for_its_minimum_or_the_timeout() -> None:
    batch = Batch(4, minimum=3, timeout_s=60)
    plant = line([Stop(constant(10), 1, 8, batch=batch)], Source("in", 0, arrivals_s=(5, 6, 7, 100)))
    log = simulate(plant, until_us=300 * S).log
    took = log.t_us[log.outcome == Outcome.TOOK] // S
    assert took.tolist() == [7, 7, 7, 160]


def test_one_crew_repairs_one_machine_at_a_time_most_urgent_first() -> None:
    modes = [FailureMode("f", constant(10), constant(5), crew=0, priority=p) for p in (1, 1, 0)]
    stops = [Stop(constant(60), 1, 0, failures=(mode,)) for mode in modes]
    plant = line(stops[:1], Source("in", 0), crews=(Crew("crew", (4,)),), names=("crew-1",))
    machines = [replace(plant.machines[0], name=f"M{u}", unit=u, failures=(modes[u - 1],)) for u in (1, 2, 3)]
    operation = replace(plant.operations[0], machines=(1, 2, 3))
    plant = replace(plant, operations=(operation,), machines=tuple(machines), units=("in", "M1", "M2", "M3", "crew-1"))
    plant = with_derived(replace(plant, crews=(Crew("crew", (4,)),)))
    log = simulate(plant, until_us=40 * S).log
    repairs = [
        (int(t) // S, int(u))
        for t, u, s, o in zip(log.t_us, log.unit, log.state, log.outcome, strict=True)
        if s == State.REPAIR
    ]
    assert repairs[:3] == [(10, 3), (15, 1), (20, 2)]  # all three fail at 10 s


def test_a_vehicle_carries_one_part_at_a_time() -> None:
    fleet = Fleet("agv", (3,), "first_come", 1.0, constant(2), constant(3), ((0.0, 10.0), (20.0, 0.0)))
    plant = line(
        [Stop(constant(1), 1, 0), Stop(constant(1), 1, 5, fleet=0, section=1)],
        Source("in", 0),
        fleets=(fleet,),
        names=("agv-1",),
    )
    log = simulate(plant, until_us=200 * S).log
    delivered = log.t_us[(log.unit == 3) & (log.outcome == Outcome.PASSED)] // S
    assert delivered.tolist()[:4] == [16, 51, 86, 121]  # 1 + 2 + 10 + 3, then 20 back, 2, 10, 3


def test_a_shift_that_pauses_takes_the_closed_time_out_of_the_work() -> None:
    shift = Shift("day", repeated(100, (0, 30), (50, 75)))
    plant = line([Stop(constant(20), 1, 0, shift=0)], Source("in", 0), shifts=(shift,))
    assert (departures(plant, 300) // S).tolist()[:5] == [20, 60, 105, 125, 165]


def test_a_part_due_at_the_moment_its_shift_closes_is_done_when_it_opens_again() -> None:
    shift = Shift("day", repeated(100, (0, 40)))  # the calendar comes first among simultaneous events
    plant = line([Stop(constant(20), 1, 0, shift=0)], Source("in", 0), shifts=(shift,))
    assert (departures(plant, 300) // S).tolist() == [20, 100, 120, 200, 220]


def test_a_shift_that_finishes_lets_the_part_in_work_out() -> None:
    shift = Shift("day", repeated(100, (0, 30)), at_end="finish")
    plant = line([Stop(constant(20), 1, 0, shift=0)], Source("in", 0), shifts=(shift,))
    assert (departures(plant, 300) // S).tolist() == [20, 40, 120, 140, 220, 240]


def test_rework_ends_at_its_limit_of_loops() -> None:
    always = Inspection(rework=1.0, rework_to=0, max_loops=2)
    plant = line([Stop(constant(10), 1, 5, inspection=always)], Source("in", 0, cards=1))
    log = simulate(plant, until_us=300 * S).log
    first = log.take((log.part == 0) & (log.outcome != Outcome.NONE))
    assert first.outcome.tolist() == [7, *[1, 4] * 2, 1, 5]  # entered, took and sent back twice, took and scrapped


def test_a_loop_of_rework_with_small_buffers_does_not_deadlock() -> None:
    again = Inspection(rework=1.0, rework_to=0, max_loops=9)
    plant = line([Stop(constant(10), 1, 1), Stop(constant(10), 1, 1, inspection=again)], Source("in", 0))
    log = simulate(plant, until_us=3600 * S).log
    assert (log.outcome == Outcome.SCRAPPED).sum() == 34  # a part needs ten cycles of both operations


def test_a_join_waits_for_all_of_its_parts() -> None:
    plant = line([Stop(constant(1), 1, 6), Stop(constant(1), 1, 6)], Source("in", 0, arrivals_s=(1, 2, 3, 4, 5)))
    twice = replace(plant.operations[1], inputs=(Input(operation=0, quantity=2, capacity=4),))
    plant = with_derived(replace(plant, operations=(plant.operations[0], twice)))
    log = simulate(plant, until_us=60 * S).log
    assert (log.t_us[log.outcome == Outcome.LEFT] // S).tolist() == [4, 6]
    assert np.count_nonzero(log.outcome == Outcome.MERGED) == 2


@pytest.mark.parametrize("seconds", [0.0, 12.3456785, 3.1e9, 1e10])
def test_a_constant_duration_is_rounded_and_limited_as_a_drawn_one(seconds: float) -> None:
    name = key(1, 0, "M001", "cycle")
    assert next(durations_us(name, constant(seconds))) == draw_us(name, 0, 1, constant(seconds))[0]
