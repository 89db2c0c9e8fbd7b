"""The plain records that packages exchange: struct-of-arrays without behaviour beyond slicing and joining."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

I1 = NDArray[np.int8]
U1 = NDArray[np.uint8]
I2 = NDArray[np.int16]
I4 = NDArray[np.int32]
I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
B1 = NDArray[np.bool_]


_DTYPES = {"F8": np.float64, "U1": np.uint8, "I2": np.int16, "I4": np.int32, "I8": np.int64}


class _Columns:
    """Columns of equal length."""

    def __len__(self) -> int:
        return len(getattr(self, _names(type(self))[0]))

    def take(self, index: Any) -> Self:
        """Return the rows chosen by a slice, a mask or an index array.

        Parameters
        ----------
        index : slice, bool array of shape (n,), or int array of shape (k,)

        Returns
        -------
        A record of the same type with the chosen rows.
        """
        return type(self)(*(getattr(self, name)[index] for name in _names(type(self))))

    @classmethod
    def join(cls, pieces: Sequence[Self]) -> Self:
        """Return all rows of all pieces, in that order.

        Parameters
        ----------
        pieces : at least one record of this type

        Returns
        -------
        A record with the rows of all pieces; the piece itself if there is only one.
        """
        if len(pieces) == 1:
            return pieces[0]
        return cls(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in _names(cls)))

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[int]]) -> Self:
        """Return a record from rows of numbers.

        Parameters
        ----------
        rows : n sequences of one number per field, in the order of the fields

        Returns
        -------
        A record whose columns have shape (n,).
        """
        kinds = [_DTYPES[str(f.type)] for f in fields(cls)]  # type: ignore[arg-type]
        columns = zip(*rows, strict=True) if rows else ((),) * len(kinds)
        return cls(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))

    @classmethod
    def empty(cls) -> Self:
        """Return a record without rows."""
        return cls.of_rows(())


def _names(cls: Any) -> list[str]:
    return [f.name for f in fields(cls)]


@dataclass(frozen=True, slots=True, eq=False)
class EventLog(_Columns):
    """The rows of a run: in each row one unit entered one state, or took or gave one part.

    Rows are in causal order, so `t_us` never decreases. Several parts at one instant are consecutive rows of zero
    length. The codes are those of `factory_sim.plant.states`; the rules are ROW-1 to ROW-14 of docs/model.md.

    Attributes
    ----------
    t_us : int64 array, shape (n,) [µs]
        Time since the run's start.
    unit : int16 array, shape (n,)
        Unit id.
    state : uint8 array, shape (n,)
        The state of the unit from `t_us` on.
    part : int32 array, shape (n,)
        Part id; -1: none.
    outcome : uint8 array, shape (n,)
        What happened to the part.
    detail : int32 array, shape (n,)
        Depends on outcome and state (ROW-13).
    cause : int32 array, shape (n,)
        Index of the row that enabled this one, counted from the run's first row; -1: none or unknown.
    """

    t_us: I8
    unit: I2
    state: U1
    part: I4
    outcome: U1
    detail: I4
    cause: I4


@dataclass(frozen=True, slots=True, eq=False)
class Rows(_Columns):
    """Event rows as telemetry carries them: without cause, with the unit's own sequence number. Columns (n,)."""

    t_ns: I8  # since 1970 UTC
    unit: I2
    seq: I8  # counts the unit's rows from 0 without gaps, in causal order
    state: U1
    part: I4
    outcome: U1
    detail: I4


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Periodic readings of some sensors of one period, tick-major.

    Tick k is the time k * period after the run's start. It is also the sequence number: a unit's samples of one period
    have no gaps between the first and the last tick that were sent.
    """

    period_us: int
    first_tick: int
    sensor: I2  # shape (n_sensors,): sensor ids
    raw: I4  # shape (n_ticks, n_sensors): counts; value = raw * scale + offset
    present: B1 | None = None  # shape (n_ticks, n_sensors); None: all present


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """The readings of one stretch of time. A row counts as four: state, part, outcome, detail."""

    rows: Rows
    samples: tuple[Samples, ...] = ()

    def count(self) -> int:
        """Return the number of readings."""
        cells = sum(s.raw.size if s.present is None else int(s.present.sum()) for s in self.samples)
        return ROW_READINGS * len(self.rows) + cells


ROW_READINGS = 4
CLOCK_DOUBT = "clock_doubt"  # begins the entry of `Kpi.marks` about clocks that disagree
EMPTY_WINDOW = "the window has no parts, failures or time to compute it from"  # a reason in `Kpi.reasons`
NO_ROWS = Rows.empty()  # shared: records are never written to
NO_READINGS = Readings(NO_ROWS)


@dataclass(frozen=True, slots=True)
class Message:
    """An MQTT message."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    ready_ns: int = field(default=0, compare=False)  # time of its last reading; 0: it has none


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open stretch [t0_us, t1_us) of a run that is analysed [µs since the run's start]."""

    t0_us: int
    t1_us: int


@dataclass(frozen=True, slots=True)
class UnitInfo:
    """The description of a unit for subscribers."""

    name: str
    role: str  # "source", "machine", "robot", "vehicle", "conveyor", "crew"
    kind: str = ""
    operation: int = -1
    section: str = ""
    power_w: tuple[float, ...] = ()  # by state [W], for the energy audit


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
    """The description of an operation for subscribers."""

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
    rework_places: int = 0  # of the rack for parts that come back; 0: not limited


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
    """Prices in `currency`."""

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
    """The description of a feed for subscribers, retained under <root>/meta."""

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
    shifts: tuple[tuple[str, int, int], ...] = ()  # of the base calendar, in the window: name, begin and end [µs]
    heartbeat_s: float = 0.0  # interval of <root>/status; 0: the publisher sends none
    plan_parts: float = 0.0  # good parts planned for a shift; 0: no plan
    absent: tuple[str, ...] = ()  # what a foreign feed lacks: names of analysis.kpis.needs


@dataclass(frozen=True, slots=True, eq=False)
class Kpi:
    """One KPI of the line or of each operation, machine or section.

    Attributes
    ----------
    values : float64 array, shape () for the line, else (n,)
        NaN where the KPI is not defined.
    unit : str
        Unit of the values, such as "s", "1", "parts/h" or "kWh/part".
    per : str
        "line", "operation", "machine" or "section".
    better : int
        +1: more is better, -1: less is better, 0: neither.
    source : str
        Formula and standard.
    reasons : tuple of str
        Why each value is not defined, "" where it is; empty when all are.
    marks : tuple of str
        What to know about each value, such as an assumption or the cause of an OEE above 100 %; empty when nothing.
    low, high : float64 arrays like `values`, or None
        Bounds, where the state of a unit is unknown for some time.
    """

    values: F8
    unit: str
    per: str
    better: int
    source: str
    reasons: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    low: F8 | None = None
    high: F8 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KpiTable:
    """All KPIs of one window.

    Attributes
    ----------
    window : Window
        The analysed stretch [µs since the run's start].
    operations, machines, sections : tuple of str
        Names in the order of the values of KPIs at that level.
    kpis : dict of str to Kpi
        Keys are "<level>.<name>", such as "operation.oee" or "line.good_parts_per_h".
    """

    window: Window
    operations: tuple[str, ...]
    machines: tuple[str, ...]
    sections: tuple[str, ...]
    kpis: dict[str, Kpi]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The simulator's own counters in a window (rule WIN-2 of docs/model.md), for audits only. Shapes (n_units,).

    They come from counters and drawn times, not from the log, and the analyzer never reads them.
    """

    window: Window
    parts: I8  # cycles (for a furnace: parts) that ended in the window
    busy_us: I8  # busy time of those cycles, including that before the window
    scrapped: I8
    good_parts: int  # that reached the sink in the window


@dataclass(frozen=True, slots=True, eq=False)
class Observations(_Columns):
    """What a foreign feed reports: one value of one item of one unit at one time, in order of arrival. Columns (n,).

    `item` is an `intake.mapping.Item`; `value` is in SI units, or the code of a word.
    """

    t_ns: I8  # since 1970 UTC
    unit: I2
    item: I2
    value: F8


@dataclass(frozen=True, slots=True)
class ForeignMetric:
    """A Sparkplug metric of any edge node, its value as the payload carries it: whole numbers without a sign."""

    name: str  # empty: only the alias is given
    alias: int  # -1: none
    datatype: int  # of the Sparkplug specification; 0: none
    value: bool | float | str | None
    t_ns: int  # since 1970 UTC; 0: none
    engineering_unit: str = ""
