"""Every type that crosses a room: struct-of-arrays, no behaviour beyond slicing and joining."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

I1 = NDArray[np.int8]
U1 = NDArray[np.uint8]
I2 = NDArray[np.int16]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
B1 = NDArray[np.bool_]


class _Columns:
    """Equal-length columns: length, slicing by a NumPy index, joining."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def take(self, index: Any) -> Self:
        """Rows chosen by a slice, a mask or an index array."""
        return type(self)(*(getattr(self, f.name)[index] for f in fields(self)))  # type: ignore[arg-type]

    @classmethod
    def join(cls, pieces: Sequence[Self]) -> Self:
        """All rows of all pieces, in that order."""
        if len(pieces) == 1:
            return pieces[0]
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        return cls(*(np.concatenate([getattr(p, n) for p in pieces]) for n in names))


@dataclass(frozen=True, slots=True, eq=False)
class EventLog(_Columns):
    """What happened: one row = one unit entered one state, or took or gave one part.

    All columns have shape (n,), rows stand in causal order (t_us never falls). Several parts at one instant are
    consecutive rows of zero length. Codes: plant/states.py.
    """

    t_us: I8  # since the run's start
    unit: I2
    state: U1  # the unit is in this state from t_us on
    part: I4  # -1: none
    outcome: U1
    detail: I4
    cause: I4  # index of the row that enabled this one, counted from the run's first row; -1: none or unknown

    @classmethod
    def empty(cls) -> EventLog:
        """A log without rows."""
        kinds = (np.int64, np.int16, np.uint8, np.int32, np.uint8, np.int32, np.int32)
        columns: list[Any] = [np.empty(0, kind) for kind in kinds]
        return cls(*columns)


@dataclass(frozen=True, slots=True, eq=False)
class Rows(_Columns):
    """Event rows as telemetry carries them: without cause, with the unit's own sequence number.

    All columns have shape (n,). `seq` counts the unit's rows from 0 without gaps, in causal order.
    """

    t_ns: I8  # since 1970 UTC
    unit: I2
    seq: I8
    state: U1
    part: I4
    outcome: U1
    detail: I4

    @classmethod
    def empty(cls) -> Rows:
        """No rows."""
        kinds = (np.int64, np.int16, np.int64, np.uint8, np.int32, np.uint8, np.int32)
        columns: list[Any] = [np.empty(0, kind) for kind in kinds]
        return cls(*columns)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Periodic readings of some sensors of one period, tick-major.

    Tick k is the moment k * period after the run's start. It is also the sequence number: a unit's samples of one
    period have no gaps between the first and the last tick that were sent.
    """

    period_us: int
    first_tick: int
    sensor: I2  # shape (n_sensors,): sensor ids
    raw: I4  # shape (n_ticks, n_sensors): counts; value = raw * scale + offset
    present: B1 | None = None  # shape (n_ticks, n_sensors); None: all there


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What the sensors said in one stretch of time. A row counts as four readings: state, part, outcome, detail."""

    rows: Rows
    samples: tuple[Samples, ...] = ()

    def count(self) -> int:
        """Number of readings."""
        cells = sum(s.raw.size if s.present is None else int(s.present.sum()) for s in self.samples)
        return ROW_READINGS * len(self.rows) + cells


ROW_READINGS = 4


@dataclass(frozen=True, slots=True)
class Message:
    """What a format makes and a client carries."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    ready_ns: int = field(default=0, compare=False)  # moment of its last reading; 0: it holds none


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open stretch [t0_us, t1_us) of a run that is analysed."""

    t0_us: int
    t1_us: int


@dataclass(frozen=True, slots=True)
class UnitInfo:
    """A unit, as a subscriber needs to know it."""

    name: str
    role: str  # "source", "machine", "robot", "vehicle", "conveyor", "crew"
    kind: str = ""
    operation: int = -1
    section: str = ""
    power_w: tuple[float, ...] = ()  # by state, for the energy audit


@dataclass(frozen=True, slots=True)
class InputInfo:
    """A buffer in front of an operation: `source` is a unit id or -1, `operation` an index or -1."""

    source: int
    operation: int
    quantity: int
    capacity: int
    transport: str = ""  # "", "conveyor" or "fleet"


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """An operation, as a subscriber needs to know it."""

    name: str
    title: str
    section: str
    machines: tuple[int, ...]  # unit ids
    inputs: tuple[InputInfo, ...]
    destination: int  # operation index, -1: sink
    unit_time_s: float
    batch: int = 1
    robot: int = -1  # unit id of its robot
    rework_to: int = -1


