"""Tables of figures fit a terminal of 80 columns, and no figure is broken or cut."""

from __future__ import annotations

import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from factory_sim.results.estimate import Estimate
from factory_sim.results.resource import Resource
from factory_sim.results.why import OperationLimit, ReliefGain, ResourceLimit, WhyResult
from factory_sim.study.compare.why import DETECTORS
from factory_sim.views.text import reading_text
from factory_sim.views.text.figures import Figures, interval, terminal_table
from factory_sim.views.text.kpi_text import station_table
from factory_sim.views.text.study_text import why_lines
from factory_sim.views.text.terminal import show

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


def test_the_tables_of_why_wrap_words_and_keep_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    share, gain = Estimate(mean=0.121, low=0.1, high=0.14, n=12), Estimate(mean=166.9, low=-158.2, high=175.2, n=12)
    parts = {"processing": 0.1, "setup": 0.01, "failures": 0.01, "maintenance": 0.001}
    kinds = [("operation", "OP750"), ("shift", "three_shifts"), ("operation", "final_assembly_of_covers")]
    found = WhyResult(
        of="line",
        replications=12,
        constraint=Resource(kind="operation", name="OP750"),
        by="gain",
        reason=None,
        resources=tuple(
            ResourceLimit(
                kind=kind,
                name=name,
                share=share,
                parts=parts if kind == "operation" else {},
                relief=(ReliefGain(change="30 minutes more per open day", parts_per_shift=gain),),
            )
            for kind, name in kinds
        ),
        operations=tuple(
            OperationLimit(
                operation=name,
                title="",
                critical_path_share=share,
                ranks=dict.fromkeys(DETECTORS),
                one_second_less=None,
            )
            for kind, name in kinds
            if kind == "operation"
        ),
        first_by={},
        next=None,
    )
    console = Console(width=80)
    with console.capture() as captured:
        for each in why_lines(found):
            console.print(each)
    text = captured.get()
    assert "\u2026" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("+166.9 [-158.2, +175.2]") == 4  # the answer and three resources
    assert "maintenance" in text
    assert all(word in text for word in ("30", "minutes", "more", "per", "open", "day"))


def test_columns_that_do_not_fit_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    console = Console(width=64)
    with console.capture() as captured:
        console.print(terminal_table(Figures(heads=HEADS, rows=[ROW], foot=FOOT)))
    lines = captured.get().splitlines()
    assert ["1", "12", "1,000", "38.7±2.0", "3.22±0.22", "0.447±0.029", "selected"] in [line.split() for line in lines]
    assert " ".join(captured.get().split()).endswith("The terminal is too narrow for EUR/part, on front, %.")
    assert max(map(len, lines)) <= 64


def test_a_pipe_gets_every_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show(["the front", terminal_table(Figures(heads=HEADS * 3, rows=[ROW * 3]))])
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "the front"
    assert last.split() == ROW * 3


def test_an_interval_has_the_decimals_of_its_mean() -> None:
    assert interval(Estimate(mean=42.33, low=41.8, high=42.86, n=9), "parts/h") == "42.33 [41.80, 42.86] parts/h"
    assert interval(Estimate(mean=0.94, low=0.9, high=0.98, n=9), "1") == "94.0 [90.0, 98.0] %"
    assert interval(Estimate(mean=12345.6, low=12000.0, high=12691.2, n=9), "CNY") == "12,346 [12,000, 12,691] CNY"
    assert interval(Estimate(mean=5.0, low=-math.inf, high=math.inf, n=1), "parts") == "5 parts"


def test_the_heads_of_kpi_tables_are_whole_words_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = SimpleNamespace(
        operations=("OP750",),
        machines=("M001",),
        kpis=defaultdict(lambda: SimpleNamespace(values=np.array([0.98765]), unit="1", low=None, high=None)),
    )
    for shown in (station_table(table), reading_text._machines(table)):  # type: ignore[arg-type]
        console = Console(width=80)
        with console.capture() as captured:
            console.print(shown)
        assert "…" not in captured.get()
        assert "98.8" in captured.get()
