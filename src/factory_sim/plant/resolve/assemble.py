"""From checked shapes to the plant: names become indexes, texts have become SI numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from factory_sim.distributions import Distribution
from factory_sim.errors import did_you_mean
from factory_sim.plant import spec
from factory_sim.plant.resolve import calendars, checks, deadlocks, flow, routes
from factory_sim.plant.resolve.derived import MACHINING, with_derived
from factory_sim.plant.resolve.equipment import Outfit, outfit, own_channels, power_by_state
from factory_sim.plant.yaml import shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.resolve.flow import Station
    from factory_sim.plant.resolve.sensors import Channel
    from factory_sim.plant.yaml.tree import Path

_SHORTEST_S = 1e-3  # of a cycle: less would let a run go on without time going on
_MOST = 32_767  # units and sensors: their ids are int16 in logs and on the wire
PLAIN_KIND = "machine"  # of operations that name none
PROFILES = {  # assumed: round figures of common industrial networks; docs/wire.md tells the reasons
    "wired": spec.LinkProfile("wired", 0.001, 0.0002, 0.0),
    "wifi": spec.LinkProfile("wifi", 0.008, 0.006, 0.005, 7200.0, 2.0),
    "5g": spec.LinkProfile("5g", 0.012, 0.003, 0.0001, 28800.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A machine with its name and equipment, not yet numbered."""

    name: str
    station: Station
    kind: str
    outfit: Outfit
    shift: int
    place: spec.Place


def build(context: Context) -> spec.Plant:
    """The plant; raises ConfigError with all problems of the file."""
    plant, report = context.plant, context.report
    start, topic_root = checks.check_plant(context)
    checks.check_names(context)
    order = flow.stations(context)
    if not order and not report.told(("sections",)):
        report.add(("sections",), "the plant has no operations", "Write sections: {main: {operations: {OP10: {...}}}}.")
    pacing = _pacing(order, context)
    made_shifts = tuple(_shift(name, shape, start, context) for name, shape in plant.shifts.items())
    made_sources = tuple(_source(n, name, shape, context) for n, (name, shape) in enumerate(plant.sources.items()))
    fitted = [machine for station in order for machine in _fitted(station, context)]
    _check_unused_kinds(order, context)
    operations = [_operation(station, context) for station in order]
    routes.check_conveyors(order, context)
    fleets = [routes.fleet(name, shape, order, context) for name, shape in plant.fleets.items()]
    numbered = _Numbered(context, fitted, fleets, len(made_sources))
    cost, link = _cost(context), _link(context)
    if max(len(numbered.units), len(numbered.sensors)) > _MOST:
        report.add(
            (), f"{len(numbered.units)} units and {len(numbered.sensors)} sensors are more than {_MOST} of either"
        )
    report.close()
    given = spec.Plant(
        str(plant.plant),
        plant.title or str(plant.plant),
        start.isoformat(),
        plant.timezone,
        topic_root,
        tuple(plant.sections),
        numbered.operations(operations),
        numbered.machines,
        made_sources,
        tuple(numbered.sensors),
        tuple(numbered.units),
        numbered.robots,
        numbered.fleets,
        numbered.conveyors,
        numbered.crews,
        made_shifts,
        tuple(plant.variants),
        plant.base_load,
        cost,
        link,
        pacing,
    )
    made = with_derived(given)
    deadlocks.check(made, order, report)
    report.close()
    return made


def _pacing(order: Sequence[Station], context: Context) -> int:
    name = context.plant.pacing
    known = {station.name: station.index for station in order}
    if name is not None and name not in known:
        context.report.add(("pacing",), f"{name!r} is not an operation", did_you_mean(name, known))
    return known.get(name or "", -1)


def _shift(name: str, shape: shapes.Shift, start: datetime, context: Context) -> spec.Shift:
    return spec.Shift(name, *checks.check_shift(name, shape, start, context), shape.at_end)


def _source(unit: int, name: str, shape: shapes.Source, context: Context) -> spec.Source:
    mix, sequence = checks.check_source(name, shape, context)
    interarrival = shape.interarrival if isinstance(shape.interarrival, Distribution) else None
    return spec.Source(
        name,
        unit,
        interarrival,
        tuple(shape.schedule or ()),
        shape.when_full,
        shape.cards,
        mix,
        sequence,
        shape.material_cost,
    )


def _kind(station: Station, context: Context) -> tuple[str, shapes.Kind]:
    name, kinds = station.shape.kind, context.plant.kinds
    if name is not None and name not in kinds:
        context.report.add(
            (*station.path, "kind"),
            f"{name!r} is not one of the plant's kinds",
            did_you_mean(name, kinds) or "Describe it under kinds.",
        )
    return name or PLAIN_KIND, kinds.get(name or PLAIN_KIND, shapes.Kind())


