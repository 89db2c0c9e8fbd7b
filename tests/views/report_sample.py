"""A made-up report: three machines, two scenarios, and names that would break a careless page."""

from __future__ import annotations

import math

from factory_sim.results.compare import Contribution
from factory_sim.results.estimate import Estimate
from factory_sim.views.html import report_data as page
from factory_sim.views.html.palette import ENERGY_CAUSES, MACHINE_STATES

NASTY = (
    "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 1'> \u2028 \"quoted\" & {{ 7 * 7 }}"
)
STEPS = 60
NOTHING = Estimate(mean=math.nan, low=-math.inf, high=math.inf, n=1)


def around(mean: float, reach: float = 1.0) -> Estimate:
    return Estimate(mean=mean, low=mean - reach, high=mean + reach, n=10)


def side(name: str, title: str, *, attribution: page.Attribution | None = None) -> page.Side:
    machines = tuple(page.Machine(f"M{i} {NASTY}", f"OP{i} {NASTY}", f"section_{i}") for i in range(3))
    states = [0.0] * len(MACHINE_STATES)
    states[0], states[3] = 0.75, 0.25
    ranks = {"average active period": 1, "arrow": 2}
    return page.Side(
        name=name,
        title=title,
        digest="0" * 64,
        constraint=f"OP1 {NASTY}",
        question=NASTY,
        changes=(NASTY, "room"),
        limits=(
            page.Limit(
                resource=f"OP1 {NASTY}", path_share=around(0.9, 0.05), change=NASTY, worth=around(4.0), ranks=ranks
            ),
            page.Limit(resource="fleet agv", path_share=around(0.1, 0.05)),
        ),
        attribution=attribution,
        machines=machines,
        states=(tuple(states),) * 3,
        losses=(
            page.Lost("section_1", "blocked", NASTY, 3.0),
            page.Lost("section_0", "starved", "OP1", 2.0),
            page.Lost("section_2", "crew", "", 1.0),
        ),
        energy=dict.fromkeys(ENERGY_CAUSES, around(1.0, 0.1)),
        cost={"material": around(100.0), "scrap": NOTHING},
        output=page.Band((50.0, None, 40.0, 41.0), (48.0, None, 39.0, 40.0), (52.0, None, 41.0, 42.0)),
        wip=page.Band((5.0, 6.0, 7.0, 8.0), (4.0, 5.0, 6.0, 7.0), (6.0, 7.0, 8.0, 9.0)),
        welch=(page.Band((0.0, 30.0, 60.0, 61.0, 62.0, 61.0)), page.Band((0.0, 30.0, 55.0, 60.0))),
        strip="3" * STEPS + "2" * (STEPS // 2) + "8" * (STEPS // 2) + "4" * STEPS,
        payback_years=around(1.5, 0.2) if attribution else None,
        investment=2e6,
        notes=((NASTY, f"above 100 %: {NASTY}"),),
    )


def report_sample() -> page.ReportData:
    """Two scenarios, every section filled."""
    nasty = Contribution(mean=20.0, low=19.0, high=21.0, n=10, least=15.0, most=30.0)
    room = Contribution(mean=-5.0, low=-11.0, high=1.0, n=10, least=-9.0, most=2.0)
    shares = (page.Share(NASTY, nasty), page.Share("room", room))
    after = side("after", f"After {NASTY}", attribution=page.Attribution(around(15.0), shares, "exact"))
    none = around(0.0, 0.0)
    rows = (
        page.Row("good_parts_per_h", "good parts per hour", "parts/h", 1, (around(60), around(69)), (none, around(15))),
        page.Row("station_cycle_time_s", "cycle time", "s", -1, (around(56), around(37)), (none, around(-34))),
        page.Row("station_rate_per_h", "rate", "parts/h", 1, (around(64), around(97)), (none, around(51))),
        page.Row("scrap", NASTY, "parts", -1, (NOTHING, NOTHING), (none, NOTHING)),
    )
    return page.ReportData(
        plant=NASTY,
        study=f"{NASTY}.study.jsonl",
        digest="f" * 64,
        replications=4,
        seed=1,
        confidence=0.95,
        warm_up_s=1800.0,
        duration_s=7200.0,
        currency="EUR",
        sides=(side("before", "Before"), after),
        rows=rows,
        series_step_s=1800.0,
        welch_step_s=1500.0,
        strip_step_s=120.0,
        begins="2026-01-05T12:05:00",
        operations={"OP1": (NASTY, "section_1")},
        pacing="OP1",
        assumptions=(f"kinds.lathe.power = 9 kW (assumed: {NASTY})", "operations.OP1 (assumed)"),
    )
