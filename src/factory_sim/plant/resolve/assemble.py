"""Assemble the plant from checked shapes: names become indexes, and units and sensors get their ids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.distributions import Distribution
from factory_sim.errors import did_you_mean
from factory_sim.plant import spec
from factory_sim.plant.catalogue import PROFILES
from factory_sim.plant.resolve import checks, deadlocks, flow, routes, shifts
from factory_sim.plant.resolve.derived import MACHINING, with_derived
from factory_sim.plant.resolve.equipment import Outfit, outfit, own_sensors, power_by_state
from factory_sim.plant.yaml import shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.resolve.flow import Feed, Station
    from factory_sim.plant.yaml.tree import Path

_SHORTEST_S = 1e-3  # of a cycle: with shorter ones the clock of a run hardly advances
_MOST = 32_767  # units and sensors: their ids are int16 in logs and telemetry
_EQUIPMENT = set(shapes.Equipment.model_fields) - {"shift"}
PLAIN_KIND = "machine"  # of operations that name no kind


def build(context: Context) -> spec.Plant:
    """Return the plant; raise ConfigError with all problems of its files."""
    plant, report = context.plant, context.report
    start, topic_root = checks.check_plant(context)
    checks.check_names(context)
    order = flow.stations(context)
    if not order and not report.reported(("sections",)):
        report.add(("sections",), "the plant has no operations", "Write sections: {main: {operations: {OP10: {...}}}}.")
    pacing = _pacing(order, context)
    holidays = [day for dates in plant.holidays for day in dates]
    sources = tuple(_source(n, name, shape, context) for n, (name, shape) in enumerate(plant.sources.items()))
    units = _Units(context)
    machines = [units.machines(station) for station in order]
    _check_unused_kinds(order, context)
    index = {station.name: station.index for station in order}
    takers = {feed.origin: station.index for station in order for feed in station.feeds}
    operations = tuple(_operation(station, index, takers, machines[station.index], context) for station in order)
    routes.check_conveyors(order, context)
    fleets = [routes.fleet(name, shape, order, context) for name, shape in plant.fleets.items()]
    given = spec.Plant(
        name=plant.plant,
        title=plant.title or plant.plant,
        start=start.isoformat(),
        timezone=plant.timezone,
        topic_root=topic_root,
        sections=tuple(plant.sections),
        operations=operations,
        machines=tuple(machine for of_station in machines for machine in of_station),
        sources=sources,
        robots=tuple(units.robot(name, shape) for name, shape in plant.robots.items()),
        fleets=tuple(units.fleet(fleet) for fleet in fleets),
        conveyors=tuple(units.conveyor(name, shape) for name, shape in plant.conveyors.items()),
        crews=tuple(units.crew(name, shape) for name, shape in plant.crews.items()),
        shifts=tuple(shifts.resolve(name, shape, holidays, context) for name, shape in plant.shifts.items()),
        sensors=tuple(units.sensors),
        units=tuple(units.names),
        variants=tuple(plant.variants),
        base_load_w=plant.base_load,
        cost=_cost(context),
        link=_link(context),
        pacing=pacing,
        plan_parts=plant.plan,
    )
    if max(len(given.units), len(given.sensors)) > _MOST:
        what = (
            f"{len(given.units)} units and {len(given.sensors)} sensors are too many; expected at most {_MOST} of each"
        )
        report.add((), what)
    report.close()
    made = with_derived(given)
    deadlocks.check(made, order, report)
    report.close()
    return made


def _pacing(order: Sequence[Station], context: Context) -> int:
    name, known = context.plant.pacing, {station.name: station.index for station in order}
    context.report.check_known(("pacing",), name, "an operation", known)
    return known.get(name or "", -1)


def _source(unit: int, name: str, shape: shapes.Source, context: Context) -> spec.Source:
    mix, sequence = checks.check_source(name, shape, context)
    return spec.Source(
        name=name,
        unit=unit,
        interarrival=shape.interarrival if isinstance(shape.interarrival, Distribution) else None,
        arrivals_s=tuple(shape.schedule or ()),
        when_full=shape.when_full,
        cards=shape.cards,
        mix=mix,
        sequence=sequence,
        material_cost=shape.material_cost,
    )


def _check_unused_kinds(order: Sequence[Station], context: Context) -> None:
    used = {station.shape.kind or PLAIN_KIND for station in order}
    for name, kind in context.plant.kinds.items():
        if name not in used:
            outfit([(("kinds", name), kind)], context)
        context.report.check_known(
            ("kinds", name, "behaviour"), kind.behaviour, "a behaviour", context.catalogue.behaviours
        )


def _operation(
    station: Station, index: dict[str, int], takers: dict[str, int], machines: Sequence[spec.Machine], context: Context
) -> spec.Operation:
    shape, path, report = station.shape, station.path, context.report
    cycle = shape.cycle_time
    if cycle.mean_s < _SHORTEST_S:
        report.add((*path, "cycle_time"), f"is {cycle}; expected at least 1 ms on average")
    report.check_known((*path, "behaviour"), shape.behaviour, "a behaviour", context.catalogue.behaviours)
    kind, inspection, batch = context.plant.kinds.get(shape.kind or PLAIN_KIND), shape.inspection, shape.batch
    rework_to = index.get(inspection.rework_to or "", spec.SINK) if inspection else spec.SINK
    return spec.Operation(
        name=station.name,
        title=shape.title or station.name,
        section=context.index["sections"][station.section],
        kind=shape.kind or PLAIN_KIND,
        behaviour=shape.behaviour or (kind.behaviour if kind else None) or MACHINING,
        machines=tuple(machine.unit for machine in machines),
        cycle_time=cycle,
        unit_time_s=shape.unit_time or cycle.mean_s,
        inputs=tuple(_input(feed, index, context) for feed in station.feeds),
        destination=takers.get(station.name, spec.SINK),
        inspection=spec.Inspection(inspection.scrap, inspection.rework, rework_to, inspection.max_loops)
        if inspection
        else None,
        batch=spec.Batch(batch.size, batch.minimum, batch.timeout) if batch else None,
        rework_places=spec.UNLIMITED if shape.rework_places is None else shape.rework_places,
        rework_first=shape.rework_first,
        rework_components=shape.rework_components,
        variant_factor=_variant_factors(station, context),
        setup_s=checks.check_setup(path, shape, context),
        setup_operator=context.lookup((*path, "setup_operator"), shape.setup_operator, "crews"),
        operator=context.lookup((*path, "operator"), shape.operator, "crews"),
        robot=context.lookup((*path, "robot"), shape.robot, "robots"),
        place=report.place(path, at_key=True),
    )


def _variant_factors(station: Station, context: Context) -> tuple[float, ...]:
    given, path = station.shape.variant_factor, (*station.path, "variant_factor")
    cycle_s = station.shape.cycle_time.mean_s
    for variant in given:
        context.lookup((*path, variant), variant, "variants")
    factors = tuple(given.get(variant, 1.0) for variant in context.plant.variants) if given else ()
    if factors and min(factors) * cycle_s < _SHORTEST_S:
        context.report.add(path, "makes a cycle shorter than 1 ms")
    return factors


def _input(feed: Feed, index: dict[str, int], context: Context) -> spec.Input:
    conveyor, fleet = routes.carriers(feed, context)
    source, operation = context.index["sources"].get(feed.origin, -1), index.get(feed.origin, -1)
    return spec.Input(source, operation, feed.shape.quantity, feed.shape.buffer or 0, conveyor, fleet)


def _cost(context: Context) -> spec.Cost:
    costs, prices = context.plant.costs, dict(context.plant.tariff)
    times = sorted(prices) or [0.0]
    if times[0] > 0:  # the last price of a day applies after midnight too
        prices[0.0] = prices[times[-1]]
        times.insert(0, 0.0)
    tariff = spec.Tariff(tuple(times), tuple(prices.get(t, 0.0) for t in times))
    return spec.Cost(context.plant.currency, tariff, costs.machine, costs.labour, costs.repair, costs.scrap)


def _link(context: Context) -> spec.LinkProfile:
    link, report = context.plant.link, context.report
    if link.jitter and link.latency == 0:
        report.add(("link", "jitter"), "needs a latency above 0 s that it spreads", "Write latency: 10 ms.")
    for key, other in (("outage", "outage_every"), ("outage_every", "outage")):
        if getattr(link, key) and not getattr(link, other):
            report.add(("link", key), f"needs {other}", "Write outage_every: 2 h and outage: 20 s.")
    keys = {"latency_s": "latency", "jitter_s": "jitter", "loss": "loss"}
    keys |= {"outage_every_s": "outage_every", "outage_s": "outage"}
    given = {field: value for field, key in keys.items() if (value := getattr(link, key)) is not None}
    return replace(PROFILES[link.profile], **given)


class _Units:
    """Assigns ids to units and sensors; call it for machines, robots, vehicles, conveyors and crews in that order."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.names: list[str] = list(context.plant.sources)
        self.sensors: list[spec.Sensor] = []
        self._of_kind: dict[str, Outfit] = {}  # of operations without equipment of their own

    def machines(self, station: Station) -> list[spec.Machine]:
        """Return the machines of a station with their units, equipment and sensors."""
        context, plant, kind = self._context, self._context.plant, station.shape.kind or PLAIN_KIND
        if station.shape.kind is not None and kind not in plant.kinds:
            hint = did_you_mean(kind, plant.kinds) or "Describe it under kinds."
            context.report.add((*station.path, "kind"), f"{kind!r} is not one of the plant's kinds", hint)
        of_kind = (("kinds", kind), plant.kinds.get(kind, shapes.Kind()))
        levels: list[tuple[Path, shapes.Equipment]] = [of_kind, (station.path, station.shape)]
        plain = not station.shape.model_fields_set & _EQUIPMENT
        common = self._of_kind.get(kind) if plain else None
        common, machines = common or outfit(levels, context), []
        if plain:
            self._of_kind[kind] = common
        for name in context.names.get(station.name, ()):
            own, path = plant.machines.get(name), ("machines", name)
            above = (("sections", station.section), plant.sections[station.section]), ((), plant)
            nearest_first = (path, own), (station.path, station.shape), of_kind, *above
            shifts = ((p, shape.shift) for p, shape in nearest_first if shape is not None and shape.shift is not None)
            at, shift = next(shifts, ((), None))
            fit, (unit,) = common if own is None else outfit([*levels, (path, own)], context), self._new(name)
            machine = spec.Machine(
                name=name,
                unit=unit,
                operation=station.index,
                kind=kind,
                failures=fit.failures,
                maintenance=fit.maintenance,
                power_w=fit.power_w,
                sensors=self._sensors(unit, fit.sensors),
                shift=context.lookup((*at, "shift"), shift, "shifts"),
                place=context.report.place(station.path, at_key=True),
                faults=fit.faults,
            )
            machines.append(machine)
        return machines

    def robot(self, name: str, shape: shapes.Robot) -> spec.Robot:
        """Return robots with their units and sensors."""
        units = self._new(*checks.robot_names(name, min(shape.count, _MOST)))
        sensors = own_sensors(shape.sensors, ("robots", name), "robot", self._context)
        each = tuple(self._sensors(unit, sensors) for unit in units)
        return spec.Robot(name, units, power_by_state(shape.power), each)

    def fleet(self, fleet: spec.Fleet) -> spec.Fleet:
        """Return the fleet with units and sensors of its vehicles."""
        shape = self._context.plant.fleets[fleet.name]
        sensors = own_sensors(shape.sensors, ("fleets", fleet.name), "vehicle", self._context)
        units = self._members(fleet.name, shape.count)
        return replace(fleet, units=units, sensors=tuple(self._sensors(unit, sensors) for unit in units))

    def conveyor(self, name: str, shape: shapes.Conveyor) -> spec.Conveyor:
        """Return a conveyor with its unit."""
        return spec.Conveyor(name, self._new(name)[0], shape.delay, shape.capacity)

    def crew(self, name: str, shape: shapes.Crew) -> spec.Crew:
        """Return a crew with units of its people."""
        shift = self._context.lookup(("crews", name, "shift"), shape.shift, "shifts")
        hours = self._context.plant.shifts.get(shape.shift or "")
        if hours is not None and "at_end" in hours.model_fields_set and hours.at_end == "pause":
            what = f"crew {name} works in this shift, and its people finish what they do (rule POOL-5)"
            self._context.report.add(
                ("shifts", str(shape.shift), "at_end"), what, "Give the crew a shift without at_end."
            )
        return spec.Crew(name, self._members(name, shape.count), tuple(shape.skills), shift, shape.wage)

    def _members(self, name: str, count: int) -> tuple[int, ...]:
        return self._new(*(f"{name}-{n + 1}" for n in range(min(count, _MOST))))

    def _new(self, *names: str) -> tuple[int, ...]:
        self.names += names
        return tuple(range(len(self.names) - len(names), len(self.names)))

    def _sensors(self, unit: int, sensors: Sequence[spec.Sensor]) -> tuple[int, ...]:
        first = len(self.sensors)
        self.sensors += [replace(sensor, id=first + n, unit=unit) for n, sensor in enumerate(sensors)]
        return tuple(range(first, len(self.sensors)))
