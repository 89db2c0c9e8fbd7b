"""The pages of sweeps and optimisations: everything inside, nothing asked of a network, readable on a phone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim.views.html.points_page import optimise_html, sweep_html
from factory_sim.views.html.sketch import Dot, scatter
from factory_sim.views.text.optimise_text import doubt
from factory_sim.views.text.sweep_text import give_or_take, ranked

if TYPE_CHECKING:
    from collections.abc import Mapping

CHROMIUM = Path("/usr/bin/chromium")
KPIS = {"good_parts_per_h": {"unit": "parts/h", "better": 1}, "wip": {"unit": "parts", "better": -1}}
STUDY = {"duration_s": 28800.0, "warm_up_s": 3600.0, "seed": 1, "trials": 99, "digest": "0" * 64}


def about(mean: float | None, half: float = 1.0) -> dict[str, float | None]:
    return {"mean": mean, "low": None if mean is None else mean - half, "high": None if mean is None else mean + half}


def point(buffer: int, rate: float | None) -> dict[str, Any]:
    values = {"A.buffer": str(buffer), "<b>.policy": "nearest" if buffer % 2 else "first_come"}
    return {
        "values": values,
        "responses": {"good_parts_per_h": about(rate), "wip": about(2.0 * buffer)},
        "change_pct": {"good_parts_per_h": about(3.0), "wip": None},
    }


def sweep_answer(method: str = "grid") -> dict[str, Any]:
    shares = {"first": about(0.4, 0.1), "total": about(0.6, 0.1), "effects": [{"level": "1"} | about(-2.0)]}
    each = shares if method == "grid" else {"src": about(0.9, 0.05), "srrc": about(0.8, 0.05)}
    both = {"A.buffer": each, "<b>.policy": each}
    found = {"method": method, "factors": both, "explained": {"src": 0.95, "srrc": 0.9}, "unexplained": None}
    return {
        "title": "A <sweep>",
        "question": "Why?",
        "base": "line",
        "design": method,
        "replications": 5,
        "best": 2,
        "not_told_apart": [0],
        "responses": KPIS,
        "before": {kpi: about(40.0) for kpi in KPIS},
        "factors": [
            {"address": "A.buffer", "title": "places", "unit": "", "scale": False},
            {"address": "<b>.policy", "title": "policy", "unit": "", "scale": False},
        ],
        "points": [point(1, 41.0), point(2, None), point(3, 43.5), point(3, 43.5)],
        "sensitivity": dict.fromkeys(KPIS, found),
        "study": STUDY,
    }


def optimise_answer() -> dict[str, Any]:
    variables = [{"address": f"{n}.buffer", "title": n, "price": 500.0, "owned": 2} for n in "AB"]
    front = [
        {
            "values": {"A.buffer": n, "B.buffer": 4 - n},
            "cost": 500.0 * n,
            "share_on_front": 0.9,
            "selected": n == 2,
            "responses": {"good_parts_per_h": about(40.0 + n), "wip": about(3.0 + n)},
            "change_pct": {"good_parts_per_h": about(2.0), "wip": None},
        }
        for n in (2, 1)
    ]
    sure = {
        "procedure": "Kim and Nelson 2001",
        "decided": True,
        "confidence": 0.95,
        "indifference": 0.2,
        "finalists": 5,
        "left": [],
        "replications": 12,
    }
    return {
        "title": "Places",
        "question": "",
        "base": "line",
        "currency": "EUR",
        "objectives": KPIS,
        "budget": 2000.0,
        "variables": variables,
        "limits": [{"name": "places"}],
        "tried": 5,
        "complete": True,
        "selected": front[0],
        "before": {kpi: about(40.0) for kpi in KPIS},
        "guarantee": sure,
        "front": front,
        "front_replications": 10,
        "study": STUDY,
    }


class Tags(HTMLParser):
    """Opens and closes."""

    VOID = frozenset({"meta", "link", "br", "line", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


PAGES = {
    "grid": sweep_html(sweep_answer()),
    "regression": sweep_html(sweep_answer("src")),
    "optimise": optimise_html(optimise_answer()),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_asks_nobody(name: str) -> None:
    page = PAGES[name]
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("<svg") == (1 if name == "optimise" else 4)


def test_the_answer_stands_first_and_names_are_text() -> None:
    page = PAGES["grid"]
    assert page.index("best good parts per planned hour: 43.5") < page.index("Which factor matters")
    assert "1 other point cannot be told apart from it" in page
    assert "A &lt;sweep&gt;" in page
    assert "<b>.policy" not in page
    assert page.count("<circle") == 4 * 4 - 2  # a point without a value is not drawn


def test_an_optimisation_says_its_guarantee_and_whose_prices() -> None:
    page = PAGES["optimise"]
    assert "with at least 95 % probability the best of all 5 allowed choices" in page
    assert "assumed by you" in page
    assert page.count('class="best"') == 1


def test_a_change_that_may_be_nothing_is_doubted() -> None:
    answer = optimise_answer()
    assert doubt(answer) == []
    answer["selected"] = answer["selected"] | {"change_pct": {"good_parts_per_h": about(0.5)}}
    assert "may be no better than line as it is" in doubt(answer)[0]
    assert doubt(answer)[0].strip(" !") in optimise_html(answer)


def test_a_point_is_ranked_once_and_one_without_a_value_last() -> None:
    answer: Mapping[str, Any] = sweep_answer()
    assert [each["values"]["A.buffer"] for each in ranked(answer)] == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [(51.19, 1.1, "51.2±1.1"), (0.32483, 0.0091, "0.325±0.009"), (2049.4, 268.0, "2,049±268"), (5.0, 0.0, "5")],
)
def test_a_value_has_as_many_digits_as_its_interval_allows(mean: float, half: float, text: str) -> None:
    assert give_or_take(about(mean, half), "") == text


def test_a_picture_of_nothing_says_so() -> None:
    assert "No point has a value" in scatter([Dot(1.0, about(None))], "x", "y")
    assert scatter([Dot(1.0, about(5.0, 0.0))], "x", "y").count("<circle") == 1


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium: apt-get install chromium")
def test_nothing_is_wider_than_a_phone_and_the_browser_is_quiet(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as program:
        browser = program.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=flags)
        opened = browser.new_page(viewport={"width": 390, "height": 800})
        noise: list[str] = []
        opened.on("console", lambda message: noise.append(message.text))
        opened.on("request", lambda each: each.url.startswith(("file:", "data:")) or noise.append(each.url))
        for name, page in PAGES.items():
            (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
            opened.goto((tmp_path / f"{name}.html").as_uri())
            assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        browser.close()
    assert noise == []
