"""The import map of docs/design.md, doors of foreign packages, forbidden names, sizes: read from the syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "factory_sim"

FLOORS: list[set[str]] = [
    {
        "records",
        "results",
        "errors",
        "clock",
        "units",
        "distributions",
        "inverse_cdf",
        "random_streams",
        "jit",
        "version",
    },
    {"plant"},
    {"sim", "sensing", "wire", "analysis", "views"},
    {"registry"},
    {"study", "live"},
    {"api", "validation", "demo"},
    {"cli"},
]
GROUND = FLOORS[0]

# Foreign package -> the only modules that may import it.
DOORS: dict[str, set[str]] = {
    "simpy": {"sim.reference", "sim.commands"},
    "numba": {"jit", "sim.calendar.world"},
    "hypothesis": {"validation"},
    "llvmlite": {"sim.calendar.world"},
    "paho": {"wire.mqtt.connection"},
    "google": {"wire.sparkplug"},
    "pandas": {"plant.yaml.tables", "views"},
    "openpyxl": {"plant.yaml", "plant.new"},
    "yaml": {"plant.yaml"},
    "yamlcore": {"plant.yaml"},
    "pydantic": {"plant.yaml", "plant.resolve.equipment"},
    "typer": {"cli"},
    "rich": {"cli", "views"},
    "jinja2": {"views"},
    "markupsafe": {"views"},
    "distributed": {"study.dask_pool"},
    "optuna": {"study.optimise.search"},
}
BANNED = {"utils", "util", "core", "common", "helpers", "base", "manager", "misc"}
FILE_LINES, FUNCTION_LINES = 400, 64


def violations(module: str, text: str) -> list[str]:
    """What module `module` (dotted, below factory_sim) with source `text` does against the house rules."""
    tree = ast.parse(text)
    found = [f"{module}: imports {target}" for target in imports(module, tree) if not allowed(module, target)]
    found += [f"{module}: is called {word}" for word in module.split(".") if word in BANNED]
    found += [f"{module}: {len(text.splitlines())} lines"] * (len(text.splitlines()) > FILE_LINES)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            found += [f"{module}: {node.name} has {lines} lines"] * (lines > FUNCTION_LINES)
    return found


def imports(module: str, tree: ast.Module) -> list[str]:
    """Every module that `tree` imports, also inside functions and for type checking."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = ["factory_sim", *module.split(".")][: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def allowed(module: str, target: str) -> bool:
    """Whether `module` may import the dotted name `target`."""
    first, _, rest = target.partition(".")
    if first != "factory_sim":
        return first not in DOORS or any(is_within(module, door) for door in DOORS[first])
    here, there = module.partition(".")[0], rest.partition(".")[0]
    if here in {"__main__", "__init__"} or here == there or not there:
        return True
    return floor(there) < floor(here) or (here in GROUND and there in GROUND)


def is_within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def floor(room: str) -> int:
    """Height of a room; a room that is not on the map stands above all and is refused by everyone."""
    return next((height for height, rooms in enumerate(FLOORS) if room in rooms), len(FLOORS))


def modules() -> dict[str, str]:
    """Dotted name below factory_sim -> source text; a package goes by its folder's name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("module", sorted(modules()))
def test_every_module_keeps_the_house_rules(module: str) -> None:
    assert violations(module, modules()[module]) == []


@pytest.mark.parametrize("module", sorted(modules()))
def test_every_module_has_its_place_on_the_map(module: str) -> None:
    room = module.partition(".")[0]
    assert room in {"__init__", "__main__"} or floor(room) < len(FLOORS)


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("analysis.rebuild", "from factory_sim.sim.run import simulate"),
        ("analysis.rebuild", "from factory_sim import sim"),
        ("analysis.rebuild", "import factory_sim.sensing.sample"),
        ("analysis.rebuild", "def late():\n    from factory_sim import wire"),
        ("analysis.rebuild", "from ..sim import run"),
        ("plant.load", "from factory_sim.sensing.kinds import KINDS"),
        ("records", "from factory_sim.plant import spec"),
        ("sim.run", "import factory_sim.registry"),
        ("live", "from factory_sim import cli"),
        ("study", "from factory_sim import live"),
        ("sensing.sample", "import simpy"),
        ("analysis.cycles", "from numba import njit"),
        ("live", "import paho.mqtt.client"),
        ("wire.clientele", "import paho"),
        ("sim.utils", ""),
        ("sim.long", "x = 1\n" * 401),
        ("sim.tall", "def f():\n" + "    x = 1\n" * 64),
    ],
)
def test_a_violation_is_caught(module: str, text: str) -> None:
    assert len(violations(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            "sim.reference.behaviours.joining",
            "import simpy\nfrom factory_sim.sim import run\nfrom factory_sim import records",
        ),
        ("sim.reference.behaviours.joining", "from ...run import simulate\nfrom ....plant import spec"),
        ("wire.mqtt.connection", "import paho.mqtt.client"),
        ("registry", "from factory_sim.sensing.kinds import KINDS\nfrom factory_sim.plant import load"),
        ("cli", "import typer\nfrom factory_sim import live, registry"),
        ("random_streams", "from factory_sim.distributions import Distribution"),
    ],
)
def test_what_the_map_allows_passes(module: str, text: str) -> None:
    assert violations(module, text) == []
