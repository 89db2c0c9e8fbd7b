"""Recordings as tables, `fs.history(DIR)`, and played again."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from factory_sim import views
from factory_sim.api.arguments import one_of, path_of, refuse, seconds, storage
from factory_sim.api.kpi_table import KpiTable
from factory_sim.api.plants import Table
from factory_sim.clock import ns_from_datetime
from factory_sim.errors import require_extra
from factory_sim.live import recorded_kpis
from factory_sim.live.foreign import stop_losses
from factory_sim.live.play import runs_of
from factory_sim.live.rolling.shift_spans import local_time
from factory_sim.recordings.retention import Retention, forget
from factory_sim.results.recorded_kpis import RecordedKpis
from factory_sim.views.kpi_dict import kpi_values

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from factory_sim.api.arguments import Duration
    from factory_sim.views.frames import DataFrame

_FAR_NS = 2**62
_STARTS = ("recorded", "now")


class History:
    """A recording: the readings of a feed on disk. Returned by `history`.

    Examples
    --------
    >>> import factory_sim as fs
    >>> recording = fs.history("recording")
    >>> recording.signal("M002", "power", every="1 min").columns.tolist()
    ['mean [kW]', 'low [kW]', 'high [kW]', 'n']
    >>> bool(recording.kpis()["line.good_parts"] > 0)
    True
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._runs = folder, runs_of(folder)

    @property
    def runs(self) -> Table:
        """One row per recorded run: `run_id`, `plant`, `start` and `end` by the plant's clock."""
        return Table(partial(views.frames.run_frame, [run.meta for run in self._runs]))

    @property
    def sensors(self) -> Table:
        """One row per sensor of the last run: `unit`, `sensor`, `kind`, `period_s`, `unit_of_measure` and range."""
        return Table(partial(views.frames.meta_sensor_frame, self._runs[-1].meta))

    @property
    def events(self) -> Table:
        """Every change of state of the last run: `time` by the plant's clock, names of units and states."""
        run = self._runs[-1]
        return Table(lambda: views.frames.row_frame(run.rows(), run.meta))

    @property
    def shifts(self) -> list[str]:
        """Names of the recorded shifts, such as `"2026-01-05/early"`, in order of time."""
        return [each.name for each in recorded_kpis.shifts_of(self._runs)]

    @property
    def damaged(self) -> list[str]:
        """Files that could not be read so far, each with the reason."""
        return [text for run in self._runs for text in run.damaged]

    def kpis(self, shift: str = "") -> KpiTable:
        """Return the KPIs of a shift, or of the whole last run.

        Parameters
        ----------
        shift : str
            One of `shifts`; `""`: the last run.

        Returns
        -------
        KpiTable
            Those of a listener that heard this stretch; of a shift that it closed, its own table.

        Raises
        ------
        ConfigError
            When there is no such shift; the message names the nearest one.
        """
        if not shift:
            return KpiTable(recorded_kpis.table(self._runs[-1]))
        span = recorded_kpis.shift(self._runs, shift)
        return KpiTable(recorded_kpis.shift_table(self._runs[span.run], span))

    def answer(self, shift: str = "", stops: str | os.PathLike[str] | None = None) -> RecordedKpis:
        """Return the KPIs of a shift, or of the whole last run, as one record.

        Parameters
        ----------
        shift : str
            As in `kpis`.
        stops : path, optional
            Stop rules and loss categories to apply: a file with the keys `stops` and `losses`.

        Returns
        -------
        RecordedKpis
            The content of `factory-sim kpis --json`.
        """
        run = self._runs[recorded_kpis.shift(self._runs, shift).run if shift else -1]
        table = self.kpis(shift).record
        convention = None if stops is None else stop_losses.of_file(stops)
        log = recorded_kpis.rebuilt(run, table.window).log() if convention else None
        return RecordedKpis(
            plant=run.meta.plant,
            run_id=run.meta.run_id,
            shift=shift,
            window_us=(table.window.t0_us, table.window.t1_us),
            start=local_time(run.meta, table.window.t0_us).isoformat(timespec="seconds"),
            end=local_time(run.meta, table.window.t1_us).isoformat(timespec="seconds"),
            complete=table.window == (recorded_kpis.whole_window(run, shift) or table.window),
            damaged=tuple(self.damaged),
            kpis=kpi_values(table),
            stops=None if convention is None or log is None else convention.losses(log, run.meta, window=table.window),
        )

    def signal(
        self, unit: str, sensor: str, *, start: str | datetime = "", end: str | datetime = "", every: Duration = 0.0
    ) -> DataFrame:
        """Return the readings of one sensor.

        Parameters
        ----------
        unit, sensor : str
            Names; `sensors` lists them.
        start, end : str or datetime
            First time, and end (not included), by the plant's clock; `""`: all that was recorded.
        every : str or float
            Length of buckets [s, or a text with a unit]; 0: every reading.

        Returns
        -------
        pandas.DataFrame
            By time stamp: `value`, or of buckets `mean`, `low`, `high` and the number of readings `n`.

        Raises
        ------
        ConfigError
            When there is no such unit or sensor, or a time cannot be read.
        """
        require_extra("history", "queries of a recording")
        from factory_sim.recordings import queries  # noqa: PLC0415 - DuckDB is an extra

        known = {f"{run.meta.units[s.unit].name}.{s.name}" for run in self._runs for s in run.meta.sensors}
        one_of("sensor", f"{unit}.{sensor}", known)
        chosen = [(run, found) for run in self._runs if (found := run.sensor(unit, sensor)) is not None]
        zone = chosen[0][0].meta.timezone
        first_ns, stop_ns = _instant("start", start, zone, -_FAR_NS), _instant("end", end, zone, _FAR_NS)
        if stop_ns <= first_ns:
            refuse("end", f"{end} is not after {start}")
        columns = queries.signal(chosen, first_ns, stop_ns, round(seconds("every", every) * 1e6))
        return views.frames.recorded_frame(columns, zone, chosen[0][1].unit_text)

    def sql(self, query: str) -> DataFrame:
        """Return the result of an SQL query by DuckDB.

        Parameters
        ----------
        query : str
            SQL over the views `events`, `units`, `sensors`, and `samples_<run>_<period>` with raw counts.

        Returns
        -------
        pandas.DataFrame
            The rows of the result.

        Examples
        --------
        >>> import factory_sim as fs
        >>> bool(fs.history("recording").sql("SELECT count(*) AS n FROM events")["n"][0] > 100)
        True
        """
        require_extra("history", "queries of a recording")
        from factory_sim.recordings import queries  # noqa: PLC0415 - DuckDB is an extra

        return views.frames.DataFrame(queries.sql(self._runs, query))

    def forget(self, *, keep: Duration = 0.0, keep_size: str | float = 0) -> dict[str, int]:
        """Delete the oldest days, until the rest is young and small enough; the newest day and closed shifts stay.

        Parameters
        ----------
        keep : str or float
            Largest age, counted from the newest day [s, or a text with a unit]; 0: any.
        keep_size : str or float
            Largest size of samples and rows [bytes, or a text with a unit]; 0: any.

        Returns
        -------
        dict of str to int
            Deleted days and their sizes [bytes].

        Raises
        ------
        ConfigError
            When neither is given, or one of them cannot be read.
        """
        retention = Retention(days=seconds("keep", keep) / 86400, size=storage("keep_size", keep_size))
        if not retention:
            refuse("keep", "give an age or a size", "Example: '30 d'.")
        return forget(self._folder, retention)

    def __repr__(self) -> str:
        return f"<History of {self._runs[-1].meta.plant}: {len(self._runs)} runs>"

    def _repr_html_(self) -> str:
        return views.frames.html(self.runs.to_pandas())


def history(folder: str | os.PathLike[str]) -> History:
    """Open a recording.

    Parameters
    ----------
    folder : str or path
        A folder that `factory-sim record`, `listen --record` or `run --record` has written.

    Returns
    -------
    History
        Its runs, signals, events and KPIs.

    Raises
    ------
    RecordingError
        When the folder is not a recording, or one of another format.

    Examples
    --------
    >>> import factory_sim as fs
    >>> len(fs.history("recording").runs.to_pandas())
    1
    """
    return History(path_of("folder", folder))


def _instant(name: str, given: str | datetime, zone: str, default: int) -> int:
    if given == "":
        return default
    try:
        return ns_from_datetime(datetime.fromisoformat(given) if isinstance(given, str) else given, zone)
    except ValueError:
        refuse(name, f"expected a date and time such as '2026-01-05T06:00', got {given!r}")
