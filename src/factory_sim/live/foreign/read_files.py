"""Files of a foreign feed: which source reads which file, and captures of messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatch
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson

from factory_sim.errors import ConfigError, did_you_mean
from factory_sim.intake.sources.json_messages import topic_pattern
from factory_sim.intake.tally import Tally
from factory_sim.intake.time_stamps import MISSING, one
from factory_sim.live.foreign.file_order import in_order
from factory_sim.records import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factory_sim.intake.mapping import ClockRule, Mapping, SourceMap
    from factory_sim.live.foreign.mapped_feed import MappedFeed

CAPTURES = (".jsonl", ".ndjson")
NOT_A_CAPTURE = "line that is not a captured message"
_MESSAGES = ("mqtt", "sparkplug")
_FIRST_LINES = 1000
_TIMES = ("tst", "time", "timestamp", "t_ns")


def read(feed: MappedFeed, files: Sequence[Path], watch: Callable[[str], None] = lambda _: None) -> None:
    """Read files into a feed, in order of time; without files those that the sources name, beside the feed file."""
    named = list(files) or list(_named(feed.mapping))
    tables = [file for file in named if not _is_capture(feed.mapping, file)]
    for file in [
        *in_order(tables, feed.mapping, feed.meta, partial(_sources_of, feed.mapping)),
        *sorted(
            dict.fromkeys(file for file in named if file not in tables), key=partial(_first_arrival_ns, feed.mapping)
        ),
    ]:
        watch(str(file))
        try:
            if file.is_dir() and any(source.kind == "log" for source in _sources_of(feed.mapping, file)):
                feed.add_recording(file)
                continue
            with file.open("rb") as stream:
                if _is_capture(feed.mapping, file):
                    _read_capture(feed, stream, str(file))
                    continue
                for source in _sources_of(feed.mapping, file):
                    stream.seek(0)
                    feed.add_file(stream, str(file), source)
        except OSError as error:
            raise ConfigError.of(str(file), f"cannot be read: {error.strerror or error}") from None


def _named(mapping: Mapping) -> Iterator[Path]:
    folder = Path(mapping.file).parent
    for source in mapping.sources:
        if source.kind in _MESSAGES:
            continue
        pattern = source.pattern.replace("{unit}", "*")
        matches = sorted(folder.glob(pattern)) if not Path(pattern).is_absolute() else [Path(pattern)]
        if not matches:
            place, near = (
                source.place,
                did_you_mean(pattern, [each.name for each in folder.iterdir() if each.is_file()]),
            )
            message = f"line {place.line}: no file beside it matches {source.pattern!r}"
            raise ConfigError.of(place.file, message, near)
        yield from dict.fromkeys(matches)
    if all(source.kind in _MESSAGES for source in mapping.sources):
        hint = f"Name captures: {capture_command()}; or listen --map."
        raise ConfigError.of(mapping.file, "has only sources of messages, and no file is given", hint)


def capture_command(broker: str = "-h HOST") -> str:
    """Return the command that captures all messages of a broker, given by options of `mosquitto_sub`.

    Payloads are hexadecimal: `-F %J` leaves out those that are not JSON, which are bare words and Sparkplug.
    """
    return f"""mosquitto_sub {broker} -F '{{"tst":%U,"topic":"%t","payload_hex":"%x"}}' -t '#' > capture.jsonl"""


def _is_capture(mapping: Mapping, file: Path) -> bool:
    """Return whether a file is a capture of messages: one that a source of kind jsonl reads is none."""
    return file.suffix in CAPTURES and not any(
        source.kind == "jsonl" and fnmatch(file.name, Path(source.pattern).name.replace("{unit}", "*"))
        for source in mapping.sources
    )


def _sources_of(mapping: Mapping, file: Path) -> list[SourceMap]:
    found = []
    for source in mapping.sources:
        if source.kind in _MESSAGES:
            continue
        name = Path(source.pattern).name
        if fnmatch(file.name, name.replace("{unit}", "*")):
            match = topic_pattern(name).fullmatch(file.name) if "{unit}" in name else None
            found.append(replace(source, unit=match["unit"]) if match else source)
    if not found:
        known = [source.pattern for source in mapping.sources if source.kind not in _MESSAGES]
        hint = did_you_mean(file.name, known) or "It has sources of messages only: their captures end in .jsonl."
        raise ConfigError.of(str(file), f"matches no source of {mapping.file}", hint)
    return found


def _first_arrival_ns(mapping: Mapping, file: Path) -> int:
    clock = replace(mapping.sources[0].clock, time="")
    try:
        with file.open("rb") as stream:
            messages = (message_of(line, clock, Tally(), "") for line in islice(stream, _FIRST_LINES))
            return next((arrival_ns for _, arrival_ns in filter(None, messages)), 0)
    except OSError:
        return 0  # to be refused


def _read_capture(feed: MappedFeed, stream: IO[bytes], name: str) -> None:
    clock = replace(feed.mapping.sources[0].clock, time="")
    for number, line in enumerate(stream, 1):
        message = message_of(line, clock, feed.context.tally, f"{name}, line {number}")
        if message is not None:
            feed.take(*message)


def message_of(line: bytes, clock: ClockRule, tally: Tally, where: str) -> tuple[Message, int] | None:
    """Return a message of a capture and when it arrived; None, counted, for another line.

    A line is JSON with `topic`, `payload` (JSON or text) or `payload_hex`, and a time, as `capture_command` and
    `mosquitto_sub -F %J` write.
    """
    tally.where = where
    try:
        found: dict[str, Any] = orjson.loads(line)
        topic, time = found["topic"], next((found[key] for key in _TIMES if key in found), None)
        if "payload_hex" in found:
            payload = bytes.fromhex(found["payload_hex"])
        else:
            content = found["payload"]
            payload = content.encode() if isinstance(content, str) else orjson.dumps(content)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        if line.strip():
            tally.add(NOT_A_CAPTURE, line[:80].decode("utf-8", "replace").strip())
        return None
    arrival_ns = one(_without_doubled_zone(time), clock, tally)
    return None if arrival_ns == MISSING else (Message(topic, payload), arrival_ns)


def _without_doubled_zone(time: Any) -> Any:
    """Return the time as ISO 8601: mosquitto_sub writes 2026-05-04T06:00:00.000000Z+0200 for local time."""
    if (isinstance(time, str) and "Z+" in time) or (isinstance(time, str) and "Z-" in time):
        return datetime.fromisoformat(time.replace("Z", "", 1)).isoformat()
    return time
