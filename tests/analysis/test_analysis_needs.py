"""A KPI whose needs a feed does not meet is not defined and has a reason; assumptions and causes are marked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from analysis_lines import S, describe

from factory_sim import registry
from factory_sim.analysis import kpis
from factory_sim.analysis.needs import NEEDS
from factory_sim.analysis.rebuild import Feed
from factory_sim.analysis.unit_energy import power_w
from factory_sim.distributions import constant
from factory_sim.plant.spec import Crew, FailureMode, Shift, Source
from factory_sim.plant.states import Outcome, State
from factory_sim.plant.wall_clock import repeated
from factory_sim.records import EventLog, Message, Window
from factory_sim.sim.run import simulate
from factory_sim.validation.exact.lines import Stop, line
from factory_sim.views.frames import kpi_frame
from factory_sim.views.kpi_dict import kpi_dict
from factory_sim.views.text.kpi_text import notes
from factory_sim.wire import kpi_messages
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import KpiTable, Meta

CASES = Path(__file__).parents[1] / "truth" / "cases"
RECORDED = Path(__file__).parents[1] / "recorded" / "data"
HOUR = 3600 * S
WINDOW = Window(600 * S, HOUR)
LINE = """
plant: line
costs: {machine: 10 EUR/h}
kinds: {machine: {power: {busy: 6 kW, starved: 2 kW}}}
sources: {parts: {interarrival: saturated}}
sections:
  line:
    operations:
      A: {kind: machine, from: parts, cycle_time: 30 s, buffer: 2}
      B: {kind: machine, cycle_time: 40 s, buffer: 2, inspection: {scrap: 10 %}}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    (tmp_path / "line.yaml").write_text(LINE, encoding="utf-8")
    return registry.load(tmp_path / "line.yaml")


def run(plant: Plant, until_us: int = HOUR, engine: str = "simpy") -> EventLog:
    return simulate(plant, seed=1, until_us=until_us, engine=engine).log


def value(table: KpiTable, name: str, i: int = 0) -> float:
    return float(table.kpis[name].values.flat[i])


def reason(table: KpiTable, name: str, i: int = 0) -> str:
    reasons = table.kpis[name].reasons
    return reasons[i] if reasons else ""


def without_power(meta: Meta, *names: str) -> Meta:
    return replace(meta, units=tuple(replace(u, power_w=()) if u.name in names else u for u in meta.units))


def test_every_need_has_a_reason_and_is_needed() -> None:
    assert {need for kind in kpis.KPIS.values() for need in kind.needs} == set(NEEDS)


@pytest.mark.parametrize("need", ["states", "counts", "quality", "failures", "sources", "parts", "prices"])
def test_what_a_feed_lacks_leaves_the_kpis_that_need_it_undefined_with_the_reason(plant: Plant, need: str) -> None:
    table = kpis.table(run(plant), replace(describe(plant, WINDOW), absent=(need,)))
    for name, kpi in table.kpis.items():
        if need in kpis.KPIS[name.partition(".")[2]].needs:
            assert np.isnan(kpi.values).all(), name
            assert NEEDS[need].reason in kpi.reasons, name


def test_a_unit_without_meter_and_power_makes_every_total_unknown_that_contains_it(plant: Plant) -> None:
    first = plant.machines[0].name
    table = kpis.table(run(plant), without_power(describe(plant, WINDOW), first))
    assert np.isnan(table.kpis["machine.kwh"].values).tolist() == [True, False]
    for name in ("machine.kwh", "operation.kwh", "section.kwh", "line.kwh", "line.kwh_per_part"):
        assert reason(table, name) == NEEDS["energy"].reason, name
    assert value(table, "machine.kwh", 1) > 0


def test_energy_without_a_meter_is_marked_as_state_times_and_power(plant: Plant) -> None:
    table = kpis.table(run(plant), describe(plant, WINDOW))
    assert value(table, "line.kwh") > 0
    assert table.kpis["line.kwh"].marks == ("state times × stated power",)


def test_without_prices_there_is_no_cost(plant: Plant) -> None:
    log, meta = run(plant), describe(plant, WINDOW)
    assert value(kpis.table(log, meta), "line.cost_per_part") > 0
    free = kpis.table(log, replace(meta, prices=replace(meta.prices, machine_per_h=0.0)))
    assert reason(free, "line.cost_per_part") == NEEDS["prices"].reason


