"""Trials on a Dask cluster, of this machine or of many: the digits of the local pool. Needs the extra `[cluster]`."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from factory_sim.study.pool import Pool, Task, answered, warmed, work
from factory_sim.study.store import StudyError, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.study.trial import Setting

LOCAL = "local"
_PATIENCE_S = 10.0  # for a scheduler to answer
_RETRIES = 2  # of a trial whose worker died


def hired(workers: int, engine: str = "auto", dask: str = "") -> Pool:
    """Processes of this machine, or the workers of a Dask scheduler: `local`, or tcp://host:port. Raises StudyError."""
    return Cluster(dask, workers, engine) if dask else Pool(workers, engine)


class Cluster(Pool):
    """What `Pool` is, on the workers of a Dask scheduler. A killed worker loses nothing: its trials run elsewhere.

    The `with` block leaves the cluster; one that was started here ends.
    """

    def __init__(self, address: str, workers: int, engine: str = "auto") -> None:
        """Connects at once. address: `local`, or tcp://host:port. Raises StudyError where nobody answers."""
        super().__init__(workers, engine)
        try:
            import distributed  # noqa: PLC0415 - an extra
        except ImportError:
            msg = "--dask needs Dask: pip install 'smart-factory-sim[cluster]'"
            raise StudyError(msg) from None
        self._dask: Any = distributed  # half of it has no types
        if address == LOCAL:
            own = self._dask.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            address = self._open.enter_context(own).scheduler_address
        try:
            self._client = self._open.enter_context(self._dask.Client(address, timeout=_PATIENCE_S))
        except Exception as error:  # noqa: BLE001 - what else speaks there may be read as anything: 3 EiB, for one
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
        """Refuse a cluster without workers, or with one whose digits may be others. Raises StudyError."""
        found, here = self._client.run(versions, on_error="return"), versions()
        if not found:
            msg = f"{address}: the Dask scheduler has no workers. Start some: dask worker {address}"
            raise StudyError(msg)
        for worker, there in found.items():
            if isinstance(there, Exception):
                msg = f"{address}: worker {worker} cannot run this program ({there}). Install the same version there."
                raise StudyError(msg)
            if differs := [f"{what} {there[what]}, not {here[what]}" for what in here if there[what] != here[what]]:
                msg = f"{address}: worker {worker} has {', '.join(differs)}. Give it the same, for the same digits."
                raise StudyError(msg)

    def run(self, tasks: Sequence[Task], setting: Setting) -> Iterator[tuple[Task, dict[str, Any]]]:
        """Every task with its trial, as they finish. Raises TrialError, and StudyError when workers keep dying."""
        if len(tasks) < 2:  # not worth the journey
            yield from super().run(tasks, setting)
            return
        warmed(tasks[0].plant, setting, self.engine)
        plants = {task.plant.digest: task.plant for task in tasks}
        # A task, not scattered data: what a dead worker held is made again.
        sent = {digest: self._submit(bytes, pickle.dumps(plant), name=digest) for digest, plant in plants.items()}
        running = {}
        for task in tasks:
            digest, rest = task.plant.digest, (setting, task.replication, task.detail, self.engine)
            name = f"{digest} {rest}"
            running[self._submit(work, digest, sent[digest], *rest, name=name)] = task
        for future in self._dask.as_completed(list(running)):
            yield running[future], answered(running[future], future.result, setting)

    def _submit(self, function: Any, *arguments: Any, name: str) -> Any:
        return self._client.submit(function, *arguments, key=f"factory-sim {name}", retries=_RETRIES, pure=True)
