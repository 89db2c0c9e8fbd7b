"""The figures that `exact` is given: derived again, and met by the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import derivations
import pytest

from factory_sim.validation.exact.case import Case
from factory_sim.validation.exact.models import MODELS, case_of
from factory_sim.validation.exact.row_run import Order, answer
from factory_sim.validation.exact.table_rows import read

FIRST_LOOK = 0.0  # end of the time: before the run begins
TABLE = Path(__file__).parents[1] / "truth" / "whole_plant.json"
ROWS = json.loads(TABLE.read_text())["whole_plant"]

# Copied from the table of exact tandem lines; sources: Hunt 1956, Hillier and Boling 1967, Gershwin and Berman 1981.
TANDEM: list[dict[str, Any]] = [
    {"mu": [1, 1, 1], "b": [2, 2], "throughput": 0.7340166721398136},
    {"mu": [1, 1, 1, 1], "b": [0, 0, 0], "throughput": 0.5147754893181525},
    {"mu": [1.0, 1.2, 0.9], "b": [2, 1], "throughput": 0.7119934762598008},
    {"mu": [1, 1], "b": [1], "k": [2, 2], "throughput": 0.8214285714285714},
    {"mu": [0.5, 1 / 3, 0.5], "b": [2, 2], "c": [2, 3, 2], "throughput": 0.7883178019163883},
    {
        "mu": [1, 1.3],
        "b": [3],
        "failures": "odf",
        "p": [0.02, 0.05],
        "r": [0.2, 0.15],
        "throughput": 0.7181612300300577,
    },
    {
        "mu": [1, 1.3],
        "b": [3],
        "failures": "tdf",
        "p": [0.02, 0.05],
        "r": [0.2, 0.15],
        "throughput": 0.6798548618097342,
    },
]

_DERIVE = {
    "machine repair": lambda r: derivations.machine_repair(r["N"], r["R"], r["lam"], r["mu"]),
    "vehicle fleet": lambda r: derivations.mmc(r["lam"], r["mu"], r["c"]),
    "batch service": lambda r: derivations.batch_service(r["lam"], r["mu"], r["size"], r["minimum"]),
    "rework": lambda r: derivations.rework(r["lam"], r["mu"], r["p"], r.get("max_loops")),
    "shift": lambda r: derivations.shift(r["mu"], r["open"], r["cycle"], r["at_end"]),
    "maintenance by count": lambda r: derivations.maintenance(r["mu"], r["every_parts"], r["duration"]),
    "changeover": lambda r: derivations.changeover(r["mu"], r["mix"], r["setup"]),
    "M/M/1/K": lambda r: derivations.mmc(r["lam"], r["mu"], r.get("c", 1), limit=r["K"]),
    "M/D/1": lambda r: derivations.mg1(r["lam"], 1 / r["mu"], 0),
    "M/G/1": lambda r: derivations.mg1(r["lam"], 1 / r["mu"], r["cv2"]),
    "tandem M/M/1": lambda r: derivations.jackson(r["lam"], r["mu"], r["c"]),
    "closed exponential tandem, CONWIP": lambda r: derivations.conwip(r["W"], r["mu"]),
    "deterministic tandem line": lambda r: {"nth_departure": derivations.deterministic(r["s"], r["nth"])},
}


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_a_figure_of_our_table_is_what_theory_derives(row: dict[str, Any]) -> None:
    assert row["value"] == pytest.approx(_DERIVE[row["model"]](row)[row["metric"]], rel=1e-9)


@pytest.mark.parametrize("row", TANDEM, ids=str)
def test_the_chain_of_a_tandem_line_gives_the_published_figure(row: dict[str, Any]) -> None:
    keys = {key: value for key, value in row.items() if key != "throughput"}
    assert derivations.Tandem(**keys).throughput() == pytest.approx(row["throughput"], rel=1e-9)


def test_our_table_has_a_row_of_every_model_that_a_whole_plant_adds() -> None:
    asked = {row.model for row in read(TABLE)}
    assert {"machine repair", "vehicle fleet", "batch service", "rework", "shift"} <= asked
    assert set(_DERIVE) - {"M/D/1"} <= set(MODELS)


@pytest.mark.parametrize("engine", ["simpy", "calendar"])
@pytest.mark.parametrize("row", read(TABLE), ids=lambda row: row.name)
def test_each_engine_meets_a_row_at_first_sight(row: Any, engine: str) -> None:
    """A short run: the interval is wide, but it must hold; `validate exact` continues until it is narrow."""
    case = case_of(row)
    order = Order(confidence=0.9999, input_confidence=0.9999, engine=engine, end_s=FIRST_LOOK)
    short = answer(row, order, pilot=6_000 if isinstance(case, Case) else 0)
    assert short.inside
    assert short.sound


def test_a_wrong_figure_is_caught(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    keys = {"model": "saturated tandem line", "metric": "throughput", "mu": [1, 1], "b": [0]}
    wrong.write_text(json.dumps({"rows": [{**keys, "throughput": 2 / 3 * 1.03}]}))
    found = answer(read(wrong)[0], Order(0.999, 0.999, end_s=FIRST_LOOK), pilot=30_000)
    assert not found.inside
    assert found.sound