def test_the_cost_of_an_item_without_a_price_is_marked(plant: Plant) -> None:
    table = kpis.table(run(plant), describe(plant, WINDOW))  # only machine hours have a price
    for item in ("energy", "labour", "repairs", "material", "scrap"):
        assert table.kpis[f"line.cost_{item}_per_part"].marks == (f"no price of {item} is stated",)
    assert not table.kpis["line.cost_machines_per_part"].marks
    priced = replace(
        describe(plant, WINDOW), prices=replace(describe(plant, WINDOW).prices, tariff_per_kwh=(0.2,) * 24)
    )
    assert kpis.table(run(plant), priced).kpis["line.cost_energy_per_part"].marks == ("state times × stated power",)


def test_without_source_rows_work_in_progress_and_lead_time_are_not_defined(plant: Plant) -> None:
    log, meta = run(plant), describe(plant, WINDOW)
    source = next(n for n, unit in enumerate(meta.units) if unit.role == "source")
    table = kpis.table(log.take(log.unit != source), meta)
    for name in ("line.wip", "line.lead_time_s", "line.lead_time_seen_s", "line.parts_entered"):
        assert np.isnan(table.kpis[name].values), name
        assert reason(table, name) == NEEDS["sources"].reason, name
    assert value(table, "line.good_parts") == value(kpis.table(log, meta), "line.good_parts")


def test_without_part_identity_there_is_no_critical_path_but_the_active_period(plant: Plant) -> None:
    log, meta = run(plant), describe(plant, WINDOW)
    table = kpis.table(replace(log, part=np.full_like(log.part, -1)), meta)
    assert reason(table, "line.constraint") == reason(table, "operation.critical_path_share") == NEEDS["parts"].reason
    assert value(table, "line.constraint_by_active_period") == 1
    assert value(table, "line.good_parts") == value(kpis.table(log, meta), "line.good_parts")


def test_without_a_quality_channel_oee_is_marked_and_yield_is_not_defined(plant: Plant) -> None:
    table = kpis.table(run(plant), replace(describe(plant, WINDOW), absent=("quality",)))
    assert reason(table, "line.first_pass_yield") == reason(table, "operation.quality") == NEEDS["quality"].reason
    assert value(table, "line.oee") > 0
    assert "assumes good parts" in table.kpis["line.oee"].marks[0]


@pytest.mark.parametrize("engine", ["simpy", "calendar"])
def test_oee_above_one_is_kept_and_marked_with_its_cause(engine: str) -> None:
    plant = registry.load(CASES / "oee_above_one.yaml")
    table = kpis.table(run(plant, engine=engine), describe(plant, Window(0, HOUR)))
    assert value(table, "operation.oee") == pytest.approx(1.6167, abs=1e-3)
    assert table.kpis["operation.oee"].marks == ("above 100 %: 60 s are planned for a part, 37 s were measured",)
    assert table.kpis["operation.oee"].reasons == ()


@pytest.mark.parametrize("engine", ["simpy", "calendar"])
@pytest.mark.parametrize("crew", [-1, 0])
def test_mttr_counts_the_repair_that_was_worked_also_while_the_shift_is_closed(engine: str, crew: int) -> None:
    modes = [FailureMode("f", constant(after), constant(900), clock="calendar", crew=crew) for after in (1700, 1500)]
    stops = [Stop(constant(100), 1, 0, shift=0, failures=(modes[0],)), Stop(constant(100), 1, 0, failures=(modes[1],))]
    people: dict[str, Any] = {"crews": (Crew("crew", (3,)),), "names": ("Bo",)} if crew == 0 else {}
    plant = line(stops, Source("in", 0), shifts=(Shift("day", repeated(3600, (0, 1800))),), **people)
    log = simulate(plant, until_us=8000 * S, engine=engine).log
    table = kpis.table(log, describe(plant, Window(0, 4000 * S)))
    assert value(table, "machine.mttr_s", 0) == 900
    assert value(table, "machine.failures", 0) == 1
    waits = value(table, "machine.crew_wait_s", 0)
    assert waits == (100 if crew == 0 else 0)  # until the shift closes


def states_of(*rows: tuple[int, int, State]) -> EventLog:
    """Rows (t in s, unit, state) without parts."""
    return EventLog.of_rows([(t * S, unit, state, -1, Outcome.NONE, 0, -1) for t, unit, state in rows])