@dataclass(frozen=True, slots=True)
class SensorInfo:
    """A periodic channel: value = raw * scale + offset, in `unit_text`."""

    id: int
    unit: int
    name: str
    kind: str
    unit_text: str
    scale: float
    offset: float
    low: float
    high: float
    period_us: int
    bits: int


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in `currency`."""

    currency: str
    tariff_from_s: tuple[float, ...]
    tariff_per_kwh: tuple[float, ...]
    machine_per_h: float
    labour_per_h: float
    repair_per_h: float
    scrap_per_part: float
    material: tuple[tuple[int, float], ...] = ()  # (source unit, cost per part entered)


@dataclass(frozen=True, slots=True)
class Meta:
    """All that a subscriber must know to understand a feed: retained under <root>/meta."""

    run_id: str
    plant: str
    epoch_ns: int  # the run's start, ns since 1970 UTC
    timezone: str
    window: Window
    units: tuple[UnitInfo, ...]
    operations: tuple[OperationInfo, ...]
    sensors: tuple[SensorInfo, ...]
    failure_modes: tuple[tuple[str, ...], ...]  # by unit: names, `detail` of DOWN and REPAIR rows
    variants: tuple[str, ...]
    planned_us: tuple[tuple[int, int], ...]  # planned production within the window
    prices: Prices
    base_load_w: float = 0.0
    pacing: int = -1
    sent_rows: tuple[int, ...] = ()  # by unit; empty until the run has ended
    sent_ticks: tuple[tuple[int, int, int], ...] = ()  # (period_us, first tick, ticks), every sensor of that period
    version: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Kpi:
    """One quantity for the line () or for each of n things (n,)."""

    values: F8
    unit: str  # "s", "1", "parts/h", "kWh/part" ...
    per: str  # "line", "operation", "machine", "section"
    better: int  # +1: more is better, -1: less, 0: neither
    source: str  # formula or standard


@dataclass(frozen=True, slots=True, eq=False)
class KpiTable:
    """name -> values, with what they are of."""

    window: Window
    operations: tuple[str, ...]
    machines: tuple[str, ...]
    sections: tuple[str, ...]
    kpis: dict[str, Kpi]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the simulator itself counted in a window, for the audit only: analysis never sees it.

    Kept by counters and drawn times, not derived from the log. Shapes (n_units,).
    """

    window: Window
    parts: I8  # cycles (for a furnace: parts) that ended in the window
    busy_us: I8  # busy time of those cycles, also what lies before the window
    scrapped: I8
    good_parts: int  # that reached the sink in the window


@dataclass(frozen=True, slots=True)
class Arm:
    """One plant of a study: how to load it again, and what a report says about it."""

    name: str
    role: str  # "base", "scenario", or "probe": a variant that answers a further question
    file: str
    changes: tuple[str, ...] | None  # groups of a scenario's changes that apply; None: all
    overrides: tuple[str, ...]
    digest: str  # of the resolved plant
    plant: str
    title: str
    question: str
    currency: str
    operations: tuple[str, ...]
    operation_titles: tuple[str, ...]
    operation_sections: tuple[str, ...]
    machines: tuple[str, ...]
    machine_operations: tuple[int, ...]
    pacing: int  # operation index; -1: none named
    planned_us: tuple[tuple[int, int], ...]  # planned production, from the run's start
    investment: Mapping[str, float] | None = None
    assumptions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # names of its changes, for the attribution
    probe: Mapping[str, Any] | None = None
    start: str = ""  # of a run, by the plant's clock; "": not kept


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One replication of one arm, in a few kilobytes. NaN: not defined. docs/studies.md says what each field holds."""

    arm: str
    replication: int
    seconds: float  # wall time; of one that only counts, processor time
    line: Mapping[str, float]
    operation: Mapping[str, F8]
    state_share: Mapping[str, F8]
    out: I8
    wip: I8
    losses: tuple[tuple[str, str, str, float], ...] = ()  # section, reason, by, hours
    strip: str = ""  # a digit (a State) a machine and step


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Trials, decided before the first one ran, and what they are trials of."""

    header: Mapping[str, Any]
    arms: Mapping[str, Arm]
    trials: Mapping[tuple[str, int], Trial]
