"""Record a run without a broker, as fast as it can be simulated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.live.publish import Sent, dated, described, epoch_ns, new_run_id, window_of
from factory_sim.live.sinks.recording_store import Store
from factory_sim.sensing.sample import Sensing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from factory_sim.live.publish import RunSetup
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.run import Simulation

SLICE_US = 600_000_000


def record_run(
    plant: Plant,
    setup: RunSetup,
    simulation: Simulation,
    folder: Path,
    *,
    watch: Callable[[Sent], None] = lambda _: None,
    stop: Event,
) -> Sent:
    """Simulate the window of `setup` and record it as fast as possible, without a broker; end early once `stop` is set.

    Links are not applied: a recording holds what the sensors measured.
    """
    plant, window, epoch = dated(plant, setup), window_of(setup), epoch_ns(plant, setup)
    meta = described(plant, setup, setup.run_id or new_run_id(plant), window.t0_us)
    sensing = Sensing(plant, seed=setup.seed, replication=setup.replication, epoch_ns=epoch, t0_us=window.t0_us)
    store, sent = Store(folder, setup.root or plant.topic_root), Sent(meta, window.t0_us)
    store.describe(meta)
    for piece in simulation.slices(SLICE_US):
        if piece.t0_us == window.t0_us > 0:
            sensing.remember(simulation.before)
        readings = sensing.sample(piece.log, piece.t1_us)
        store.add(readings)
        sent.advance(piece, readings.count())
        watch(sent)
        if stop.is_set():
            break
    sent.truth = simulation.truth()
    closed = described(plant, setup, meta.run_id, sent.t_us, is_over=True)
    sent.meta = replace(closed, sent_rows=sensing.sent_rows(), sent_ticks=sensing.sent_ticks())
    store.describe(sent.meta)
    store.close(None)
    return sent
