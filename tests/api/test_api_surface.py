"""The names of the package: listed, typed, and imported only when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import factory_sim as fs

CALLS = {
    "load",
    "simulate",
    "compare",
    "why",
    "whatif",
    "sweep",
    "optimise",
    "replay",
    "publish",
    "listen",
    "record",
    "snapshot",
}
TYPED = """
from typing import assert_type
import factory_sim as fs
from factory_sim.results.resource import Resource
from factory_sim.views.frames import DataFrame, Series

plant = fs.load("line.yaml", {"WASH.buffer": 4})
assert_type(plant, fs.Plant)
assert_type(plant.machines, fs.Table)
assert_type(plant.machines.to_pandas(), DataFrame)
run = fs.simulate(plant, changes=[fs.Change("WASH.buffer", 2, "+"), "CUT.buffer=4"])
assert_type(run, fs.Run)
assert_type(run.kpis()["line.good_parts"], float)
assert_type(run.kpis()["operation.oee", "WASH"], float)
assert_type(run.log, fs.Table)
assert_type(run.signal("M002", "power"), Series)
study = fs.compare(plant, "better.yaml", progress=lambda event: print(event.done))
assert_type(study, fs.Comparison)
assert_type(study.change["line_rate_pct"].mean, float)
assert_type(study.constraint.before, Resource | None)
assert_type(study.why(), fs.Why)
assert_type(fs.whatif(plant, "WASH.buffer+2"), fs.Comparison)
assert_type(fs.why(plant).constraint, Resource | None)
assert_type(fs.sweep(plant, factors={"WASH.buffer": [1, 2]}).to_pandas(), DataFrame)
assert_type(fs.optimise("places.yaml"), fs.Optimisation)
assert_type(fs.replay(study).same, bool)
start = fs.snapshot(plant, at="4 h")
assert_type(start, fs.Snapshot)
assert_type(fs.fork(start, duration=60.0), fs.Run)
assert_type(fs.publish(plant, "mqtt://127.0.0.1"), fs.Publication)
assert_type(fs.listen().result.feed.lost, int)
assert_type(fs.record("folder").history(), fs.History)
assert_type(fs.__version__, str)
error: type[fs.FactoryError] = fs.ConfigError
"""
WRONG = """
import factory_sim as fs

fs.simulate("line.yaml", duration=None)
fs.compare("line.yaml", replications="30")
fs.simulat("line.yaml")
"""


def test_dir_and_all_name_the_same_things_and_each_is_there() -> None:
    assert dir(fs) == sorted(fs.__all__)
    assert CALLS | {"fork", "Change", "__version__"} <= set(dir(fs))
    assert all(getattr(fs, name) is not None for name in fs.__all__)


def test_every_exception_with_a_cause_outside_the_program_is_public() -> None:
    for module in walk_packages(fs.__path__, "factory_sim."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    waiting, found = [fs.FactoryError], set()
    while waiting:
        found.add(waiting[-1].__name__)
        waiting += waiting.pop().__subclasses__()
    assert {name for name in found if not name.startswith("_")} <= set(fs.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'simulat'"):
        _ = fs.simulat  # type: ignore[attr-defined]


def test_importing_the_package_and_listing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, factory_sim as fs\n"
        "assert 'simulate' in dir(fs)\n"
        "fs.ConfigError\n"
        "sys.exit(', '.join({'numpy', 'numba', 'simpy', 'pandas', 'rich'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long(reason="mypy reads the whole package")
def test_type_checkers_see_the_whole_interface(tmp_path: Path) -> None:
    assert Path(fs.__file__).with_name("py.typed").exists()
    code, output = checked(tmp_path, TYPED)
    assert code == 0, output


@pytest.mark.long(reason="mypy reads the whole package")
def test_type_checkers_refuse_wrong_calls(tmp_path: Path) -> None:
    _, output = checked(tmp_path, WRONG)
    wrong = {int(line.split(":")[1]) for line in output.splitlines() if "error:" in line}
    assert wrong == {4, 5, 6}, output


def checked(folder: Path, text: str) -> tuple[int, str]:
    """Exit code and output of mypy --strict on a user's file."""
    pytest.importorskip("mypy")
    ast.parse(text)
    (folder / "user.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(config(folder)), str(folder / "user.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, done.stdout + done.stderr


def config(folder: Path) -> Path:
    """Return mypy's configuration for a project that uses the package."""
    source = Path(fs.__file__).parents[1]
    text = f"[mypy]\nmypy_path = {source}\nfollow_imports = silent\nignore_missing_imports = True\n"
    (folder / "mypy.ini").write_text(text, encoding="utf-8")
    return folder / "mypy.ini"
