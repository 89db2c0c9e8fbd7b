"""Observe a broker or files for `factory-sim map`."""

from __future__ import annotations

import csv
import io
import itertools
import time
from typing import IO, TYPE_CHECKING, Any

import orjson
from pyarrow import parquet

from factory_sim.errors import ConfigError, PayloadError
from factory_sim.intake.mapping import ClockRule
from factory_sim.intake.sources import encodings, xes
from factory_sim.intake.tally import Tally
from factory_sim.live.foreign.read_files import CAPTURES, message_of
from factory_sim.wire.sparkplug import foreign
from factory_sim.wire.sparkplug.namespace import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from threading import Event

    from factory_sim.intake.observing.first_map import Observer
    from factory_sim.live.receiver import Receiver
    from factory_sim.records import Message

ROWS = 20_000  # of a file that are looked at
_TURN_S = 0.2
_HEAD_BYTES = 1 << 20


def take(observer: Observer, message: Message, arrival_ns: int) -> None:
    """Use one message."""
    if not message.topic.startswith(f"{VERSION}/"):
        observer.message(message.topic, message.payload, arrival_ns)
        return
    try:
        found = foreign.decode(message)
    except PayloadError:
        return
    if found is not None:
        observer.metrics(message.topic, found.metrics, arrival_ns)


def listen(
    observer: Observer, receiver: Receiver, topics: Sequence[str], for_s: float, stop: Event, ready: Callable[[], None]
) -> None:
    """Observe messages for a time."""
    receiver.subscribe(list(topics), qos=0)
    ready()
    end_s = time.monotonic() + for_s
    while not stop.is_set() and time.monotonic() < end_s:
        for message in receiver.messages(_TURN_S):
            take(observer, message, time.time_ns())
            if time.monotonic() >= end_s:
                break


def files(observer: Observer, paths: Sequence[Path]) -> None:
    """Observe the first rows of files, or all messages of captures."""
    for path in paths:
        try:
            with path.open("rb") as stream:
                _file(observer, path, stream)
        except OSError as error:
            raise ConfigError.of(str(path), f"cannot be read: {error.strerror or error}") from None


def _file(observer: Observer, path: Path, stream: IO[bytes]) -> None:
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    if path.suffix in CAPTURES:
        _json(observer, path, stream, head)
        return
    if head[:4] == b"PAR1":
        batch = next(parquet.ParquetFile(stream).iter_batches(ROWS), None)
        observer.table("parquet", path.name, [] if batch is None else batch.to_pylist())
        return
    if head.lstrip().startswith(b"<"):
        observer.table("xes", path.name, list(itertools.islice(xes.events(stream, str(path)), ROWS)))
        return
    encoding = encodings.by_mark(head)
    if b"\0" in head and not encoding:
        raise ConfigError.of(str(path), "is a binary file; expected CSV, Parquet, SHDR, XES, or a capture (.jsonl)")
    guessed = "" if encoding else encodings.guessed(head)
    lines = head.decode(encoding or guessed or "utf-8-sig", "replace").splitlines()
    if len(head) == _HEAD_BYTES:
        lines = lines[:-1]  # it may be cut off
    if lines and "|" in lines[0] and lines[0][:1].isdigit():
        observer.table("shdr", path.name, [row for line in lines[:ROWS] for row in _shdr(line)])
    else:
        extra = {"encoding": f"{guessed}  # CHECK: a guess"} if guessed else {}
        observer.table("csv", path.name, _csv(lines), extra)


def _json(observer: Observer, path: Path, stream: IO[bytes], head: bytes) -> None:
    """Observe a capture of messages, or a file with one JSON object a line."""
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if b'"payload' not in first and _document(first) is not None:
        documents = map(_document, itertools.islice(stream, ROWS))
        observer.lines(path.name, [each for each in documents if each is not None])
        return
    tally = Tally()
    for number, line in enumerate(stream, 1):
        found = message_of(line, ClockRule(zone="UTC"), tally, f"{path}, line {number}")
        if found is not None:
            take(observer, *found)


def _document(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _shdr(line: str) -> list[dict[str, Any]]:
    when, *fields = line.split("|")
    return [
        {"time": when, "item": item, "value": value} for item, value in zip(fields[::2], fields[1::2], strict=False)
    ]


def _csv(lines: list[str]) -> list[dict[str, Any]]:
    delimiter = max(",;\t|", key=lines[0].count) if lines else ","
    reader = csv.DictReader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    return list(itertools.islice(reader, ROWS))
