"""How often the analyzer finds a sensor fault, and how often it reports a sound sensor.

`python benchmarks/trust_rates.py`: the reference line, 8 h after an hour of warm-up, once sound and then with faults
planted at random; the readings cross the `bulk` format and a link. Prints the tables of docs/trust.md.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import registry
from factory_sim.analysis import trust
from factory_sim.analysis.rebuild import Feed
from factory_sim.distributions import constant
from factory_sim.plant.describe import describe
from factory_sim.plant.spec import LinkProfile, Plant, SensorFault
from factory_sim.records import Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.network import Link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.trust import Trust
    from factory_sim.sim.run import Slice

S, EPOCH_NS = 1_000_000, 1_767_225_600_000_000_000
# kind -> sizes: minutes of stuck, s of drop_out, s of skew, share of the sensor's usual reading for spikes and drifts
SIZES = {
    "stuck": (3.0, 10.0, 60.0),
    "drop_out": (3.0, 10.0, 600.0),
    "spike": (0.5, 1.0, 3.0),
    "drift": (0.05, 0.1, 0.3),
    "meter drift": (0.02, 0.05, 0.1),
    "clock_skew": (0.01, 0.5, 4.0),
}


class Trial:
    """One simulated shift; looked at through sensors with and without faults."""

    def __init__(self, plant: Plant, hours: float, seed: int) -> None:
        self.plant, self.seed = plant, seed
        self.window = Window(3600 * S, round((hours + 1) * 3600 * S))
        simulation = Simulation(plant, seed=seed, warm_up_us=self.window.t0_us, until_us=self.window.t1_us)
        self.slices: list[Slice] = list(simulation.slices(600 * S))
        self.before = simulation.before

    def heard(self, plant: Plant, link: LinkProfile) -> Feed:
        """What an analyzer has of the shift when `plant`'s faults and the link have done their work."""
        meta = describe(plant, "trust", EPOCH_NS, self.window)
        eyes = Sensing(plant, seed=self.seed, replication=0, epoch_ns=EPOCH_NS, t0_us=self.window.t0_us)
        eyes.remember(self.before)
        encoder, decoder = FORMATS["bulk"].encoder(meta, "a"), FORMATS["bulk"].decoder(meta, "a")
        net = Link(link, seed=self.seed, replication=0, epoch_ns=EPOCH_NS, begin_us=self.window.t0_us)
        feed = Feed(meta)
        for piece in self.slices:
            for message in net.carry(encoder.data(eyes.sample(piece.log, piece.t1_us)), piece.t1_us).messages:
                feed.add(decoder.feed(message))
        for message in net.rest().messages:
            feed.add(decoder.feed(message))
        feed.finish(replace(meta, sent_rows=eyes.sent_rows(), sent_ticks=eyes.sent_ticks()))
        return feed


def judged(feed: Feed) -> tuple[Trust, float]:
    """The judgement, and how long it took [s]."""
    log, blocks, losses = feed.log(), feed.blocks(), feed.losses()
    begun = time.perf_counter()
    return trust.judge(log, feed.meta, blocks, losses), time.perf_counter() - begun


def usual(feed: Feed) -> dict[int, float]:
    """What each sensor reads on average, in its unit; of a meter how much it rises an hour."""
    found = {}
    for blocks in feed.blocks():
        for k, number in enumerate(blocks.sensor.tolist()):
            info = next(s for s in feed.meta.sensors if s.id == number)
            mean = abs(float(np.nanmean(blocks.mean()[:, k])) * info.scale + info.offset)
            hours = (blocks.last_tick[-1, k] - blocks.first_tick[0, k]) * blocks.period_us / 3.6e9
            rise = float(int(blocks.last_raw[-1, k]) - int(blocks.first_raw[0, k])) * info.scale / hours
            found[number] = rise if info.kind == "energy" else mean
    return found


