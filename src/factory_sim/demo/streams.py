"""The runs of the demo: streamed to an analyzer, or replicated without telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.analysis import kpis
from factory_sim.demo.headline import figures
from factory_sim.live.publish import RunSetup, publish, window_of
from factory_sim.plant.describe import describe
from factory_sim.sim.run import Simulation
from factory_sim.views.kpi_dict import kpi_dict
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from threading import Event

    from factory_sim.demo.analyzers import Analyzers
    from factory_sim.demo.setting import Setting, Watcher
    from factory_sim.live.publish import Sent
    from factory_sim.plant.spec import Plant
    from factory_sim.results.demo import Figures
    from factory_sim.wire.mqtt.client import Client


def prepare(plant: Plant, watcher: Watcher) -> None:
    """Publish one minute in memory: what a publisher needs is compiled before the analyzer waits for data."""
    watcher.stage("preparing (the first start compiles)", 1)
    publish(plant, RunSetup(duration_s=60.0, root="ready"), Loopback(Exchange()))
    watcher.reached(1)


def stream(plant: Plant, setup: RunSetup, client: Client, watcher: Watcher, analyzers: Analyzers, stop: Event) -> Sent:
    """Stream one run; report its progress, and the figures of analyzers that end meanwhile."""
    window = window_of(setup)
    watcher.stage(f"streaming {setup.root.rpartition('/')[2]}", window.t1_us - window.t0_us)

    def watch(sent: Sent) -> None:
        watcher.reached(sent.t_us - window.t0_us, f"{sent.readings:,} readings")
        analyzers.look()

    sent = publish(plant, setup, client, watch, stop)
    if stop.is_set():
        raise KeyboardInterrupt
    return sent


def quick_pairs(
    baseline: Plant, retrofit: Plant, setting: Setting, watcher: Watcher, stop: Event
) -> list[tuple[Figures, Figures]]:
    """Further replications of both plants on common random numbers, without telemetry."""
    pairs = []
    watcher.stage("replications for the intervals", setting.pairs - 1)
    for replication in range(1, setting.pairs):
        pair = [_quick(plant, setup_of(setting, replication)) for plant in (baseline, retrofit)]
        pairs.append((pair[0], pair[1]))
        watcher.reached(replication, f"{replication} of {setting.pairs - 1}")
        if stop.is_set():
            raise KeyboardInterrupt
    return pairs


def _quick(plant: Plant, setup: RunSetup) -> Figures:
    """Return the figures of a run from its log: energy from states instead of meters."""
    window = window_of(setup)
    simulation = Simulation(
        plant, seed=setup.seed, replication=setup.replication, warm_up_us=window.t0_us, until_us=window.t1_us
    )
    [piece] = simulation.slices(window.t1_us - window.t0_us)
    meta = describe(plant, "quick", 0, window)
    return figures(kpi_dict(kpis.table(piece.log, meta)), plant)


def setup_of(setting: Setting, replication: int = 0, root: str = "") -> RunSetup:
    """Return the setup of one run."""
    return RunSetup(
        seed=setting.seed,
        replication=replication,
        warm_up_s=setting.warm_up_s,
        duration_s=setting.duration_s,
        payload_format="bulk",
        root=root,
    )
