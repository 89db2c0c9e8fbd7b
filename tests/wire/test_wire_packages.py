"""Packages of the wire import each other in one direction."""

from __future__ import annotations

import ast
from pathlib import Path

import factory_sim.wire

SOURCE = Path(factory_sim.wire.__file__).parent
PREFIX = "factory_sim.wire."


def package_imports() -> dict[str, set[str]]:
    """Each package below `wire` -> the others that its modules import."""
    found: dict[str, set[str]] = {}
    for path in SOURCE.glob("*/*.py"):
        here = path.parent.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                targets = {name.removeprefix(PREFIX).partition(".")[0] for name in names if name.startswith(PREFIX)}
                found.setdefault(here, set()).update(t for t in targets if t != here and (SOURCE / t).is_dir())
    return found


def test_no_packages_import_each_other_in_a_cycle() -> None:
    left = package_imports()
    assert {"formats", "sparkplug", "mqtt"} <= left.keys()
    while left:
        free = {name for name, needs in left.items() if not needs & left.keys()}
        assert free, f"a cycle among {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}
