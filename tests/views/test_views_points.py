"""The pages of sweeps and optimisations: self-contained, without network access, readable on a phone."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim.results.estimate import Estimate
from factory_sim.results.optimise import Choice, Guarantee, Limit, OptimisationResult, Variable
from factory_sim.results.study_summary import StudySummary, WarmUp
from factory_sim.results.sweep import (
    FactorInfluence,
    LevelEffect,
    Response,
    Sensitivity,
    SweepPoint,
    SweepResult,
    SweptFactor,
)
from factory_sim.views.html.points_page import optimise_html, sweep_html
from factory_sim.views.text.figures import plus_minus
from factory_sim.views.text.optimise_text import doubts
from factory_sim.views.text.sweep_text import ranked

if TYPE_CHECKING:
    from pathlib import Path

KPIS = {"good_parts_per_h": Response(unit="parts/h", better=1), "wip": Response(unit="parts", better=-1)}
STUDY = StudySummary(
    seed=1, warm_up_s=3600.0, duration_s=28800.0, warm_up=WarmUp(by="given"), trials=99, digest="0" * 64
)
UNDEFINED = Estimate(mean=float("nan"), low=float("-inf"), high=float("inf"), n=5)


def about(mean: float, half: float = 1.0) -> Estimate:
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=5)


def point(buffer: int, rate: Estimate) -> SweepPoint:
    return SweepPoint(
        values={"A.buffer": str(buffer), "<b>.policy": "nearest" if buffer % 2 else "first_come"},
        responses={"good_parts_per_h": rate, "wip": about(2.0 * buffer)},
        change_pct={"good_parts_per_h": about(3.0), "wip": UNDEFINED},
    )


def sweep_answer(method: str = "grid") -> SweepResult:
    shares = FactorInfluence(
        measures={"first": about(0.4, 0.1), "total": about(0.6, 0.1)},
        effects=(LevelEffect(level="1", mean=-2.0, low=-3.0, high=-1.0, n=5),),
    )
    slopes = FactorInfluence(measures={"src": about(0.9, 0.05), "srrc": about(0.8, 0.05)})
    each = shares if method == "grid" else slopes
    found = Sensitivity(
        method=method,
        factors={"A.buffer": each, "<b>.policy": each},
        explained={} if method == "grid" else {"src": 0.95, "srrc": 0.9},
        unexplained=None,
    )
    return SweepResult(
        title="A <sweep>",
        question="Why?",
        base="line",
        design=method,
        replications=5,
        confidence=0.95,
        best=2,
        not_told_apart=(0,),
        responses=KPIS,
        before={kpi: about(40.0) for kpi in KPIS},
        factors=tuple(
            SweptFactor(address=address, title=title, unit="", scale=False)
            for address, title in (("A.buffer", "places"), ("<b>.policy", "policy"))
        ),
        points=(point(1, about(41.0)), point(2, UNDEFINED), point(3, about(43.5)), point(3, about(43.5))),
        sensitivity=dict.fromkeys(KPIS, found),
        study=STUDY,
    )


def optimise_answer() -> OptimisationResult:
    front = tuple(
        Choice(
            values={"A.buffer": n, "B.buffer": 4 - n},
            cost=500.0 * n,
            share_on_front=0.9,
            selected=n == 2,
            responses={"good_parts_per_h": about(40.0 + n), "wip": about(3.0 + n)},
            change_pct={"good_parts_per_h": about(2.0), "wip": UNDEFINED},
        )
        for n in (2, 1)
    )
    return OptimisationResult(
        title="Places",
        question="",
        base="line",
        currency="EUR",
        objectives=KPIS,
        budget=2000.0,
        variables=tuple(Variable(address=f"{n}.buffer", title=n, low=0, high=4, price=500.0, owned=2) for n in "AB"),
        limits=(Limit(name="places", members=(0, 1), at_least=0, at_most=4),),
        tried=5,
        complete=True,
        selected=front[0],
        before={kpi: about(40.0) for kpi in KPIS},
        guarantee=Guarantee(
            procedure="Kim and Nelson 2001",
            decided=True,
            confidence=0.95,
            indifference=0.2,
            finalists=5,
            left=(),
            replications=12,
        ),
        front=front,
        front_replications=10,
        study=STUDY,
    )


class Tags(HTMLParser):
    """Check that tags are closed in order."""

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
def test_a_page_is_complete_and_loads_nothing(name: str) -> None:
    page = PAGES[name]
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("<svg") == (1 if name == "optimise" else 4)


def test_the_answer_comes_first_and_names_are_escaped() -> None:
    page = PAGES["grid"]
    assert page.index("best good parts per planned hour: 43.5") < page.index("Influence of the factors")
    assert "1 other point does not differ significantly" in page
    assert "A &lt;sweep&gt;" in page
    assert "<b>.policy" not in page
    assert page.count("<circle") == 4 * 4 - 2  # a point without a value is not drawn


def test_the_page_of_an_optimisation_shows_the_guarantee_and_the_source_of_prices() -> None:
    page = PAGES["optimise"]
    assert "with at least 95 % probability the best of all 5 allowed choices" in page
    assert "assumed by you" in page
    assert page.count('class="best"') == 1


def test_a_change_that_may_be_zero_is_marked_as_doubtful() -> None:
    answer = optimise_answer()
    assert doubts(answer) == []
    selected = replace(answer.selected, change_pct={"good_parts_per_h": about(0.5)})
    [doubt] = doubts(replace(answer, selected=selected))
    assert "may not be better than line as it is" in doubt
    assert doubt in optimise_html(replace(answer, selected=selected))


def test_each_point_is_ranked_once_and_points_without_a_value_come_last() -> None:
    assert [each.values["A.buffer"] for each in ranked(sweep_answer())] == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [(51.19, 1.1, "51.2±1.1"), (0.32483, 0.0091, "0.325±0.009"), (2049.4, 268.0, "2,049±268"), (5.0, 0.0, "5")],
)
def test_a_value_is_rounded_to_the_precision_of_its_interval(mean: float, half: float, text: str) -> None:
    assert plus_minus(about(mean, half), "") == text


def test_a_picture_without_values_is_replaced_by_a_sentence() -> None:
    page = sweep_html(replace(sweep_answer(), best=None, points=(point(1, UNDEFINED), point(2, UNDEFINED))))
    assert page.count("No point has a value") == page.count("<svg") == 2  # one response of two, over two factors


def test_a_point_without_an_interval_is_drawn() -> None:
    alone = Estimate(mean=5.0, low=float("-inf"), high=float("inf"), n=1)
    page = sweep_html(replace(sweep_answer(), best=0, not_told_apart=(), points=(point(1, alone),)))
    assert page.count("<circle") == 4
    assert page.count('class="reach"') == 2


@pytest.mark.slow
def test_nothing_is_wider_than_a_phone_and_the_browser_reports_no_errors(browser: Any, tmp_path: Path) -> None:
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    noise: list[str] = []
    opened.on("console", lambda message: noise.append(message.text))
    opened.on("request", lambda each: each.url.startswith(("file:", "data:")) or noise.append(each.url))
    for name, page in PAGES.items():
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
        opened.goto((tmp_path / f"{name}.html").as_uri())
        assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
    opened.close()
    assert noise == []
