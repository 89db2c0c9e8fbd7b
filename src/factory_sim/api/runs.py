"""Single runs: simulate, snapshot and fork; their KPIs, logs and signals."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim import views
from factory_sim.analysis import kpis
from factory_sim.api.arguments import engine_name, one_of, seconds, whole, window_s
from factory_sim.api.kpi_table import KpiTable
from factory_sim.api.plants import Plant, Table, resolved, spec_of
from factory_sim.clock import US_PER_S, us_from_s
from factory_sim.errors import require_extra
from factory_sim.plant.describe import describe
from factory_sim.plant.opening_rows import opening_rows
from factory_sim.plant.states import Outcome
from factory_sim.plant.wall_clock import epoch_ns
from factory_sim.records import EventLog
from factory_sim.results.simulate import SimulationResult
from factory_sim.sensing.sample import Sensing
from factory_sim.sim import run as simulator
from factory_sim.sim.engines import choose
from factory_sim.views.kpi_dict import kpi_values
from factory_sim.views.state_grid import state_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.api.arguments import Changes, Duration
    from factory_sim.api.plants import PlantLike
    from factory_sim.results.record import Json
    from factory_sim.views.frames import DataFrame, Series
    from factory_sim.views.plots import Drawing


class Run:
    """A finished run of a plant.

    Returned by `simulate` and `fork`.

    Attributes
    ----------
    plant : Plant
        The plant that ran.
    truth : factory_sim.records.Truth
        The simulator's own counters of the window, for checks; KPIs come from the log alone.
    result : factory_sim.results.simulate.SimulationResult
        The run as one record.

    Examples
    --------
    >>> import factory_sim as fs
    >>> run = fs.simulate("line.yaml", duration="30 min", warm_up="10 min")
    >>> run.plant.name, run.good_parts > 20
    ('line', True)
    """

    def __init__(self, plant: Plant, run: simulator.Run, *, engine: str, seed: int, replication: int) -> None:
        self.plant = plant
        self.truth = run.truth  # counters of the simulator, for checks; KPIs come from the log alone
        self._run, self._engine, self._seed, self._replication = run, engine, seed, replication

    @property
    def good_parts(self) -> int:
        """Good parts that left the line in the window."""
        return self._run.truth.good_parts

    @property
    def log(self) -> Table:
        """Every change of state: `time` by the plant's clock, `t_us` since the run's start [µs], names of units.

        `cause` is the number of the row that enabled a row; -1: none.
        """
        plant = spec_of(self.plant)
        return Table(partial(views.frames.clock_log_frame, self._run.log, plant.units, epoch_ns(plant), plant.timezone))

    @cached_property
    def _kpis(self) -> KpiTable:
        plant = spec_of(self.plant)
        return KpiTable(kpis.table(self._run.log, describe(plant, "", epoch_ns(plant), self._run.window)))

    def kpis(self) -> KpiTable:
        """Return the KPIs of the window.

        Returns
        -------
        KpiTable
            All KPIs; energy is computed from states and rated power.

        Examples
        --------
        >>> import factory_sim as fs
        >>> fs.simulate("line.yaml", duration="1 h").kpis()["line.good_parts_per_h"] > 60
        True
        """
        return self._kpis

    def signal(self, unit: str, sensor: str) -> Series:
        """Return the readings of one sensor in the window.

        Parameters
        ----------
        unit : str
            Name of a machine, robot or vehicle.
        sensor : str
            Name of one of its sensors; `plant.sensors` lists them.

        Returns
        -------
        pandas.Series
            Readings in the sensor's unit of measure by time stamp, shape (n,); dropped readings are missing.

        Raises
        ------
        ConfigError
            When there is no such unit or sensor; the message names the nearest one.

        Examples
        --------
        >>> import factory_sim as fs
        >>> power = fs.simulate("line.yaml", duration="10 min").signal("M002", "power")
        >>> power.name, len(power)
        ('M002 power [kW]', 600)
        """
        plant, log, window = spec_of(self.plant), self._run.log, self._run.window
        by_unit: dict[str, dict[str, Any]] = {}
        for each in plant.sensors:
            by_unit.setdefault(plant.units[each.unit], {})[each.name] = each
        sensors = by_unit[one_of("unit", unit, by_unit)]
        chosen = sensors[one_of("sensor", sensor, sensors)]
        start_ns = epoch_ns(plant)
        sensing = Sensing(
            replace(plant, sensors=(chosen,)),
            seed=self._seed,
            replication=self._replication,
            epoch_ns=start_ns,
            t0_us=window.t0_us,
        )
        before, rows = (log.take(log.t_us < window.t0_us), log.take(log.t_us >= window.t0_us))
        if window.t0_us > 0:
            sensing.remember(before)
        opening = opening_rows(before, len(plant.units))
        samples = sensing.sample(EventLog.join([opening, rows]), window.t1_us).samples
        return views.frames.signal_series(samples, chosen, unit, start_ns, plant.timezone)

    def plot(self, units: Sequence[str] | None = None) -> Drawing:
        """Draw the output per hour and the states of units over the window (extra `[plots]`).

        Parameters
        ----------
        units : sequence of str, optional
            Names of machines, vehicles, robots or crew members; without it all machines in flow order.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; `savefig("run.png")` writes it.

        Raises
        ------
        ConfigError
            When there is no such unit; the message names the nearest one.
        MissingExtraError
            When matplotlib is not installed.

        Examples
        --------
        >>> import factory_sim as fs
        >>> figure = fs.simulate("line.yaml", duration="1 h").plot()
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['good parts/h', '']
        """
        require_extra("plots", "A figure")
        from factory_sim.views import plots  # noqa: PLC0415 - an extra

        plant, log, window = spec_of(self.plant), self._run.log, self._run.window
        groups = {plant.units[m.unit]: plant.sections[plant.operations[m.operation].section] for m in plant.machines}
        names = list(groups) if units is None else [one_of("unit", unit, plant.units) for unit in units]
        step_us = max(US_PER_S, -(-(window.t1_us - window.t0_us) // plots.STEPS))
        inside = (log.outcome == Outcome.LEFT) & (log.t_us >= window.t0_us)
        start_ns = epoch_ns(plant)
        chart = plots.StateChart(
            title=repr(self)[1:-1],
            grid=state_grid(log, [plant.units.index(name) for name in names], window, step_us),
            start=views.frames.clock_times(np.array([window.t0_us]), start_ns, plant.timezone)[0],
            step_s=step_us / US_PER_S,
            names=names,
            groups=[groups.get(name, "") for name in names],
            good_parts=views.frames.clock_times(log.t_us[inside], start_ns, plant.timezone),
        )
        return plots.states(chart)

    @property
    def result(self) -> SimulationResult:
        """The run as one record."""
        window = self._run.window
        return SimulationResult(
            plant=self.plant.name,
            digest=self.plant.digest,
            engine=self._engine,
            seed=self._seed,
            replication=self._replication,
            warm_up_s=window.t0_us / US_PER_S,
            duration_s=(window.t1_us - window.t0_us) / US_PER_S,
            good_parts=self.good_parts,
            kpis=kpi_values(self._kpis.record),
        )

    def to_pandas(self) -> DataFrame:
        """Return the KPIs as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            The table of `kpis()`, one row per value.
        """
        return self._kpis.to_pandas()

    def to_dict(self) -> dict[str, Json]:
        """Return the run as plain data.

        Returns
        -------
        dict
            Plant, digest, engine, seed, window [s], good parts and all KPIs.
        """
        return self.result.to_dict()

    def __repr__(self) -> str:
        window = self._run.window
        hours = (window.t1_us - window.t0_us) / 3.6e9
        return f"<Run of {self.plant.name}: {hours:g} h, {self.good_parts:,} good parts>"

    def _repr_html_(self) -> str:
        return f"<p>{repr(self)[1:-1]}</p>{self._kpis._repr_html_()}"


def simulate(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike,
    *,
    duration: Duration = "8 h",
    warm_up: Duration = 0.0,
    changes: Changes = None,
    seed: int = 1,
    replication: int = 0,
    engine: str = "auto",
) -> Run:
    """Simulate a plant once.

    Parameters
    ----------
    plant : str, path or Plant
        A plant or scenario file, a packaged name, or a loaded plant.
    duration : str or float
        Length of the window [s, or a text with a unit].
    warm_up : str or float
        Time before the window [s, or a text with a unit]; KPIs leave it out, the log contains it.
    changes : mapping, Change, str or list of these, optional
        Changes of the plant, as in `load`.
    seed, replication : int
        Name the random streams: equal values give bit-identical runs.
    engine : {"auto", "simpy", "calendar"}
        The simulator; both engines give bit-identical results.

    Returns
    -------
    Run
        The log, KPIs and signals of the run.

    Raises
    ------
    ConfigError
        When the plant or an argument cannot be used.
    ModelError
        When the run cannot continue, for example because of a deadlock.

    Examples
    --------
    >>> import factory_sim as fs
    >>> run = fs.simulate("line.yaml", duration="1 h", changes={"WASH.cycle_time": "35 s"})
    >>> run.kpis()["line.good_parts_per_h"] > 70
    True
    """
    loaded, t0_us = resolved(plant, changes), us_from_s(seconds("warm_up", warm_up))
    until_us = t0_us + window_us(duration)
    seed, replication = whole("seed", seed), whole("replication", replication)
    choice = choose(spec_of(loaded), engine_name(engine))
    found = simulator.simulate(
        spec_of(loaded), seed=seed, replication=replication, warm_up_us=t0_us, until_us=until_us, engine=choice.engine
    )
    return Run(loaded, found, engine=choice.engine, seed=seed, replication=replication)


def window_us(duration: Duration) -> int:
    """Return the length of a window [µs]. Raise ConfigError when it is not one."""
    return us_from_s(window_s(duration))
