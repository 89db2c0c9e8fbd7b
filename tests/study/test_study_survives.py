"""Killed at a random moment and resumed; on Dask: the same digest. Slow: these start processes."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing import active_children, get_context
from threading import Thread
from typing import TYPE_CHECKING, ClassVar, Self

import distributed
import pytest
from study_lines import Compared, request_of

from factory_sim.study import dask_pool, store
from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.dask_pool import open_pool
from factory_sim.study.pool import Pool
from factory_sim.study.runner import Progress, run_replications, start_session
from factory_sim.study.store import StudyError
from factory_sim.study.study_json import study_digest, trial_digest

if TYPE_CHECKING:
    from pathlib import Path


KILLS = 10


@pytest.mark.slow
def test_a_study_that_was_killed_ten_times_ends_with_the_digest_of_an_undisturbed_one(
    folder: Path, finished: Compared, tmp_path: Path
) -> None:
    """Killed in a copy of this process: a new one would need seconds to begin, ten times."""
    request = request_of(folder, file=tmp_path / "killed.jsonl")
    wait = random.Random(5)
    sizes = [0]
    for _ in range(KILLS):
        process = get_context("fork").Process(target=run_study, args=(request, Progress()))
        process.start()
        end = time.monotonic() + 30  # a copy may wait without end for a lock that a thread held here
        while process.is_alive() and size(request.file) == sizes[-1] and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(wait.uniform(0, 0.1))
        process.kill()
        process.join()
        sizes.append(size(request.file))
    assert sizes[1] < sizes[-1]
    assert study_digest(run_study(request, Progress()).study) == study_digest(finished.study)


def size(file: Path | None) -> int:
    assert file is not None
    return file.stat().st_size if file.exists() else 0


@pytest.mark.slow
def test_a_killed_worker_is_said_so_and_what_was_finished_is_kept(folder: Path, tmp_path: Path) -> None:
    request = request_of(folder, workers=2, replications=200, file=tmp_path / "killed.jsonl")
    with Pool(2, "simpy") as pool:

        class Killing(Progress):
            def advance(self, done: int) -> None:
                if done == 3:
                    active_children()[0].kill()

        session = start_session(request, pool, Killing())
        with session.store, pytest.raises(StudyError, match="was killed"):
            run_replications(session, request)
    assert len(store.load(tmp_path / "killed.jsonl").trials) >= 3


@pytest.mark.slow
def test_a_worker_that_died_between_two_trials_is_reported_too() -> None:
    with Pool(2, "simpy") as pool:
        results = pool.each(pow, [(2, n) for n in range(100)])
        assert [next(results), next(results)]
        for worker in active_children():
            worker.kill()
            worker.join()
        with pytest.raises(StudyError, match="was killed"):
            list(results)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_study_of_one_worker(folder: Path, finished: Compared, tmp_path: Path) -> None:
    request = request_of(folder, workers=2, dask="local", file=tmp_path / "dask.jsonl")
    assert study_digest(run_study(request, Progress(), 3600.0).study) == study_digest(finished.study)


@pytest.mark.slow
def test_a_killed_dask_worker_loses_nothing(folder: Path, finished: Compared, tmp_path: Path) -> None:
    request = request_of(folder, workers=2, file=tmp_path / "dask.jsonl")
    killed: list[int] = []
    with open_pool(2, "simpy", dask_pool.LOCAL) as pool:

        class Killing(Progress):
            def advance(self, done: int) -> None:
                if done == 3 and not killed:
                    killed.extend(distributed.get_client().run(os.getpid).values())
                    os.kill(killed[0], signal.SIGKILL)

        session = start_session(request, pool, Killing())
        with session.store:
            run_replications(session, request)
    assert killed
    kept = store.load(tmp_path / "dask.jsonl").trials
    assert {key: trial_digest(trial) for key, trial in kept.items()} == {
        key: trial_digest(finished.study.trials[key]) for key in kept
    }
    assert len(kept) == 2 * request.replications


def test_a_scheduler_that_does_not_answer_is_said_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_pool, "_CONNECT_TIMEOUT_S", 0.3)
    file = tmp_path / "none.jsonl"
    with pytest.raises(StudyError, match="no Dask scheduler answers"):
        run_study(request_of(folder, dask="tcp://127.0.0.1:1", file=file), Progress())
    assert not file.exists()


class Scheduler:
    """What `DaskPool` asks of a Dask client, and nothing else."""

    workers: ClassVar[dict[str, object]]

    def __init__(self, address: str, timeout: float) -> None:
        assert address == "tcp://a:1"
        assert timeout > 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""

    def run(self, _function: object, on_error: str) -> dict[str, object]:
        assert on_error == "return"
        return self.workers

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ({}, "has no workers. Start some: dask worker tcp://a:1"),
        ({"w": ModuleNotFoundError("No module named 'factory_sim'")}, "worker w cannot run this program .No module"),
        ({"w": {**store.versions(), "program": "9"}}, "worker w has program 9, not "),
    ],
)
def test_workers_with_other_versions_are_refused(
    workers: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "Client", Scheduler)
    monkeypatch.setattr(Scheduler, "workers", workers, raising=False)
    with pytest.raises(StudyError, match=said):
        dask_pool.DaskPool("tcp://a:1", 1)
    monkeypatch.setattr(Scheduler, "workers", {"w": store.versions()})
    assert dask_pool.DaskPool("tcp://a:1", 4).workers == 1


def test_what_speaks_no_dask_is_no_scheduler() -> None:
    """A page's header is read as the length of a message: 3 EiB."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_refuse, args=(server,), daemon=True).start()
        address = "tcp://{}:{}".format(*server.getsockname())
        with pytest.raises(StudyError, match="no Dask scheduler answers"):
            dask_pool.DaskPool(address, 1)


def _refuse(server: socket.socket) -> None:
    with suppress(OSError):  # the test is over
        while True:
            with server.accept()[0] as asked:
                asked.recv(10)
                asked.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" + 200 * b"x")


_BUSY = """
import signal, sys, time
from factory_sim.study.pool import Pool
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    with Pool(2, "simpy") as pool:
        for _ in pool.each(time.sleep, [(0.0,), *8 * [(600.0,)]]):
            print("started", flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3, 1.0])
def test_ctrl_c_ends_a_pool_whatever_its_workers_do(after_s: float) -> None:
    """They are started, import, or work; it comes twice to every process of the group, as `timeout` sends it."""
    command = [sys.executable, "-c", _BUSY]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate()[1]  # the workers have the other ends too
    assert process.returncode in {130, -signal.SIGINT}
    assert b"SpawnProcess" not in said
    assert b"spawn_main" not in said
