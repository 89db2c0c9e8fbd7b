"""`bench`: the speed of this machine, beside what it is compared with."""

from __future__ import annotations

import importlib.util
import json as json_text
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from factory_sim.cli import options
from factory_sim.results.record import file_header
from factory_sim.views.text.terminal import say, show

SUITE = Path(__file__).resolve().parents[3] / "benchmarks"
QUICK = "FACTORY_SIM_BENCH_QUICK"  # read by the suite
COLUMNS = ("value", "unit", "against", "ratio")


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: a smoke test only.")] = False,
    json: options.JsonFile = None,
    only: Annotated[str, typer.Option(help="Only rows whose name matches, as pytest -k.")] = "",
    calibration: Annotated[bool, typer.Option("--calibration", hidden=True)] = False,
) -> None:
    """Measure this machine's speed and print the table of the README.

    Example: factory-sim bench --quick --json bench.json
    """
    if calibration:
        options.refuse("`factory-sim bench --calibration` is now `factory-sim validate calibration`.")
    rows, failures = _measure(quick=quick, only=only)
    _show(rows)
    options.write_json(json, {**file_header(), **rows})
    if failures:
        say(failures, err=True)
        raise typer.Exit(1)


def _measure(*, quick: bool, only: str) -> tuple[dict[str, dict[str, Any]], str]:
    """Run the pytest-benchmark suite of the checkout; name -> {value, unit, against, ratio}, and what went wrong."""
    if not SUITE.is_dir():
        what = "the benchmarks are part of a checkout, not of the installed package"
        options.refuse_input("bench", what, "Clone the project, then: python3 run.py bench")
    if importlib.util.find_spec("pytest_benchmark") is None:
        hint = "python3 run.py bench installs it into .venv"
        options.refuse_input("bench", "pytest-benchmark is not installed", hint)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "benchmarks.json"
        words = [str(SUITE), "-q", "-s", "-rs", "-o", "addopts=", f"--benchmark-json={out}"]
        environment = {**os.environ, QUICK: "1" if quick else "", "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("PYTEST_XDIST_WORKER", None)  # in a test: pytest-benchmark would measure nothing
        command = [sys.executable, "-m", "pytest", *words, "--benchmark-columns=min", *(["-k", only] if only else [])]
        with options.console().status("measuring ..."):
            done = subprocess.run(  # noqa: S603 - our own arguments
                command, env=environment, cwd=SUITE.parent, capture_output=True, text=True, check=False
            )
        said = done.stdout + done.stderr
        if not out.is_file() or not out.stat().st_size:  # nothing was measured
            say(said, err=True)
            raise typer.Exit(1)
        for line in done.stdout.splitlines():
            if line.startswith("SKIPPED"):
                say(f"left out: {line.partition(': ')[2]}", err=True)
        found = json_text.loads(out.read_text(encoding="utf-8"))["benchmarks"]
    measured = {one["name"].removeprefix("test_"): one["extra_info"] for one in found if one["extra_info"]}
    rows = {name: {column: info.get(column) for column in COLUMNS} for name, info in measured.items()}
    return rows, said if done.returncode else ""


def _show(rows: dict[str, dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("", "value", "unit", "against", "ratio", box=None, pad_edge=False)
    table.columns[0].no_wrap = table.columns[2].no_wrap = True
    table.columns[1].justify = table.columns[4].justify = "right"
    for name, row in rows.items():
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3g}"
        table.add_row(name, _shown(row["value"]), row["unit"], row["against"] or "", ratio)
    show([table])


def _shown(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
