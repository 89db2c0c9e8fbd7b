"""Reading foreign feeds: files of a day of 1,200 channels at 1 Hz, and JSON messages without client and broker."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import csv, parquet

from factory_sim.intake import description, feed_file
from factory_sim.live.foreign.mapped_feed import MappedFeed
from factory_sim.records import Message

if TYPE_CHECKING:
    from pathlib import Path

QUICK = bool(os.environ.get("FACTORY_SIM_BENCH_QUICK"))
UNITS, SECONDS = 300, 600 if QUICK else 86_400
CSV_SECONDS = 600 if QUICK else 7_200  # the rate does not depend on the length; a day has 700 MB
MESSAGES = 20_000 if QUICK else 200_000
START = 1_777_874_400
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


def _feed(folder: Path, kind: str) -> MappedFeed:
    items = "state: '{unit}.state', count: '{unit}.count'"
    meters = "power: {column: '{unit}.power', unit: kW}, energy: {column: '{unit}.energy', unit: kWh}"
    source = f"{{{kind}: all.{kind}, layout: wide, {items}, {meters}}}"
    if kind == "mqtt":
        source = "{mqtt: 'plant/{unit}/status', state: $.state, count: $.count, clock: {time: $.timestamp}}"
    names = ", ".join(f"M{unit}" for unit in range(UNITS))
    text = f"feed: bench\nunits: [{names}]\nstates: {{RUNNING: busy, IDLE: starved}}\nsources: [{source}]\n"
    (folder / "feed.yaml").write_text(text, encoding="utf-8")
    mapping = feed_file.read(folder / "feed.yaml")
    return MappedFeed(mapping, description.of_stations(mapping))


def _report(benchmark: Any, count: int, unit: str, against: str) -> None:
    benchmark.extra_info.update(value=count / benchmark.stats.stats.min, unit=unit, against=against, ratio=None)


def _read(folder: Path, content: io.BytesIO, kind: str) -> MappedFeed:
    feed = _feed(folder, kind)
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


def test_intake_json_messages_per_s(benchmark: Any, tmp_path: Path) -> None:
    messages = [
        Message(
            f"plant/M{i % UNITS}/status",
            orjson.dumps(
                {
                    "timestamp": f"2026-05-04T06:{t // 60 % 60:02}:{t % 60:02}.000Z",
                    "state": "RUNNING" if t % 40 > 8 else "IDLE",
                    "count": t // 40,
                }
            ),
        )
        for i in range(MESSAGES)
        for t in (i // UNITS,)
    ]

    def take() -> MappedFeed:
        feed = _feed(tmp_path, "mqtt")
        for message in messages:
            feed.take(message, (START + MESSAGES) * 1_000_000_000)
        return feed

    feed = benchmark.pedantic(take, rounds=2)
    assert feed.messages == MESSAGES
    _report(benchmark, MESSAGES, "messages/s", "JSON with state, count and time; decoding and mapping on one core")