def _fitted(station: Station, context: Context) -> list[_Fitted]:
    kind, kind_shape = _kind(station, context)
    section: shapes.Section = context.plant.sections[station.section]
    levels: list[tuple[Path, shapes.Equipment]] = [(("kinds", kind), kind_shape), (station.path, station.shape)]
    common = outfit(levels, context)
    place, machines = context.report.place(station.path, at_key=True), []
    for name in context.names.get(station.name, ()):
        own = context.plant.machines.get(name)
        path: Path = ("machines", name)
        said = [
            (path, own),
            (station.path, station.shape),
            (("kinds", kind), kind_shape),
            (("sections", station.section), section),
            ((), context.plant),
        ]
        at, shift = next(((p, s.shift) for p, s in said if s is not None and s.shift is not None), ((), None))
        fit = common if own is None else outfit([*levels, (path, own)], context)
        machines.append(_Fitted(name, station, kind, fit, context.lookup((*at, "shift"), shift, "shifts"), place))
    return machines


def _check_unused_kinds(order: Sequence[Station], context: Context) -> None:
    used = {station.shape.kind or PLAIN_KIND for station in order}
    for name, kind in context.plant.kinds.items():
        if name not in used:
            outfit([(("kinds", name), kind)], context)
        if kind.behaviour is not None:
            _check_behaviour(("kinds", name, "behaviour"), kind.behaviour, context)


def _check_behaviour(path: Path, name: str, context: Context) -> None:
    if name not in context.catalogue.behaviours:
        context.report.add(path, f"{name!r} is not a behaviour", did_you_mean(name, context.catalogue.behaviours))


def _behaviour(station: Station, context: Context) -> str:
    """Return the behaviour named by the operation or else by its kind."""
    shape = station.shape
    if shape.behaviour is not None:
        _check_behaviour((*station.path, "behaviour"), shape.behaviour, context)
        return shape.behaviour
    kind = context.plant.kinds.get(shape.kind or PLAIN_KIND)
    return kind.behaviour if kind is not None and kind.behaviour is not None else MACHINING


def _operation(station: Station, context: Context) -> spec.Operation:
    shape, path, report = station.shape, station.path, context.report
    cycle = shape.cycle_time or Distribution("constant", 1.0)
    if shape.cycle_time is None:
        report.add(
            (*path, "cycle_time"), "is missing", "Write cycle_time: 37 s, or a distribution: lognormal(37 s, cv 0.1)."
        )
    elif cycle.mean_s < _SHORTEST_S:
        report.add((*path, "cycle_time"), f"is {cycle}; expected at least 1 ms on average")
    for variant in shape.variant_factor:
        context.lookup((*path, "variant_factor", variant), variant, "variants")
    factors = tuple(shape.variant_factor.get(v, 1.0) for v in context.plant.variants) if shape.variant_factor else ()
    if factors and min(factors) * cycle.mean_s < _SHORTEST_S:
        report.add((*path, "variant_factor"), "makes a cycle shorter than 1 ms")
    robot = context.lookup((*path, "robot"), shape.robot, "robots")
    operator = context.lookup((*path, "operator"), shape.operator, "crews")
    setter = context.lookup((*path, "setup_operator"), shape.setup_operator, "crews")
    inspection, batch = shape.inspection, shape.batch
    return spec.Operation(
        station.name,
        shape.title or station.name,
        context.index["sections"][station.section],
        shape.kind or PLAIN_KIND,
        _behaviour(station, context),
        (),
        cycle,
        shape.unit_time or cycle.mean_s,
        tuple(_input(feed, context) for feed in station.feeds),
        inspection=spec.Inspection(inspection.scrap, inspection.rework, spec.SINK, inspection.max_loops)
        if inspection
        else None,
        batch=spec.Batch(batch.size, batch.minimum, batch.timeout) if batch and batch.size else None,
        variant_factor=factors,
        setup_s=checks.check_setup(path, shape, context),
        setup_operator=setter,
        operator=operator,
        robot=robot,
        place=report.place(path, at_key=True),
    )


def _input(feed: flow.Feed, context: Context) -> spec.Input:
    conveyor, fleet = routes.carriers(feed, context)
    source = context.index["sources"].get(feed.origin, -1)
    return spec.Input(source, -1, feed.shape.quantity, feed.shape.buffer or 0, conveyor, fleet)


def _cost(context: Context) -> spec.Cost:
    costs, prices = context.plant.costs, dict[float, float]()
    for text, price in context.plant.tariff.items():
        try:
            prices[calendars.clock_s(text)] = price
        except ValueError as error:
            context.report.add(("tariff", text), str(error), at_key=True)
    times = sorted(prices) or [0.0]
    if times[0] > 0:  # the last price of a day goes on after midnight
        prices[0.0] = prices[times[-1]]
        times.insert(0, 0.0)
    tariff = spec.Tariff(tuple(times), tuple(prices.get(t, 0.0) for t in times))
    return spec.Cost(context.plant.currency, tariff, costs.machine, costs.labour, costs.repair, costs.scrap)


