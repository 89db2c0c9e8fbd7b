"""Imports by floor, importers of third-party packages, names and sizes, read from the syntax tree (docs/design.md)."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "factory_sim"

FLOORS: list[set[str]] = [
    {
        "records",
        "intake.sources",
        "results",
        "errors",
        "file_lock",
        "clock",
        "units",
        "distributions",
        "inverse_cdf",
        "random_streams",
        "jit",
        "version",
        "study_records",
    },
    {"plant"},
    {"sim", "sensing", "wire", "analysis", "views", "recordings", "intake"},
    {"registry"},
    {"study", "live"},
    {"api", "validation", "demo"},
    {"cli"},
]
GROUND = FLOORS[0]

# Third-party package -> the only modules that may import it.
IMPORTERS: dict[str, set[str]] = {
    "simpy": {"sim.reference"},
    "numba": {"jit", "sim.calendar.world", "sim.calendar.linkage"},
    "hypothesis": {"validation"},
    "llvmlite": {"sim.calendar.world", "sim.calendar.linkage"},
    "paho": {"wire.mqtt.connection"},
    "google": {"wire.sparkplug"},
    "pandas": {"plant.yaml.plant_tables", "views"},
    "orjson": {"wire", "intake", "live.foreign", "live.command_handler", "validation.feed"},
    "scipy": {"analysis.paired", "study.sweep", "study.optimise"},
    "duckdb": {"recordings.queries"},
    "psycopg": {"recordings.postgres.database"},
    "pyarrow": {"recordings.parquet", "intake", "live.foreign.observe"},
    "matplotlib": {"views.plots"},
    "openpyxl": {"plant.yaml", "plant.new"},
    "yaml": {"plant.yaml"},
    "yamlcore": {"plant.yaml"},
    "pydantic": {"plant.yaml", "plant.resolve.equipment"},
    "typer": {"cli"},
    "rich": {"cli", "views"},
    "jinja2": {"views"},
    "markupsafe": {"views"},
    "distributed": {"study.dask_pool"},
    "starlette": {"live.page.server"},
    "uvicorn": {"live.page.server"},
    "optuna": {"study.optimise.search"},
}
# Packages with one module per kind: they may grow, and share names with others.
KINDS = {"analysis.kpis", "results", "validation.exact.models", "wire.formats"}
# Packages that pass typed records, and the one module that reads and writes their JSON.
TYPED, JSON_EDGES = {"study", "study_records", "views", "results"}, {"study.study_json"}
MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict"}
HEAVY = "scipy.stats"  # half a second of imports on the way to an answer
BANNED = {"utils", "util", "core", "common", "helpers", "base", "manager", "misc"}
FILE_LINES, FUNCTION_LINES, PACKAGE_MODULES = 400, 60, 16


def violations(module: str, text: str) -> list[str]:
    """Return what module `module` (dotted, below factory_sim) with source `text` violates."""
    tree = ast.parse(text)
    found = [f"{module}: imports {target}" for target in imports(module, tree) if not allowed(module, target)]
    found += [f"{module}: is called {word}" for word in module.split(".") if word in BANNED]
    found += [f"{module}: {len(text.splitlines())} lines"] * (len(text.splitlines()) > FILE_LINES)
    if is_typed(module):
        found += [f"{module}: untyped mapping {text}" for text in untyped_mappings(tree)]
    for node in ast.walk(tree):
        if module.startswith("sim") and isinstance(node, ast.Attribute) and private_to_simpy(node):
            found.append(f"{module}: uses SimPy's private {node.attr}")
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "typer.echo":
            found.append(f"{module}: prints by typer.echo, which wraps nothing; use views.text.terminal")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = len((ast.get_docstring(node) or "").splitlines())
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - documented
            found += [f"{module}: {node.name} has {lines} lines"] * (lines > FUNCTION_LINES)
    return found


def is_typed(module: str) -> bool:
    """Return whether `module` must pass records instead of mappings of Any."""
    return any(is_within(module, package) for package in TYPED) and module not in JSON_EDGES


def untyped_mappings(tree: ast.Module) -> list[str]:
    """Return every `dict[str, Any]`, `Mapping[str, Any]` and the like, in annotations and aliases."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            values = node.slice.elts[-1]
            of = values.attr if isinstance(values, ast.Attribute) else getattr(values, "id", "")
            if name in MAPPINGS and of in {"Any", "object"}:
                found.append(ast.unparse(node))
    return found


