"""Checks of a plant file that involve several values: names, start, variants, sources."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from factory_sim.clock import is_skipped
from factory_sim.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.yaml import shapes
    from factory_sim.plant.yaml.tree import Path

NAME = re.compile(r"[\w-]{1,64}")
_RESERVED = {"meta", "bulk", "kpi", "alarm"}  # levels below the topic root that are not sections
_UNITS = ("sources", "machines", "robots", "fleets", "conveyors", "crews")
_LATEST = 10_000  # year
DEFAULT_START = datetime(2026, 1, 5, 6)  # noqa: DTZ001 - wall-clock time of the plant's own zone


def check_names(context: Context) -> None:
    """Check that every name can be a topic level and that no two units have the same name."""
    owners, report = dict[str, str](), context.report
    for path, what, name in _names(context):
        if not NAME.fullmatch(name):
            hint = f"Use letters, digits, _ and - (at most 64), such as {_repaired(name)}."
            report.add(path, f"{name!r} cannot be a level of a topic and an address", hint, at_key=True)
        if what == "sections" and name in _RESERVED:
            report.add(path, f"{name!r} is a reserved topic level", "Give the section another name.", at_key=True)
        if what in _UNITS and owners.setdefault(name, what) != what:
            report.add(path, f"the name {name!r} is also one of {owners[name]}", "Unit names are unique.", at_key=True)
    for operation in context.names:
        if operation in context.plant.sources:
            report.add(("sources", operation), f"the name {operation!r} is also an operation", at_key=True)
    _check_robot_names(context)
    _check_machine_names(context)


def robot_names(name: str, count: int) -> tuple[str, ...]:
    """Return the names of robots: R1, R1-2, R1-3, so that those of a robot do not depend on the count."""
    return (name, *(f"{name}-{n}" for n in range(2, count + 1)))


def _check_robot_names(context: Context) -> None:
    plant = context.plant
    taken = {*plant.sources, *plant.robots, *plant.conveyors}
    for name, shape in plant.robots.items():
        for each in robot_names(name, min(shape.count, 1000))[1:]:
            if each in taken:
                path = ("robots", name, "count")
                context.report.add(path, f"one of the robots would be {each!r}, as another unit", "Rename one of them.")


def _check_machine_names(context: Context) -> None:
    plant, report = context.plant, context.report
    others, machines = _other_units(plant), set[str]()
    for section, shape in plant.sections.items():
        for operation in shape.operations:
            path = ("sections", section, "operations", operation, "machines")
            for name in context.names.get(operation, ()):
                if name in machines or name in others:
                    message = f"the machine name {name!r} is used twice"
                    report.add(path, message, "Names of machines, robots, vehicles and other units are unique.")
                elif not NAME.fullmatch(name):
                    hint = f"Use letters, digits, _ and -: {_repaired(name)}."
                    report.add(path, f"{name!r} cannot be a machine's name", hint)
                machines.add(name)
    for name in plant.machines:
        if name not in machines:
            report.add(("machines", name), f"there is no machine {name!r}", did_you_mean(name, machines), at_key=True)


def _other_units(plant: shapes.Plant) -> set[str]:
    """Return the names of all units that are not machines."""
    pools: list[tuple[str, shapes.Fleet | shapes.Crew]] = [*plant.fleets.items(), *plant.crews.items()]
    members = {f"{name}-{n + 1}" for name, shape in pools for n in range(min(shape.count, 1000))}
    robots = {each for name, shape in plant.robots.items() for each in robot_names(name, min(shape.count, 1000))}
    return {*plant.sources, *robots, *plant.conveyors, *members}


def _names(context: Context) -> Iterator[tuple[Path, str, str]]:
    plant = context.plant
    yield ("plant",), "plant", plant.plant
    for what in ("kinds", "sections", "sources", "robots", "fleets", "conveyors", "crews", "shifts"):
        yield from (((what, name), what, name) for name in getattr(plant, what))
    for n, variant in enumerate(plant.variants):
        yield ("variants", n), "variants", variant
    for section, shape in plant.sections.items():
        yield from ((("sections", section, "operations", name), "operations", name) for name in shape.operations)
    for kind, of in plant.kinds.items():
        for what in ("sensors", "failures", "maintenance"):
            yield from ((("kinds", kind, what, name), what, name) for name in getattr(of, what))


def _repaired(name: str) -> str:
    return re.sub(r"[^\w-]+", "_", name)[:64].strip("_") or "A1"


def check_plant(context: Context) -> tuple[datetime, str]:
    """Check name, topic, currency, variants and time; return the start of a run and the topic root."""
    plant, report = context.plant, context.report
    root = plant.topic or plant.plant
    if plant.topic is not None and not all(NAME.fullmatch(level) for level in root.split("/")):
        hint = "Write enterprise/site/area, without spaces, +, # and points."
        report.add(("topic",), f"{root!r} is not a path of topic levels", hint)
    if not re.fullmatch(r"[A-Z]{3}", plant.currency):
        report.add(("currency",), f"{plant.currency!r} is not a currency code", "Write three letters, such as EUR.")
    if len(set(plant.variants)) < len(plant.variants) or not plant.variants:
        report.add(("variants",), "expected at least one variant, each only once")
    return _start(context), root


def _start(context: Context) -> datetime:
    plant, report = context.plant, context.report
    if not context.has_timezone:
        near = did_you_mean(plant.timezone, available_timezones())
        report.add(("timezone",), f"{plant.timezone!r} is not an IANA time zone", near)
    try:
        start = datetime.fromisoformat(plant.start)
    except ValueError:
        start = None
    if start is None or not 1970 < start.year < _LATEST:
        what = f"expected a local time such as 2026-01-05 06:00, got {plant.start!r}"
        report.add(("start",), what, "Write the time zone in timezone.")
    elif context.has_timezone and is_skipped(start, plant.timezone):
        what = f"{plant.start} does not exist in {plant.timezone}: the clock is set forward over it"
        report.add(("start",), what, "Give a time before or after the change.")
    return start or DEFAULT_START


def check_source(name: str, shape: shapes.Source, context: Context) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Check a source; return the share of each variant, and the sequence of variants if there is one."""
    path, report, variants = ("sources", name), context.report, context.plant.variants
    given = [key for key in ("interarrival", "schedule") if getattr(shape, key) is not None]
    if len(given) != 1:
        what = "has both interarrival and schedule" if given else "does not define when parts arrive"
        forms = "interarrival: saturated, interarrival: exponential(60 s), schedule: [...] or file: arrivals.csv"
        report.add(path, what, f"Write one of {forms}.")
    if shape.schedule is not None and (not shape.schedule or sorted(shape.schedule) != shape.schedule):
        report.add((*path, "schedule"), "expected at least one arrival time, in rising order")
    if shape.interarrival is not None and not isinstance(shape.interarrival, str) and shape.interarrival.mean_s < 1e-3:
        hint = "For a source that is never empty write interarrival: saturated."
        report.add((*path, "interarrival"), "is below 1 ms", hint)
    if shape.mix and shape.sequence:
        report.add((*path, "mix"), "cannot be combined with sequence; give one of them")
    for variant in shape.mix:
        context.lookup((*path, "mix", variant), variant, "variants")
    total = sum(shape.mix.values())
    if shape.mix and not report.reported((*path, "mix")) and abs(total - 1) > 1e-6:
        report.add((*path, "mix"), f"the shares add up to {100 * total:.6g} %, not 100 %")
    if not shape.mix and not shape.sequence and len(variants) > 1:
        hint = "Write mix: {A: 60 %, B: 40 %} or sequence: [A, A, B]."
        report.add(path, "does not define which variants it supplies", hint)
    sequence = tuple(context.lookup((*path, "sequence", n), v, "variants") for n, v in enumerate(shape.sequence))
    even = 0.0 if shape.mix else 1.0 / max(1, len(variants))
    return tuple(shape.mix.get(variant, even) for variant in variants) or (1.0,), sequence


def check_setup(path: Path, shape: shapes.Operation, context: Context) -> tuple[tuple[float, ...], ...]:
    """Return the changeover times [s], shape (n_variants, n_variants), from row to column; empty without setups."""
    variants, given = context.plant.variants, shape.setup
    if not given:
        return ()
    if (same := context.one_for_all((*path, "setup"), given, "variants")) is not None:
        return same
    holes = [f"{a} to {b}" for a in variants for b in variants if a != b and b not in given.get(a, {})]
    if holes:
        what = f"lacks the change from {', '.join(holes[:4])}"
        context.report.add((*path, "setup"), what, "Write every change, or one time for all.")
    return tuple(tuple(given.get(a, {}).get(b, 0.0) for b in variants) for a in variants)
