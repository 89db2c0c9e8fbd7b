"""Tables of figures fit a terminal of 80 columns, and no figure is broken or cut."""

from __future__ import annotations

import pytest
from rich.console import Console

from factory_sim.views.text.figures import Figures, terminal_table

HEADS = [
    "WASH.buffer",
    "TEST.buffer",
    "cost, EUR",
    "good parts/h",
    "WIP, parts",
    "kWh/part",
    "EUR/part",
    "on front, %",
    "",
]
ROW = ["1", "12", "1,000", "38.7±2.0", "3.22±0.22", "0.447±0.029", "7.29±0.21", "100", "selected"]
FOOT = ["as it is", "", "", *ROW[3:7], "", ""]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_fits_and_keeps_its_figures(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    console = Console(width=columns)
    with console.capture() as captured:
        console.print(terminal_table(Figures(heads=HEADS, rows=[ROW], foot=FOOT)))
    lines = [line.split() for line in captured.get().splitlines()]
    assert ROW in lines
    assert lines[-1] == ["as", "it", "is", *ROW[3:7]]
    assert max(map(len, captured.get().splitlines())) <= columns


def test_heads_break_after_points_and_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = terminal_table(Figures(heads=HEADS, rows=[ROW], foot=FOOT))
    assert [column.header for column in table.columns][:4] == [
        "WASH.\nbuffer",
        "TEST.\nbuffer",
        "cost,\nEUR",
        "good\nparts/h",
    ]
