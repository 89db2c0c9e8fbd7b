"""Studies of many variants of one plant: sweep and optimise."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from factory_sim.api.arguments import engine_name, path_of, refuse
from factory_sim.api.plants import Plant, variant_of
from factory_sim.api.study_progress import reported
from factory_sim.api.study_results import Execution, Optimisation, Sweep
from factory_sim.study import file_study
from factory_sim.study.optimise.optimise_study import run_optimisation
from factory_sim.study.sweep.sweep_study import run_sweep

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from factory_sim.api.plants import PlantLike
    from factory_sim.api.progress import ProgressOption
    from factory_sim.study.arms import Variant


def sweep(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike,
    *,
    factors: Mapping[str, object] | None = None,
    responses: Sequence[str] | None = None,
    settings: Mapping[str, object] | None = None,
    workers: int | None = None,
    engine: str = "auto",
    dask: str = "",
    study: str | os.PathLike[str] | None = None,
    progress: ProgressOption = True,
) -> Sweep:
    """Simulate a plant at every point of a design and determine the influence of each factor.

    Parameters
    ----------
    plant : str, path or Plant
        A file that describes a sweep (docs/sweeps.md), or with `factors` a plant.
    factors : mapping of str to list or mapping, optional
        Addresses and their values: `{"agv.count": [6, 8], "OP410.cycle_time": {"levels": ["34 s", "37 s"]}}`.
    responses : list of str, optional
        KPIs of the line, the decisive one first.
    settings : mapping, optional
        Further keys of the file: `design`, `points`, `replications`, `duration`, `warm_up`, `seed`, `title`.
    workers, engine, dask, study, progress
        As in `compare`.

    Returns
    -------
    Sweep
        Responses at every point and sensitivities.

    Raises
    ------
    ConfigError
        When the description or an argument cannot be used; carries all problems at once.
    StudyError
        When the study file belongs to another study.
    TrialError
        When a trial fails.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.sweep("line.yaml", factors={"WASH.buffer": [1, 4]}, workers=1, progress=False,
    ...          settings={"replications": 2, "duration": "1 h", "warm_up": "10 min"})
    <Sweep of line: 2 points>
    """
    execution = Execution(workers=workers, engine=engine, dask=dask, study=study, progress=progress)
    keys = {"factors": factors, "responses": responses, **(settings or {})}
    with _described("sweep", plant, keys) as (file, base), reported(progress) as watcher:
        found = run_sweep(file, _running(execution), watcher, base)
    return Sweep(found.result, found.file, execution)


def optimise(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike,
    *,
    variables: Mapping[str, object] | None = None,
    objectives: Sequence[str] | None = None,
    settings: Mapping[str, object] | None = None,
    workers: int | None = None,
    engine: str = "auto",
    dask: str = "",
    study: str | os.PathLike[str] | None = None,
    progress: ProgressOption = True,
) -> Optimisation:
    """Find the best choice within limits and a budget.

    Parameters
    ----------
    plant : str, path or Plant
        A file that describes an optimisation (docs/sweeps.md), or with `variables` a plant.
    variables : mapping of str to mapping, optional
        Addresses and their ranges: `{"agv.count": {"low": 6, "high": 12, "price": "40000 EUR"}}`.
    objectives : list of str, optional
        KPIs of the line; the first decides, all of them define the Pareto front.
    settings : mapping, optional
        Further keys of the file: `limits`, `budget`, `confidence`, `most`, `duration`, `warm_up`, `seed` and others.
    workers, engine, dask, study, progress
        As in `compare`.

    Returns
    -------
    Optimisation
        The selected choice with its guarantee, and the Pareto front.

    Raises
    ------
    ConfigError
        When the description or an argument cannot be used; carries all problems at once.
    StudyError
        When the study file belongs to another study.
    TrialError
        When a trial fails.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.optimise("line.yaml", variables={"WASH.buffer": {"low": 1, "high": 2}}, workers=1, progress=False,
    ...                     settings={"most": 10, "duration": "1 h", "warm_up": "10 min"})
    >>> study.selected["WASH.buffer"] in (1, 2)
    True
    """
    execution = Execution(workers=workers, engine=engine, dask=dask, study=study, progress=progress)
    keys = {"variables": variables, "objectives": objectives, **(settings or {})}
    with _described("optimise", plant, keys) as (file, base), reported(progress) as watcher:
        found = run_optimisation(file, _running(execution), watcher, base)
    return Optimisation(found.result, found.file, execution)


def _running(execution: Execution) -> file_study.Execution:
    engine = engine_name(execution.engine)
    return file_study.Execution(workers=execution.processes, engine=engine, dask=execution.dask, file=execution.path)


@contextmanager
def _described(command: str, plant: PlantLike, keys: Mapping[str, object]) -> Iterator[tuple[Path, Variant | None]]:
    """Yield the file that describes a study, and the plant if it was given apart from the file."""
    given = {key: value for key, value in keys.items() if value is not None}
    if not given and not isinstance(plant, Plant):
        yield path_of("plant", plant), None
        return
    variant = variant_of(plant)
    file = Path(variant.file).resolve() if Path(variant.file).is_file() else variant.file
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{command}.yaml"
        try:
            path.write_text(json.dumps({command: str(file), **given}), encoding="utf-8")
        except (TypeError, ValueError) as error:
            refuse("settings", f"expected texts, numbers, lists and mappings: {error}")
        yield path, variant
