"""Mappings that are refused, with what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import factory_sim as fs
from factory_sim.api.foreign.reading import first_map

if TYPE_CHECKING:
    from pathlib import Path

FILTER = "{unit} once, + only as a whole level, # only as the last level"


def feed(folder: Path, source: str) -> Path:
    path = folder / "feed.yaml"
    path.write_text(f"feed: cell\nunits: [M1]\nstates: {{R: busy}}\nsources:\n  - {{{source}}}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("mqtt: '', state: s", 'expected a topic such as "factory/{unit}/status"'),
        ("mqtt: 'f/#/{unit}', state: s", FILTER),
        ("mqtt: 'f/{unit}/a+', state: s", FILTER),
        ("mqtt: 'f/{unit}/x/{unit}', state: s", FILTER),
        ("sparkplug: 'G/#/{unit}', state: s", FILTER),
        ("csv: ' ', layout: long, unit: M1, state: s", 'expected a file pattern such as "m*.csv"'),
        ("mqtt: 'f/{unit}', power: $.p", "power needs a unit"),
        ("mqtt: 'f/{unit}', energy: {path: $.p, unit: kW}", "'kW' is not a unit of energy"),
        ("mqtt: 'f/{unit}', energy: {path: $.kWh, unit: Wh}", "contradicts the name, which ends in kWh"),
        ("csv: f.csv, layout: wide, unit: M1, power: {column: 'P (kW)', unit: W}", "Write unit: kW"),
        ("csv: f.csv, layout: wide, unit: M1, energy: {column: meter_wh, unit: kWh}", "Write unit: Wh"),
    ],
)
def test_topics_and_units_of_measure_that_cannot_be_right_are_refused(
    tmp_path: Path, source: str, expected: str
) -> None:
    with pytest.raises(fs.ConfigError) as refused:
        fs.read(map=feed(tmp_path, source))
    assert expected in str(refused.value)


def test_an_axis_named_w_may_have_its_power_in_kw(tmp_path: Path) -> None:
    path = feed(tmp_path, "csv: f.csv, layout: wide, unit: M1, power: {column: axis W, unit: kW}")
    with pytest.raises(fs.ConfigError, match=r"no file beside it matches 'f\.csv'"):
        fs.read(map=path)


def test_a_state_in_two_categories_of_losses_is_refused(tmp_path: Path) -> None:
    path = feed(tmp_path, "csv: f.csv, layout: wide, unit: M1, state: s")
    text = path.read_text(encoding="utf-8") + "losses: {availability: [down], performance: [micro_stop, down]}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(fs.ConfigError, match=r"(?s)losses.performance.1: 'down' is in availability, too"):
        fs.read(map=path)


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, layout: str) -> None:
    (tmp_path / "f.csv").write_text("time,item,value,s,s,value\n2026-05-04T06:00Z,s,R,R,R,R\n", encoding="utf-8")
    with pytest.raises(fs.ConfigError, match=r"f.csv: has 2 columns '(s|value)'; expected one"):
        fs.read(map=feed(tmp_path, f"csv: f.csv, layout: {layout}, unit: M1, state: s"))


def test_map_refuses_a_topic_that_brokers_refuse() -> None:
    with pytest.raises(fs.ConfigError, match="'a/#/b' is not a topic filter"):
        first_map(broker="mqtt://127.0.0.1:1", topics=["a/#/b"])
