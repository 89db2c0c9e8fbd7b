"""The report as text: whole, offline, and safe against what people call their machines."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from report_sample import NASTY, NOTHING, around, report_sample

from factory_sim.cli import COMMANDS
from factory_sim.views import wording
from factory_sim.views.html import palette
from factory_sim.views.html.report_data import ReportData, Row
from factory_sim.views.html.report_page import html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.estimate import Estimate

SECTIONS = ("answer", "comparison", "gain", "why", "states", "time", "losses", "energy", "warmup", "replay", "assumed")
LOADING = {"src", "href", "data", "srcset", "poster", "action", "formaction", "background", "cite", "manifest", "ping"}


class Reader(HTMLParser):
    """What a browser would find: elements with their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles = ""
        self.words = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser calls it so
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles += data
        else:
            self.words += data

    def embedded(self) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


@pytest.fixture(scope="module")
def page(sample: ReportData) -> Reader:
    return Reader(html(sample))


def test_every_section_is_there_and_the_contents_lead_to_each(page: Reader) -> None:
    ids = [attributes.get("id") for tag, attributes in page.elements if tag == "section"]
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert tuple(ids) == SECTIONS
    assert links == [f"#{name}" for name in SECTIONS]


def test_nothing_is_loaded_from_anywhere(page: Reader) -> None:
    loads = [value for _, attributes in page.elements for name, value in attributes.items() if name in LOADING]
    assert [value for value in loads if value and not value.startswith(("#", "data:,"))] == []
    assert not re.search(r"url\(|@import", page.styles)
    own = "".join(page.scripts[2:])
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|WebSocket|EventSource|import\(|sendBeacon", own)


def test_names_stay_text_wherever_they_stand(page: Reader) -> None:
    assert len(page.scripts) == 1 + 5  # the data, two libraries and three of our own
    assert not [tag for tag, attributes in page.elements if tag == "img" or "onerror" in attributes]
    assert "{{ 7 * 7 }}" in page.words
    assert page.embedded()["sides"][1]["machines"][0]["name"] == f"M0 {NASTY}"


def test_the_answer_comes_first_with_its_interval(page: Reader) -> None:
    words = " ".join(page.words.split())
    assert words.index("+15.0 %") < words.index("Comparison Means")
    assert "95 % interval +14.0 … +16.0 %" in words


def test_a_value_that_does_not_exist_is_a_dash_or_null_and_never_nan(page: Reader) -> None:
    assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", page.words + page.scripts[0])
    assert page.embedded()["sides"][0]["cost"]["scrap"].items() >= {"mean": None, "low": None, "high": None}.items()


def test_the_replay_is_what_the_study_holds(page: Reader, sample: ReportData) -> None:
    strip = page.embedded()["sides"][1]["strip"]
    assert zlib.decompress(base64.b64decode(strip)).decode() == sample.sides[1].strip


def test_every_command_that_the_page_names_exists(page: Reader) -> None:
    named = re.findall(r"factory-sim ([a-z]+(?: study)?)", page.words)
    assert "validate study" in named
    assert {each.partition(" ")[0] for each in named} <= set(COMMANDS)


def test_the_same_study_draws_the_same_page(sample: ReportData) -> None:
    assert html(sample) == html(sample)


def test_a_study_of_one_plant_answers_with_its_rate_and_compares_nothing(sample: ReportData) -> None:
    row = replace(sample.rows[0], values=(around(60.0),), changes=(around(0, 0),))
    page = Reader(html(replace(sample, sides=sample.sides[:1], rows=(row,))))
    ids = [attributes.get("id") for tag, attributes in page.elements if tag == "section"]
    assert set(SECTIONS) - set(ids) == {"comparison", "gain"}
    assert "60.0 good parts per planned hour" in " ".join(page.words.split())


def test_a_page_names_what_its_study_does_not_contain(sample: ReportData) -> None:
    bare = [replace(each, strip="", attribution=None, limits=(), losses=(), question="") for each in sample.sides]
    words = " ".join(Reader(html(replace(sample, sides=tuple(bare)))).words.split())
    assert "contains no machine states" in words
    assert "is not known: the attribution was not requested" in words


def test_one_change_has_the_whole_gain(sample: ReportData) -> None:
    one = [replace(each, changes=("agv.count+2",), title="agv.count+2", attribution=None) for each in sample.sides]
    words = " ".join(Reader(html(replace(sample, sides=tuple(one)))).words.split())
    assert "agv.count+2 is one change: the whole gain is its contribution." in words
    assert "consists of these groups" not in words


def test_a_page_names_its_study_only_if_it_is_kept(sample: ReportData) -> None:
    sides = tuple(replace(each, limits=tuple(replace(row, worth=None) for row in each.limits)) for each in sample.sides)
    kept, dropped = (html(replace(sample, sides=sides, study=file)) for file in ("kept.study.jsonl", ""))
    commands = ("factory-sim validate study kept.study.jsonl", "factory-sim why kept.study.jsonl --arm")
    assert all(each in kept for each in commands)
    assert "factory-sim" not in dropped.split("<footer>")[0].split("<main>")[1]
    assert "validate study" not in dropped
    assert "<code>--study FILE</code> keeps them" in dropped


def test_a_reason_of_an_undefined_quantity_stands_below_the_figures(sample: ReportData) -> None:
    reason = (("energy per good part", "no meter <and> no stated powers"),)
    base, after = (replace(each, notes=()) for each in sample.sides)
    compared = " ".join(Reader(html(replace(sample, sides=(base, replace(after, notes=reason))))).words.split())
    shown = "energy per good part: no meter <and> no stated powers"
    assert compared.index("Comparison Means") < compared.index(shown) < compared.index("Contribution of each change")
    row = replace(sample.rows[0], values=(around(60.0),), changes=(around(0, 0),))
    single = Reader(html(replace(sample, sides=(replace(base, notes=reason),), rows=(row,))))
    assert shown in " ".join(single.words.split())


def test_three_scenarios_have_a_table_each(sample: ReportData) -> None:
    third = replace(sample.sides[1], name="third", title="A third way")
    rows = tuple(replace(r, values=(*r.values, r.values[1]), changes=(*r.changes, r.changes[1])) for r in sample.rows)
    page = Reader(html(replace(sample, sides=(*sample.sides, third), rows=rows)))
    assert sum(tag == "table" and a.get("class") == "comparison" for tag, a in page.elements) == 2


def test_the_library_travels_with_its_licence() -> None:
    vendor = files("factory_sim.views.html") / "page" / "vendor"
    assert "Apache License" in vendor.joinpath("echarts.LICENSE.txt").read_text(encoding="utf-8")
    assert "Mike Bostock" in vendor.joinpath("echarts.LICENSE-d3.txt").read_text(encoding="utf-8")


def test_no_two_states_have_the_same_colour() -> None:
    for shade in (0, 1):
        assert len({colours[shade] for colours in palette.MACHINE_STATES.values()}) == len(palette.MACHINE_STATES)


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        (63.05, 3, "63.0"),
        (1578.3, 4, "1,578"),
        (0.0512, 2, "0.051"),
        (0.0, 3, "0"),
        (-3.1, 2, "−3.1"),
        (float("nan"), 3, "–"),
        (999.6, 3, "1,000"),
    ],
)
def test_numbers_show_the_digits_that_matter(value: float, digits: int, said: str) -> None:
    assert wording.number(value, digits) == said


