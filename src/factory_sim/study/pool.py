"""Trials on N processes of this machine: the same digits for every N."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any, TypeVar

from factory_sim.errors import FactoryError, TrialError
from factory_sim.sim.engines import compiling_aside
from factory_sim.study.store import StudyError
from factory_sim.study.trial import Detail, Setting, trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from typing import Self

    from factory_sim.plant.spec import Plant

_KEPT = 256  # pickled plants: a sweep has thousands, each is used for a while
T = TypeVar("T")
_AHEAD = 2  # trials a worker has waiting, so that it never waits itself


@dataclass(frozen=True, slots=True)
class Task:
    """One trial to run."""

    arm: str
    file: str  # what `factory-sim run` takes to reproduce a failure; "": there is no such command
    plant: Plant
    replication: int
    detail: Detail


class Pool:
    """A pool of processes that is started when it is first needed and lives as long as the `with` block.

    With the engine `auto` SimPy begins where the compiled one is not compiled yet, and another process compiles it.
    """

    def __init__(self, workers: int, engine: str = "auto") -> None:
        self.workers, self.engine = workers, engine
        self._open = ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        self._pickled: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        """The pool, no process of it started."""
        if self.engine == "auto":
            self._open.enter_context(compiling_aside())
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the workers; what they still do is dropped."""
        with _undisturbed():
            if self._pool is not None:
                _end(self._pool)
            self._open.close()

    def run(self, tasks: Sequence[Task], setting: Setting) -> Iterator[tuple[Task, dict[str, Any]]]:
        """Every task with its trial, as they finish. Raises TrialError, StudyError when a worker was killed."""
        if self.workers == 1 or len(tasks) < 2:
            for task in tasks:
                here = partial(trial, task.plant, setting, task.replication, task.detail, self.engine)
                yield task, answered(task, here, setting)
            return
        self._start(partial(warmed, tasks[0].plant, setting, self.engine))
        rest = ((setting, task.replication, task.detail, self.engine) for task in tasks)
        jobs = ((t.plant.digest, self._bytes(t.plant), *each) for t, each in zip(tasks, rest, strict=True))
        for n, result in self._finished(work, jobs):
            yield tasks[n], answered(tasks[n], result, setting)

    def each(self, function: Callable[..., T], jobs: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, T]]:
        """Every job's number with `function(*job)`, as they finish. StudyError for a killed worker.

        The first job is done in this process: what it compiles, the workers find compiled.
        """
        for n, job in enumerate(jobs if self.workers == 1 else jobs[:1]):
            yield n, function(*job)
        if self.workers == 1 or len(jobs) < 2:
            return
        self._start()
        for n, result in self._finished(function, jobs[1:]):
            yield n + 1, whole(result)

    def _finished(
        self, function: Callable[..., T], jobs: Iterable[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Callable[[], T]]]:
        """Every job's number with what gives its result, as they finish; never more in the queue than is needed."""
        assert self._pool is not None
        running: dict[Future[T], int] = {}
        waiting = enumerate(jobs)
        while True:
            for n, job in waiting:
                running[whole(partial(self._pool.submit, function, *job))] = n
                if len(running) >= _AHEAD * self.workers:
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result

    def _bytes(self, plant: Plant) -> bytes:
        if plant.digest not in self._pickled:
            if len(self._pickled) >= _KEPT:
                self._pickled.clear()
            self._pickled[plant.digest] = pickle.dumps(plant)
        return self._pickled[plant.digest]

    def _start(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Start the processes, once; `meanwhile` is done here while they load what they import."""
        if self._pool is not None:
            return
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the workers inherit it
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.workers, context, _begin)  # starts Python's own watcher, which unblocks
        with _undisturbed():
            for _ in range(self.workers):
                self._pool.submit(_nothing)  # a process is started with a job
        meanwhile()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C is heard at the end of the block, and never by the processes that are started in it.

    A pool that Ctrl-C finds half started or half ended would be waited for without end when Python exits.
    """
    if current_thread() is not main_thread():  # which alone hears it
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    if sys.platform != "win32":  # what is blocked here is blocked in a new process too, from its first instruction
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if heard:
            signal.raise_signal(signal.SIGINT)


def _end(pool: Any) -> None:
    """Kill the workers: one that is asked to end may still import, or wait for a lock that a dead one holds.

    Nothing public does it before `kill_workers` of Python 3.14.
    """
    workers = list(pool._processes.values())  # noqa: SLF001
    results = pool._result_queue._writer  # noqa: SLF001
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join()
    results.close()  # else the rest of a result that a worker was sending is waited for
    pool.shutdown(cancel_futures=True)


def warmed(plant: Plant, setting: Setting, engine: str) -> None:
    """Compile here what the workers will need: several that compile one cached kernel at once can crash.

    Numba issues 4807 and 10128.
    """
    trial(plant, Setting(setting.seed, 0.0, 1.0, 1.0), 0, Detail.FULL, engine)


def answered(task: Task, result: Callable[[], dict[str, Any]], setting: Setting) -> dict[str, Any]:
    """What a task's trial found. Raises TrialError when it failed, StudyError when its worker was killed."""
    try:
        return whole(result)
    except StudyError:
        raise
    except FactoryError as error:
        alone = task.file and not setting.moment
        window_s = (setting.warm_up_s, setting.duration_s) if alone else None
        raise TrialError(task.file or task.arm, task.replication, setting.seed, str(error), window_s) from error


def whole(result: Callable[[], T]) -> T:
    """What a worker found. Raises StudyError when it was killed."""
    try:
        return result()
    except BrokenProcessPool:
        msg = "A worker process was killed (no memory left?). What is finished is kept; the same command goes on."
        raise StudyError(msg) from None


# ---- in the workers


def _nothing() -> None:
    """What a worker does first."""


def _begin() -> None:
    """A worker leaves Ctrl-C to its parent, and dies with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def work(digest: str, plant: bytes, *rest: Any) -> dict[str, Any]:
    """`trial` of a pickled plant, which is unpickled once."""
    return trial(_unpickled(digest, _Bytes(plant)), *rest)


class _Bytes:
    """Bytes that a cache does not compare: the digest beside them says it all."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=8)
def _unpickled(digest: str, content: _Bytes) -> Plant:  # noqa: ARG001 - the cache's key
    plant: Plant = pickle.loads(content.content)  # noqa: S301 - our own, from the parent
    return plant
