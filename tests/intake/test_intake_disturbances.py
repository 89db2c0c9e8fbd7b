"""Feeds of state words and counters: disturbed ones, and the critical path of several plants.

Of a disturbed feed each KPI is within its stated bounds of the undisturbed answer, or not defined.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

import factory_sim as fs
from factory_sim import registry
from factory_sim.analysis import bottleneck, facts
from factory_sim.plant.describe import describe
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog, Window
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant

EPOCH_S, SHIFT_S = 1_777_874_400, 8 * 3600
AT_S, FOR_S = EPOCH_S + 4 * 3600, 1800  # begin and length of a disturbance
WINDOW = Window(3600 * 1_000_000, (SHIFT_S + 3600) * 1_000_000)
PLANTS = Path(__file__).parents[1] / "recorded" / "data" / "plants"
MAP = """feed: shift
plant: {plant}
clock: {{late: 5 s, stale: {stale}}}
states:
  {{OFF: "off", SETUP: setup, STARVED: starved, BUSY: busy, BLOCKED: blocked, WAITING: waiting, DOWN: down,
  MAINTENANCE: maintenance, REPAIR: repair, UNAVAILABLE: unknown}}
sources:
  - {{csv: shift.csv, layout: wide, columns: {{unit: unit}}, state: state, count: {{column: count, {count}}}}}
parts: fifo
"""

SMALL = {
    "join": """plant: join
sources: {frames: {interarrival: saturated}, motors: {interarrival: saturated}}
sections:
  line:
    operations:
      WELD: {cycle_time: "lognormal(38 s, cv 0.3)", from: frames, buffer: 3}
      PAINT: {cycle_time: 30 s, buffer: 4, failures: {jam: {after: exponential(10 min), repair: 2 min}}}
      WIND: {cycle_time: "lognormal(31 s, cv 0.2)", from: motors, buffer: 3}
      JOIN: {cycle_time: 29 s, inputs: [{from: PAINT, buffer: 3}, {from: WIND, buffer: 2}]}
      PACK: {cycle_time: "lognormal(33 s, cv 0.3)", buffer: 1}
""",
    "batch": """plant: batch
sources: {parts: {interarrival: saturated}}
sections:
  line:
    operations:
      CUT: {cycle_time: "lognormal(26 s, cv 0.3)", from: parts, buffer: 2}
      BAKE: {cycle_time: "lognormal(110 s, cv 0.2)", buffer: 8, batch: {size: 4, minimum: 2}}
      TEST: {cycle_time: 27 s, buffer: 6, failures: {jam: {after: exponential(15 min), repair: 3 min}}}
""",
}


class Report(NamedTuple):
    """A line of the feed, in order of arrival."""

    t_s: int
    unit: str
    state: str
    count: int


def simulated(spec: Plant) -> EventLog:
    """Return the full log of a shift and the hour before it."""
    simulation = Simulation(spec, seed=1, replication=0, warm_up_us=0, until_us=WINDOW.t1_us)
    logs = [part.log for part in simulation.slices(WINDOW.t0_us)]
    return EventLog(**{f.name: np.concatenate([getattr(each, f.name) for each in logs]) for f in fields(EventLog)})


def shift_of(spec: Plant, log: EventLog, *, polled: bool) -> list[Report]:
    """Return state word and counter of every machine for a shift, on change or every five seconds."""
    names = [info.name for info in describe(spec, "shift", 0, Window(0, 1)).units]
    reports: list[Report] = []
    for unit in (m.unit for m in spec.machines):
        rows = np.flatnonzero(log.unit == unit)
        second = -(-log.t_us[rows] // 1_000_000) - 3600
        given = (log.outcome[rows] >= Outcome.PASSED) & (log.outcome[rows] <= Outcome.LEFT)
        last = np.append(np.diff(second) > 0, True)
        t, state, count = second[last], log.state[rows][last], 100 + np.cumsum(given)[last]
        wanted = np.arange(0, SHIFT_S, 5) if polled else np.unique(np.append(0, t[(t >= 0) & (t < SHIFT_S)]))
        at = np.searchsorted(t, wanted, "right") - 1
        reports += [
            Report(EPOCH_S + int(s), names[unit], State(int(state[i])).name, int(count[i]))
            for s, i in zip(wanted, at, strict=True)
        ]
    return sorted(reports)


def during(each: Report) -> bool:
    return AT_S <= each.t_s < AT_S + FOR_S


def restarted(shift: list[Report]) -> list[Report]:
    """The gateway is away, and its counters begin at 0 again when it returns."""
    base = {each.unit: each.count for each in shift if each.t_s < AT_S + FOR_S}
    return [
        each if each.t_s < AT_S else each._replace(count=each.count - base[each.unit])
        for each in shift
        if not during(each)
    ]


def unavailable(shift: list[Report]) -> list[Report]:
    held = {each.unit: each for each in shift if each.t_s < AT_S + FOR_S}
    begins = [each._replace(t_s=AT_S, state="UNAVAILABLE") for each in held.values()]
    ends = [each._replace(t_s=AT_S + FOR_S) for each in held.values()]
    before = [each for each in shift if each.t_s < AT_S]
    return [*before, *begins, *ends, *(each for each in shift if each.t_s >= AT_S + FOR_S)]


def set_back(shift: list[Report], by_s: int = FOR_S, unit: str = "") -> list[Report]:
    """The clock of all units or of one is set back."""
    return [
        each._replace(t_s=each.t_s - by_s) if each.t_s >= AT_S and unit in {"", each.unit} else each for each in shift
    ]


def sent_again(shift: list[Report]) -> list[Report]:
    """Every 20th report arrives a second time, ten reports later."""
    found = list(enumerate(shift))
    return [each for _, each in sorted([*found, *((place + 10.5, each) for place, each in found[::20])])]


def straggling(shift: list[Report]) -> list[Report]:
    """Every 100th report arrives ten reports late."""
    return [each for _, each in sorted((i + 10.5 * (i % 100 == 50), each) for i, each in enumerate(shift))]


def lossy(shift: list[Report]) -> list[Report]:
    kept = np.random.default_rng(3).random(len(shift)) >= 0.1
    return [each for each, keep in zip(shift, kept, strict=True) if keep]


DISTURBED: dict[str, Callable[[list[Report]], list[Report]]] = {
    "gateway restart": restarted,
    "wrapped counter": lambda shift: [each._replace(count=each.count % 64) for each in shift],
    "unavailable": unavailable,
    "clock set back": set_back,
    "sent again": sent_again,
    "stragglers": straggling,
    "duplicates": lambda shift: [each for each in shift for _ in range(2)],
    "loss": lossy,
}


@dataclass
class Answers:
    """Reads feeds of one plant."""

    folder: Path
    plant: Path
    polled: bool

    def __post_init__(self) -> None:
        self.spec = registry.load(self.plant)
        self.log = simulated(self.spec)
        self.shift = shift_of(self.spec, self.log, polled=self.polled)
        self.undisturbed = self.read(self.shift)

    def read(self, reports: list[Report], count: str = "wraps: 65536") -> dict[str, Any]:
        """Return the KPIs of a feed."""
        lines = "".join(f"{r.t_s},{r.unit},{r.state},{r.count}\n" for r in reports)
        (self.folder / "shift.csv").write_text(f"time,unit,state,count\n{lines}", encoding="utf-8")
        plant, stale = self.plant, "1 min" if self.polled else "30 min"
        (self.folder / "feed.yaml").write_text(MAP.format(plant=plant, count=count, stale=stale), encoding="utf-8")
        found: dict[str, Any] = fs.read(map=self.folder / "feed.yaml").to_dict()["kpis"]  # type: ignore[assignment]
        return found


@pytest.fixture(scope="module", params=["on change", "polled"])
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(tmp_path_factory.mktemp("shift"), PLANTS / "three_machines.yaml", polled=request.param == "polled")


def outside(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return the values whose bounds do not contain the expected one."""
    wrong = {}
    for name, kpi in expected.items():
        for thing, value in kpi["values"].items():
            here = found[name]["values"][thing]
            if here is None or value is None:
                continue
            low, high = ((found[name][end] or {}).get(thing, here) for end in ("low", "high"))
            margin = 1e-6 * max(abs(value), 1e-3)
            if not low - margin <= value <= high + margin:
                wrong[f"{name} {thing}"] = (value, here, low, high)
    return wrong


