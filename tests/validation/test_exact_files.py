"""Tables from outside: what is read, and what is refused with which words."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.distributions import Distribution
from factory_sim.errors import ConfigError
from factory_sim.validation.exact import table
from factory_sim.validation.exact.case import Case
from factory_sim.validation.exact.models import MODELS, case_of
from factory_sim.validation.exact.table_rows import Row, read

TANDEM = {
    "name": "t",
    "model": "saturated tandem line",
    "metric": "throughput",
    "mu": [1, 1],
    "b": [0],
    "throughput": 0.5,
}
MG1 = {"name": "g", "model": "M/G/1", "metric": "mean_waiting_time", "lam": 0.5, "mu": 1.0, "cv2": 2.0, "value": 1.0}


def row(**fields: Any) -> Row:
    return Row("t.json", "rows[0]", "t", fields.pop("model"), fields.pop("metric"), fields.pop("value", 1.0), fields)


def written(folder: Path, content: Any) -> Path:
    path = folder / "t.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def case(**fields: Any) -> Case:
    found = case_of(row(**fields))
    assert isinstance(found, Case)
    return found


@pytest.mark.parametrize("shape", [{"ctmc": [TANDEM]}, {"unit": "parts", "a": [TANDEM], "b": []}, [TANDEM]])
def test_any_top_level_lists_of_rows_are_read(tmp_path: Path, shape: Any) -> None:
    assert [r.value for r in read(written(tmp_path, shape))] == [0.5]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("7", "expected an object with lists of rows"),
        ("{}", "holds no rows"),
        ('{"ctmc": [3]}', r"ctmc\[0\].*expected an object"),
        ('{"ctmc": [{"name": "x", "metric": "throughput"}]}', "model: is missing"),
        ('{"ctmc": [{"name": "x", "model": "M/M/c"}]}', "metric: is missing"),
        (json.dumps([{**TANDEM, "throughput": "fast"}]), "throughput: expected a number"),
        (json.dumps([{**MG1, "value": None}]), "value: expected a number"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(written(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json: cannot be read"):
        read(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({**TANDEM, "model": "saturated tandm line"}, "Did you mean saturated tandem line"),
        ({**TANDEM, "metric": "thruput"}, "known: throughput"),
        ({**TANDEM, "mu": [1, -1]}, r"mu\[1\]: expected a number above 0"),
        ({**TANDEM, "b": [1, 2]}, "b: expected 1 values"),
        ({**TANDEM, "b": [1.5]}, "whole numbers"),
        ({**TANDEM, "k": [1, 0]}, r"k\[1\].*at least 1"),
        ({**TANDEM, "failures": "weekly"}, "known: none, odf, tdf"),
        ({**TANDEM, "failures": "odf"}, "p: is missing"),
        ({**TANDEM, "failures": "odf", "p": 0.1, "r": 1, "c": [2, 2]}, "single machines"),
        ({**MG1, "lam": 1.2}, "loaded to 1.2"),
        ({**MG1, "service": "erlang"}, "cv2 = 1/k"),
        ({**MG1, "service": "uniform"}, "at most 1/3"),
        ({**MG1, "service": "normal"}, "is not known here"),
        ({**MG1, "cv2": True}, "expected a number, got True"),
        ({"model": "M/M/1/K", "metric": "throughput", "lam": 1, "mu": 1, "c": 3, "K": 2}, "at least c = 3"),
        ({"model": "closed exponential tandem, CONWIP", "metric": "throughput", "W": 3, "mu": 1}, "N: is missing"),
        ({"model": "batch service", "metric": "utilisation", "lam": 9, "mu": 1, "size": 4}, "loaded to 2.25"),
        ({"model": "rework", "metric": "mean_visits", "lam": 1, "mu": 9, "p": 1}, "forever"),
        ({"model": "shift", "metric": "throughput", "mu": 1, "open": 9, "cycle": 8}, "less than the cycle"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_key(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        case_of(row(**fields))
    assert "rows[0] 't'" in str(error.value)


def test_all_wrong_rows_are_told_at_once(tmp_path: Path) -> None:
    rows = read(written(tmp_path, [{**MG1, "lam": 2}, {**MG1, "model": "G/G/1"}, MG1]))
    with pytest.raises(ConfigError) as error:
        table.check(rows)
    assert len(error.value.problems) == 2


@pytest.mark.parametrize(
    ("model", "service"),
    [("M/M/1", "exponential"), ("M/D/1", "constant"), ("M/E4/1", "gamma"), ("M/G/1", "gamma"), ("m/g/1", "gamma")],
)
def test_a_name_says_what_the_service_is(model: str, service: str) -> None:
    fields = {} if "g" not in model.lower() else {"cv2": 0.3}
    plant = case(model=model, metric="Wq", lam=0.5, mu=1, **fields).plant
    assert plant.operations[0].cycle_time.kind == service


@pytest.mark.parametrize(
    ("model", "c"), [("M/M/1", 1), ("M/M/3", 3), ("M/M/c", 2), ("M/M/1/4", 1), ("M/M/2/K", 2), ("M/M/3/7", 3)]
)
def test_a_name_says_how_many_servers_there_are(model: str, c: int) -> None:
    fields = {"c": 2} if model == "M/M/c" else {"K": 4} if model.endswith("K") else {}
    plant = case(model=model, metric="utilization", lam=0.5, mu=1, **fields).plant
    assert len(plant.operations[0].machines) == c


def test_places_of_a_tandem_line_are_those_between_its_stations() -> None:
    plant = case(**{**TANDEM, "mu": [1, 2, 4], "b": [3, 0], "k": [1, 2, 1], "c": [1, 2, 1]}).plant
    assert [o.inputs[0].capacity for o in plant.operations] == [0, 3, 0]
    assert [len(o.machines) for o in plant.operations] == [1, 2, 1]
    assert [o.cycle_time.mean_s for o in plant.operations] == pytest.approx([40, 20, 10])


def test_mean_rates_of_failures_keep_the_rows_time_unit() -> None:
    machine = case(**{**TANDEM, "failures": "tdf", "p": 0.01, "r": 0.1, "mu": [2, 2]}).plant.machines[0]
    assert machine.failures[0].after == Distribution("exponential", 2000.0)
    assert machine.failures[0].clock == "calendar"


_KEYS = ("mu", "b", "lam", "c", "K", "W", "N", "k", "p", "r", "failures", "cv2", "service", "s", "R", "size")
_SCALARS = st.none() | st.booleans() | st.integers(-3, 5) | st.floats(-2, 3) | st.text(max_size=3)
_WORDS = st.sampled_from(("ctmc", "model", "metric", "value", "name", *_KEYS))
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=5), max_leaves=12
)


@given(_JSON)
def test_no_content_makes_more_than_a_config_error(content: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(ConfigError):
        table.check(read(written(Path(folder), content)))


@given(
    st.dictionaries(st.sampled_from(_KEYS), _SCALARS | st.lists(st.integers(-1, 4), max_size=4)),
    st.sampled_from(sorted(MODELS)),
)
def test_no_row_makes_more_than_a_config_error(fields: dict[str, Any], model: str) -> None:
    for metric in ("throughput", "utilisation", "mean_waiting_time", "nth_departure"):
        with suppress(ConfigError):
            case_of(row(model=model, metric=metric, **fields))
