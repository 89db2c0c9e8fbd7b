"""What does not change during a run: the plant as the page draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.version import VERSION
from factory_sim.views.html.plant_drawing import section_columns
from factory_sim.views.live.state_marks import STATE_MARKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.live.page.line_now import Place
    from factory_sim.records import Meta

_BY = {"fleet": "vehicle", "conveyor": "conveyor", "": "hand"}


def plan(
    meta: Meta, root: str, places: list[Place], *, has_recording: bool, is_simulated: bool
) -> Mapping[str, object]:
    """Return the content of /plan.json."""
    operations = meta.operations
    columns = section_columns(
        [each.section for each in operations],
        [[way.operation for way in each.inputs if way.operation >= 0] for each in operations],
    )
    sensors: dict[int, list[str]] = {}
    for sensor in meta.sensors:
        sensors.setdefault(sensor.unit, []).append(sensor.name)
    crews: dict[str, int] = {}
    for unit in meta.units:
        if unit.role == "crew":
            crews[unit.kind] = crews.get(unit.kind, 0) + 1
    return {
        "version": VERSION,
        "plant": meta.plant,
        "title": meta.plant,
        "run_id": meta.run_id,
        "root": root,
        "timezone": meta.timezone,
        "simulated": is_simulated,
        "recording": has_recording,
        "plan_parts": meta.plan_parts or None,
        "currency": meta.prices.currency,
        "sections": [
            {"name": name, "column": column, "operations": [each.name for each in operations if each.section == name]}
            for name, column in columns.items()
        ],
        "operations": [_operation(meta, index) for index in range(len(operations))],
        "units": [_unit(meta, index, sensors.get(index, [])) for index in range(len(meta.units))],
        "places": [
            {
                "id": each.id,
                "operation": each.operation,
                "from": each.sender,
                "capacity": each.capacity,
                "kind": each.kind,
            }
            for each in places
        ],
        "routes": _routes(meta),
        "crews": [{"name": name, "size": size} for name, size in crews.items()],
        "states": [{"id": m.id, "name": m.name, "letter": m.letter, "kind": m.kind} for m in STATE_MARKS],
    }


def _operation(meta: Meta, index: int) -> dict[str, object]:
    each = meta.operations[index]
    return {
        "name": each.name,
        "title": each.title,
        "section": each.section,
        "machines": [meta.units[unit].name for unit in each.machines],
        "unit_time_s": each.unit_time_s or None,
        "pacing": index == meta.pacing,
    }


def _unit(meta: Meta, index: int, sensors: Sequence[str]) -> dict[str, object]:
    unit = meta.units[index]
    return {
        "id": index,
        "name": unit.name,
        "role": unit.role,
        "kind": unit.kind,
        "operation": meta.operations[unit.operation].name if unit.operation >= 0 else None,
        "section": unit.section or None,
        "sensors": list(sensors),
    }


def _routes(meta: Meta) -> list[dict[str, str]]:
    """Return the transports between different sections, each once."""
    found = dict[tuple[str, str, str], None]()
    for each in meta.operations:
        for way in each.inputs:
            if way.operation >= 0 and (start := meta.operations[way.operation].section) != each.section:
                found[start, each.section, way.transport] = None
    return [{"from": start, "to": to, "by": _BY[transport]} for start, to, transport in found]
