"""Where compiled code is kept: damaged files, processes at the same time, directories that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from factory_sim import jit

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
from factory_sim.jit import njit
@njit
def twice(x):
    return 2 * x
print(twice(21), sum(twice.stats.cache_hits.values()))
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return [sys.executable, str(file)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}


def printed(program: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
def test_half_a_file_of_compiled_code_is_compiled_again(
    program: list[str], environment: dict[str, str], tmp_path: Path, ending: str
) -> None:
    assert printed(program, environment) == "42 0"
    assert printed(program, environment) == "42 1"
    files = [path for path in (tmp_path / "cache").rglob("*" + ending) if "twice" in path.name]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert printed(program, environment) == "42 0"
    assert printed(program, environment) == "42 1"


def test_processes_that_compile_at_the_same_time_all_succeed(program: list[str], environment: dict[str, str]) -> None:
    processes = [subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate()[0].split()[0] for process in processes} == {"42"}
    assert printed(program, environment) == "42 1"


def test_a_directory_of_another_user_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: 54_321, raising=False)
    found = jit.cache_directory("factory_sim.foreign_room.module")
    assert tmp_path not in found.parents
    assert found.is_dir()
    found.rmdir()


def test_a_read_only_installation_keeps_compiled_code_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "not_a_directory"
    file.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("os.access", lambda path, _mode: tmp_path in path.parents)
    found = jit.cache_directory("factory_sim.read_only_room.module")
    assert tmp_path / ".cache" / "factory_sim" == found.parent
