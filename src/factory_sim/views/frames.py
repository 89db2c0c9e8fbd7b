"""Records as pandas tables, for CSV, Parquet, Excel and notebooks."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from factory_sim.clock import US_PER_S, ns_from_us
from factory_sim.plant.states import Outcome, State
from factory_sim.results.sweep import SweepResult
from factory_sim.views.kpi_dict import kpi_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from factory_sim.plant.spec import Plant, Sensor
    from factory_sim.records import EventLog, KpiTable, Meta, Rows, Samples, SensorInfo
    from factory_sim.results.compare import ComparisonResult
    from factory_sim.results.estimate import Estimate
    from factory_sim.results.optimise import OptimisationResult
    from factory_sim.results.record import Record
    from factory_sim.results.why import WhyResult
    from factory_sim.study_records import Study

DataFrame: TypeAlias = pd.DataFrame
Series: TypeAlias = "pd.Series[float]"


def log_frame(log: EventLog, units: Sequence[str]) -> pd.DataFrame:
    """Return one line per row of the log, with names; `cause` counts lines from 0, -1: none."""
    return pd.DataFrame(
        {
            "t_us": log.t_us,
            "unit": _named(log.unit, units),
            "state": _named(log.state, [state.name for state in State]),
            "part": log.part,
            "outcome": _named(log.outcome, [outcome.name for outcome in Outcome]),
            "detail": log.detail,
            "cause": log.cause,
        }
    )


def clock_log_frame(log: EventLog, units: Sequence[str], epoch_ns: int, timezone: str) -> pd.DataFrame:
    """Return `log_frame` with the time by the plant's clock in front; `epoch_ns` is the start of the run."""
    frame = log_frame(log, units)
    frame.insert(0, "time", clock_times(log.t_us, epoch_ns, timezone))
    return frame


def clock_times(t_us: Any, epoch_ns: int, timezone: str) -> pd.DatetimeIndex:
    """Return instants of a run [µs], shape (n,), as time stamps in the plant's time zone."""
    return pd.DatetimeIndex(ns_from_us(t_us, epoch_ns), tz="UTC").tz_convert(timezone)


def signal_series(samples: Sequence[Samples], sensor: Sensor, unit: str, epoch_ns: int, timezone: str) -> Series:
    """Return one sensor's readings by time stamp, in its unit of measure."""
    times, values = [np.empty(0, np.int64)], [np.empty(0)]
    for block in samples:
        for column in np.flatnonzero(block.sensor == sensor.id):
            there = np.ones(len(block.raw), np.bool_) if block.present is None else block.present[:, column]
            times.append((block.first_tick + np.flatnonzero(there)) * block.period_us)
            values.append(block.raw[there, column] * sensor.scale + sensor.offset)
    index = clock_times(np.concatenate(times), epoch_ns, timezone).rename("time")
    name = f"{unit} {sensor.name} [{sensor.unit_text}]"
    return pd.Series(np.concatenate(values), index=index, name=name).sort_index(kind="stable")


def recorded_frame(columns: Mapping[str, NDArray[np.number]], timezone: str, unit_text: str) -> pd.DataFrame:
    """Return readings or buckets of a recording by time stamp; `columns` has `t_ns` and values of equal length."""
    index = pd.DatetimeIndex(columns["t_ns"], tz="UTC").tz_convert(timezone).rename("time")
    named = {name if name == "n" else f"{name} [{unit_text}]": v for name, v in columns.items() if name != "t_ns"}
    return pd.DataFrame(named, index=index)


def run_frame(metas: Sequence[Meta]) -> pd.DataFrame:
    """Return one row per recorded run, with its window by the plant's clock."""
    rows = []
    for meta in metas:
        start, end = clock_times(np.array([meta.window.t0_us, meta.window.t1_us]), meta.epoch_ns, meta.timezone)
        rows.append({"run_id": meta.run_id, "plant": meta.plant, "start": start, "end": end})
    return pd.DataFrame(rows)


def meta_sensor_frame(meta: Meta) -> pd.DataFrame:
    """Return one row per sensor of a description, with the columns of `sensor_frame`."""
    return _sensor_frame(meta.sensors, [unit.name for unit in meta.units])


def row_frame(rows: Rows, meta: Meta) -> pd.DataFrame:
    """Return one line per event row of a feed, with names and time stamps."""
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex(rows.t_ns, tz="UTC").tz_convert(meta.timezone),
            "unit": _named(rows.unit, [unit.name for unit in meta.units]),
            "state": _named(rows.state, [state.name for state in State]),
            "part": rows.part,
            "outcome": _named(rows.outcome, [outcome.name for outcome in Outcome]),
            "detail": rows.detail,
        }
    )


def machine_frame(plant: Plant) -> pd.DataFrame:
    """Return one row per machine."""
    rows = [
        {
            "machine": each.name,
            "operation": operation.name,
            "section": plant.sections[operation.section],
            "kind": each.kind,
            "cycle_time_s": operation.cycle_time.mean_s,
            "busy_w": each.power_w[State.BUSY] if each.power_w else 0.0,
            "failures": ", ".join(mode.name for mode in each.failures),
            "sensors": len(each.sensors),
        }
        for each in plant.machines
        for operation in (plant.operations[each.operation],)
    ]
    return pd.DataFrame(rows)


