"""Digests of logs and messages, study files, JSON key structures and their differences, without factory_sim."""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from base64 import b64decode
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ANY_KEY = "*"  # stands for keys that depend on the data, such as names of operations
ONE_RUN = {"program", "python", "numpy", "engine"}  # of a study's header: they differ between versions and machines


def log_record(log: Any, truth: Any) -> dict[str, Any]:
    """Return dtype and SHA-256 of every column of an event log, and the counters of the window."""
    columns = {}
    for field in fields(log):
        column = getattr(log, field.name)
        column = column.astype(column.dtype.newbyteorder("<"))
        columns[field.name] = f"{column.dtype.str} {hashlib.sha256(column.tobytes()).hexdigest()}"
    return {"rows": len(log), "columns": columns, "truth": truth_record(truth)}


def truth_record(truth: Any) -> dict[str, Any]:
    """Return the counters of a window as plain numbers."""
    counters = {name: getattr(truth, name).tolist() for name in ("parts", "busy_us", "scrapped")}
    return {"good_parts": truth.good_parts, **counters}


def messages_record(messages: Sequence[Any]) -> dict[str, Any]:
    """Return count, bytes and SHA-256 of messages in their order: topic, payload, QoS and retain flag of each."""
    digest = hashlib.sha256()
    for message in messages:
        topic = message.topic.encode()
        digest.update(struct.pack("<II", len(topic), len(message.payload)))
        digest.update(topic + message.payload + bytes((message.qos, message.retain)))
    size = sum(len(message.payload) for message in messages)
    return {"messages": len(messages), "payload_bytes": size, "sha256": digest.hexdigest()}


def readable(messages: Sequence[Any]) -> str:
    """Return one line per message: QoS, retain flag, topic and payload, which must be text."""
    return "".join(f"{m.qos} {int(m.retain)} {m.topic} {m.payload.decode()}\n" for m in messages)


def stored(path: Path) -> dict[str, Any]:
    """Read a study file as plain JSON: header with the latest words, arms by name, trials by arm and replication."""
    header, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    arms, trials = {}, {}
    for line in lines:
        header |= line.get("words", {})
        if "arm" in line:
            arms[line["arm"]["name"]] = line["arm"]
        if "trial" in line:
            trial = line["trial"]
            if "strip" in trial:  # its compressed bytes depend on the version of zlib, its digits do not
                trial["strip"]["codes"] = zlib.decompress(b64decode(trial["strip"]["codes"])).decode()
            trials[f"{trial['arm']}, replication {trial['replication']}"] = trial
    return {"header": header, "arms": arms, "trials": trials}


def result(study: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored study without what differs between two runs of it: versions, engine and seconds."""
    header = {key: value for key, value in study["header"].items() if key not in ONE_RUN}
    trials = {name: {**trial, "seconds": 0} for name, trial in study["trials"].items()}
    return {"header": header, "arms": study["arms"], "trials": trials}


def plain(record: Any) -> Any:
    """Return a record of the program as the plain values that JSON has."""
    if isinstance(record, np.ndarray | np.generic):
        return plain(record.tolist())
    if isinstance(record, dict):
        return {key: plain(value) for key, value in record.items()}
    if isinstance(record, list | tuple):
        return [plain(value) for value in record]
    if hasattr(record, "__dataclass_fields__"):
        return plain(asdict(record))
    return None if isinstance(record, float) and not math.isfinite(record) else record


def differences(
    recorded: Any, found: Any, *, tolerance: float = 0.0, may_have_more: bool = False, path: str = ""
) -> Iterator[str]:
    """Yield where two plain values differ.

    tolerance : of floats, relative and absolute; 0: they must be equal to the last bit.
    may_have_more : whether objects that were found may have keys that were not recorded.
    """
    options: dict[str, Any] = {"tolerance": tolerance, "may_have_more": may_have_more}
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key, value in recorded.items():
            if key in found:
                yield from differences(value, found[key], **options, path=_below(path, key))
            else:
                yield f"{_below(path, key)}: is missing"
        if not may_have_more:
            yield from (f"{_below(path, key)}: was not recorded" for key in found if key not in recorded)
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for number, (one, other) in enumerate(zip(recorded, found, strict=True)):
            yield from differences(one, other, **options, path=f"{path}[{number}]")
    elif isinstance(recorded, float) and isinstance(found, float) and tolerance:
        if not math.isclose(recorded, found, rel_tol=tolerance, abs_tol=tolerance):
            yield f"{path}: recorded {recorded!r}, found {found!r}"
    elif recorded != found:
        yield f"{path}: recorded {str(recorded)[:100]!r}, found {str(found)[:100]!r}"


def key_structure(value: Any, wildcards: Sequence[str] = (), path: str = "") -> Any:
    """Return the key structure of a JSON value: objects by key, lists by what all elements have, values by type.

    wildcards : paths of objects whose keys depend on the data, such as `scenarios`; their values become one under `*`.
    """
    if isinstance(value, dict):
        if path in wildcards:
            return {ANY_KEY: _merged([key_structure(v, wildcards, _below(path, ANY_KEY)) for v in value.values()])}
        return {key: key_structure(each, wildcards, _below(path, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_merged([key_structure(each, wildcards, f"{path}[]") for each in value])]
    return {type(None): "null", bool: "boolean", int: "number", float: "number", str: "text"}[type(value)]


def lacking(recorded: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield what a key structure lacks of the recorded one. More keys are allowed; `null` may stand for anything."""
    if {"null", ""} & {each for each in (recorded, found) if isinstance(each, str)}:
        return
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key, each in recorded.items():
            if key in found:
                yield from lacking(each, found[key], _below(path, key))
            else:
                yield f"{_below(path, key)} is missing"
    elif isinstance(recorded, list) and isinstance(found, list):
        yield from lacking(recorded[0], found[0], f"{path}[]")
    elif type(recorded) is not type(found) or not set(found.split(" or ")) <= {*recorded.split(" or "), "null"}:
        yield f"{path}: expected {recorded}, got {found}"


def _merged(structures: list[Any]) -> Any:
    """Return the structure that several values have together: all keys of objects, all types of values."""
    objects = [each for each in structures if isinstance(each, dict)]
    if objects:
        keys = dict.fromkeys(key for each in objects for key in each)
        return {key: _merged([each[key] for each in objects if key in each]) for key in keys}
    lists = [each for each in structures if isinstance(each, list)]
    if lists:
        return [_merged([one for each in lists for one in each])]
    return " or ".join(sorted({word for each in structures for word in each.split(" or ")}))


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
