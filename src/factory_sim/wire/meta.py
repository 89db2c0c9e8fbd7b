"""The retained description of a plant and a run, `<root>/meta`: versioned JSON of `records.Meta`, field by field.

At the end of a run it is published again with `sent_rows` and `sent_ticks`, from which a subscriber counts its losses.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import orjson

from factory_sim.errors import did_you_mean
from factory_sim.records import InputInfo, Message, Meta, OperationInfo, Prices, SensorInfo, UnitInfo, Window
from factory_sim.wire import topics
from factory_sim.wire.payload_checks import ANY_INT64, json_object, reading, refuse, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
MAX_UNITS = 2**15
_MAX_SCALE = 1e12
_MAX_OFFSET_COUNTS = 2.0**40  # beyond it a double cannot distinguish neighbouring counts
LATER = {
    "absent",
    "heartbeat_s",
    "plan_parts",
    "rework_places",
    "shifts",
}  # keys that 0.1.0 does not read; omitted while they are empty
_SHOWN = 60
_WIDTHS = (16, 32)
_MAX_US = 2**62


def encode(meta: Meta) -> bytes:
    """Return the description as JSON; `decode` returns an equal one."""
    return orjson.dumps(_filled(meta) | {"operations": [_filled(each) for each in meta.operations]})


def _filled(record: Meta | OperationInfo) -> dict[str, object]:
    values = {each.name: getattr(record, each.name) for each in fields(record)}
    empty = {each.name for each in fields(record) if each.name in LATER and values[each.name] == each.default}
    return {name: value for name, value in values.items() if name not in empty}


def message(meta: Meta, root: str) -> Message:
    """Return the description as a retained message on `<root>/meta`."""
    return Message(topics.meta_topic(root), encode(meta), retain=True)


def decode(payload: bytes, topic: str = "meta") -> Meta:
    """Return the description in `payload`. Raises PayloadError that names the first wrong key."""
    with reading(topic, "meta"):
        found = json_object(payload, MAX_BYTES)
        version = found.get("version", VERSION)
        _need(version == VERSION, "version", f"{shown(version)}; this program reads version {VERSION}")
        meta: Meta = _record(Meta, found, "")
        _check(meta)
        return meta


def _refuse(key: str, reason: str) -> NoReturn:
    refuse(f"{key}: {reason}")


def _record(kind: Any, found: object, key: str) -> Any:
    if type(found) is not dict:
        _refuse(key, f"expected an object, got {shown(found)}")
    hints, values = _HINTS[kind], {}
    for field in fields(kind):
        inner = f"{key}.{field.name}" if key else field.name
        if field.name in found:
            values[field.name] = _value(hints[field.name], found[field.name], inner)
        elif field.default is MISSING:
            _refuse(inner, "is missing")
    unknown = next((name for name in found if name not in hints), None)
    if unknown is not None:
        inner = f"{key}.{unknown[:_SHOWN]}" if key else unknown[:_SHOWN]
        _refuse(inner, f"is not a known key. {did_you_mean(unknown[:_SHOWN], hints)}")
    return kind(**values)


def _value(hint: Any, found: object, key: str) -> Any:
    if get_origin(hint) is tuple:
        return _tuple(get_args(hint), found, key)
    if is_dataclass(hint):
        return _record(hint, found, key)
    return _READERS[hint](found, key)


def _tuple(arguments: tuple[Any, ...], found: object, key: str) -> tuple[Any, ...]:
    if type(found) is not list:
        _refuse(key, f"expected a list, got {shown(found)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:  # tuple[X, ...]
        return tuple([_value(arguments[0], item, f"{key}[{i}]") for i, item in enumerate(found)])
    if len(found) != len(arguments):
        _refuse(key, f"expected a list of {len(arguments)}, got {len(found)}")
    return tuple(_value(arguments[i], item, f"{key}[{i}]") for i, item in enumerate(found))


def _int(found: object, key: str) -> int:
    if type(found) is not int or not ANY_INT64[0] <= found <= ANY_INT64[1]:
        _refuse(key, f"expected a whole number, got {shown(found)}")
    return found


def _float(found: object, key: str) -> float:
    if type(found) not in (int, float) or not math.isfinite(found):  # type: ignore[arg-type]
        _refuse(key, f"expected a number, got {shown(found)}")
    return float(found)  # type: ignore[arg-type]


def _str(found: object, key: str) -> str:
    if type(found) is not str:
        _refuse(key, f"expected a text, got {shown(found)}")
    return found


_READERS: dict[Any, Callable[[object, str], Any]] = {int: _int, float: _float, str: _str}
_HINTS: dict[Any, dict[str, Any]] = {
    kind: get_type_hints(kind) for kind in (Meta, Window, UnitInfo, InputInfo, OperationInfo, SensorInfo, Prices)
}


def _check(meta: Meta) -> None:
    """Check what types do not express: references, ranges, lengths."""
    n = len(meta.units)
    _need(n <= MAX_UNITS, "units", f"{n} units; at most {MAX_UNITS}")
    _need(0 <= meta.window.t0_us < meta.window.t1_us <= _MAX_US, "window", "expected 0 <= t0_us < t1_us")
    _need(abs(meta.epoch_ns) + meta.window.t1_us * 1_000 < 2**63, "epoch_ns", "the run ends after the year 2262")
    _need(_is_timezone(meta.timezone), "timezone", f"{meta.timezone[:_SHOWN]!r} is not a known time zone")
    _need(len(meta.failure_modes) == n, "failure_modes", f"expected one entry per unit, {n}")
    _need(len(meta.sent_rows) in (0, n), "sent_rows", f"expected one entry per unit, {n}, or none")
    for i, span in enumerate(meta.planned_us):
        _need(0 <= span[0] <= span[1] <= _MAX_US, f"planned_us[{i}]", "expected 0 <= start <= end")
    for i, (_, begin_us, end_us) in enumerate(meta.shifts):
        _need(-_MAX_US <= begin_us < end_us <= _MAX_US, f"shifts[{i}]", "expected start < end")
    _need(meta.plan_parts >= 0, "plan_parts", "expected 0 (no plan) or more")
    names = [unit.name for unit in meta.units]
    _need(len(set(names)) == n, "units", "two units have one name")
    for key, value, low, stop, kind in _references(meta):
        _need(low <= value < stop, key, f"no such {kind}")
    _check_sensors(meta)
    prices = meta.prices
    same = len(prices.tariff_from_s) == len(prices.tariff_per_kwh)
    _need(same, "prices.tariff_per_kwh", f"expected {len(prices.tariff_from_s)} prices, one for each tariff_from_s")


def _references(meta: Meta) -> Iterator[tuple[str, int, int, int, str]]:
    """Return key, value, lowest value, limit and kind of every reference to a unit or operation; -1: none."""
    units, operations = (len(meta.units), "unit"), (len(meta.operations), "operation")
    yield "pacing", meta.pacing, -1, *operations
    for i, unit in enumerate(meta.units):
        yield f"units[{i}].operation", unit.operation, -1, *operations
    for i, operation in enumerate(meta.operations):
        key = f"operations[{i}]"
        for machine in operation.machines:
            yield f"{key}.machines", machine, 0, *units
        yield f"{key}.robot", operation.robot, -1, *units
        yield f"{key}.destination", operation.destination, -1, *operations
        yield f"{key}.rework_to", operation.rework_to, -1, *operations
        _need(operation.rework_places >= 0, f"{key}.rework_places", "expected 0 (unlimited) or more")
        for j, source in enumerate(operation.inputs):
            yield f"{key}.inputs[{j}].source", source.source, -1, *units
            yield f"{key}.inputs[{j}].operation", source.operation, -1, *operations
            _need(source.quantity > 0, f"{key}.inputs[{j}].quantity", "expected at least 1")
    for i, sensor in enumerate(meta.sensors):
        yield f"sensors[{i}].unit", sensor.unit, 0, *units
    for i, (unit_id, _) in enumerate(meta.prices.material):
        yield f"prices.material[{i}][0]", unit_id, 0, *units


def _check_sensors(meta: Meta) -> None:
    ids = [sensor.id for sensor in meta.sensors]
    _need(all(0 <= each < 2**15 for each in ids), "sensors", f"expected ids from 0 to {2**15 - 1}")
    _need(len(set(ids)) == len(ids), "sensors", "two sensors have one id")
    for i, s in enumerate(meta.sensors):
        key = f"sensors[{i}]"
        _need(0 < s.period_us < _MAX_US, f"{key}.period_us", "expected a positive number")
        _need(s.bits in _WIDTHS, f"{key}.bits", f"expected 16 or 32, got {s.bits}")
        _need(1 / _MAX_SCALE <= abs(s.scale) <= _MAX_SCALE, f"{key}.scale", f"{s.scale} is not a usable scale")
        fine = abs(s.offset) <= abs(s.scale) * _MAX_OFFSET_COUNTS
        _need(fine, f"{key}.offset", f"{s.offset} is too far from zero for the scale {s.scale}")


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _need(condition: bool, key: str, reason: str) -> None:
    if not condition:
        _refuse(key, reason)
