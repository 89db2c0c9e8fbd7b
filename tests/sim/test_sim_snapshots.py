"""Snapshots: a saved run resumes bit-identically, and forks differ only from the snapshot on."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from factory_sim import registry
from factory_sim.distributions import constant
from factory_sim.errors import ModelError
from factory_sim.plant.opening_rows import opening_rows
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import Crew, Fleet, Source
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog
from factory_sim.sim.added_units import renumbered
from factory_sim.sim.commands import Command
from factory_sim.sim.run import Simulation, resume_to_end, simulate
from factory_sim.sim.snapshot import unpacked
from factory_sim.study.arms import Variant
from factory_sim.validation.exact.lines import Stop, line
from factory_sim.validation.random_plants import plants

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.snapshot import SavedRun

HOUR_US = 3_600_000_000
S = 1_000_000
BUSY = State.BUSY


@pytest.fixture(scope="module")
def gearbox() -> Plant:
    return registry.load("gearbox_line")


@pytest.fixture(scope="module")
def saved(gearbox: Plant) -> SavedRun:
    run = Simulation(gearbox, until_us=2 * HOUR_US, engine="calendar", savable=True)
    run.advance(HOUR_US)
    return unpacked(run.save().packed("")).saved


def same(ours: EventLog, theirs: EventLog) -> bool:
    return all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(EventLog))


def faster(plant: Plant, index: int, factor: float) -> Plant:
    operation = plant.operations[index]
    other = replace(operation, cycle_time=operation.cycle_time.scaled(factor))
    return replace(plant, operations=tuple(other if o is operation else o for o in plant.operations))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(plant=plants(), cut_s=st.integers(1, 1700))
def test_a_run_resumed_from_a_file_is_bit_identical(plant: Plant, cut_s: int) -> None:
    run = Simulation(plant, until_us=HOUR_US // 2, engine="calendar", savable=True)
    try:
        run.advance(cut_s * S)
        content = run.save().packed("a test", ("of=1",))
        rest = run.advance(HOUR_US // 2)
    except ModelError as error:
        assume("Deadlock at" not in str(error))
        raise
    again = unpacked(content)
    resumed = Simulation.resumed(plant, again.saved, until_us=HOUR_US // 2)
    assert (again.file, again.overrides) == ("a test", ("of=1",))
    assert same(resumed.advance(HOUR_US // 2), rest)
    assert resumed.balance() == run.balance()


def test_the_kept_rows_are_the_opening_rows_of_a_new_feed(gearbox: Plant, saved: SavedRun) -> None:
    log = simulate(gearbox, until_us=HOUR_US, engine="calendar").log
    assert same(saved.opening, opening_rows(log, len(gearbox.units)))
    assert same(log.take(saved.rows), saved.opening)


def test_a_window_that_starts_at_the_snapshot_counts_from_there(gearbox: Plant, saved: SavedRun) -> None:
    whole = simulate(gearbox, warm_up_us=HOUR_US, until_us=2 * HOUR_US, engine="calendar")
    run = resume_to_end(gearbox, saved, until_us=2 * HOUR_US)
    assert run.truth.good_parts == whole.truth.good_parts > 0
    assert np.array_equal(run.truth.parts, whole.truth.parts)
    later = run.log.take(run.log.t_us >= HOUR_US)
    assert len(later) == np.count_nonzero(whole.log.t_us >= HOUR_US)
    known = run.log.cause >= 0
    assert (run.log.cause[known] < np.flatnonzero(known)).all()


def test_another_replication_shares_the_past_and_differs_afterwards(gearbox: Plant, saved: SavedRun) -> None:
    own, again, other = (resume_to_end(gearbox, saved, until_us=2 * HOUR_US, replication=r) for r in (0, 0, 1))
    assert same(own.log, again.log)
    assert not same(own.log, other.log)


def test_a_thousandth_fork_leaves_the_run_unchanged(gearbox: Plant) -> None:
    run = Simulation(gearbox, until_us=HOUR_US, engine="calendar", savable=True)
    run.advance(HOUR_US // 2)
    for replication in range(3):
        Simulation.resumed(faster(gearbox, 5, 0.5), run.save(), until_us=HOUR_US, replication=replication).advance(
            HOUR_US
        )
    untouched = simulate(gearbox, until_us=HOUR_US, engine="calendar").log
    assert same(run.advance(HOUR_US), untouched.take(untouched.t_us >= HOUR_US // 2))


def test_a_fork_with_another_speed_equals_the_simpy_run_with_that_command() -> None:
    plant = line([Stop(constant(20), 1, 2), Stop(constant(30), 1, 2), Stop(constant(10), 1, 2)], Source("in", 0))
    run = Simulation(plant, until_us=1000 * S, engine="calendar", savable=True)
    run.advance(500 * S)
    fork = Simulation.resumed(faster(plant, 1, 0.5), run.save(), until_us=1000 * S)
    commanded = simulate(plant, until_us=1000 * S, engine="simpy", commands=[Command(500 * S, 2, "speed", 2.0)]).log
    assert same(fork.advance(1000 * S), commanded.take(commanded.t_us >= 500 * S))


def test_a_fork_with_another_policy_equals_the_simpy_run_with_that_command(gearbox: Plant, saved: SavedRun) -> None:
    fleet = gearbox.fleets[0]
    policy = "nearest" if fleet.policy != "nearest" else "first_come"
    changed = replace(gearbox, fleets=(replace(fleet, policy=policy), *gearbox.fleets[1:]))
    fork = Simulation.resumed(changed, saved, until_us=HOUR_US + HOUR_US // 4)
    commands = [Command(HOUR_US, fleet.units[0], "policy", policy)]
    commanded = simulate(gearbox, until_us=HOUR_US + HOUR_US // 4, engine="simpy", commands=commands).log
    assert same(fork.advance(HOUR_US + HOUR_US // 4), commanded.take(commanded.t_us >= HOUR_US))


def test_more_cards_and_more_room_are_used_at_once() -> None:
    plant = line([Stop(constant(10), 1, 9), Stop(constant(100), 1, 0)], Source("in", 0, cards=2))
    run = Simulation(plant, until_us=300 * S, engine="calendar", savable=True)
    run.advance(55 * S)
    more = replace(plant, sources=(replace(plant.sources[0], cards=5),))
    log = Simulation.resumed(more, run.save(), until_us=300 * S).advance(300 * S)
    assert log.t_us[0] == 55 * S
    assert Simulation.resumed(plant, run.save(), until_us=300 * S).advance(300 * S).t_us[0] > 55 * S


def test_a_plant_that_is_built_differently_is_refused(gearbox: Plant, saved: SavedRun) -> None:
    more = registry.load("gearbox_line").machines[0]
    without = replace(gearbox, machines=(replace(more, failures=()), *gearbox.machines[1:]))
    with pytest.raises(ModelError, match="may have other parameters"):
        Simulation.resumed(without, saved, until_us=2 * HOUR_US)


def test_a_snapshot_of_another_version_is_refused(gearbox: Plant, saved: SavedRun) -> None:
    with pytest.raises(ModelError, match="Another version"):
        Simulation.resumed(gearbox, replace(saved, layout="older"), until_us=2 * HOUR_US)


@pytest.mark.parametrize(
    ("number", "version", "refusal"),
    [
        (3, "", r"format 3, written by factory_sim 0\.1\.0; .* Resume it with factory_sim 0\.1\.0, or save"),
        (4, "", r"format 4, written by a development version of factory_sim, .* format \d+\. Save the run again"),
        (6, "0.3.1", r"format 6, written by factory_sim 0\.3\.1; .* Resume it with factory_sim 0\.3\.1, or save"),
    ],
)
def test_a_snapshot_of_another_format_is_refused_with_the_version_that_reads_it(
    saved: SavedRun, monkeypatch: pytest.MonkeyPatch, number: int, version: str, refusal: str
) -> None:
    with monkeypatch.context() as other:
        other.setattr("factory_sim.sim.snapshot.FORMAT", number)
        other.setattr("factory_sim.sim.snapshot.VERSION", version)
        content = saved.packed("")
    with pytest.raises(ModelError, match=refusal):
        unpacked(content)


def test_tables_of_other_sizes_never_reach_compiled_code(gearbox: Plant, saved: SavedRun) -> None:
    assert {"unit", "place", "part", "line", "due"} <= set(saved.tables)
    for name, table in saved.tables.items():
        for wrong in (np.resize(table, len(table) + 1), table.view(np.uint8)):
            with pytest.raises(ModelError, match="damaged"):
                Simulation.resumed(gearbox, replace(saved, tables=saved.tables | {name: wrong}), until_us=2 * HOUR_US)


def test_a_file_that_is_not_a_snapshot_is_refused(saved: SavedRun) -> None:
    good = saved.packed("")
    for bad in (b"", b"plant: x", good[:-40], good[: len(good) // 2]):
        with pytest.raises(ModelError, match="not a snapshot"):
            unpacked(bad)


def test_a_snapshot_with_one_wrong_byte_is_refused(saved: SavedRun) -> None:
    good = saved.packed("")
    for at in range(0, len(good), len(good) // 200):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        with pytest.raises(ModelError, match="not a snapshot"):
            unpacked(bytes(bad))


def test_the_reason_why_a_simpy_run_cannot_be_saved_is_reported(gearbox: Plant) -> None:
    run = Simulation(gearbox, until_us=HOUR_US, engine="simpy", savable=True)
    with pytest.raises(ModelError, match="simpy"):
        run.save()
    with pytest.raises(ModelError, match="savable"):
        Simulation(gearbox, until_us=HOUR_US, engine="calendar").save()


def with_idlers(plant: Plant, at: int, n: int) -> Plant:
    """Return the plant with a fleet and a crew of n each that are never called; their ids begin at `at`."""
    moved = {unit: unit + 2 * n * (unit >= at) for unit in range(len(plant.units))}
    names = [*(f"idle-{i + 1}" for i in range(n)), *(f"spare-{i + 1}" for i in range(n))]
    wider = renumbered(plant, moved, (*plant.units[:at], *names, *plant.units[at:]))
    fleet = Fleet("idle", tuple(range(at, at + n)), "nearest", 1.0, constant(1), constant(1), ((0.0,),))
    crew = Crew("spare", tuple(range(at + n, at + 2 * n)))
    return with_derived(replace(wider, fleets=(*wider.fleets, fleet), crews=(*wider.crews, crew)))


def read_as(log: EventLog, plant: Plant) -> list[tuple[object, ...]]:
    """Return the rows by unit names, without units that are always idle and without row indices."""
    servers = {unit for pool in plant.pools for unit in pool.units}

    def named_detail(unit: int, state: int, detail: int) -> object:
        return plant.units[detail] if unit in servers and state == BUSY else detail

    columns = zip(*(getattr(log, f.name).tolist() for f in fields(EventLog) if f.name != "cause"), strict=True)
    return [
        (t, plant.units[unit], state, part, outcome, named_detail(unit, state, detail))
        for t, unit, state, part, outcome, detail in columns
        if not plant.units[unit].startswith(("idle-", "spare-"))
    ]


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(plant=plants(), cut_s=st.integers(0, 1700), place=st.floats(0, 1))
def test_units_that_join_and_are_never_called_change_nothing_but_ids(plant: Plant, cut_s: int, place: float) -> None:
    at = len(plant.sources) + round(place * (len(plant.units) - len(plant.sources)))
    one, three = with_idlers(plant, at, 1), with_idlers(plant, at, 3)
    run = Simulation(one, until_us=HOUR_US // 2, engine="calendar", savable=True)
    cut_us = cut_s * S + 137  # between the events
    try:
        run.advance(cut_us)
        saved = unpacked(run.save().packed("")).saved
        rest = run.advance(HOUR_US // 2)
    except ModelError as error:
        assume("Deadlock at" not in str(error))
        raise
    fork = Simulation.resumed(three, saved, until_us=HOUR_US // 2)
    log = fork.advance(HOUR_US // 2)
    assert read_as(log, three) == read_as(rest, one)
    assert read_as(fork.before, three) == read_as(saved.opening, one)
    assert fork.balance() == run.balance()
    new = np.isin(log.unit, [three.units.index(name) for name in ("idle-2", "idle-3", "spare-2", "spare-3")])
    assert np.flatnonzero(new).tolist() == [0, 1, 2, 3]
    assert log.t_us[new].tolist() == [cut_us] * 4
    assert log.cause[~new].tolist() == np.where(rest.cause < saved.n_rows, rest.cause, rest.cause + 4).tolist()


def test_units_that_join_before_the_first_event_equal_units_from_the_start() -> None:
    before = registry.load("gearbox_line")
    after = Variant("gearbox_line", None, ("agv.count+2", "crews.fitters.count+1")).load()
    run = Simulation(before, until_us=HOUR_US, engine="calendar", savable=True)
    fork = Simulation.resumed(after, run.save(), until_us=HOUR_US)
    assert same(fork.advance(HOUR_US), simulate(after, until_us=HOUR_US, engine="calendar").log)


def test_vehicles_that_join_later_start_idle_and_carry_parts(gearbox: Plant, saved: SavedRun) -> None:
    more = Variant("gearbox_line", None, ("agv.count+2",)).load()
    run = resume_to_end(more, saved, until_us=2 * HOUR_US)
    joined = [more.units.index(name) for name in more.units if name not in gearbox.units]
    for unit in joined:
        rows = run.log.take(run.log.unit == unit)
        assert (rows.t_us[0], rows.state[0], rows.cause[0]) == (HOUR_US, State.IDLE, -1)
        assert (rows.outcome == Outcome.PASSED).sum() > 3
    entered, left, scrapped, merged, inside = Simulation.resumed(more, saved, until_us=2 * HOUR_US).balance()
    assert entered == left + scrapped + merged + inside
    known = run.log.cause >= 0
    assert (run.log.cause[known] < np.flatnonzero(known)).all()
    assert run.truth.good_parts >= resume_to_end(gearbox, saved, until_us=2 * HOUR_US).truth.good_parts


def test_removed_units_and_additional_machines_are_refused(saved: SavedRun) -> None:
    for change in ("agv.count-1", "OP410.machines+1"):
        with pytest.raises(ModelError, match="additional vehicles and crew members"):
            Simulation.resumed(Variant("gearbox_line", None, (change,)).load(), saved, until_us=2 * HOUR_US)


def test_a_policy_of_the_simpy_model_only_cannot_be_resumed(gearbox: Plant, saved: SavedRun) -> None:
    mine = replace(gearbox, fleets=(replace(gearbox.fleets[0], policy="mine"), *gearbox.fleets[1:]))
    with pytest.raises(
        ModelError, match="can be saved, and the dispatch policy 'mine' of agv exists in the SimPy model only"
    ):
        Simulation.resumed(mine, saved, until_us=2 * HOUR_US)
