"""What the analysis concludes of a feed, as the page shows it: computed by the listener, at its own slow pace."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import clock
from factory_sim.analysis import bottleneck, losses
from factory_sim.live.listen_result import feed_counts
from factory_sim.live.rolling.shift_spans import hours_of
from factory_sim.views.kpi_dict import kpi_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.analysis.facts import Facts
    from factory_sim.analysis.losses import Loss
    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.live.listen import Listener
    from factory_sim.records import KpiTable, Meta, Window
    from factory_sim.results.feed import FeedCounts
    from factory_sim.results.simulate import KpiValues

SHOWN_LOSSES, SHOWN_STOPS, SHOWN_PATH = 12, 5, 5
# Key of the top -> KPI
TOP = {
    "good_parts": "line.good_parts",
    "rate_per_h": "line.good_parts_per_h",
    "oee": "line.oee",
    "energy_kwh_per_part": "line.kwh_per_part",
}
_PATH, _SHIFTS = "operation.critical_path_share", "off"


def concluded(listener: Listener) -> Conclusions:
    """Return the conclusions of a listener at this moment. Raises NoFeedError."""
    whole, windows = listener.table(), listener.windows
    assert windows is not None
    windows.refresh()
    facts, hour, meta = windows.facts("shift"), windows.facts("1 h"), windows.feed.meta
    table = windows.table("shift") or whole
    return Conclusions(
        meta=meta,
        whole=whole,
        table=table,
        windows=windows.tables(),
        shift=named_shift(meta, table.window),
        losses=losses.pareto(facts) if facts else (),
        stopped=stops(hour) if hour else (),
        feed=feed_counts(listener),
        findings=listener.trust.findings,
        conflicts=tuple(listener.conflicts),
        joined_us=listener.joined_us,
    )


def named_shift(meta: Meta, window: Window) -> tuple[str, int, int]:
    """Return the shift in which a window begins: its name, the begin of the window, and the end that it will have."""
    hours = hours_of(meta, window.t0_us, window.t0_us + 1)
    name, _, end_us = next(iter(hours), ("", window.t0_us, window.t1_us))
    return name, window.t0_us, end_us


def stops(facts: Facts) -> list[losses.Loss]:
    """Return what stopped the operation that limits the line, longest first; an hour lost there is lost for the line.

    Where no operation limits it, all losses.
    """
    shares = bottleneck.shares(facts.path_us, facts.meta)
    limit = int(np.nanargmax(shares)) if np.isfinite(shares).any() else -1
    return [each for each in losses.pareto(facts) if limit in {-1, each.operation} and each.reason != _SHIFTS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusions:
    """The conclusions at one instant of the feed."""

    meta: Meta
    whole: KpiTable  # the KPIs of `listen --json`
    table: KpiTable  # of the shift so far
    windows: Mapping[str, KpiTable] = field(default_factory=dict)  # by name, as `listen --json` has them
    shift: tuple[str, int, int]  # name, begin and end [µs since the run's start]
    losses: Sequence[Loss]  # of the shift so far, longest first
    stopped: Sequence[Loss]  # of the last hour
    feed: FeedCounts
    findings: Sequence[Finding] = ()
    conflicts: Sequence[str] = ()
    joined_us: int | None = None  # of a listener that joined late: where what it received begins

    @property
    def t_ms(self) -> int:
        """The end of what was analysed [ms since 1970 UTC]."""
        return self.ms(self.table.window.t1_us)

    def ms(self, t_us: int) -> int:
        """Return an instant of the run [ms since 1970 UTC]."""
        return int(clock.ns_from_us(t_us, self.meta.epoch_ns)) // 1_000_000

    def values(self) -> dict[str, KpiValues]:
        """Return the KPIs of the shift."""
        return kpi_values(self.table)

    def top(self) -> dict[str, object]:
        """Return the figures at the top of the page."""
        values = self.values()
        reasons: dict[str, str] = {}
        marks: dict[str, str] = {}
        found: dict[str, object] = {"t_ms": self.t_ms, "plan_parts": self.meta.plan_parts or None}
        for key, name in TOP.items():
            kpi = values[name]
            value = kpi.values["line"]
            found[key] = value if value is not None and math.isfinite(value) else None
            if found[key] is None:
                reasons[key] = kpi.reasons.get("line", "")
            if mark := kpi.marks.get("line"):
                marks[key] = mark
        path = [{"kind": "operation", "name": name, "share": share} for name, share in self.path()]
        if not path:
            reasons["constraint"] = next(iter(values[_PATH].reasons.values()), "No good part has left the line yet.")
        name, begin_us, end_us = self.shift
        return found | {
            "shift": {"name": name, "from_ms": self.ms(begin_us), "to_ms": self.ms(end_us)},
            "constraint": next(iter(path), None),
            "path": path[:SHOWN_PATH],
            "stopped": [
                {"name": self._name(each), "kind": each.reason, "by": each.by, "seconds": round(each.seconds, 1)}
                for each in self.stopped[:SHOWN_STOPS]
            ],
            "reasons": reasons,
            "marks": marks,
        }

    def path(self) -> list[tuple[str, float]]:
        """Return operations with their share of the critical path, largest first."""
        shares = self.values()[_PATH].values.items()
        found = [(name, share) for name, share in shares if share is not None and share > 0]
        return sorted(found, key=lambda each: -each[1])

    def pareto(self) -> dict[str, object]:
        """Return the largest losses of the shift, without closed shifts and breaks."""
        worst = [each for each in self.losses if each.reason != _SHIFTS]
        return {
            "pareto": [
                {"reason": each.reason, "at": self._name(each), "by": each.by, "seconds": round(each.seconds, 1)}
                for each in worst[:SHOWN_LOSSES]
            ],
            "pareto_total_s": round(sum(each.seconds for each in worst), 1),
        }

    def distrusted(self, unit: int) -> list[dict[str, object]]:
        """Return what is distrusted of a unit."""
        return [{"sensor": self._sensor(each), "text": each.reason} for each in self.findings if each.unit == unit]

    def alarms(self) -> list[dict[str, object]]:
        """Return what is wrong with sensors and with the feed."""
        names = self.meta.units
        found: list[dict[str, object]] = [
            {
                "id": f"sensor:{names[each.unit].name}.{self._sensor(each) or ''}:{each.kind}",
                "since_ms": self.ms(each.t0_us),
                "unit": names[each.unit].name,
                "what": "sensor",
                "severity": "low",
                "text": ": ".join(filter(None, (self._sensor(each), each.kind.replace("_", " "), each.reason))),
            }
            for each in self.findings
        ]
        faults = {
            "lost": (self.feed.lost, f"{self.feed.lost:,} readings are missing."),
            "damaged": (self.feed.damaged, f"{self.feed.damaged:,} readings contradict the plant or its clock."),
            "foreign": (self.feed.foreign, f"{self.feed.foreign:,} samples are of unknown sensors."),
            "skipped": (self.feed.skipped, f"{self.feed.skipped:,} messages could not be read."),
        }
        begin_ms = self.ms(self.shift[1])
        found += [feed_alarm(f"feed:{key}", begin_ms, text, "medium") for key, (n, text) in faults.items() if n]
        found += [feed_alarm(f"feed:{text}", begin_ms, text, "medium") for text in self.conflicts]
        if self.joined_us is not None:
            text = "The listener joined late: what came before is not known, parts in buffers included."
            found.append(feed_alarm("feed:joined", self.ms(self.joined_us), text, "low"))
        return found

    def _name(self, loss: Loss) -> str:
        return self.meta.operations[loss.operation].name

    def _sensor(self, finding: Finding) -> str | None:
        if finding.sensor < 0:
            return None
        return next(each.name for each in self.meta.sensors if each.id == finding.sensor)


def feed_alarm(key: str, since_ms: int, text: str, severity: str) -> dict[str, object]:
    """Return an alarm about the feed."""
    return {"id": key, "since_ms": since_ms, "unit": None, "what": "feed", "severity": severity, "text": text}