def planted(
    plant: Plant, level: dict[int, float], kind: str, size: float, n: int, rng: np.random.Generator
) -> tuple[Plant, set[tuple[int, int]]]:
    """The plant with `n` faults of a kind in random places; where: (unit, sensor or -1)."""
    last = {"stuck": 7.5, "drift": 4.5, "meter drift": 4.5}.get(kind, 8.5)  # h: it ends in time

    def start() -> float:
        return float(rng.uniform(1.5, last)) * 3600

    if kind == "clock_skew":
        chosen = set(rng.choice(len(plant.machines), n, replace=False).tolist())
        machines = tuple(
            replace(m, faults=(SensorFault("planted", kind, start(), size=size),)) if i in chosen else m
            for i, m in enumerate(plant.machines)
        )
        return replace(plant, machines=machines), {(plant.machines[i].unit, -1) for i in chosen}
    meters = kind == "meter drift"
    fit = [s for s in plant.sensors if (s.kind == "energy") == meters and level[s.id] > 0]
    fit = [s for s in fit if kind != "drift" or s.kind not in {"vibration", "joint_current"}]
    chosen = {fit[i].id for i in rng.choice(len(fit), min(n, len(fit)), replace=False).tolist()}
    sensors = tuple(
        replace(s, faults=(_fault(kind, size, start(), level[s.id]),)) if s.id in chosen else s for s in plant.sensors
    )
    return replace(plant, sensors=sensors), {(s.unit, s.id) for s in sensors if s.id in chosen}


def _fault(kind: str, size: float, start: float, level: float) -> SensorFault:
    if kind == "stuck":
        return SensorFault("planted", "stuck", start, duration=constant(60 * size))
    if kind == "drop_out":
        return SensorFault("planted", "drop_out", start, duration=constant(size))
    if kind == "spike":
        return SensorFault("planted", "spike", start, size=size * level)
    hours = 4.0  # of a drift; a meter's rate is off by the size from its beginning on
    amount = size * level * (hours if kind == "meter drift" else 1.0)
    return SensorFault("planted", "drift", start, duration=constant(hours * 3600), size=amount)


def rates(trial: Trial, link: LinkProfile, n: int, level: dict[int, float]) -> Iterator[str]:
    """Rows of the table: kind, size, faults, found, found elsewhere."""
    rng = np.random.default_rng(trial.seed)
    unit = {"stuck": "min", "drop_out": "s", "clock_skew": "s"}
    for kind, sizes in SIZES.items():
        for size in sizes:
            plant, where = planted(trial.plant, level, kind, size, 8 if kind == "clock_skew" else n, rng)
            result, _ = judged(trial.heard(plant, link))
            wanted = "drift" if kind == "meter drift" else kind
            found = {(d.unit, d.sensor) for d in result.findings if d.kind == wanted} & where
            other = {(d.unit, d.sensor) for d in result.findings if d.kind != "rows_lost"} - where
            shown = f"{size:g} {unit[kind]}" if kind in unit else f"{100 * size:g} %"
            yield f"| {kind} | {shown} | {len(where)} | {100 * len(found) / len(where):.0f} % | {len(other)} |"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--plant", default="gearbox_line")
    words.add_argument("--hours", type=float, default=8.0)
    words.add_argument("--seeds", type=int, default=2)
    words.add_argument("--faults", type=int, default=60)
    words.add_argument("--link", default="wired")
    words.add_argument("--clean", action="store_true", help="only the sound feeds")
    given = words.parse_args()
    plant, link = registry.load(given.plant), registry.LINKS[given.link]
    alarms: Counter[str] = Counter()
    kinds = {s.id: s.kind for s in plant.sensors} | {-1: "unit"}
    level: dict[int, float] = {}
    for seed in range(1, given.seeds + 1):
        trial = Trial(plant, given.hours, seed)
        feed = trial.heard(plant, link)
        result, took_s = judged(feed)
        level = level or usual(feed)
        alarms.update(f"{d.kind} of {kinds.get(d.sensor, 0)}" for d in result.findings if d.kind != "rows_lost")
        for finding in result.findings[:40]:
            if finding.kind != "rows_lost" and given.clean:
                name = next((s.name for s in plant.sensors if s.id == finding.sensor), "")
                print(" ", plant.units[finding.unit], name, finding)
        print(f"seed {seed}: judged in {took_s:.2f} s")
    looked = given.seeds * len(plant.sensors)
    hours = given.hours * looked
    print(f"Sound feeds over {given.link}: {alarms.total()} false alarms in {hours:,.0f} sensor hours: {dict(alarms)}")
    if not given.clean:
        print("| fault | size | planted | found | findings elsewhere |\n|---|---|---|---|---|")
        for row in rates(trial, link, given.faults, level):
            print(row, flush=True)


if __name__ == "__main__":
    main()
