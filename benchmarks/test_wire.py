"""Rows of `factory-sim bench` about the wire: how fast one process publishes, nothing lost, and how late it arrives."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from stretch import QUICK, Stretch
from test_speed import RECEIVER

from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import meta as description
from factory_sim.wire.broker import Broker
from factory_sim.wire.client import Client
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.formats.sparkplug import Encoder as Sparkplug
from factory_sim.wire.forwarder import Forwarder
from factory_sim.wire.journal import Journal
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.wire.formats import Encoder

ROOT = "bench"
COUNTER = Path(__file__).with_name("counter.py")
TICKS = 60 if QUICK else 300
LATENCY_S = 5 if QUICK else 60
HZ = 10


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
    """1,224 sensors at 10 Hz in `machine`, publishes spread across the tick; from send to arrival, one process."""
    messages = FORMATS["machine"].encoder(stretch.meta, ROOT).data(samples(stretch, 1))
    late: list[float] = []
    cpu: list[float] = []
    with Broker() as broker, Client(broker.url) as client, Client(broker.url) as listener:
        listener.subscribe([f"{ROOT}/#"])

        def work() -> None:
            late.clear()
            begun, used = time.perf_counter(), time.process_time()
            sent_at: dict[str, float] = {}
            for k in range(LATENCY_S * HZ * len(messages)):
                _receive_until(listener, begun + k / (HZ * len(messages)), sent_at, late)
                message = messages[k % len(messages)]
                _send(client, message)
                sent_at[message.topic] = time.perf_counter()
            _receive_until(listener, time.perf_counter() + 0.5, sent_at, late)
            cpu[:] = [(time.process_time() - used) / (time.perf_counter() - begun)]

        benchmark.pedantic(work, rounds=1, iterations=1, warmup_rounds=0)
    assert len(late) == LATENCY_S * HZ * len(messages)
    p99_ms = float(np.percentile(late, 99)) * 1e3
    benchmark.extra_info.update(value=p99_ms, unit="ms", against=f"share of a core {cpu[0]:.2f}", ratio=None)


def _send(client: Client, message: Message) -> None:
    while not client.ready(len(message.payload)):
        pass
    assert client.send(message)


def _receive_until(listener: Client, moment: float, sent_at: dict[str, float], late: list[float]) -> None:
    while True:
        left = moment - time.perf_counter()
        listener.ready()
        late.extend(time.perf_counter() - sent_at[message.topic] for message in listener.arrived())
        if left <= 0:
            return
        time.sleep(min(left, 0.0002))
