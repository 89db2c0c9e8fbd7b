"""Killed at a random moment and resumed; on Dask: the same digest. Slow: these start processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from study_lines import request_of

from factory_sim.study import cluster, store
from factory_sim.study.api import made
from factory_sim.study.pool import Pool
from factory_sim.study.run import Watcher, begin, run
from factory_sim.study.store import StudyError

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.study.api import Comparison

KILLS = 3


@pytest.mark.slow
def test_a_study_that_was_killed_again_and_again_ends_with_the_digest_of_an_undisturbed_one(
    folder: Path, finished: Comparison, tmp_path: Path
) -> None:
    file = tmp_path / "killed.jsonl"
    words = [
        "compare", folder / "line.yaml", folder / "better.yaml", "--replications", "5", "--duration", "1 h",
        "--warm-up", "15 min", "--workers", "1", "--engine", "simpy", "--study", file,
    ]  # fmt: skip
    wait = random.Random(5)
    for _ in range(KILLS):
        before = file.stat().st_size if file.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "factory_sim", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and (not file.exists() or file.stat().st_size == before):
            time.sleep(0.02)
        time.sleep(wait.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    found = made(request_of(folder, file=file), Watcher(), budget_s=3600.0)
    assert store.digest(found.study) == store.digest(finished.study)


@pytest.mark.slow
def test_a_killed_worker_is_said_so_and_what_was_finished_is_kept(folder: Path, tmp_path: Path) -> None:
    request = request_of(folder, workers=2, replications=200, file=tmp_path / "killed.jsonl")
    with Pool(2, "simpy") as pool:

        class Killing(Watcher):
            def reached(self, done: int) -> None:
                if done == 3:
                    assert pool._pool is not None
                    next(iter(pool._pool._processes.values())).kill()

        session = begin(request, pool, Killing())
        with session.kept, pytest.raises(StudyError, match="was killed"):
            run(session, request)
    assert len(store.load(tmp_path / "killed.jsonl").trials) >= 3


@pytest.mark.slow
def test_a_dask_cluster_finds_the_digits_of_one_worker(folder: Path, finished: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    request = request_of(folder, workers=2, dask="local", file=tmp_path / "dask.jsonl")
    assert store.digest(made(request, Watcher(), 3600.0).study) == store.digest(finished.study)


def test_a_scheduler_that_does_not_answer_is_said_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.3)
    file = tmp_path / "none.jsonl"
    with pytest.raises(StudyError, match="no Dask scheduler answers"):
        made(request_of(folder, dask="tcp://127.0.0.1:1", file=file), Watcher())
    assert not file.exists()
