"""Sparkplug B metrics of any edge node, by name or by the alias that its birth gave."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.intake.buffer import FULL, Buffer
from factory_sim.intake.mapping import UNKNOWN, Item
from factory_sim.intake.sources.json_messages import count_unmatched, topic_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import ForeignMetric, Observations

NO_BIRTH = "Sparkplug metric with an alias that no birth has named yet"
LOST = "Sparkplug messages missing by their sequence number"
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_WITH_DEVICE = ("DBIRTH", "DDEATH", "DDATA")
_SEQ = 256


@dataclass(slots=True)
class _Node:
    """An edge node: names and data types by alias, and the units it has reported."""

    aliases: dict[int, tuple[str, int]] = field(default_factory=dict)
    datatypes: dict[tuple[str, str], int] = field(default_factory=dict)
    units: dict[str, set[int]] = field(default_factory=dict)  # device -> units
    seq: int = -1
    bd_seq: int = -1  # of its latest birth
    latest_ns: tuple[int, int] = (0, 0)  # time stamp and arrival of its latest message

    def died_ns(self, arrival_ns: int) -> int:
        """Return when it died, by its own clock: the time stamp of an NDEATH is that of its connection."""
        t_ns, before_ns = self.latest_ns
        return t_ns + max(arrival_ns - before_ns, 0)


@dataclass(frozen=True, slots=True)
class _Found:
    """One metric by name, and the node and device that sent it."""

    node: _Node
    device: str
    name: str
    value: bool | float | str | None
    unit: str  # of measure, as the node states it


class SparkplugMetrics:
    """The sources of kind sparkplug of one feed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sources = [source for source in context.mapping.sources if source.kind == "sparkplug"]
        self._patterns = [topic_pattern(source.pattern) for source in self._sources]
        self._specs = [{each.where: each for each in source.items} for source in self._sources]
        self._wild = [
            [(_compiled(where), each) for where, each in specs.items() if "{unit}" in where] for specs in self._specs
        ]
        self._buffers = [Buffer(source, context) for source in self._sources]
        self._nodes: dict[tuple[str, str], _Node] = {}

    def filters(self) -> list[str]:
        """Return the topics to subscribe to: the whole group, births included."""
        groups = {source.pattern.split("/")[0] for source in self._sources}
        return [f"spBv1.0/{'+' if '{' in group or group == '+' else group}/#" for group in sorted(groups)]

    def take(self, topic: str, metrics: Sequence[ForeignMetric], t_ns: int, seq: int, arrival_ns: int) -> None:
        """Use one message; t_ns is the payload's time stamp, 0 for none; seq -1 for none."""
        levels = topic.split("/")
        if len(levels) < 4:
            return
        _, group, kind, node_id, *rest = levels
        node, device = self._nodes.setdefault((group, node_id), _Node()), rest[0] if rest else ""
        self._check_seq(node, kind, seq, topic)
        where = f"{group}/{node_id}/{device}" if kind in _WITH_DEVICE else f"{group}/{node_id}"
        matches = [
            (i, match)
            for i, pattern in enumerate(self._patterns)
            if (match := pattern.fullmatch(where) or pattern.fullmatch(f"{group}/{device}" if device else ""))
        ]
        if kind == "NDEATH" and _is_of_an_earlier_birth(node, metrics):
            return
        if kind.endswith("DEATH"):
            self._dead(node, device, node.died_ns(arrival_ns) if kind == "NDEATH" else t_ns or arrival_ns)
            return
        node.latest_ns = max(node.latest_ns, (t_ns or arrival_ns, arrival_ns))
        if kind in ("NBIRTH", "DBIRTH"):
            self._born(node, kind, device, metrics)
        elif kind not in ("NDATA", "DDATA"):
            return
        if not matches:
            count_unmatched(topic, self._sources, self._context.tally)
            return
        for metric in metrics:
            named = self._named(node, device, metric, topic)
            if named is not None:
                found = _Found(node, device, named[0], _signed(metric.value, named[1]), metric.engineering_unit)
                for i, match in matches:
                    self._use(i, match.groupdict().get("unit", ""), found, metric.t_ns or t_ns, arrival_ns)

    def ripe(self, *, everything: bool = False) -> Iterator[tuple[SourceMap, Observations]]:
        """Yield the observations of full buffers, or of all."""
        for source, buffer in zip(self._sources, self._buffers, strict=True):
            if len(buffer) >= FULL or (everything and len(buffer)):
                yield source, buffer.flush()

    def _check_seq(self, node: _Node, kind: str, seq: int, topic: str) -> None:
        if seq < 0 or kind == "NDEATH":
            return
        if kind != "NBIRTH" and node.seq >= 0 and (missing := (seq - node.seq - 1) % _SEQ) and missing < _SEQ // 2:
            self._context.tally.where = ""
            self._context.tally.add(LOST, topic, missing)
        node.seq = seq

    def _born(self, node: _Node, kind: str, device: str, metrics: Sequence[ForeignMetric]) -> None:
        if kind == "NBIRTH":
            node.aliases, node.datatypes, node.bd_seq = {}, {}, _bd_seq_of(metrics)
        for each in metrics:
            if each.alias >= 0 and each.name:
                node.aliases[each.alias] = (each.name, each.datatype)
            node.datatypes[device, each.name] = each.datatype

    def _named(self, node: _Node, device: str, metric: ForeignMetric, topic: str) -> tuple[str, int] | None:
        if metric.name:
            return metric.name, metric.datatype or node.datatypes.get((device, metric.name), 0)
        known = node.aliases.get(metric.alias)
        if known is None:
            self._context.tally.where = topic
            self._context.tally.add(NO_BIRTH, f"alias {metric.alias}")
            return None
        return known[0], metric.datatype or known[1]

    def _use(self, i: int, unit_name: str, found: _Found, t_ns: int, arrival_ns: int) -> None:
        spec = self._specs[i].get(found.name)
        unit_name = unit_name or self._sources[i].unit
        if spec is None:
            wild = ((each, match) for pattern, each in self._wild[i] if (match := pattern.fullmatch(found.name)))
            spec, match = next(wild, (None, None))
            if spec is None or match is None:
                self._context.saw(self._sources[i].index, found.name)
                return
            unit_name = match["unit"]
        context = self._context
        context.tally.where = f"{found.device}: {found.name}" if found.device else found.name
        unit = context.unit(unit_name)
        if unit < 0 or not context.owns(self._sources[i].index, unit, spec.item):
            return
        context.compare_unit(spec, found.unit)
        found.node.units.setdefault(found.device, set()).add(unit)
        self._buffers[i].add((t_ns or arrival_ns, unit, spec.item, context.value(spec, found.value)))
        self._buffers[i].arrival_ns = arrival_ns

    def _dead(self, node: _Node, device: str, t_ns: int) -> None:
        """Set the units of a dead node or device to unknown."""
        dead = node.units.get(device, set()) if device else set().union(*node.units.values())
        for i, source in enumerate(self._sources):
            for unit in dead if any(each.item == Item.STATE for each in source.items) else ():
                if self._context.owns(source.index, unit, Item.STATE):
                    self._buffers[i].add((t_ns, unit, int(Item.STATE), float(UNKNOWN)))


def _is_of_an_earlier_birth(node: _Node, death: Sequence[ForeignMetric]) -> bool:
    """Return whether a will is that of a connection that the node has replaced since."""
    number = _bd_seq_of(death)
    return number >= 0 and node.bd_seq >= 0 and number != node.bd_seq


def _bd_seq_of(metrics: Sequence[ForeignMetric]) -> int:
    return next((each.value for each in metrics if each.name == "bdSeq" and isinstance(each.value, int)), -1)


def _signed(value: bool | float | str | None, datatype: int) -> bool | int | float | str | None:
    bits = _SIGNED_BITS.get(datatype, 0)
    if bits and isinstance(value, int):
        carrier = 64 if bits == 64 else 32
        value &= (1 << carrier) - 1
        return value - (1 << carrier) if value >= 1 << (carrier - 1) else value
    return value


def _compiled(where: str) -> re.Pattern[str]:
    return re.compile(re.escape(where).replace(r"\{unit\}", "(?P<unit>.+)"))