def test_energy_and_oee_have_bounds_while_a_state_is_unknown(plant: Plant) -> None:
    units = [m.unit for m in plant.machines]
    rows = [(0, u, State.BUSY) for u in units] + [(2700, units[0], State.UNKNOWN)]
    table = kpis.table(states_of(*rows), describe(plant, Window(0, HOUR)))
    kwh, oee = table.kpis["machine.kwh"], table.kpis["machine.availability"]
    assert kwh.values.tolist() == [6.0, 6.0]  # as in the known time: busy at 6 kW
    assert kwh.low is not None
    assert kwh.high is not None
    assert kwh.low.tolist() == [4.5, 6.0]  # off: 0 W
    assert kwh.high.tolist() == [6.0, 6.0]
    assert oee.low is not None
    assert oee.high is not None
    assert (oee.values[0], oee.low[0], oee.high[0]) == (1.0, 0.75, 1.0)
    assert value(table, "machine.share_unknown") == 0.25
    known = kpis.table(states_of(*rows[:2]), describe(plant, Window(0, HOUR)))
    assert known.kpis["machine.kwh"].low is None


def test_reasons_and_marks_reach_tables_frames_json_and_messages(plant: Plant) -> None:
    meta = replace(describe(plant, WINDOW), absent=("quality", "failures"))
    table = kpis.table(run(plant), meta)
    assert any(NEEDS["quality"].reason in each and "first-pass yield" in each for each in notes(table))
    frame = kpi_frame(table).set_index(["kpi", "name"])
    assert frame.loc[("line.failures", "line"), "note"] == NEEDS["failures"].reason
    found = kpi_dict(table)["line.failures"]
    assert found["values"] == {"line": None}
    assert found["reasons"] == {"line": NEEDS["failures"].reason}
    message = next(m for m in kpi_messages.messages(table, meta, "a/b") if m.topic.endswith("/kpi/line"))
    sent = json.loads(message.payload)["kpis"]
    assert sent["line.failures"] == {"value": None, "unit": "1", "reason": NEEDS["failures"].reason}
    assert "mark" in sent["line.kwh"]


def test_a_description_of_fourteen_powers_leaves_the_power_of_the_unknown_state_open(plant: Plant) -> None:
    meta = describe(plant, WINDOW)
    content = json.loads(description.encode(meta))
    assert "absent" not in content
    assert {len(u["power_w"]) for u in content["units"] if u["role"] == "machine"} == {14}
    assert description.decode(description.encode(replace(meta, absent=("quality",)))).absent == ("quality",)


def test_a_recorded_feed_of_0_1_0_is_extended_with_the_unknown_state() -> None:
    lines = (RECORDED / "three_machines_feed.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split(" ", 3) for line in lines]
    messages = [Message(topic, payload.encode(), int(qos), retain == "1") for qos, retain, topic, payload in words]
    meta = description.decode(messages[0].payload)
    machines = [n for n, unit in enumerate(meta.units) if unit.role == "machine"]
    assert {len(meta.units[n].power_w) for n in machines} == {14}
    assert np.isnan(power_w(meta)[machines]).sum(axis=0).tolist() == [0] * 14 + [3]
    feed, decoder = Feed(meta), FORMATS["machine"].decoder(meta, "test/site/area")
    for message in (each for each in messages[1:] if each.payload):
        feed.add(decoder.feed(message))
    log = feed.log()
    table = kpis.table(log, meta, window=Window(0, int(log.t_us[-1])))
    assert table.kpis["machine.share_unknown"].values.tolist() == [0.0, 0.0, 0.0]
    assert np.isfinite(table.kpis["machine.kwh"].values).all()
    assert table.kpis["machine.kwh"].low is None


def test_bounds_are_printed_where_they_are_defined(plant: Plant) -> None:
    table, key = kpis.table(run(plant), describe(plant, WINDOW)), "line.good_parts_per_h"
    for low, high, shown in ((80.0, 90.0, True), (np.nan, np.nan, False)):
        bounded = replace(table.kpis[key], low=np.array(low), high=np.array(high))
        found = notes(replace(table, kpis={**table.kpis, key: bounded}))
        assert any("between 80 and 90 parts/h" in each for each in found) == shown
        assert not any("between -" in each for each in found)
