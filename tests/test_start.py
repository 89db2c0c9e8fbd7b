"""run.py, the first command of everyone: what it installs, when again, and what it says when it cannot."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FILE = Path(__file__).parents[1] / "run.py"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py in an empty tree, where environments are empty folders and installations only say so."""
    spec = importlib.util.spec_from_file_location("start", FILE)
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
    }.items():
        monkeypatch.setattr(module, name, value, raising=False)

    def make_venv() -> None:
        (venv / "bin").mkdir()
        (venv / "bin" / "python").symlink_to(sys.executable)
        module.installed.append("venv")

    monkeypatch.setattr(module, "make_venv", make_venv)
    monkeypatch.setattr(module, "install", module.installed.append)
    monkeypatch.setattr(module, "healthy", lambda: module.PYTHON.exists() or not any(venv.iterdir()))
    return module


def test_the_second_start_installs_nothing(start: ModuleType) -> None:
    start.prepare(testing=False)
    start.prepare(testing=False)
    assert start.installed == ["venv", []]


def test_tests_add_what_they_need_and_the_demo_does_not_take_it_away(start: ModuleType) -> None:
    for testing in (False, True, False):
        start.prepare(testing=testing)
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
    start.prepare(testing=False)
    (start.ROOT / "pyproject.toml").write_text("two")
    start.prepare(testing=False)
    assert start.installed == ["venv", [], []]


def test_a_moved_tree_is_installed_again(start: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    start.prepare(testing=False)
    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "pyproject.toml").write_text("one")
    monkeypatch.setattr(start, "ROOT", moved)
    start.prepare(testing=False)
    assert start.installed == ["venv", [], []]


def test_a_killed_installation_begins_again_from_nothing(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(start, "install", die)
        with pytest.raises(KeyboardInterrupt):
            start.prepare(testing=False)
    (start.VENV / "half").mkdir()
    start.prepare(testing=False)
    assert start.installed == ["venv", "venv", []]
    assert not (start.VENV / "half").exists()


def test_an_old_python_is_told_which_one_it_needs(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "OLDEST", (9, 99))
    assert start.main([]) == 1
    assert "needs Python 9.99 or newer" in capsys.readouterr().err
    assert start.installed == []


def test_old_pythons_can_read_the_file_far_enough_to_be_told() -> None:
    ast.parse(FILE.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_it_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(FILE.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
