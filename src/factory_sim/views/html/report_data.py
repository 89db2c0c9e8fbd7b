"""The content of a comparison's page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.compare import Contribution
    from factory_sim.results.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of the line, compared."""

    key: str  # "good_parts_per_h"
    label: str
    unit: str
    better: int  # +1: more is better, -1: less, 0: neither
    values: tuple[Estimate, ...]  # by side, the baseline first
    changes: tuple[Estimate, ...]  # by side [%], of a percentage in points; of the baseline: empty interval at 0

    @property
    def change_unit(self) -> str:
        """The unit of the changes."""
        return "points" if self.unit == "%" else "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A resource as a limit of the line."""

    resource: str  # "OP410 Flank grinding" or "fleet agv"
    path_share: Estimate  # of the critical path [1]
    change: str = ""  # the change of it that earns most
    worth: Estimate | None = None  # good parts per shift that this earns
    ranks: Mapping[str, int] = field(default_factory=dict)  # of an operation by detector; 1: it names this one


@dataclass(frozen=True, slots=True)
class Lost:
    """Machine time lost, mean over replications [h in the window]."""

    section: str
    reason: str  # a key of palette.LOSS_REASONS
    by: str  # what it waited for; "": unknown
    hours: float


@dataclass(frozen=True, slots=True)
class Band:
    """A quantity over time, mean over replications with its interval; None where there is no value."""

    mean: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine of the line."""

    name: str
    operation: str
    section: str


@dataclass(frozen=True, slots=True)
class Share:
    """The contribution of one group of changes [percentage points of the line rate]."""

    name: str
    earned: Contribution


@dataclass(frozen=True, slots=True)
class Attribution:
    """The contributions to the change of the line rate; their means sum to the total's."""

    total: Estimate
    shares: tuple[Share, ...]
    how: str  # "exact": every combination was simulated, or "sampled"


@dataclass(frozen=True, slots=True)
class Side:
    """One scenario."""

    name: str
    title: str
    digest: str
    constraint: str  # what limits the line: "OP410 Flank grinding"
    question: str = ""
    changes: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()  # largest share first
    next_limit: str = ""  # sentence about the next constraint
    attribution: Attribution | None = None
    machines: tuple[Machine, ...] = ()
    states: tuple[tuple[float, ...], ...] = ()  # by machine: shares of the window, as palette.MACHINE_STATES has them
    losses: tuple[Lost, ...] = ()
    energy: Mapping[str, Estimate] = field(default_factory=dict)  # cause -> kWh per good part
    cost: Mapping[str, Estimate] = field(default_factory=dict)  # item -> currency per good part
    output: Band | None = None  # output interval [s], of planned time
    wip: Band | None = None  # parts inside
    welch: tuple[Band, Band] | None = None  # output [good parts/h] from the start: as it is, and smoothed
    strip: str = ""  # one digit (a State) a machine and step, machine after machine
    payback_years: Estimate | None = None
    investment: float = 0.0
    notes: tuple[tuple[str, str], ...] = ()  # label of a quantity, and why it is not defined or above 100 %


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything the page shows; the first side is the baseline."""

    plant: str
    study: str  # name of its file; "": it is not kept
    digest: str
    replications: int
    seed: int
    confidence: float
    warm_up_s: float
    duration_s: float
    currency: str
    sides: tuple[Side, ...]
    rows: tuple[Row, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    warm_up_how: str = ""
    series_step_s: float = 0.0
    welch_step_s: float = 0.0
    strip_step_s: float = 10.0
    begins: str = ""  # of the window, by the plant's clock: 2026-01-05T12:05:00; "": unknown
    operations: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # name -> title, section
    pacing: str = ""  # "OP750 Bolting of the cover": the station of the headline
    assumptions: tuple[str, ...] = ()
    drawing: str = ""  # SVG of the plant; "": the study does not contain its flow
