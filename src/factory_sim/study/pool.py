"""Trials on N processes of this computer; the results do not depend on N."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar

from factory_sim.errors import FactoryError, TrialError
from factory_sim.study.store import StudyError
from factory_sim.study.trial import Detail, Setting, of_arm, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from multiprocessing.process import BaseProcess
    from typing import Self

    from factory_sim.plant.spec import Plant
    from factory_sim.study_records import Trial

_MOST_PICKLED = 256  # plants in memory: a sweep has thousands, each is needed for a short time
T = TypeVar("T")
_LOOK_S = 0.5  # Windows handles Ctrl-C between two looks
_QUEUED = 2  # trials per worker that are submitted ahead, so that no worker is idle


@dataclass(frozen=True, slots=True)
class Task:
    """One trial to run."""

    arm: str
    file: str  # argument of `factory-sim run` that reproduces a failure; "": there is no such command
    plant: Plant
    replication: int
    detail: Detail


class Pool:
    """A pool of processes that starts when it is first needed and ends with the `with` block."""

    def __init__(self, workers: int, engine: str = "auto") -> None:
        self.workers, self.engine = workers, engine
        self._open = ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        self._pickled: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        """Return the pool; no process is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the workers; unfinished trials are dropped."""
        with _interrupts_deferred():
            if self._pool is not None:
                _kill(self._pool)
            self._open.close()

    def run(self, tasks: Sequence[Task], setting: Setting) -> Iterator[tuple[Task, Trial]]:
        """Yield every task with its trial, as they finish. Raise TrialError, and StudyError for a killed worker."""
        if self.workers == 1 or len(tasks) < 2:
            for task in tasks:
                here = partial(run_trial, task.plant, setting, task.replication, task.detail, self.engine)
                yield task, trial_of(task, here, setting)
            return
        self._start(partial(compile_for, tasks[0].plant, setting, self.engine))
        rest = ((setting, task.replication, task.detail, self.engine) for task in tasks)
        jobs = ((t.plant.digest, self._bytes(t.plant), *each) for t, each in zip(tasks, rest, strict=True))
        for n, result in self._finished(work, jobs):
            yield tasks[n], trial_of(tasks[n], result, setting)

    def each(self, function: Callable[..., T], jobs: Sequence[tuple[object, ...]]) -> Iterator[tuple[int, T]]:
        """Yield every job's number with `function(*job)`, as they finish. Raise StudyError for a killed worker.

        The first job runs in this process, so that the workers find its functions compiled.
        """
        for n, job in enumerate(jobs if self.workers == 1 else jobs[:1]):
            yield n, function(*job)
        if self.workers == 1 or len(jobs) < 2:
            return
        self._start()
        for n, result in self._finished(function, jobs[1:]):
            yield n + 1, result_of(result)

    def _finished(
        self, function: Callable[..., T], jobs: Iterable[tuple[object, ...]]
    ) -> Iterator[tuple[int, Callable[[], T]]]:
        """Yield every job's number with a function that returns its result, as they finish."""
        assert self._pool is not None
        running: dict[Future[T], int] = {}
        waiting = enumerate(jobs)
        done: SimpleQueue[Future[T]] = SimpleQueue()
        while True:
            for n, job in waiting:
                with _interrupts_deferred():
                    future = result_of(partial(self._pool.submit, function, *job))
                    future.add_done_callback(done.put)
                running[future] = n
                if len(running) >= _QUEUED * self.workers:
                    break
            if not running:
                return
            future = _next(done)
            yield running.pop(future), future.result

    def _bytes(self, plant: Plant) -> bytes:
        if plant.digest not in self._pickled:
            if len(self._pickled) >= _MOST_PICKLED:
                self._pickled.clear()
            self._pickled[plant.digest] = pickle.dumps(plant)
        return self._pickled[plant.digest]

    def _start(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Start the processes, once; call `meanwhile` while they import."""
        if self._pool is not None:
            return
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the workers inherit it
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.workers, context, _start_worker)  # starts a thread that unblocks signals
        with _interrupts_deferred(), _main_module_hidden():
            for _ in range(self.workers):
                self._pool.submit(_no_work)  # a process starts with its first job
        meanwhile()


def _next(done: SimpleQueue[Future[T]]) -> Future[T]:
    """Return the next future that is done.

    `futures.wait` would keep locks of futures when Ctrl-C comes while it takes them, and the pool would never end.
    """
    while True:
        with suppress(Empty):
            return done.get(timeout=_LOOK_S)


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Handle Ctrl-C at the end of the block; processes that are started in it ignore it.

    Python would wait forever at its exit for a pool that is interrupted while it starts, takes a job or ends.
    """
    if current_thread() is not main_thread():  # which alone receives signals
        yield
        return
    received: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    if sys.platform != "win32":  # a new process inherits the mask
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if received:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Start processes that do not import the user's script: it needs no `if __name__ == "__main__"`."""
    names = vars(sys.modules["__main__"])
    kept: dict[str, ModuleSpec | str | None] = {name: names[name] for name in ("__file__", "__spec__") if name in names}
    names.pop("__file__", None)
    names["__spec__"] = None
    try:
        yield
    finally:
        names.update(kept)


def _kill(pool: ProcessPoolExecutor) -> None:
    """Kill the workers: one that is asked to end can still import, or wait for a lock that a dead one holds."""
    private: Any = pool
    workers = list(private._processes.values())  # noqa: SLF001 - `kill_workers` is public from Python 3.14 on
    results = private._result_queue._writer  # noqa: SLF001 - same
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join()
    results.close()  # otherwise the pool waits for the rest of an incomplete result
    pool.shutdown(cancel_futures=True)


def compile_for(plant: Plant, setting: Setting, engine: str) -> None:
    """Compile the kernels before the workers need them; processes that compile the same kernel at once can crash.

    Numba issues 4807 and 10128.
    """
    run_trial(plant, Setting(setting.seed, 0.0, 1.0, 1.0), 0, Detail.FULL, engine)


def trial_of(task: Task, result: Callable[[], Trial], setting: Setting) -> Trial:
    """Return the trial of a task. Raise TrialError when it failed, StudyError when its worker was killed."""
    try:
        return of_arm(result_of(result), task.arm)
    except StudyError:
        raise
    except FactoryError as error:
        alone = task.file and not setting.snapshot
        window_s = (setting.warm_up_s, setting.duration_s) if alone else None
        raise TrialError(task.file or task.arm, task.replication, setting.seed, str(error), window_s) from error


def result_of(result: Callable[[], T]) -> T:
    """Return the result of a worker. Raise StudyError when it was killed."""
    try:
        return result()
    except BrokenProcessPool:
        msg = "A worker process was killed (out of memory?). Finished trials are kept; the same command resumes."
        raise StudyError(msg) from None


# ---- in the workers

_UNPICKLED: dict[str, Plant] = {}  # by digest
_MOST_UNPICKLED = 8


def _no_work() -> None:
    """Do nothing: the first job of a worker."""


def _start_worker() -> None:
    """Ignore Ctrl-C, and end when the parent process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def work(digest: str, plant: bytes, setting: Setting, replication: int, detail: Detail, engine: str) -> Trial:
    """Run a trial of a pickled plant, which is unpickled once."""
    if digest not in _UNPICKLED:
        if len(_UNPICKLED) >= _MOST_UNPICKLED:
            _UNPICKLED.clear()
        _UNPICKLED[digest] = pickle.loads(plant)  # noqa: S301 - our own, from the parent
    return run_trial(_UNPICKLED[digest], setting, replication, detail, engine)