def private_to_simpy(node: ast.Attribute) -> bool:
    """Return whether `node` is a private attribute of SimPy, or of anything called env."""
    owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    on_env = owner in {"env", "_env"} and node.attr.startswith("_")
    return on_env or node.attr in {"_queue", "_eid", "_now", "_ok", "_value", "_defused", "_target", "_resume"}


def imports(module: str, tree: ast.Module) -> list[str]:
    """Return every module that `tree` imports, also inside functions and for type checking."""
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
    """Return whether `module` may import the dotted name `target`."""
    if is_within(target, HEAVY):
        return False
    first, _, rest = target.partition(".")
    if first != "factory_sim":
        return first not in IMPORTERS or any(is_within(module, importer) for importer in IMPORTERS[first])
    here, there = module.partition(".")[0], rest.partition(".")[0]
    if here in {"__main__", "__init__"} or here == there or not there:
        return True
    return floor(there) < floor(here) or (here in GROUND and there in GROUND)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def floor(package: str) -> int:
    """Return the floor of a top-level package; a package without one is above all others."""
    return next((height for height, packages in enumerate(FLOORS) if package in packages), len(FLOORS))


def modules() -> dict[str, str]:
    """Return dotted name below factory_sim -> source text; a package has the name of its folder."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_keeps_the_rules(module: str) -> None:
    assert violations(module, modules()[module]) == []


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_belongs_to_a_floor(module: str) -> None:
    package = module.partition(".")[0]
    assert package in {"__init__", "__main__"} or floor(package) < len(FLOORS)


def crowded(names: list[str]) -> list[str]:
    """Return the packages with too many modules."""
    counts = Counter(name.rpartition(".")[0] for name in names)
    return [package for package, n in counts.items() if n > PACKAGE_MODULES and package not in KINDS]


def repeated(names: list[str]) -> list[str]:
    """Return the last names that several modules share; packages with one module per kind are excepted."""
    counts = Counter(last for package, _, last in (name.rpartition(".") for name in names) if package not in KINDS)
    return [name for name, n in counts.items() if n > 1]


def test_no_package_is_crowded_and_no_name_repeats() -> None:
    packages = {name.rpartition(".")[0] for name in modules()}
    names = [name for name in modules() if name not in packages and not name.startswith("__")]
    assert len(names) > 200
    assert crowded(names) == []
    assert set(repeated(names)) <= {"row_tables"}


def test_a_crowded_package_and_a_repeated_name_are_caught() -> None:
    assert crowded([f"wire.m{i}" for i in range(17)]) == ["wire"]
    assert crowded([f"wire.formats.m{i}" for i in range(17)]) == []
    assert repeated(["sim.run", "study.run", "wire.formats.run"]) == ["run"]


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
        ("sim.engines", "import simpy"),
        ("study.sweep.sampling", "def late():\n    from scipy.stats import qmc"),
        ("sim.reference.line", "def f(event):\n    event._ok = True"),
        ("sim.reference.line", "def f(self):\n    return self.env._active_proc"),
        ("sim.utils", ""),
        ("sim.long", "x = 1\n" * 401),
        ("sim.tall", "def f():\n" + "    x = 1\n" * 60),
        ("study.pages", "def f(answer: dict[str, Any]) -> None: ..."),
        ("views.text.study_text", "def f() -> Mapping[str, typing.Any]: ..."),
        ("results.why", "class Why:\n    found: Sequence[MutableMapping[str, Any]]"),
        ("study.runner", "Answer = dict[str, Any]"),
    ],
)
def test_a_violation_is_caught(module: str, text: str) -> None:
    assert len(violations(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (
            "sim.reference.machines.machine",
            "import simpy\nfrom factory_sim.sim import run\nfrom factory_sim import records",
        ),
        ("sim.reference.machines.machine", "from ...run import simulate\nfrom ....plant import spec"),
        ("wire.mqtt.connection", "import paho.mqtt.client"),
        ("registry", "from factory_sim.sensing.kinds import KINDS\nfrom factory_sim.plant import load"),
        ("cli", "import typer\nfrom factory_sim import live, registry"),
        ("random_streams", "from factory_sim.distributions import Distribution"),
        ("study.study_json", "def f(line: Mapping[str, Any]) -> dict[str, Any]: ..."),
        ("study.pages", "def f(words: Mapping[str, Json], plants: dict[str, Plant]) -> None: ..."),
        ("cli.options", "def f(**more: dict[str, Any]) -> None: ..."),
    ],
)
def test_an_allowed_import_passes(module: str, text: str) -> None:
    assert violations(module, text) == []
