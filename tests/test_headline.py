"""Every headline number follows from the inputs: random lines against a calculation by hand, and by its sign.

Nothing of the package is used to find what is expected: a line of constant cycle times that is never short of parts
gives one part each time its slowest station has finished one, and everything else follows from that interval.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory_sim import registry
from factory_sim.demo.headline import changes, figures
from factory_sim.live.listen import Listener, listen
from factory_sim.live.publish import RunSetup, publish
from factory_sim.results.demo import Figures
from factory_sim.sim.run import simulate
from factory_sim.views.kpi_dict import kpi_dict
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.spec import Plant

PARTS = 60  # of the slowest station, in the window
FILLED = 2000.0  # parts until buffers are full whose station is a second faster than the slowest


class Inputs(NamedTuple):
    """The numbers that are perturbed; power in W, prices per hour, per part and per kWh."""

    cycle_s: tuple[int, ...]
    buffers: tuple[int, ...]
    pacing: int
    busy_w: int
    waiting_w: int
    base_w: int
    tariff: float
    machine: float
    labour: float
    material: float


def prices(most: int) -> st.SearchStrategy[float]:
    return st.integers(0, most * 4).map(lambda quarter: quarter / 4)


INPUTS = st.integers(2, 4).flatmap(
    lambda n: st.builds(
        Inputs,
        st.lists(st.integers(20, 90), min_size=n, max_size=n, unique=True).map(tuple),
        st.lists(st.integers(1, 5), min_size=n, max_size=n).map(tuple),
        st.integers(0, n - 1),
        st.integers(3, 12).map(lambda kw: kw * 1000),
        st.integers(1, 2).map(lambda kw: kw * 1000),
        st.integers(0, 4).map(lambda kw: kw * 1000),
        prices(1),
        prices(60),
        prices(80),
        prices(20),
    )
)


def text(x: Inputs, kind: str = "") -> str:
    """The plant file; `kind` makes cycle times random, e.g. "exponential"."""
    rows = [
        f"      OP{i}: {{kind: press, cycle_time: {f'{kind}({c} s)' if kind else f'{c} s'}, buffer: {b}"
        + (", from: blanks}" if i == 0 else "}")
        for i, (c, b) in enumerate(zip(x.cycle_s, x.buffers, strict=True))
    ]
    return "\n".join(
        [
            "plant: random",
            f"pacing: OP{x.pacing}",
            f"base_load: {x.base_w} W",
            f"tariff: {x.tariff} EUR/kWh",
            f"costs: {{machine: {x.machine} EUR/h, labour: {x.labour} EUR/h}}",
            "kinds:",
            "  press:",
            f"    power: {{starved: {x.waiting_w} W, busy: {x.busy_w} W}}",
            "    sensors: {meter: {kind: energy, rate: 1 Hz}}",
            f"sources: {{blanks: {{interarrival: saturated, material_cost: {x.material} EUR}}}}",
            "sections:",
            "  line:",
            "    operations:",
            *rows,
        ]
    )


def plant(x: Inputs, folder: Path, kind: str = "") -> Plant:
    path = folder / "random.yaml"
    path.write_text(text(x, kind), encoding="utf-8")
    return registry.load(path)


def by_hand(x: Inputs) -> Figures:
    """One part each `interval_s`; a machine is busy for its cycle time of it, and waits for the rest."""
    interval_s = max(x.cycle_s)
    joules = sum(c * x.busy_w + (interval_s - c) * x.waiting_w for c in x.cycle_s) + interval_s * x.base_w
    hours = interval_s / 3600
    cost = joules / 3.6e6 * x.tariff + hours * (x.machine * len(x.cycle_s) + x.labour) + x.material
    cycle_s = x.cycle_s[x.pacing]
    slowest = f"OP{x.cycle_s.index(interval_s)}"
    return Figures(
        station_cycle_time_s=cycle_s,
        good_parts_per_h=3600 / interval_s,
        oee=cycle_s / interval_s,
        kwh_per_part=joules / 3.6e6,
        cost_per_part=cost if any((x.tariff, x.machine, x.labour, x.material)) else math.nan,  # no price, no cost
        constraint=slowest,
    )


def by_telemetry(x: Inputs, line: Plant) -> Figures:
    """What an analyzer says that saw readings only."""
    exchange, listener = Exchange(), Listener("x")
    receiver = Loopback(exchange)
    receiver.subscribe(["x/#"])
    interval_s = max(x.cycle_s)
    order = RunSetup(
        warm_up_s=FILLED * interval_s, duration_s=float(PARTS * interval_s), root="x", payload_format="bulk"
    )
    publish(line, order, Loopback(exchange))
    listen(listener, receiver)
    return figures(kpi_dict(listener.table()), line)


def same(found: Figures, expected: Figures) -> None:
    assert found.station_cycle_time_s == pytest.approx(expected.station_cycle_time_s, rel=1e-9)
    assert found.good_parts_per_h == pytest.approx(expected.good_parts_per_h, rel=1e-9)
    assert found.oee == pytest.approx(expected.oee, rel=1e-9)
    assert found.kwh_per_part == pytest.approx(expected.kwh_per_part, rel=0.01)  # meters are as exact as real ones
    assert found.cost_per_part == pytest.approx(expected.cost_per_part, rel=0.01, nan_ok=True)
    assert found.constraint == expected.constraint


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory_sim.live.listen.GRACE_S", 0.0)


@given(before=INPUTS, data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_headline_of_a_random_line_is_what_a_hand_calculation_says(
    tmp_path: Path, before: Inputs, data: st.DataObject
) -> None:
    n = len(before.cycle_s)
    faster = data.draw(st.lists(st.integers(20, 90), min_size=n, max_size=n, unique=True).map(tuple))
    after = data.draw(INPUTS)._replace(cycle_s=faster, buffers=before.buffers, pacing=before.pacing)
    found = [by_telemetry(x, plant(x, tmp_path)) for x in (before, after)]
    for each, x in zip(found, (before, after), strict=True):
        same(each, by_hand(x))
    said, expected = changes([(found[0], found[1])]), changes([(by_hand(before), by_hand(after))])
    for name in ("station_time_pct", "station_rate_pct", "line_rate_pct"):
        assert said[name].mean == pytest.approx(expected[name].mean, abs=1e-6)
    for name in ("kwh_per_part_pct", "cost_per_part_pct"):
        assert said[name].mean == pytest.approx(expected[name].mean, abs=2.5, nan_ok=True)


@given(x=INPUTS, extra=st.integers(1, 6), at=st.integers(1, 3))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_more_places_never_lower_the_output_of_a_random_line(tmp_path: Path, x: Inputs, extra: int, at: int) -> None:
    places = list(x.buffers)
    places[min(at, len(places) - 1)] += extra
    made = [
        simulate(plant(each, tmp_path, "exponential"), until_us=20_000 * 10**6).truth.good_parts
        for each in (x, x._replace(buffers=tuple(places)))
    ]
    assert made[0] <= made[1]


def reference(change: dict[str, Any] | None = None) -> Figures:
    """The reference line's figures from an hour of its telemetry, with numbers of the plant replaced."""
    line = registry.load("gearbox_line")
    line = replace(line, sensors=(), **(change or {}))  # energy from states: meters would take most of the time
    exchange, listener = Exchange(), Listener("x")
    receiver = Loopback(exchange)
    receiver.subscribe(["x/#"])
    publish(line, RunSetup(warm_up_s=3600.0, duration_s=3600.0, root="x"), Loopback(exchange))
    listen(listener, receiver)
    return figures(kpi_dict(listener.table()), line)