@pytest.mark.parametrize(
    ("value", "said"), [(29.58, "+29.6"), (-2.4, "−2.4"), (0.04, "0.0"), (-0.04, "0.0"), (float("inf"), "–")]
)
def test_changes_have_a_sign_unless_they_are_nothing(value: float, said: str) -> None:
    assert wording.signed(value) == said


@pytest.mark.parametrize(
    ("better", "change", "said"),
    [
        (1, around(5.0), "better"),
        (-1, around(5.0), "worse"),
        (0, around(5.0), "changed"),
        (1, around(0.5), "unclear"),
        (1, around(0.0, 0.0), "unclear"),
        (1, NOTHING, "unclear"),
    ],
)
def test_a_verdict_needs_an_interval_without_nothing_in_it(better: int, change: Estimate, said: str) -> None:
    row = Row("x", "x", "", better, (around(1), around(1)), (around(0, 0), change))
    assert wording.verdict(row, 1) == said


def test_assumptions_stand_by_part_of_the_plant() -> None:
    said = ("crews.fitters = 4 (assumed: two shifts)", "operations.OP1 (assumed)", "crews.x (assumed)")
    groups = wording.grouped(said)
    assert [(g.name, g.explained, g.bare) for g in groups] == [
        ("crews", [("fitters", "4 (assumed: two shifts)")], ["x"]),
        ("operations", [], ["OP1"]),
    ]


def test_payback_is_in_years_whatever_its_length() -> None:
    data = report_sample()
    brief = replace(data.sides[1], payback_years=around(0.5, 0.1))
    drawn = html(replace(data, sides=(data.sides[0], brief)))
    assert re.search(r"0\.50? <small>years</small>", drawn)
    assert "months" not in drawn.partition("<script")[0]
