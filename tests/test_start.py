"""run.py, the first command of everyone: what it installs, when again, and what it reports when it cannot."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "run.py", ROOT / "installation.py")
OLD = {"python2.7", *(f"python3.{minor}" for minor in range(4, 11))}


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """installation.py in an empty tree, where environments are empty folders and installations only say so."""
    monkeypatch.syspath_prepend(str(ROOT))
    spec = importlib.util.spec_from_file_location("start", FILES[1])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_text("one")
    venv = tmp_path / ".venv"
    venv.mkdir()
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / "factory_sim.json",
        "LOCK": venv / "factory_sim.lock",
        "installed": [],
        "compiled": [],
    }.items():
        monkeypatch.setattr(module, name, value, raising=False)

    def make_venv() -> None:
        (venv / "bin").mkdir()
        (venv / "bin" / "python").symlink_to(sys.executable)
        module.installed.append("venv")

    monkeypatch.setattr(module, "make_venv", make_venv)
    monkeypatch.setattr(module, "compile_in_background", lambda: module.compiled.append(1))
    monkeypatch.setattr(module, "install", module.installed.append)
    monkeypatch.setattr(module, "healthy", lambda: module.PYTHON.exists() or not any(venv.iterdir()))
    return module


def test_the_second_start_installs_nothing(start: ModuleType) -> None:
    start.prepare([])
    start.prepare([])
    assert start.installed == ["venv", []]
    assert start.compiled == [1]


def test_tests_add_what_they_need_and_the_demo_does_not_take_it_away(start: ModuleType) -> None:
    for extras in ([], ["test"], []):
        start.prepare(extras)
    assert start.installed == ["venv", [], ["test"]]


@pytest.mark.parametrize(
    ("words", "extras"), [([], []), (["run"], []), (["bench", "--quick"], ["test"]), (["validate"], ["test"])]
)
def test_commands_that_measure_and_prove_bring_the_libraries_of_the_tests(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str], extras: list[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(start, "become", lambda command: became.append(command) or 0)
    assert start.main(words) == 0
    assert start.installed == ["venv", extras]
    assert became[0][1:] == ["-m", "factory_sim", *words]


def test_changed_dependencies_are_installed_into_the_same_environment(start: ModuleType) -> None:
    start.prepare([])
    (start.ROOT / "pyproject.toml").write_text("two")
    start.prepare([])
    assert start.installed == ["venv", [], []]


def test_a_moved_tree_is_installed_again(start: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start.prepare([])
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "pyproject.toml").write_text("one")
    monkeypatch.setattr(start, "ROOT", moved)
    start.prepare([])
    assert start.installed == ["venv", [], []]


def test_a_killed_installation_begins_again_from_nothing(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(start, "install", die)
        with pytest.raises(KeyboardInterrupt):
            start.prepare([])
    (start.VENV / "half").mkdir()
    start.prepare([])
    assert start.installed == ["venv", "venv", []]
    assert not (start.VENV / "half").exists()


def old_pythons() -> list[str]:
    """Return every old Python on the search path that runs."""
    found = filter(None, map(shutil.which, sorted(OLD)))
    return [path for path in found if not subprocess.run([path, "-c", ""], check=False, capture_output=True).returncode]


def test_an_old_python_reports_in_one_sentence_which_one_is_needed() -> None:
    found = old_pythons()
    if not found:
        pytest.skip("this machine has no old Python")
    for path in found:
        done = subprocess.run([path, str(FILES[0]), "check"], check=False, capture_output=True, text=True)
        version = Path(path).name.removeprefix("python")
        assert done.returncode == 1
        assert done.stderr.startswith(f"factory_sim needs Python 3.11 or newer; this is {version} (")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_the_sentence_names_a_python_that_is_new_enough_and_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    start = importlib.import_module("run")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert start.too_old().endswith(": install one, for example from python.org.")
    for name, code in (("python3.14", 127), ("python3.12", 0), ("python3.10", 0)):  # 3.14: a shim without a Python
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    assert f"start it with `python3.12 {sys.argv[0]}`." in start.too_old()


def test_the_grammar_of_run_py_is_that_of_python_2_7_and_3_5() -> None:
    text = FILES[0].read_text(encoding="ascii")
    for node in ast.walk(ast.parse(text, feature_version=(3, 5))):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.Nonlocal | ast.NamedExpr | ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef):
            assert not node.returns
            assert not node.args.kwonlyargs
            assert not any(arg.annotation for arg in node.args.args)
        if isinstance(node, ast.Raise):
            assert not node.cause
        if isinstance(node, ast.Call):
            assert not isinstance(node.func, ast.Name) or node.func.id != "print"


def test_it_needs_nothing_but_the_standard_library() -> None:
    nodes = [node for file in FILES for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | {"run", "installation"}


def test_an_extra_is_added_without_running_a_command(start: ModuleType) -> None:
    start.prepare([])
    assert start.main(["--install-extra", "report"]) == 0
    assert start.installed == ["venv", [], ["report"]]


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Interrupted. Start again"),
        (OSError(28, "No space left on device"), 1, "The disk is full"),
        (OSError(13, "Permission denied"), 1, "Permission denied"),
    ],
)
def test_an_installation_that_stops_says_in_one_sentence_what_to_do(
    start: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stop: BaseException,
    code: int,
    said: str,
) -> None:
    def install(_: list[str]) -> None:
        raise stop

    monkeypatch.setattr(start, "install", install)
    assert start.main([]) == code
    assert said in capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("error: Failed to fetch: `https://example.org/simple/numpy/`", "No package index can be reached"),
        ("WARNING: Retrying\nERROR: No matching distribution found for numba>=0.60", "No package index can be reached"),
        ("error: metadata-generation-failed", "error: metadata-generation-failed\nIt failed (above)."),
    ],
)
def test_the_cause_of_a_failed_installation_is_recognised(start: ModuleType, output: str, said: str) -> None:
    assert said in start.failure(output, "It failed")


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_second_start_waits_for_the_first(start: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    waiting: list[Thread] = []
    with start.locked(start.LOCK):
        waiting.append(Thread(target=start.main, args=(["--install-extra", "report"],)))
        waiting[0].start()
        waiting[0].join(0.5)
        assert start.installed == []
    waiting[0].join(30)
    assert start.installed == ["venv", ["report"]]
    assert "Another start is installing" in capsys.readouterr().out