@pytest.mark.slow
def test_the_reference_line_s_headline_follows_its_inputs() -> None:
    line = registry.load("gearbox_line")
    base = reference()

    def pacing(mean_s: float) -> dict[str, Any]:
        operation = line.operations[line.pacing]
        time = replace(operation.cycle_time, a=mean_s)
        operations = list(line.operations)
        operations[line.pacing] = replace(operation, cycle_time=time)
        return {"operations": tuple(operations)}

    found = {mean_s: reference(pacing(mean_s)) for mean_s in (50.0, 62.0)}
    for mean_s, each in found.items():
        assert each.station_cycle_time_s == pytest.approx(mean_s, abs=0.5)
    rates = [found[50.0].good_parts_per_h, base.good_parts_per_h, found[62.0].good_parts_per_h]
    assert all(quick > slow for quick, slow in pairwise(rates))
    dearer = reference(
        {
            "cost": replace(
                line.cost,
                tariff=replace(line.cost.tariff, price_per_kwh=tuple(p + 0.1 for p in line.cost.tariff.price_per_kwh)),
            )
        }
    )
    assert base.kwh_per_part > 0
    assert dearer.cost_per_part - base.cost_per_part == pytest.approx(0.1 * base.kwh_per_part, rel=1e-9)
    assert replace(dearer, cost_per_part=0.0) == replace(base, cost_per_part=0.0)
