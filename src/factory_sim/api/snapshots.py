"""Snapshots of a run, and the futures that are forked from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.api.arguments import path_of, seconds, texts_of, whole
from factory_sim.api.plants import Plant, file_and_changes, resolved, spec_of
from factory_sim.api.runs import Run, window_us
from factory_sim.clock import US_PER_S, us_from_s
from factory_sim.sim import run as simulator
from factory_sim.study import snapshot_files
from factory_sim.study.arms import Variant

if TYPE_CHECKING:
    import os

    from factory_sim.api.arguments import Changes, Duration
    from factory_sim.api.plants import PlantLike


class Snapshot:
    """The state of a run at one instant, from which any number of futures can be forked.

    Returned by `snapshot`.

    Examples
    --------
    >>> import factory_sim as fs
    >>> start = fs.snapshot("line.yaml", at="1 h")
    >>> start.t_s
    3600.0
    """

    def __init__(self, kept: snapshot_files.Snapshot) -> None:
        self._kept = kept

    @property
    def t_s(self) -> float:
        """Time since the run's start [s]."""
        return self._kept.saved.t_us / US_PER_S

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot to a file, for `fork`, `factory-sim whatif` and `factory-sim run --resume`.

        Parameters
        ----------
        path : str or path
            The file; it is replaced in one step.

        Raises
        ------
        FactoryError
            When the file cannot be written.
        """
        self._kept.save(path_of("path", path))

    def __repr__(self) -> str:
        return f"<Snapshot of {self._kept.file} at {self.t_s / 3600:g} h>"


def snapshot(
    plant: PlantLike, *, at: Duration, changes: Changes = None, seed: int = 1, replication: int = 0
) -> Snapshot:
    """Simulate a plant up to one instant and keep its state.

    Parameters
    ----------
    plant : str, path or Plant
        A plant or scenario file, a packaged name, or a loaded plant; the compiled engine must support it.
    at : str or float
        Time since the run's start [s, or a text with a unit].
    changes : mapping, Change, str or list of these, optional
        Changes of the plant, as in `load`.
    seed, replication : int
        Name the random streams.

    Returns
    -------
    Snapshot
        The state, for `fork`.

    Raises
    ------
    ConfigError
        When the plant or an argument cannot be used.
    ModelError
        When the compiled engine cannot run the plant, or the run cannot continue.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.snapshot("line.yaml", at="30 min")
    <Snapshot of line.yaml at 0.5 h>
    """
    loaded, t_us = resolved(plant, changes), us_from_s(seconds("at", at))
    source = file_and_changes(loaded)
    run = simulator.Simulation(
        spec_of(loaded),
        seed=whole("seed", seed),
        replication=whole("replication", replication),
        until_us=t_us + 1,
        engine="calendar",
        savable=True,
    )
    run.advance(t_us)
    return Snapshot(snapshot_files.Snapshot(run.save(), *source))


def fork(
    start: Snapshot | str | os.PathLike[str], changes: Changes = None, *, duration: Duration = "8 h", future: int = 0
) -> Run:
    """Continue from a snapshot, with or without changes.

    Parameters
    ----------
    start : Snapshot, str or path
        A snapshot, or a file of one.
    changes : mapping, Change, str or list of these, optional
        Changes that apply from the snapshot on: of parameters, and more vehicles or people.
    duration : str or float
        Length of the window, which begins at the snapshot [s, or a text with a unit].
    future : int
        Number of the future: 0 continues the run's own random streams; equal numbers draw equal random numbers,
        whatever the changes.

    Returns
    -------
    Run
        The run from the snapshot on.

    Raises
    ------
    ConfigError
        When a change or an argument cannot be used.
    FactoryError
        When the file is not a snapshot, its plant has changed since, or the changed plant is built differently.

    Examples
    --------
    >>> import factory_sim as fs
    >>> start = fs.snapshot("line.yaml", at="1 h")
    >>> [fs.fork(start, change, duration="1 h").good_parts > 60 for change in (None, "WASH.cycle_time=35 s")]
    [True, True]
    """
    kept = start._kept if isinstance(start, Snapshot) else snapshot_files.read(path_of("start", start))  # noqa: SLF001
    texts, saved = texts_of(changes), kept.saved
    plant = Variant(kept.file, None, (*kept.overrides, *texts)).load()
    if not texts:
        kept.check(plant, kept.file)
    until_us, replication = saved.t_us + window_us(duration), saved.replication + whole("future", future)
    plant = kept.dated(plant)
    found = simulator.resume_to_end(plant, saved, until_us=until_us, replication=replication)
    return Run(Plant(plant), found, engine="calendar", seed=saved.seed, replication=replication)
