"""The rows of `factory-sim bench`: a test's name is its row's, the best of some rounds counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stretch import Stretch, sensed
from table import held, noted

from factory_sim.analysis import kpis
from factory_sim.analysis.blocks import BlockStore
from factory_sim.analysis.rebuild import Feed
from factory_sim.wire import meta as description
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "bench"
RECEIVER = Path(__file__).with_name("receiver.py")


def start(*words: str) -> None:
    """Run a command as a user's shell does, which lets Python keep its byte code."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=environment)


def test_help_s(benchmark: Any) -> None:
    """Beside twice the time that importing the library of the command line takes."""
    began = time.perf_counter()
    start("-c", "import typer")
    limit = 2 * (time.perf_counter() - began)
    benchmark.pedantic(start, args=("-m", "factory_sim", "--help"), rounds=5)
    value = benchmark.stats.stats.min
    noted(benchmark, value, "s", "2 × python -c 'import typer'", limit / value)


def test_check_s(benchmark: Any) -> None:
    benchmark.pedantic(start, args=("-m", "factory_sim", "check", "gearbox_line"), rounds=5)
    held(benchmark, benchmark.stats.stats.min, "s", 0.6)


def test_check_10000_operations_s(benchmark: Any, tmp_path: Path) -> None:
    fed = (f"      O{i}: {{kind: cnc, cycle_time: 30 s, buffer: 4{', from: s' * (i == 0)}}}" for i in range(10_000))
    file = tmp_path / "big.yaml"
    file.write_text(
        "plant: big\nkinds: {cnc: {power: {busy: 6 kW}, sensors: {power: {kind: power}}}}\n"
        "sources: {s: {interarrival: saturated}}\nsections:\n  a:\n    operations:\n" + "\n".join(fed) + "\n"
    )
    benchmark.pedantic(start, args=("-m", "factory_sim", "check", str(file)), rounds=2)
    held(benchmark, benchmark.stats.stats.min, "s", 10.0)


def test_sense_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    row(lambda: sensed(stretch.plant, stretch.meta, stretch.logs), stretch.count, "readings/s")


def test_end_to_end_bulk_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """Encoded, published at QoS 1, received and decoded by another process; every reading must arrive."""
    encoder = FORMATS["bulk"].encoder(stretch.meta, ROOT)
    with Broker() as broker, Client(broker.url) as client:
        words = [sys.executable, str(RECEIVER), broker.url, ROOT, str(stretch.count)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as receiver:
            assert receiver.stdin is not None
            assert receiver.stdout is not None
            client.publish([description.message(stretch.meta, ROOT)])
            assert receiver.stdout.readline() == "ready\n"

            def cross() -> None:
                assert receiver.stdout is not None
                for readings in stretch.readings:
                    client.publish(encoder.data(readings))
                client.flush()
                assert receiver.stdout.readline() == f"{stretch.count}\n"

            row(cross, stretch.count, "readings/s")
            receiver.terminate()


def test_analyze_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """The kernels alone: ordered samples in memory to statistics of every minute."""
    blocks = [samples for readings in stretch.readings for samples in readings.samples]
    period_us = blocks[0].period_us
    assert {samples.period_us for samples in blocks} == {period_us}

    def work() -> None:
        store = BlockStore(period_us, stretch.meta.sensors, stretch.meta.window)
        for samples in blocks:
            store.add(samples)
        assert store.duplicates == 0

    row(work, sum(samples.raw.size for samples in blocks), "readings/s")


def test_analyze_path_readings_per_s(stretch: Stretch, row: Callable[..., None]) -> None:
    """Decoded messages to the KPI table: order, duplicates, losses, causes, every KPI."""

    def work() -> None:
        feed = Feed(stretch.meta)
        for readings in stretch.readings:
            feed.add(readings)
        kpis.table(feed.log(), stretch.meta, feed.blocks())
        assert feed.losses().duplicates == 0

    row(work, stretch.count, "readings/s")
