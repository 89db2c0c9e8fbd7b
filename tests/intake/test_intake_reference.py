"""The reference line's feed reduced to a state word and a counter on a one-second clock, against the full feed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factory_sim as fs
from factory_sim import registry
from factory_sim.analysis import kpis
from factory_sim.plant.describe import describe
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog, Window
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.records import KpiTable, Meta

EPOCH_NS = 1_777_874_400_000_000_000  # 2026-05-04T06:00:00Z
HOUR_US = 3_600_000_000
WINDOW = Window(2 * HOUR_US, 50 * HOUR_US)  # a second is 9 % of the shortest cycle: the mean needs thousands of them
MAP = """feed: reduced
plant: gearbox_line
states:
  {OFF: "off", SETUP: setup, STARVED: starved, BUSY: busy, BLOCKED: blocked, WAITING: waiting, MAINTENANCE: maintenance,
  DOWN: down, REPAIR: repair}
sources:
  - {csv: reduced.csv, layout: wide, columns: {unit: unit}, state: state, count: count}
parts: fifo
"""


@dataclass(frozen=True)
class Both:
    """The KPIs of the full feed and what was read of the reduced one."""

    meta: Meta
    full: KpiTable
    reduced: fs.Reading

    def differences(self, name: str) -> dict[str, tuple[float, float]]:
        """Return the values of both by operation, where the full feed has one."""
        full = self.full.kpis[name].values
        found = self.reduced.kpis().values(name)
        names = [each.name for each in self.meta.operations]
        return {name: (float(a), found[name]) for name, a in zip(names, full, strict=True) if not np.isnan(a)}


def full_log() -> tuple[EventLog, Meta]:
    """Return the rows from the begin of the window on, the first of each unit with the state that it was in."""
    plant = registry.load("gearbox_line")
    meta = describe(plant, "reference", EPOCH_NS, WINDOW)
    simulation = Simulation(plant, seed=1, replication=0, warm_up_us=0, until_us=WINDOW.t1_us)
    logs = [part.log for part in simulation.slices(HOUR_US)]
    columns: dict[str, Any] = {f.name: np.concatenate([getattr(log, f.name) for log in logs]) for f in fields(EventLog)}
    first = int(np.searchsorted(columns["t_us"], WINDOW.t0_us))
    last = sorted({int(unit): row for row, unit in enumerate(columns["unit"][:first])}.values())
    columns = {name: np.concatenate((values[last], values[first:])) for name, values in columns.items()}
    columns["t_us"][: len(last)], columns["outcome"][: len(last)] = WINDOW.t0_us, Outcome.NONE
    return EventLog(**columns), meta


def reduced(log: EventLog, meta: Meta) -> str:
    """Return a CSV: of each machine the last state and count of each second in which it wrote a row."""
    lines = []
    for unit in (u for u, info in enumerate(meta.units) if info.role == "machine"):
        rows = np.flatnonzero(log.unit == unit)
        second = -(-log.t_us[rows] // 1_000_000)
        given = (log.outcome[rows] >= Outcome.PASSED) & (log.outcome[rows] <= Outcome.LEFT)
        count, last = 100 + np.cumsum(given), np.append(np.diff(second) > 0, True)
        for t, state, n in zip(second[last], log.state[rows][last], count[last], strict=True):
            lines.append((t + EPOCH_NS // 1_000_000_000, meta.units[unit].name, State(state).name, n))
    return "time,unit,state,count\n" + "".join(f"{t},{unit},{state},{n}\n" for t, unit, state, n in sorted(lines))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder: Path = tmp_path_factory.mktemp("reduced")
    log, meta = full_log()
    (folder / "reduced.csv").write_text(reduced(log, meta), encoding="utf-8")
    (folder / "feed.yaml").write_text(MAP, encoding="utf-8")
    return Both(meta, kpis.table(log, replace(meta, window=WINDOW)), fs.read(map=folder / "feed.yaml"))


@pytest.mark.long(reason="simulates and reads two days of the reference line")
def test_cycle_times_are_within_two_parts_in_a_thousand(both: Both) -> None:
    found = both.differences("operation.cycle_time_s")
    assert len(found) == len(both.meta.operations)
    assert {name: (a, b) for name, (a, b) in found.items() if not abs(b / a - 1) <= 0.002} == {}


@pytest.mark.long(reason="simulates and reads two days of the reference line")
@pytest.mark.parametrize("state", ["busy", "starved", "blocked", "waiting", "down", "repair", "setup", "off"])
def test_state_shares_are_within_two_parts_in_a_thousand(both: Both, state: str) -> None:
    found = both.differences(f"operation.share_{state}")
    assert {name: (a, b) for name, (a, b) in found.items() if not abs(b - a) <= 0.002} == {}


@pytest.mark.long(reason="simulates and reads two days of the reference line")
def test_the_critical_path_is_within_one_part_in_a_hundred(both: Both) -> None:
    found = both.differences("operation.critical_path_share")
    assert sum(a for a, _ in found.values()) == pytest.approx(1)
    assert {name: (a, b) for name, (a, b) in found.items() if not abs(b - a) <= 0.01} == {}


@pytest.mark.long(reason="simulates and reads two days of the reference line")
def test_parts_are_exact_and_wip_and_lead_time_are_undefined_with_the_missing_signal(both: Both) -> None:
    found = both.differences("operation.parts")
    assert {name: (a, b) for name, (a, b) in found.items() if abs(b - a) > 1} == {}
    derivable = {each.kpi: each for each in both.reduced.result.derivable}
    for name in ("line.wip", "line.lead_time_s"):
        assert np.isnan(both.reduced.kpis()[name])
        assert (derivable[name].status, "serial numbers" in derivable[name].needs) == ("no", True)
