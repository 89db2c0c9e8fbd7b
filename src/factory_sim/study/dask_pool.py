"""Trials on a Dask cluster, with the results of the local pool. Requires the extra `[cluster]`."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from factory_sim.errors import require_extra
from factory_sim.study.pool import Pool, Task, compile_for, trial_of, work
from factory_sim.study.store import StudyError, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.study.trial import Setting
    from factory_sim.study_records import Trial

LOCAL = "local"
_CONNECT_TIMEOUT_S = 10.0
_RETRIES = 2  # of a trial whose worker died


def open_pool(workers: int, engine: str = "auto", dask: str = "") -> Pool:
    """Return a pool of local processes, or of Dask workers: `local` or tcp://host:port. Raise StudyError."""
    return DaskPool(dask, workers, engine) if dask else Pool(workers, engine)


class DaskPool(Pool):
    """A `Pool` of the workers of a Dask scheduler; the trials of a killed worker run on another one.

    The `with` block disconnects at its end, and stops a cluster that was started here.
    """

    def __init__(self, address: str, workers: int, engine: str = "auto") -> None:
        """Connect. Raise StudyError when no scheduler answers."""
        super().__init__(workers, engine)
        require_extra("cluster", "--dask")
        import distributed  # noqa: PLC0415 - an extra

        self._dask: Any = distributed  # parts of it have no types
        if address == LOCAL:
            own = self._dask.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            address = self._open.enter_context(own).scheduler_address
        try:
            self._client = self._open.enter_context(self._dask.Client(address, timeout=_CONNECT_TIMEOUT_S))
        except Exception as error:  # noqa: BLE001 - another protocol on that port can raise anything
            self._open.close()
            msg = f"{address}: no Dask scheduler answers ({error}). Start one: dask scheduler; dask worker {address}"
            raise StudyError(msg) from None
        try:
            self._check(address)
        except StudyError:
            self._open.close()
            raise
        self.workers = sum(self._client.nthreads().values())

    def _check(self, address: str) -> None:
        """Raise StudyError for a cluster without workers, or with workers whose results may differ."""
        found, here = self._client.run(versions, on_error="return"), versions()
        if not found:
            msg = f"{address}: the Dask scheduler has no workers. Start some: dask worker {address}"
            raise StudyError(msg)
        for worker, there in found.items():
            if isinstance(there, Exception):
                msg = f"{address}: worker {worker} cannot run this program ({there}). Install the same version there."
                raise StudyError(msg)
            if differs := [f"{what} {there[what]}, not {here[what]}" for what in here if there[what] != here[what]]:
                msg = f"{address}: worker {worker} has {', '.join(differs)}. Install the same versions there."
                raise StudyError(msg)

    def run(self, tasks: Sequence[Task], setting: Setting) -> Iterator[tuple[Task, Trial]]:
        """Yield every task with its trial, as they finish. Raise TrialError, and StudyError when workers keep dying."""
        if len(tasks) < 2:  # faster here than on the cluster
            yield from super().run(tasks, setting)
            return
        compile_for(tasks[0].plant, setting, self.engine)
        plants = {task.plant.digest: task.plant for task in tasks}
        # A task, not scattered data: Dask repeats it when the worker that held it dies.
        sent = {digest: self._submit(bytes, pickle.dumps(plant), name=digest) for digest, plant in plants.items()}
        running = {}
        for task in tasks:
            digest, rest = task.plant.digest, (setting, task.replication, task.detail, self.engine)
            name = f"{digest} {rest}"
            running[self._submit(work, digest, sent[digest], *rest, name=name)] = task
        for future in self._dask.as_completed(list(running)):
            yield running[future], trial_of(running[future], future.result, setting)

    def _submit(self, function: Any, *arguments: Any, name: str) -> Any:
        return self._client.submit(function, *arguments, key=f"factory-sim {name}", retries=_RETRIES, pure=True)
