"""KPIs against the simulator's own counters, against each other, and against hand-made logs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from analysis_lines import EPOCH_NS, FLAVOURS, S, Workshop, describe, numbered_rows, random_run, random_workshop

from factory_sim.analysis import facts, kpis
from factory_sim.analysis.kpis.kpi_kind import ALL
from factory_sim.analysis.rebuild import Feed
from factory_sim.distributions import constant
from factory_sim.errors import ModelError
from factory_sim.plant.spec import FailureMode, Input, Inspection
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog, KpiTable, Meta, Readings, Samples, SensorInfo, Window
from factory_sim.sim.run import simulate

if TYPE_CHECKING:
    from factory_sim.analysis.blocks import Blocks

HOUR = 3600 * S
WINDOW = Window(600 * S, HOUR)
LINES = [(flavour, seed) for flavour in FLAVOURS for seed in range(12)]


def values(table: KpiTable, name: str) -> np.ndarray:
    return table.kpis[name].values


def small_log(*rows: tuple[int, int, int, int, int, int]) -> EventLog:
    """Rows (t in s, unit, state, part, outcome, detail)."""
    table = np.array(rows, np.int64).reshape(-1, 6)
    kinds = (np.int64, np.int16, np.uint8, np.int32, np.uint8, np.int32)
    columns = [table[:, k].astype(kind) for k, kind in enumerate(kinds)]
    return EventLog(columns[0] * S, *columns[1:], np.full(len(table), -1, np.int32))


def one_machine(window: Window = WINDOW) -> Meta:
    return describe(Workshop().station(constant(10.0)).plant(), window)


@pytest.mark.parametrize(("flavour", "seed"), LINES)
def test_counts_and_cycle_times_equal_the_simulator_s_counters(flavour: str, seed: int) -> None:
    plant = random_workshop(seed, flavour).plant()
    try:
        run = simulate(plant, seed=seed, warm_up_us=WINDOW.t0_us, until_us=WINDOW.t1_us)
    except ModelError:
        plant = random_workshop(seed + 500, flavour).plant()
        run = simulate(plant, seed=seed, warm_up_us=WINDOW.t0_us, until_us=WINDOW.t1_us)
    table, truth = kpis.table(run.log, describe(plant, WINDOW)), run.truth
    units = [machine.unit for machine in plant.machines]
    assert values(table, "machine.parts").tolist() == truth.parts[units].tolist()
    assert values(table, "machine.scrap_parts").tolist() == truth.scrapped[units].tolist()
    assert values(table, "line.good_parts") == truth.good_parts
    made = truth.parts[units] > 0
    cycle = truth.busy_us[units][made] / 1e6 / truth.parts[units][made]
    np.testing.assert_allclose(values(table, "machine.cycle_time_s")[made], cycle, rtol=1e-12)


@pytest.mark.parametrize(("flavour", "seed"), LINES)
def test_laws_hold_between_the_kpis_of_any_line(flavour: str, seed: int) -> None:
    plant, log = random_run(seed, flavour, HOUR)
    f = facts.collect(log, describe(plant, WINDOW))
    table = kpis.of_facts(f)
    span = WINDOW.t1_us - WINDOW.t0_us
    assert (f.state_us.sum(axis=1) == span).all()
    shares = sum(values(table, f"machine.{name}") for name in kpis.KPIS if name.startswith("share_"))
    np.testing.assert_allclose(shares, 1)
    product = values(table, "operation.availability") * values(table, "operation.effectiveness")
    np.testing.assert_allclose(values(table, "operation.oee"), product * values(table, "operation.quality"))
    np.testing.assert_allclose(values(table, "machine.kwh").sum(), values(table, "section.kwh").sum())
    np.testing.assert_allclose(values(table, "machine.kwh_audit"), 0, atol=1e-12)
    causes = [f"machine.kwh_{name}" for name in ("processing", "waiting", "blocked", "down", "off")]
    np.testing.assert_allclose(sum(values(table, name) for name in causes), values(table, "machine.kwh"))
    items = [name for name in table.kpis if name.startswith("line.cost_") and name != "line.cost_per_part"]
    np.testing.assert_allclose(sum(values(table, name) for name in items), values(table, "line.cost_per_part"))
    balance = f.flow.inside_at_start + f.flow.entered - f.flow.left - f.flow.scrapped - f.flow.merged
    ended = np.isin(log.outcome, (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)).sum()
    assert balance == (log.outcome == Outcome.ENTERED).sum() - ended


def test_rollups_are_ratios_of_totals_never_means_of_ratios() -> None:
    shop = Workshop().station(constant(10.0), m=2, buffer=4).station(constant(30.0), buffer=1)
    plant = shop.plant()
    table = kpis.table(simulate(plant, seed=1, until_us=HOUR).log, describe(plant, WINDOW))
    busy, n = values(table, "machine.share_busy"), 3
    assert values(table, "line.availability") == pytest.approx(busy.sum() / n)
    parts, cycle = values(table, "machine.parts"), values(table, "machine.cycle_time_s")
    assert values(table, "operation.cycle_time_s")[0] == pytest.approx((parts[:2] @ cycle[:2]) / parts[:2].sum() / 2)


def test_kpis_of_a_station_with_known_times_are_exact() -> None:
    failure = FailureMode("jam", constant(95.0), constant(20.0))
    shop = Workshop().station(constant(10.0), failures=(failure,)).station(constant(4.0))
    shop.stations[1]["rest"]["inspection"] = Inspection(scrap=0.25)
    plant = shop.plant()
    window = Window(0, 1150 * S)
    table = kpis.table(simulate(plant, seed=1, until_us=1150 * S).log, describe(plant, window))
    assert values(table, "machine.share_busy")[0] == pytest.approx(950 / 1150)
    assert values(table, "machine.share_repair")[0] == pytest.approx(200 / 1150)
    assert values(table, "machine.failures")[0] == 10
    assert values(table, "machine.mttr_s")[0] == pytest.approx(20)
    assert values(table, "machine.mtbf_s")[0] == pytest.approx(95)
    assert values(table, "machine.cycle_time_s").tolist() == pytest.approx([10, 4])
    assert values(table, "machine.oee")[0] == pytest.approx(values(table, "machine.parts")[0] * 10 / 1150)
    made, scrap = values(table, "machine.parts")[1], values(table, "machine.scrap_parts")[1]
    assert 0 < scrap < made
    assert values(table, "line.first_pass_yield") == pytest.approx(1 - scrap / made)
    assert values(table, "line.good_parts_per_h") == pytest.approx((made - scrap) / (1150 / 3600))
    assert values(table, "line.output_interval_s") == pytest.approx(1150 / (made - scrap))
    good, kwh = values(table, "machine.good_parts")[0], (950 * 9000 + 200 * 2000) / 3.6e6
    assert values(table, "machine.kwh_per_good_part")[0] == pytest.approx(kwh / good)


def test_costs_follow_the_prices() -> None:
    plant = Workshop().station(constant(10.0)).plant()
    meta = describe(plant, WINDOW)
    table = kpis.table(simulate(plant, seed=1, until_us=HOUR).log, meta)
    good, hours = float(values(table, "line.good_parts")), 3000 / 3600
    assert values(table, "line.cost_machines_per_part") == pytest.approx(30 * hours / good)
    assert values(table, "line.cost_labour_per_part") == pytest.approx(100 * hours / good)
    assert values(table, "line.cost_energy_per_part") == pytest.approx(9 * hours * 0.2 / good)
    assert values(table, "line.cost_material_per_part") == pytest.approx(40)
    assert table.kpis["line.cost_per_part"].unit == "EUR/part"


def test_first_pass_yield_counts_a_reworked_part_once() -> None:
    rework = Inspection(rework=0.5, rework_to=0, max_loops=5)
    shop = Workshop(cards=10).station(constant(5.0), buffer=30).station(constant(4.0), buffer=30, inspection=rework)
    plant = shop.plant()
    table = kpis.table(simulate(plant, seed=2, until_us=4 * HOUR).log, describe(plant, Window(0, 4 * HOUR)))
    assert values(table, "operation.first_pass_yield")[1] == pytest.approx(0.5, abs=0.06)
    assert values(table, "line.first_pass_yield") == pytest.approx(0.5, abs=0.06)
    assert values(table, "operation.first_pass_yield")[0] == 1
    assert values(table, "operation.rework_ratio")[1] == pytest.approx(0.5, abs=0.06)


def test_littles_law_agrees_with_observed_lead_times_on_a_long_window() -> None:
    plant = Workshop().station(constant(9.0), buffer=5).station(constant(12.0), buffer=5).plant()
    table = kpis.table(simulate(plant, seed=1, until_us=10 * HOUR).log, describe(plant, Window(HOUR, 10 * HOUR)))
    assert values(table, "line.lead_time_s") == pytest.approx(float(values(table, "line.lead_time_seen_s")), rel=0.01)
    assert values(table, "line.wip") == pytest.approx(float(values(table, "line.lead_time_s")) / 12, rel=0.01)


def test_a_part_whose_start_was_not_seen_counts_but_has_no_cycle_time() -> None:
    meta = one_machine(Window(0, 100 * S))
    log = small_log(
        (10, 1, State.BUSY, 5, Outcome.NONE, 0),
        (18, 1, State.STARVED, 5, Outcome.LEFT, -1),
        (20, 1, State.BUSY, 6, Outcome.TOOK, 0),
        (27, 1, State.BLOCKED, 6, Outcome.NONE, 0),
        (30, 1, State.STARVED, 6, Outcome.LEFT, -1),
    )
    table = kpis.table(log, meta)
    assert values(table, "machine.parts").tolist() == [2]
    assert values(table, "machine.cycle_time_s").tolist() == [7]
    assert values(table, "machine.share_unknown").tolist() == [0.1]


def test_busy_time_before_the_window_belongs_to_the_part_finished_inside() -> None:
    meta = one_machine(Window(20 * S, 100 * S))
    log = small_log(
        (0, 1, State.STARVED, -1, Outcome.NONE, 0),
        (10, 1, State.BUSY, 1, Outcome.TOOK, 0),
        (15, 1, State.REPAIR, 1, Outcome.NONE, 0),
        (19, 1, State.BUSY, 1, Outcome.NONE, 0),
        (25, 1, State.STARVED, 1, Outcome.LEFT, -1),
    )
    table = kpis.table(log, meta)
    assert values(table, "machine.cycle_time_s").tolist() == [11]
    assert values(table, "machine.share_busy").tolist() == [5 / 80]
    assert values(table, "machine.failures").tolist() == [0]


def test_a_sub_window_is_analysed_as_if_it_were_the_window() -> None:
    plant, log = random_run(4, "people", HOUR)
    part = Window(1200 * S, 2400 * S)
    sub = kpis.table(log, describe(plant, Window(0, HOUR)), window=part)
    whole = kpis.table(log, describe(plant, part))
    for name, kpi in whole.kpis.items():
        np.testing.assert_array_equal(sub.kpis[name].values, kpi.values, err_msg=name)
    assert sub.window == part


def test_an_empty_feed_gives_a_table_without_values() -> None:
    plant = random_workshop(3, "transport").plant()
    table = kpis.table(EventLog.empty(), describe(plant, WINDOW))
    assert values(table, "line.good_parts") == 0
    assert np.isnan(values(table, "line.cost_per_part"))
    assert (values(table, "machine.share_unknown") == 1).all()


def test_every_kpi_has_a_unit_levels_and_a_source() -> None:
    plant = random_workshop(3, "people").plant()
    table = kpis.table(EventLog.empty(), describe(plant, WINDOW))
    sizes = {"machine": len(plant.machines), "operation": len(plant.operations), "section": 1}
    for name, kpi in table.kpis.items():
        level, _, short = name.partition(".")
        kind = kpis.KPIS[short]
        assert kpi.per == level
        assert level in kind.levels
        assert set(kind.levels) <= set(ALL)
        assert kpi.source.endswith("."), name
        assert kpi.values.shape == (() if level == "line" else (sizes[level],)), name
    assert len(table.kpis) == sum(len(kind.levels) for kind in kpis.KPIS.values())


def metered(log: EventLog, meta: Meta, power_w: float, *, first: int = 0) -> tuple[Meta, tuple[Blocks, ...]]:
    """A meter on unit 1 that counts `power_w` in Wh, read every second."""
    sensor = SensorInfo(0, 1, "energy", "energy", "Wh", 0.1, 0.0, 0.0, 1e9, S, 32)
    meta = replace(meta, sensors=(sensor,))
    ticks = np.arange(meta.window.t0_us // S, meta.window.t1_us // S)
    raw = (ticks * power_w / 3600 / 0.1 + first + 2**31).astype(np.int64) % 2**32 - 2**31
    feed = Feed(meta)
    samples = Samples(S, int(ticks[0]), np.zeros(1, np.int16), raw[:, None].astype(np.int32))
    feed.add(Readings(numbered_rows(log), (samples,)))
    return meta, feed.blocks()


@pytest.mark.parametrize("first", [0, 2**31 - 5000])
def test_metered_energy_is_the_rise_of_the_counter_across_an_overflow(first: int) -> None:
    plant = Workshop().station(constant(10.0)).plant()
    log = simulate(plant, seed=1, until_us=HOUR).log
    meta, blocks = metered(log, describe(plant, WINDOW), 5400.0, first=first)
    table = kpis.table(log, meta, blocks)
    assert values(table, "machine.kwh")[0] == pytest.approx(5.4 * 3000 / 3600, rel=1e-3)
    assert values(table, "machine.kwh_audit")[0] == pytest.approx(5.4 / 9 - 1, rel=1e-2)
    half = kpis.table(log, meta, blocks, Window(600 * S, 2100 * S))
    assert values(half, "machine.kwh")[0] == pytest.approx(5.4 * 1500 / 3600, rel=1e-3)


def test_energy_is_charged_at_the_tariff_of_its_hour() -> None:
    plant = Workshop().station(constant(10.0)).plant()
    meta = describe(plant, Window(0, 4 * HOUR))  # the run starts at midnight UTC
    prices = replace(meta.prices, tariff_from_s=(0.0, 3600.0, 7200.0), tariff_per_kwh=(0.1, 0.5, 0.2))
    log = simulate(plant, seed=1, until_us=4 * HOUR).log
    table = kpis.table(log, replace(meta, prices=prices, base_load_w=1000.0))
    cost = float(values(table, "line.cost_energy_per_part") * values(table, "line.good_parts"))
    assert cost == pytest.approx(10 * (0.1 + 0.5 + 2 * 0.2))
    moved = replace(meta, prices=prices, base_load_w=1000.0, timezone="Asia/Shanghai")  # midnight UTC is 8 h there
    table = kpis.table(log, moved)
    assert float(values(table, "line.cost_energy_per_part") * values(table, "line.good_parts")) == pytest.approx(8.0)


def test_efficiency_and_availability_refer_to_planned_time() -> None:
    plant = Workshop().station(constant(10.0)).plant()
    log = simulate(plant, seed=1, until_us=HOUR).log
    meta = replace(describe(plant, Window(0, HOUR)), planned_us=((0, HOUR // 4), (HOUR // 2, 3 * HOUR // 4)))
    table = kpis.table(log, meta)
    assert values(table, "line.good_parts_per_h") == pytest.approx(2 * float(values(table, "line.good_parts")))
    assert values(table, "machine.availability")[0] == pytest.approx(1)


def test_joined_components_leave_the_line_when_they_are_merged() -> None:
    shop = Workshop()
    shop.sources.append({})
    shop.station(constant(10.0), inputs=(Input(source=0, capacity=2), Input(source=1, capacity=4, quantity=2)))
    plant = shop.plant()
    f = facts.collect(simulate(plant, seed=1, until_us=HOUR).log, describe(plant, WINDOW))
    assert f.flow.merged == 2 * f.flow.left
    assert f.flow.inside_at_start == 7
    assert kpis.of_facts(f).kpis["line.wip"].values == pytest.approx(7)


def test_analysis_works_without_the_simulator(tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["factory_sim.sim"] = None
sys.modules["simpy"] = None
from factory_sim.analysis import bottleneck, causes, kpis, losses, paired, rebuild
from factory_sim.records import Meta, Prices, UnitInfo, OperationInfo, InputInfo, Window
meta = Meta("r", "p", {EPOCH_NS}, "UTC", Window(0, 1), (UnitInfo("s", "source"), UnitInfo("m", "machine", "", 0, "x")),
            (OperationInfo("o", "o", "x", (1,), (InputInfo(0, -1, 1, 1),), -1, 1.0),), (), ((), ()), ("v",), ((0, 1),),
            Prices("EUR", (0.0,), (0.1,), 1.0, 1.0, 1.0, 1.0))
feed = rebuild.Feed(meta)
print(len(kpis.table(feed.log(), meta, feed.blocks()).kpis))
assert not {{"pandas", "scipy.stats", "simpy.core"}} & set(sys.modules)
"""
    env = os.environ | {"PYTHONPATH": str(Path(kpis.__file__).parents[3])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert int(done.stdout) > 100


def test_the_documentation_lists_every_kpi_with_its_unit_and_source() -> None:
    text = (Path(__file__).parents[2] / "docs" / "kpis.md").read_text(encoding="utf-8")
    for name, kind in kpis.KPIS.items():
        assert f"| `{name}` | {', '.join(kind.levels)} | {kind.unit} |" in text, name
        assert f"| {kind.source} |" in text, name
