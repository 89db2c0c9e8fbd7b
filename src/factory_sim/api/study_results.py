"""Finished studies: each class wraps one record of `results`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim import views
from factory_sim.api.answers import Answer, ResultT
from factory_sim.api.arguments import engine_name, path_of, refuse, whole, writing
from factory_sim.api.study_progress import reported
from factory_sim.errors import require_extra
from factory_sim.results.compare import ComparisonResult
from factory_sim.results.optimise import OptimisationResult
from factory_sim.results.replay import ReplayResult
from factory_sim.results.sweep import SweepResult
from factory_sim.results.why import WhyResult
from factory_sim.study import store
from factory_sim.study.compare import why as answers
from factory_sim.study.compare.compare_study import why_in
from factory_sim.study.dask_pool import open_pool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from factory_sim.api.progress import ProgressOption
    from factory_sim.results.compare import Attribution, Constraint, ScenarioResult
    from factory_sim.results.estimate import Estimate
    from factory_sim.results.resource import Resource
    from factory_sim.results.why import NextConstraint, OperationLimit, ResourceLimit
    from factory_sim.study.pool import Pool
    from factory_sim.views.frames import DataFrame
    from factory_sim.views.plots import Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where the trials of a study run and are kept, and what is reported meanwhile."""

    workers: int | None = None  # None or 0: one per CPU
    engine: str = "auto"
    dask: str = ""
    study: str | os.PathLike[str] | None = None  # None: named after the study
    progress: ProgressOption = True

    @property
    def processes(self) -> int:
        """Number of worker processes."""
        return whole("workers", self.workers or 0) or os.cpu_count() or 1

    @property
    def path(self) -> Path | None:
        """The study file, if it was named."""
        return None if self.study is None else path_of("study", self.study)

    def pool(self) -> Pool:
        """Open the workers."""
        return open_pool(self.processes, engine_name(self.engine), self.dask)