def _link(context: Context) -> spec.LinkProfile:
    link = context.plant.link
    if link.profile not in PROFILES:
        context.report.add(
            ("link",),
            f"{link.profile!r} is not a link profile",
            f"{did_you_mean(link.profile, PROFILES)} Or give numbers: {{latency: 20 ms, jitter: 5 ms, loss: 0.1 %}}.",
        )
    base = PROFILES.get(link.profile, PROFILES["wired"])
    if link.jitter and link.latency == 0:
        context.report.add(("link", "jitter"), "needs a latency above 0 s that it spreads", "Write latency: 10 ms.")
    for key, other in (("outage", "outage_every"), ("outage_every", "outage")):
        if getattr(link, key) and not getattr(link, other):
            context.report.add(("link", key), f"needs {other}", "Write outage_every: 2 h and outage: 20 s.")
    return spec.LinkProfile(
        base.name,
        *(
            default if value is None else value
            for value, default in (
                (link.latency, base.latency_s),
                (link.jitter, base.jitter_s),
                (link.loss, base.loss),
                (link.outage_every, base.outage_every_s),
                (link.outage, base.outage_s),
            )
        ),
    )


class _Numbered:
    """Gives every unit and every sensor its id: sources, machines, robots, vehicles, conveyors, crews."""

    def __init__(
        self, context: Context, fitted: Sequence[_Fitted], fleets: Sequence[spec.Fleet], n_sources: int
    ) -> None:
        self._context, self._fitted, self._ids = context, fitted, count(n_sources)
        self.units: list[str] = list(context.plant.sources)
        self.sensors: list[spec.Sensor] = []
        self._by_station: dict[str, list[int]] = {}
        self.machines = tuple(self._machine(machine) for machine in fitted)
        self.robots = tuple(self._robot(name, shape) for name, shape in context.plant.robots.items())
        self.fleets = tuple(self._fleet(fleet) for fleet in fleets)
        self.conveyors = tuple(
            spec.Conveyor(name, self._unit(name), shape.delay or 0.0, shape.capacity or 1)
            for name, shape in context.plant.conveyors.items()
        )
        self.crews = tuple(self._crew(name, shape) for name, shape in context.plant.crews.items())

    def operations(self, operations: Sequence[spec.Operation]) -> tuple[spec.Operation, ...]:
        """The operations with everything that needs the flow order: machines, origins, destinations, rework."""
        index = {operation.name: n for n, operation in enumerate(operations)}
        stations = {machine.station.name: machine.station for machine in self._fitted}
        destination = {feed.origin: index[name] for name, station in stations.items() for feed in station.feeds}
        made = []
        for operation in operations:
            station = stations[operation.name]
            inputs = tuple(
                replace(each, operation=index.get(feed.origin, -1))
                for each, feed in zip(operation.inputs, station.feeds, strict=True)
            )
            target = station.shape.inspection.rework_to if station.shape.inspection else None
            inspection = (
                replace(operation.inspection, rework_to=index[target])
                if operation.inspection and target
                else operation.inspection
            )
            made.append(
                replace(
                    operation,
                    inputs=inputs,
                    inspection=inspection,
                    machines=tuple(self._by_station[operation.name]),
                    destination=destination.get(operation.name, spec.SINK),
                )
            )
        return tuple(made)

    def _unit(self, name: str) -> int:
        self.units.append(name)
        return next(self._ids)

    def _channels(self, unit: int, channels: Iterable[Channel]) -> tuple[int, ...]:
        first = len(self.sensors)
        self.sensors += [
            spec.Sensor(
                first + n,
                unit,
                c.name,
                c.kind,
                c.unit_text,
                c.scale,
                c.offset,
                c.low,
                c.high,
                c.period_us,
                c.bits,
                c.params,
                c.faults,
            )
            for n, c in enumerate(channels)
        ]
        return tuple(range(first, len(self.sensors)))

    def _machine(self, machine: _Fitted) -> spec.Machine:
        unit, fit = self._unit(machine.name), machine.outfit
        self._by_station.setdefault(machine.station.name, []).append(unit)
        return spec.Machine(
            machine.name,
            unit,
            machine.station.index,
            machine.kind,
            fit.failures,
            fit.maintenance,
            fit.power_w,
            self._channels(unit, fit.channels),
            machine.shift,
            machine.place,
            fit.faults,
        )

    def _robot(self, name: str, shape: shapes.Robot) -> spec.Robot:
        unit = self._unit(name)
        channels = own_channels(shape.sensors, ("robots", name), "robot", self._context)
        return spec.Robot(name, unit, tuple(power_by_state(shape.power)), self._channels(unit, channels))

    def _fleet(self, fleet: spec.Fleet) -> spec.Fleet:
        shape = self._context.plant.fleets[fleet.name]
        channels = own_channels(shape.sensors, ("fleets", fleet.name), "vehicle", self._context)
        units = tuple(self._unit(f"{fleet.name}-{n + 1}") for n in range(min(shape.count or 1, _MOST)))
        return replace(fleet, units=units, sensors=tuple(self._channels(unit, channels) for unit in units))

    def _crew(self, name: str, shape: shapes.Crew) -> spec.Crew:
        if shape.count is None:
            self._context.report.add(("crews", name, "count"), "is missing", "Write count: 2.")
        units = tuple(self._unit(f"{name}-{n + 1}") for n in range(min(shape.count or 1, _MOST)))
        shift = self._context.lookup(("crews", name, "shift"), shape.shift, "shifts")
        return spec.Crew(name, units, tuple(shape.skills), shift, shape.wage)
