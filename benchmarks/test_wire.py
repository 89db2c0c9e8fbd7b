"""Rows of `factory-sim bench` about the wire: how fast one process publishes, nothing lost, and how late it arrives."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from stretch import QUICK, Stretch
from table import noted
from test_speed import RECEIVER

from factory_sim.live.publish import RunSetup, publish
from factory_sim.plant.spec import LinkProfile
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import meta as description
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.delivery.forwarder import Forwarder
from factory_sim.wire.delivery.journal import Journal
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.formats.sparkplug import Encoder as Sparkplug
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.wire.formats import Encoder

ROOT = "bench"
COUNTER = Path(__file__).with_name("counter.py")
TICKS = 60 if QUICK else 300
LATENESS = Path(__file__).with_name("lateness.py")
LATENCY_S = 5 if QUICK else 60
HZ = 10
KILLS = 3 if QUICK else 10
AWAY_S = 0.7


def samples(stretch: Stretch, ticks: int = TICKS) -> Readings:
    """Every sensor of the line, periodic samples only: 1,224 readings a tick."""
    by_period = [s for s in stretch.readings[0].samples if len(s.sensor) > 1_000]
    block = by_period[0]
    raw = np.tile(block.raw, (-(-ticks // len(block.raw)), 1))[:ticks]
    return Readings(Rows.empty(), (Samples(block.period_us, block.first_tick, block.sensor, raw),))


@contextlib.contextmanager
def counting(url: str, topic_filter: str, qos: int, count: int) -> Iterator[Callable[[], None]]:
    """A process that counts what arrives; the call waits until `count` messages have."""
    words = [sys.executable, str(COUNTER), url, topic_filter, str(qos), str(count)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as counter:
        assert counter.stdout is not None
        out = counter.stdout
        assert out.readline() == "ready\n"

        def wait() -> None:
            assert out.readline() == f"{count}\n"

        yield wait
        counter.terminate()


def test_publish_machine_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """JSON per machine and tick at QoS 1, encoded, published, acknowledged and arrived."""
    readings, encoder = samples(stretch), FORMATS["machine"].encoder(stretch.meta, ROOT)
    count = len(encoder.data(readings))
    with Broker() as broker, Client(broker.url) as client, counting(broker.url, f"{ROOT}/#", 0, count) as arrived:

        def work() -> None:
            client.publish(encoder.data(readings))
            client.flush()
            arrived()

        row(work, readings.count(), "readings/s")


def ddata(stretch: Stretch, row: Callable[..., None], batch: int) -> None:
    readings = samples(stretch, TICKS if batch == 1 else 5 * TICKS)
    encoder: Encoder = Sparkplug(stretch.meta, ROOT, batch)
    count, everything = len(encoder.data(readings)), f"spBv1.0/{ROOT}/DDATA/#"
    with (
        Broker() as broker,
        EdgeSessions(broker.url) as sessions,
        counting(broker.url, everything, 0, count) as arrived,
    ):
        sessions.publish([description.message(stretch.meta, ROOT)])

        def work() -> None:
            sessions.publish(encoder.data(readings))
            sessions.flush()
            arrived()

        row(work, readings.count(), "readings/s")


def test_publish_ddata_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """Sparkplug: one sample of one machine a message."""
    ddata(stretch, row, 1)


def test_publish_ddata_batched_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """Sparkplug: ten samples of one machine a message."""
    ddata(stretch, row, 10)


def test_end_to_end_bulk_journal_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """As without a journal, but every message is on disk before it is sent, until the broker has acknowledged it."""
    encoder = FORMATS["bulk"].encoder(stretch.meta, ROOT)
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker())
        client = stack.enter_context(Client(broker.url))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        forwarder = stack.enter_context(Forwarder(Journal(folder), client, root=ROOT, run_id="bench"))
        words = [sys.executable, str(RECEIVER), broker.url, ROOT, str(stretch.count)]
        receiver = stack.enter_context(
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert receiver.stdout is not None
        out = receiver.stdout
        forwarder.publish([description.message(stretch.meta, ROOT)])
        forwarder.finish()
        assert out.readline() == "ready\n"

        def cross() -> None:
            for readings in stretch.readings:
                forwarder.publish(encoder.data(readings))
            assert forwarder.finish()
            assert out.readline() == f"{stretch.count}\n"

        row(cross, stretch.count, "readings/s")
        receiver.terminate()


def test_latency_p99_ms(stretch: Stretch, benchmark: Any) -> None:
    """A run in real time, 1,224 sensors at 10 Hz in `machine`: from a reading's moment to its arrival elsewhere."""
    plant = replace(stretch.plant, sensors=tuple(replace(s, period_us=1_000_000 // HZ) for s in stretch.plant.sensors))
    used: list[float] = []
    with Broker() as broker, Client(broker.url) as client:
        words = [sys.executable, str(LATENESS), broker.url, ROOT]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "ready\n"
            start_ns = time.time_ns() + 3_000_000_000  # what is compiled has been read by then
            order = RunSetup(
                duration_s=LATENCY_S,
                payload_format="machine",
                root=ROOT,
                speed=1.0,
                start_ns=start_ns,
                begun_ns=start_ns,
                link=LinkProfile("none"),
            )

            def work() -> None:
                cpu_s, memory = time.process_time(), resident_mb()
                publish(plant, order, client, watch=lambda _: used.append(resident_mb()))
                used[:] = [(time.process_time() - cpu_s) / LATENCY_S, max(used[len(used) // 2 :]) - memory]

            benchmark.pedantic(work, rounds=1, iterations=1, warmup_rounds=0)
            count, p99_ms = listener.stdout.readline().split()
    assert int(count) >= LATENCY_S * HZ * len({s.unit for s in plant.sensors})
    against = f"{used[0]:.2f} of a core, {used[1]:+.0f} MB"
    noted(benchmark, float(p99_ms), "ms", against)


def resident_mb() -> float:
    """Return the memory of this process [MB]; 0 where the system does not report it."""
    page = Path("/proc/self/statm")
    return int(page.read_text().split()[1]) * resource.getpagesize() / 1e6 if page.exists() else 0.0


def test_recovery_s(benchmark: Any, tmp_path: Path) -> None:
    """From a killed broker's return to the first message that passes it: publisher and subscriber both reconnect."""
    waited: list[float] = []
    first = Broker().__enter__()
    url, broker = first.url, first
    with Client(url) as sender, Client(url) as listener:
        listener.subscribe([f"{ROOT}/#"])
        forwarder = Forwarder(Journal(tmp_path), sender, root=ROOT, run_id="bench")

        def flows(k: int) -> None:
            """Publishes until one of these messages has arrived."""
            heard = False
            while not heard:
                forwarder.publish([Message(f"{ROOT}/flow", b"%d" % k)])
                forwarder.wait(0.002)
                listener.ready()
                heard = any(m.payload == b"%d" % k for m in listener.arrived())

        def work() -> None:
            nonlocal broker
            for k in range(KILLS):
                flows(2 * k)
                os.kill(broker.pid, signal.SIGKILL)
                broker.__exit__()
                flows_until(time.monotonic() + AWAY_S, forwarder, listener)
                broker = Broker(port=first.port).__enter__()
                back = time.monotonic()
                flows(2 * k + 1)
                waited.append(time.monotonic() - back)

        benchmark.pedantic(work, rounds=1, iterations=1, warmup_rounds=0)
        forwarder.journal.close()
    broker.__exit__()
    noted(benchmark, max(waited), "s", f"worst of {KILLS} kills")


def flows_until(end: float, forwarder: Forwarder, listener: Client) -> None:
    """The broker is away: both look for it."""
    while time.monotonic() < end:
        forwarder.wait(0.01)
        listener.ready()