class StudyBase(Answer[ResultT]):
    """A finished study."""

    def __init__(self, result: ResultT, file: Path, execution: Execution) -> None:
        super().__init__(result)
        self.file = file  # holds all trials
        self._execution = execution

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the study as one HTML file that works without a network.

        Parameters
        ----------
        path : str or path
            The HTML file; an existing one is replaced.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        ConfigError
            When the file cannot be written.
        """
        return write_report(self.file, path_of("path", path))

    def plot(self) -> Drawing:
        """Draw the estimates of the study with their confidence intervals (extra `[plots]`).

        Returns
        -------
        matplotlib.figure.Figure
            Changes [%] and contributions [percentage points] of a comparison; gains [good parts per shift] of `why`;
            the first response at every point of a sweep, or along a Pareto front, in its unit. A notebook shows it.

        Raises
        ------
        MissingExtraError
            When matplotlib is not installed.
        """
        require_extra("plots", "A figure")
        from factory_sim.views import plots  # noqa: PLC0415 - an extra

        return plots.study(self.result)  # type: ignore[arg-type]  # the four answers that derive from this class


class Comparison(StudyBase[ComparisonResult]):
    """What scenarios change, over pairs of replications with common random numbers.

    Returned by `compare` and `whatif`. The properties are those of the first scenario; `scenarios` has all of them.

    Attributes
    ----------
    result : factory_sim.results.compare.ComparisonResult
        The whole answer as one record.
    file : pathlib.Path
        The study file, which holds all trials.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.whatif("line.yaml", "WASH.cycle_time=35 s", replications=5, duration="1 h", warm_up="10 min",
    ...                   workers=1, progress=False)
    >>> study.change["line_rate_pct"].low > 0
    True
    >>> study.constraint.before.name
    'WASH'
    """

    @property
    def scenarios(self) -> tuple[ScenarioResult, ...]:
        """One record per scenario, in the order of the call."""
        return self.result.scenarios

    @property
    def change(self) -> Mapping[str, Estimate]:
        """Paired changes with confidence intervals [%], by quantity such as `"line_rate_pct"`."""
        return self._first.change

    @property
    def before(self) -> Mapping[str, Estimate]:
        """Means of the base, in the unit of the quantity."""
        return self._first.before

    @property
    def after(self) -> Mapping[str, Estimate]:
        """Means of the scenario, in the unit of the quantity."""
        return self._first.after

    @property
    def constraint(self) -> Constraint:
        """The resources that limit the line before and after; None: none was found."""
        return self._first.constraint

    @property
    def attribution(self) -> Attribution | None:
        """Shapley values of the groups of changes on the line rate [percentage points]; None: not made."""
        return self._first.attribution

    def why(self, arm: str = "", *, top: int = answers.TOP) -> Why:
        """Find what limits one of the compared plants; missing trials are simulated and kept in the same file.

        Parameters
        ----------
        arm : str
            Name of the base or of a scenario; `""`: the base.
        top : int
            Number of operations whose cycle time is shortened by a second.

        Returns
        -------
        Why
            The limiting operation and the evidence.

        Raises
        ------
        StudyError
            When the study has no such arm; the message lists the arms.
        TrialError
            When a trial fails.
        """
        return why_of_study(self.file, arm, top, self._execution)

    def to_pandas(self) -> DataFrame:
        """Return all trials as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row per trial: `arm`, `role`, `replication`, then every KPI of the line.
        """
        return views.frames.trial_frame(store.load(self.file))

    def __repr__(self) -> str:
        rates = (f"{each.scenario} {each.change['line_rate_pct'].mean:+.2f} %" for each in self.scenarios)
        return f"<Comparison with {self.result.base}, line rate: {', '.join(rates)}>"

    def _repr_html_(self) -> str:
        return views.frames.html(views.frames.change_frame(self.result), heading=repr(self)[1:-1])

    @property
    def _first(self) -> ScenarioResult:
        return self.result.scenarios[0]


class Why(StudyBase[WhyResult]):
    """The operation that limits a plant, what a second is worth where, and what limits the plant next.

    Returned by `why` and by `Comparison.why`.

    Attributes
    ----------
    result : factory_sim.results.why.WhyResult
        The whole answer as one record.
    file : pathlib.Path
        The study file, which holds all trials.

    Examples
    --------
    >>> import factory_sim as fs
    >>> found = fs.why("line.yaml", top=1, replications=10, duration="1 h", warm_up="10 min", workers=1, progress=False)
    >>> found.constraint.name, found.resources[0].relief[0].parts_per_shift.mean > 0
    ('WASH', True)
    """

    @property
    def constraint(self) -> Resource | None:
        """The limiting resource; None: none was found, for the `reason` of the result."""
        return self.result.constraint

    @property
    def resources(self) -> tuple[ResourceLimit, ...]:
        """Resources on the critical path, the largest share first, with what changes of them earn."""
        return self.result.resources

    @property
    def operations(self) -> tuple[OperationLimit, ...]:
        """Operations on the critical path, the largest share first."""
        return self.result.operations

    @property
    def next(self) -> NextConstraint | None:
        """The operation that limits the plant once the constraint takes half its cycle time."""
        return self.result.next

    def to_pandas(self) -> DataFrame:
        """Return the operations as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row per operation: share of the critical path [1], gain by one second less [good parts per shift] with
            its interval, and the rank by every detector.
        """
        return views.frames.why_frame(self.result)

    def __repr__(self) -> str:
        return f"<Why {self.result.of}: {self.constraint or 'nothing'} limits it>"


class Replay(Answer[ReplayResult]):
    """Whether all trials of a study are bit-identical when they are simulated again. Returned by `replay`.

    Attributes
    ----------
    result : factory_sim.results.replay.ReplayResult
        The whole answer as one record.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.compare("line.yaml", changes="WASH.buffer+2", replications=2, duration="30 min", warm_up="10 min",
    ...                    attribution=False, workers=1, progress=False)
    >>> fs.replay(study.file, workers=1, progress=False)
    <Replay: 4 trials, all bit-identical>
    """

    @property
    def same(self) -> bool:
        """Whether all trials are bit-identical."""
        return self.result.same

    def to_pandas(self) -> DataFrame:
        """Return the trials that differ as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            Columns `arm` and `replication`; empty when all trials are bit-identical.
        """
        return views.frames.pairs_frame(self.result.differing, ("arm", "replication"))

    def __repr__(self) -> str:
        n = len(self.result.differing)
        return f"<Replay: {self.result.trials} trials, {f'{n} differ' if n else 'all bit-identical'}>"


class Sweep(StudyBase[SweepResult]):
    """The responses at every point of a design, and which factor matters how much. Returned by `sweep`.

    Attributes
    ----------
    result : factory_sim.results.sweep.SweepResult
        The whole answer as one record.
    file : pathlib.Path
        The study file, which holds all trials.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.sweep("line.yaml", factors={"WASH.buffer": [1, 4]}, responses=["good_parts_per_h"], workers=1,
    ...                  settings={"replications": 2, "duration": "1 h", "warm_up": "10 min"}, progress=False)
    >>> study.to_pandas()["WASH.buffer"].tolist()
    ['1', '4']
    """

    def to_pandas(self) -> DataFrame:
        """Return the points as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row per point: the factors as typed, then each response with its interval (`_low`, `_high`).
        """
        return views.frames.variant_frame(self.result)

    def __repr__(self) -> str:
        return f"<Sweep of {self.result.base}: {len(self.result.points)} points>"


class Optimisation(StudyBase[OptimisationResult]):
    """The best choice within limits and a budget, and the Pareto front. Returned by `optimise`.

    Attributes
    ----------
    result : factory_sim.results.optimise.OptimisationResult
        The whole answer as one record.
    file : pathlib.Path
        The study file, which holds all trials.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.optimise("line.yaml", variables={"WASH.buffer": {"low": 1, "high": 3}}, workers=1, progress=False,
    ...                     settings={"most": 10, "duration": "1 h", "warm_up": "10 min"})
    >>> list(study.selected)
    ['WASH.buffer']
    """

    @property
    def selected(self) -> Mapping[str, int]:
        """The selected choice, by address."""
        return self.result.selected.values

    def to_pandas(self) -> DataFrame:
        """Return the Pareto front as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            One row per choice: the variables, `cost`, then each objective with its interval (`_low`, `_high`).
        """
        return views.frames.variant_frame(self.result)

    def __repr__(self) -> str:
        chosen = ", ".join(f"{address}={value}" for address, value in self.selected.items())
        return f"<Optimisation of {self.result.base}: {chosen}>"


def write_report(study: Path, path: Path, *, kept: bool = True) -> Path:
    """Write the page of a study file. Raise ConfigError, StudyError.

    kept : the study file stays, so that the page may name it.
    """
    if path.resolve() == study.resolve():
        refuse("path", f"{path} is the study file itself", "Name another file, such as 'report.html'.")
    require_extra("report", "A report")
    from factory_sim.study.pages import page_of  # noqa: PLC0415 - an extra

    page = page_of(store.load(study), study.name if kept else "")
    with writing(path):
        path.write_text(page, encoding="utf-8")
    return path


def why_of_study(file: Path, arm: str, top: int, execution: Execution) -> Why:
    """Return what limits one arm of a finished study; missing trials are simulated and kept."""
    with reported(execution.progress) as reporter, execution.pool() as pool:
        return Why(why_in(file, pool, reporter, arm, whole("top", top, 1)), file, execution)