@pytest.mark.parametrize("name", DISTURBED)
def test_each_kpi_is_within_its_bounds_or_not_defined(answers: Answers, name: str) -> None:
    count = {"gateway restart": "resets: yes", "wrapped counter": "wraps: 64"}.get(name, "wraps: 65536")
    found = answers.read(DISTURBED[name](answers.shift), count)
    assert outside(found, answers.undisturbed) == {}
    for kpi in ("machine.parts", "machine.cycle_time_s", "machine.share_busy", "line.good_parts"):
        assert None not in found[kpi]["values"].values()


@pytest.mark.parametrize("by_s", [45, 60, 120, 600])
def test_a_clock_set_back_for_a_short_time_is_within_the_bounds(answers: Answers, by_s: int) -> None:
    assert outside(answers.read(set_back(answers.shift, by_s)), answers.undisturbed) == {}


def test_messages_sent_again_leave_nothing_open(answers: Answers) -> None:
    found = answers.read(sent_again(answers.shift))
    assert {name: kpi["values"] for name, kpi in found.items()} == {
        name: kpi["values"] for name, kpi in answers.undisturbed.items()
    }
    for name in ("line.good_parts", "line.oee", "line.good_parts_per_h"):
        assert found[name].get("low") == answers.undisturbed[name].get("low")


@pytest.mark.parametrize("unit", ["M001", "M002", "M003"])
@pytest.mark.parametrize("by_s", [6, 20])
def test_the_path_stays_with_the_constraint_when_one_clock_differs(answers: Answers, unit: str, by_s: int) -> None:
    found = answers.read(set_back(answers.shift, by_s, unit))
    share = "operation.critical_path_share"
    for name, value in answers.undisturbed[share]["values"].items():
        assert found[share]["values"][name] == pytest.approx(value, abs=0.02)


@pytest.mark.parametrize(
    ("plant", "within"),
    [
        *((plant, 0.01) for plant in ("three_machines", "three_machines_faster", "furnaces", "variants", "arrivals")),
        *((plant, 0.01) for plant in SMALL),
        *((plant, 0.05) for plant in ("conveyors", "maintenance", "robots")),
    ],
)
def test_the_critical_path_is_that_of_the_full_feed(tmp_path: Path, plant: str, within: float) -> None:
    """The feed begins with parts in the buffers and shows no vehicles, conveyors, robots and crews."""
    file = PLANTS / f"{plant}.yaml"
    if plant in SMALL:
        file = tmp_path / "plant.yaml"
        file.write_text(SMALL[plant], encoding="utf-8")
    answers = Answers(tmp_path, file, polled=False)
    meta = describe(answers.spec, "shift", 0, WINDOW)
    full = bottleneck.shares(facts.collect(answers.log, meta, (), WINDOW).path_us, meta)
    found = answers.undisturbed["operation.critical_path_share"]["values"]
    for about, share in zip(meta.operations, full.tolist(), strict=True):
        assert found[about.name] == pytest.approx(share, abs=within)