def operation_frame(plant: Plant) -> pd.DataFrame:
    """Return one row per operation, in flow order."""
    rows = [
        {
            "operation": each.name,
            "title": each.title,
            "section": plant.sections[each.section],
            "kind": each.kind,
            "machines": len(each.machines),
            "cycle_time_s": each.cycle_time.mean_s,
            "buffer": sum(one.capacity for one in each.inputs),
            "next": plant.operations[each.destination].name if each.destination >= 0 else "",
        }
        for each in plant.operations
    ]
    return pd.DataFrame(rows)


def sensor_frame(plant: Plant) -> pd.DataFrame:
    """Return one row per sensor."""
    return _sensor_frame(plant.sensors, plant.units)


def _sensor_frame(sensors: Sequence[Sensor] | Sequence[SensorInfo], units: Sequence[str]) -> pd.DataFrame:
    columns = ("unit", "sensor", "kind", "period_s", "unit_of_measure", "low", "high", "resolution")
    rows = [
        (units[s.unit], s.name, s.kind, s.period_us / US_PER_S, s.unit_text, s.low, s.high, s.scale) for s in sensors
    ]
    return pd.DataFrame(rows, columns=list(columns))


def change_frame(result: ComparisonResult) -> pd.DataFrame:
    """Return one row per scenario and quantity: before, after, change [%] with its interval."""
    rows = [
        {
            "scenario": each.scenario,
            "quantity": name.removesuffix("_pct"),
            "before": each.before[name].mean,
            "after": each.after[name].mean,
            "change_pct": change.mean,
            "low": change.low,
            "high": change.high,
        }
        for each in result.scenarios
        for name, change in each.change.items()
    ]
    return pd.DataFrame(rows)


def why_frame(result: WhyResult) -> pd.DataFrame:
    """Return one row per operation on the critical path."""
    rows = []
    for each in result.operations:
        gain = each.one_second_less
        ends = (gain.mean, gain.low, gain.high, gain.less_s) if gain else (np.nan,) * 4
        worth = dict(zip(("parts_per_shift", "low", "high", "less_s"), ends, strict=True))
        row = {"operation": each.operation, "title": each.title, "critical_path_share": each.critical_path_share.mean}
        rows.append({**row, **worth, **each.ranks})
    return pd.DataFrame(rows)


def pairs_frame(pairs: Sequence[tuple[str, int]], columns: Sequence[str]) -> pd.DataFrame:
    """Return one row per pair."""
    return pd.DataFrame(list(pairs), columns=list(columns))


def record_frame(record: Record) -> pd.DataFrame:
    """Return one row with the fields of a record."""
    return pd.DataFrame([record.to_dict()])


def html(frame: pd.DataFrame, heading: str = "") -> str:
    """Return a table for a notebook, at most 20 rows of it."""
    text = str(frame.to_html(max_rows=20, border=0, notebook=True))
    return f"<p>{escape(heading)}</p>{text}" if heading else text


def kpi_frame(table: KpiTable) -> pd.DataFrame:
    """Return one line per value: columns kpi, per, name, value, unit, low, high, note; the whole line is `line`.

    low, high : bounds, where a state is unknown for some time. note : why a value is not defined, or its mark.
    """
    rows = []
    for name, kpi in kpi_values(table).items():
        for thing, value in kpi.values.items():
            bounds = (end.get(thing, math.nan) for end in (kpi.low, kpi.high))
            note = kpi.reasons.get(thing) or kpi.marks.get(thing, "")
            rows.append((name, kpi.per, thing, value, kpi.unit, *bounds, note))
    return pd.DataFrame(rows, columns=["kpi", "per", "name", "value", "unit", "low", "high", "note"])


def trial_frame(study: Study) -> pd.DataFrame:
    """Return one line per trial: columns arm, role, replication, then the line's KPIs; probes last."""
    names = list(study.arms)
    trials = sorted(study.trials.values(), key=lambda trial: (names.index(trial.arm), trial.replication))
    return pd.DataFrame(
        [
            {"arm": trial.arm, "role": study.arms[trial.arm].role, "replication": trial.replication, **trial.line}
            for trial in trials
        ]
    )


def variant_frame(result: SweepResult | OptimisationResult) -> pd.DataFrame:
    """Return a line per point of a sweep, or per choice of a Pareto front: its values, then responses with ends."""
    if isinstance(result, SweepResult):
        return pd.DataFrame([{**point.values, **_ends(point.responses)} for point in result.points])
    return pd.DataFrame(
        [
            {**each.values, "cost": each.cost, **_ends(each.responses), "selected": each.selected}
            for each in result.front
        ]
    )


def _ends(responses: Mapping[str, Estimate]) -> dict[str, float | None]:
    return {
        name if end == "mean" else f"{name}_{end}": value
        for name, found in responses.items()
        for end, value in found.to_dict().items()
    }


def _named(codes: Any, names: Sequence[str]) -> Any:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names))
