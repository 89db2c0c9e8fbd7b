"""KPIs as messages: one retained JSON object for the line and for every section, operation and machine.

<root>/kpi/line, <root>/kpi/sections/<name>, <root>/kpi/operations/<name>, <root>/kpi/machines/<name>:
{"v":1,"run_id":"...","timestamp_ms":0,"window_us":[0,1],"kpis":{"oee":{"value":0.81,"unit":"1"}}}
The same topics below <root>/kpi/windows/<window> (15_min, 1_h, shift, last_shift, today) contain the rolling windows.
A value may have `low` and `high` (bounds), `reason` (what the feed lacks) or `mark` (an assumption, or a cause).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import orjson

from factory_sim.clock import ns_from_us
from factory_sim.records import EMPTY_WINDOW, Message
from factory_sim.wire import topics

if TYPE_CHECKING:
    from factory_sim.records import Kpi, KpiTable, Meta

VERSION = 1
WINDOWS = ("15 min", "1 h", "shift", "last shift", "today")  # the rolling ones
_NS_PER_MS = 1_000_000


def kpi_root(root: str) -> str:
    """Return the topic below which all KPIs are retained."""
    return f"{topics.clean_root(root)}/kpi"


def messages(table: KpiTable, meta: Meta, root: str, window: str = "") -> list[Message]:
    """Return the messages of all KPIs of a table; an unknown value is null. window : a rolling one, by name."""
    start = f"{kpi_root(root)}/windows/{topics.level(window)}" if window else kpi_root(root)
    head = {
        "v": VERSION,
        "run_id": meta.run_id,
        "timestamp_ms": int(ns_from_us(table.window.t1_us, meta.epoch_ns)) // _NS_PER_MS,
        "window_us": [table.window.t0_us, table.window.t1_us],
    }
    places = {"section": table.sections, "operation": table.operations, "machine": table.machines}
    found = [_message(f"{start}/line", head, table, "line", 0)]
    for per, names in places.items():
        for i, name in enumerate(names):
            found.append(_message(f"{start}/{per}s/{topics.level(name)}", head, table, per, i))
    return [message for message in found if message is not None]


def _message(topic: str, head: dict[str, object], table: KpiTable, per: str, i: int) -> Message | None:
    kpis = {name: _value(kpi, i) for name, kpi in table.kpis.items() if kpi.per == per and kpi.values.size > i}
    return Message(topic, orjson.dumps(head | {"kpis": kpis}), retain=True) if kpis else None


def _value(kpi: Kpi, i: int) -> dict[str, object]:
    """Return one value with its unit and, where there are any, its bounds and the reason or mark."""
    numbers = {"value": kpi.values, "low": kpi.low, "high": kpi.high}
    found: dict[str, object] = {key: _finite(float(each.flat[i])) for key, each in numbers.items() if each is not None}
    found["unit"] = kpi.unit
    for key, texts in (("reason", kpi.reasons), ("mark", kpi.marks)):
        if texts and texts[i] not in ("", EMPTY_WINDOW):
            found[key] = texts[i]
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
