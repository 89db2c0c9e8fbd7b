"""The detectors on lines whose bottleneck is known, and losses attributed to their causes."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_lines import FLAVOURS, S, Workshop, describe, exponential, random_run

from factory_sim.analysis import bottleneck, facts, kpis, losses
from factory_sim.analysis.bottleneck import Periods
from factory_sim.distributions import Distribution, constant
from factory_sim.plant.spec import FailureMode
from factory_sim.plant.states import State
from factory_sim.records import Window
from factory_sim.sim.run import simulate

HOUR = 3600 * S
WINDOW = Window(HOUR, 9 * HOUR)
DETECTORS = (
    "critical_path_share",
    "average_active_period_s",
    "momentary_active_share",
    "active_share",
    "turning_point",
    "arrow",
)


def noisy(mean: float) -> Distribution:
    return Distribution("lognormal", mean, 0.2)


@pytest.mark.parametrize("slow", range(5))
@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_names_the_one_slow_station(slow: int, detector: str) -> None:
    shop = Workshop()
    for i in range(5):
        shop.station(noisy(30.0 if i == slow else 20.0), buffer=3)
    plant = shop.plant()
    table = kpis.table(simulate(plant, seed=1, until_us=9 * HOUR).log, describe(plant, WINDOW))
    assert np.argmax(table.kpis[f"operation.{detector}"].values) == slow
    assert table.kpis["line.constraint"].values == slow


def test_the_critical_path_finds_a_constraint_that_utilisation_misses() -> None:
    # the second is busier, but runs dry in the long repairs of the first, and its spare time never makes up for them
    failure = FailureMode("f", exponential(4000), exponential(1500))
    plant = Workshop().station(constant(20.0), failures=(failure,)).station(constant(22.0)).plant()
    table = kpis.table(simulate(plant, seed=3, until_us=20 * HOUR).log, describe(plant, Window(HOUR, 20 * HOUR)))
    share = table.kpis["operation.critical_path_share"].values
    assert share[0] == pytest.approx(table.kpis["operation.share_repair"].values[0], abs=0.05)
    assert share[0] > 0.2


@pytest.mark.parametrize(("flavour", "seed"), [(flavour, seed) for flavour in FLAVOURS for seed in range(8)])
def test_scores_of_any_line_stay_in_their_ranges(flavour: str, seed: int) -> None:
    plant, log = random_run(seed, flavour, HOUR)
    f = facts.collect(log, describe(plant, Window(600 * S, HOUR)))
    moment = bottleneck.momentary_active_period(f.periods, f.meta, f.window)
    covered = sum(moment)
    assert (moment >= -1e-12).all()
    assert covered <= 1 + 1e-9
    share = bottleneck.shares(f.path_us, f.meta)
    assert np.isnan(share).all() or share.sum() == pytest.approx(1)
    assert f.path_us.sum() <= f.window.t1_us - f.window.t0_us
    length = f.periods.end_us - f.periods.start_us
    active = sum(f.state_us[m.unit][bottleneck.ACTIVE].sum() for m in plant.machines)
    assert length.sum() == active


def test_overlapping_active_stretches_share_the_time_of_the_shift() -> None:
    plant = Workshop().station(constant(1.0)).station(constant(1.0)).plant()
    meta = describe(plant, Window(0, 100 * S))
    periods = Periods(*(np.array(c) for c in ([1, 2], [0, 40 * S], [60 * S, 100 * S])))
    share = bottleneck.momentary_active_period(periods, meta)
    assert share.tolist() == [0.4 + 0.1, 0.4 + 0.1]
    alone = Periods(*(np.array(c) for c in ([1, 2], [0, 70 * S], [60 * S, 90 * S])))
    assert bottleneck.momentary_active_period(alone, meta).tolist() == [0.6, 0.2]


@pytest.mark.parametrize(("flavour", "seed"), [(flavour, seed) for flavour in FLAVOURS for seed in range(8)])
def test_losses_of_a_station_add_up_to_its_state_times(flavour: str, seed: int) -> None:
    plant, log = random_run(seed, flavour, HOUR)
    f = facts.collect(log, describe(plant, Window(600 * S, HOUR)))
    found, times = losses.pareto(f), f.at("operation").state_us / 1e6
    states = {
        "starved": [State.STARVED],
        "blocked": [State.BLOCKED],
        "waiting": [State.WAITING],
        "failure": [State.REPAIR],
        "crew": [State.DOWN],
        "setup": [State.SETUP],
        "maintenance": [State.MAINTENANCE],
        "off": [State.OFF],
    }
    for place in range(len(plant.operations)):
        for reason, of in states.items():
            lost = sum(x.seconds for x in found if x.operation == place and x.reason == reason)
            assert lost == pytest.approx(times[place, of].sum(), abs=1e-6)
    assert [x.seconds for x in found] == sorted((x.seconds for x in found), reverse=True)


def test_waits_are_attributed_to_the_unit_waited_for() -> None:
    shop = Workshop().station(constant(10.0)).station(constant(30.0)).station(constant(12.0))
    plant = shop.plant()
    found = losses.pareto(facts.collect(simulate(plant, seed=1, until_us=9 * HOUR).log, describe(plant, WINDOW)))
    by = {(x.operation, x.reason): x for x in reversed(found)}
    assert (by[0, "blocked"].by, by[2, "starved"].by) == ("OP1", "OP1")
    assert by[0, "blocked"].seconds == pytest.approx(8 * 3600 * 2 / 3, rel=0.01)
    assert by[2, "starved"].seconds == pytest.approx(8 * 3600 * 18 / 30, rel=0.01)
