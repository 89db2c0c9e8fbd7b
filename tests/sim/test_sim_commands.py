from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.errors import ModelError
from factory_sim.plant.spec import Source
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog
from factory_sim.sim.commands import Command
from factory_sim.sim.run import Simulation, obey, simulate
from factory_sim.sim.snapshot import unpacked
from factory_sim.validation.engine_comparison import differ
from factory_sim.validation.exact.lines import Stop, exponential, line

PLANT = registry.load(Path(__file__).parents[1] / "live" / "three.yaml")
MINUTE = 60_000_000
WASH = next(m.unit for m in PLANT.machines if PLANT.operations[m.operation].name == "WASH")
UNTIL = 120 * MINUTE


@pytest.fixture(params=["simpy", "calendar"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(engine: str, *commands: Command, slice_us: int = MINUTE) -> EventLog:
    simulation = Simulation(PLANT, until_us=UNTIL, engine=engine)
    pieces = []
    for t1 in range(slice_us, UNTIL + 1, slice_us):
        for command in commands:
            if command.t_us == t1 - slice_us:
                simulation.command(command)
        pieces.append(simulation.advance(t1))
    return EventLog.join(pieces)


def same(a: EventLog, b: EventLog) -> bool:
    names = ("t_us", "unit", "state", "part", "outcome", "cause")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_the_same_commands_at_the_same_times_give_the_same_log_in_any_slices(engine: str) -> None:
    commands = [
        Command(10 * MINUTE, WASH, "speed", 0.5),
        Command(20 * MINUTE, WASH, "stop"),
        Command(30 * MINUTE, WASH, "start"),
        Command(40 * MINUTE, WASH, "speed", 1.0),
    ]
    assert same(run(engine, *commands), run(engine, *commands))
    assert same(run(engine, *commands), run(engine, *commands, slice_us=10 * MINUTE))
    assert same(run(engine, *commands), simulate(PLANT, until_us=UNTIL, commands=commands, engine=engine).log)
    assert not same(run(engine, *commands), run(engine))


def test_a_command_changes_nothing_before_its_time(engine: str) -> None:
    plain, reported = run(engine), run(engine, Command(50 * MINUTE, WASH, "stop"))
    n = int((plain.t_us < 50 * MINUTE).sum())
    assert same(plain.take(slice(n)), reported.take(slice(n)))


def test_a_machine_at_half_speed_takes_twice_as_long(engine: str) -> None:
    log = run(engine, Command(0, WASH, "speed", 0.5))
    took = log.t_us[(log.unit == WASH) & (log.outcome == Outcome.TOOK)]
    plain = run(engine)
    usual = plain.t_us[(plain.unit == WASH) & (plain.outcome == Outcome.TOOK)]
    assert np.median(np.diff(took)) / np.median(np.diff(usual)) == pytest.approx(2.0, rel=0.1)


def test_a_stopped_machine_is_off_until_it_is_started(engine: str) -> None:
    reported = [(20, "stop"), (30, "stop"), (45, "start")]
    log = run(engine, *(Command(minute * MINUTE, WASH, name) for minute, name in reported))
    rows = log.take(log.unit == WASH)
    inside = (rows.t_us >= 20 * MINUTE) & (rows.t_us < 45 * MINUTE)
    assert rows.state[inside].tolist() == [State.OFF]
    assert rows.t_us[inside].tolist() == [20 * MINUTE]
    assert rows.state[rows.t_us >= 45 * MINUTE][0] != State.OFF


def test_a_speed_of_one_changes_nothing(engine: str) -> None:
    assert same(run(engine, Command(0, WASH, "speed", 1.0)), run(engine))


@pytest.mark.parametrize(
    "command",
    [
        Command(0, WASH, "speed", 0.0),
        Command(0, WASH, "speed", float("nan")),
        Command(0, WASH, "speed", "fast"),
        Command(0, WASH, "sped", 1.0),
        Command(0, 0, "stop"),
        Command(0, WASH, "policy", "nearest"),
        Command(5, WASH, "stop"),
        Command(0, 999, "start"),
    ],
)
def test_an_impossible_command_is_refused(engine: str, command: Command) -> None:
    simulation = Simulation(PLANT, until_us=UNTIL, engine=engine)
    with pytest.raises(ModelError):
        simulation.command(command)


def test_a_snapshot_keeps_what_commands_have_set(engine: str) -> None:
    commands = [Command(10 * MINUTE, WASH, "speed", 0.5), Command(20 * MINUTE, WASH, "stop")]
    commands.append(Command(40 * MINUTE, WASH, "start"))
    saved_run = Simulation(PLANT, until_us=UNTIL, engine="calendar", savable=True)
    obey(saved_run, commands[:2], 30 * MINUTE)
    resumed = Simulation.resumed(PLANT, unpacked(saved_run.save().packed("")).saved, until_us=UNTIL)
    whole = simulate(PLANT, until_us=UNTIL, commands=commands, engine=engine).log
    assert same(obey(resumed, commands[2:], UNTIL), whole.take(whole.t_us >= 30 * MINUTE))


def test_a_command_comes_before_other_events_of_its_instant_in_both_engines() -> None:
    plant = line([Stop(exponential(37.0), 1, 3)] * 2, Source("in", 0, arrivals_s=(0.0, 0.0, 5.0, 100.0)))
    commands = [Command(0, 1, "stop"), Command(5_000_000, 1, "start"), Command(100_000_000, 2, "stop")]
    difference, log = differ(plant, 1, UNTIL, commands)
    assert difference == ""
    assert len(log) > len(plant.units)
