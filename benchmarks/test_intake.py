"""Reading foreign feeds: files of a day of 1,200 channels at 1 Hz, and JSON messages without client and broker."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import json_publisher
import numpy as np
import pyarrow as pa
from json_publisher import UNITS
from pyarrow import csv, parquet

from factory_sim.intake import description, feed_file
from factory_sim.live.foreign.mapped_feed import MappedFeed
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from pathlib import Path

QUICK = bool(os.environ.get("FACTORY_SIM_BENCH_QUICK"))
SECONDS = (
    14_400 if QUICK else 86_400
)  # columns have fixed costs: ten minutes of 1,200 of them reach a quarter of the rate
CSV_SECONDS = 1_800 if QUICK else 7_200  # a day has 700 MB
LONG_SECONDS = 600 if QUICK else 3_600  # an hour has 190 MB
MESSAGES = 20_000 if QUICK else 200_000
START = 1_777_874_400
ARRIVAL_NS = (START + 86_400) * 1_000_000_000
ITEMS = ("state", "count", "power", "energy")


def _table(seconds: int) -> pa.Table:
    """Return 300 units with state, count, power and energy at 1 Hz: 1,200 channels."""
    random = np.random.default_rng(1)
    t = np.arange(seconds)
    columns: dict[str, Any] = {"time": pa.array(START + t).cast(pa.timestamp("s", "UTC"))}
    words = pa.array(["IDLE", "RUNNING"])
    for unit in range(UNITS):
        cycle = 40 + unit % 50
        busy = (t % cycle >= 8).astype(np.int32)
        power = np.round(1 + 8 * busy + random.normal(0, 0.2, seconds), 2)
        columns[f"M{unit}.state"] = pa.DictionaryArray.from_arrays(busy, words)
        columns[f"M{unit}.count"] = t // cycle
        columns[f"M{unit}.power"] = power
        columns[f"M{unit}.energy"] = np.round(np.cumsum(power) / 3600, 3)
    return pa.table(columns)


def _feed(folder: Path, kind: str, layout: str = "wide") -> MappedFeed:
    items = "state: '{unit}.state', count: '{unit}.count'"
    meters = "power: {column: '{unit}.power', unit: kW}, energy: {column: '{unit}.energy', unit: kWh}"
    source = f"{{{kind}: all.{kind}, layout: {layout}, {items}, {meters}}}"
    if kind == "mqtt":
        source = "{mqtt: 'plant/{unit}/status', state: $.state, count: $.count, clock: {time: $.timestamp}}"
    names = ", ".join(f"M{unit}" for unit in range(UNITS))
    text = f"feed: bench\nunits: [{names}]\nstates: {{RUNNING: busy, IDLE: starved}}\nsources: [{source}]\n"
    (folder / "feed.yaml").write_text(text, encoding="utf-8")
    mapping = feed_file.read(folder / "feed.yaml")
    return MappedFeed(mapping, description.of_stations(mapping))


def _report(benchmark: Any, count: int, unit: str, against: str) -> None:
    benchmark.extra_info.update(value=count / benchmark.stats.stats.min, unit=unit, against=against, ratio=None)


def _read(folder: Path, content: io.BytesIO, kind: str, layout: str = "wide") -> MappedFeed:
    feed = _feed(folder, kind, layout)
    content.seek(0)
    feed.add_file(content, f"all.{kind}", feed.mapping.sources[0])
    return feed


def test_intake_parquet_observations_per_s(benchmark: Any, tmp_path: Path) -> None:
    content = io.BytesIO()
    parquet.write_table(_table(SECONDS), content)
    feed = benchmark.pedantic(_read, args=(tmp_path, content, "parquet"), rounds=1 if not QUICK else 2)
    assert feed.observations == 4 * UNITS * SECONDS
    _report(benchmark, feed.observations, "observations/s", f"{SECONDS / 3600:.3g} h of 1,200 channels at 1 Hz, wide")


def test_intake_csv_observations_per_s(benchmark: Any, tmp_path: Path) -> None:
    content = io.BytesIO()
    table = _table(CSV_SECONDS)
    csv.write_csv(
        table.cast(
            pa.schema(
                [pa.field(n, pa.string() if ".state" in n else table.schema.field(n).type) for n in table.column_names]
            )
        ),
        content,
    )
    feed = benchmark.pedantic(_read, args=(tmp_path, content, "csv"), rounds=2)
    assert feed.observations == 4 * UNITS * CSV_SECONDS
    _report(
        benchmark, feed.observations, "observations/s", f"{CSV_SECONDS / 3600:.3g} h of 1,200 channels at 1 Hz, wide"
    )


def test_intake_long_csv_observations_per_s(benchmark: Any, tmp_path: Path) -> None:
    """The same channels as rows of time, item and value."""
    table = _table(LONG_SECONDS)
    names = table.column_names[1:]
    times = table.column("time").cast(pa.string()).to_numpy()
    values = np.stack([table.column(name).cast(pa.string()).to_numpy() for name in names], axis=1)
    rows = {"time": np.repeat(times, len(names)), "item": np.tile(names, LONG_SECONDS), "value": values.ravel()}
    content = io.BytesIO()
    csv.write_csv(pa.table(rows), content)
    feed = benchmark.pedantic(_read, args=(tmp_path, content, "csv", "long"), rounds=2)
    assert feed.observations == 4 * UNITS * LONG_SECONDS
    against = f"{LONG_SECONDS / 3600:.3g} h of 1,200 channels at 1 Hz, long (time, item, value)"
    _report(benchmark, feed.observations, "observations/s", against)


def _reported(benchmark: Any, against: str) -> None:
    _report(benchmark, MESSAGES, "messages/s", f"JSON with state, count and time; {against}")


def test_intake_json_messages_per_s(benchmark: Any, tmp_path: Path) -> None:
    messages = json_publisher.messages(MESSAGES)

    def take() -> MappedFeed:
        feed = _feed(tmp_path, "mqtt")
        for message in messages:
            feed.take(message, ARRIVAL_NS)
        return feed

    feed = benchmark.pedantic(take, rounds=2)
    assert feed.messages == MESSAGES
    _reported(benchmark, "decoding and mapping on one core")


def test_intake_broker_messages_per_s(benchmark: Any, tmp_path: Path) -> None:
    """The same messages at QoS 1 from another process through a broker, until all of them are mapped."""
    feed = _feed(tmp_path, "mqtt")
    with Broker() as broker, Client(broker.url) as client:
        client.subscribe(feed.filters())
        words = [sys.executable, json_publisher.__file__, broker.url, str(MESSAGES)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as machines:
            assert machines.stdin is not None
            assert machines.stdout is not None
            assert machines.stdout.readline() == "ready\n"
            commands = machines.stdin

            def take() -> None:
                end = feed.messages + MESSAGES
                print(file=commands, flush=True)
                while feed.messages < end:
                    for message in client.messages(1.0):
                        feed.take(message, ARRIVAL_NS)

            benchmark.pedantic(take, rounds=2)
            commands.close()
    assert feed.messages == 2 * MESSAGES
    _reported(benchmark, "published by another process through a broker, decoded and mapped")
