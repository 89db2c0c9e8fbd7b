"""The live page in a real browser: the server's values, every state, keys, a lost connection, foreign names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest
from page_feeds import STREAM, THREE, described, meta_of

from factory_sim.live.page.page_address import PageAddress
from factory_sim.live.page.server import PageServer
from factory_sim.plant.states import State
from factory_sim.views.html.palette import LETTERS
from factory_sim.views.wording import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.live.page.live_page import LivePage

    Visit = Callable[..., Any]

pytestmark = pytest.mark.slow
FIGURE = "#{} .figure b"
LETTERS_SHOWN = """
Object.fromEntries([...document.querySelectorAll("#line .m")].map((each) => [each.dataset.unit, each.textContent]))
"""
ATTACK = '<img src=x onerror="window.broken=1">'


def answer(server: PageServer, path: str) -> Any:
    connection = HTTPConnection("127.0.0.1", server.address.port, timeout=20)
    try:
        connection.request("GET", f"/{path}")
        return json.load(connection.getresponse())
    finally:
        connection.close()


def answering(content: Any) -> Callable[[Any], None]:
    def fulfil(route: Any) -> None:
        route.fulfill(json=content)

    return fulfil


def test_the_figures_are_those_of_the_server(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url)
    page.wait_for_selector("#good:not(.undefined)")
    kpis = answer(server, "values.json?window=shift")["kpis"]
    value = {
        name: kpis[f"line.{name}"]["values"]["line"]
        for name in ("good_parts", "good_parts_per_h", "oee", "kwh_per_part")
    }
    assert page.inner_text(FIGURE.format("good")) == f"{value['good_parts']:,.0f}"
    assert page.inner_text(FIGURE.format("rate")) == f"{value['good_parts_per_h']:,.1f}"
    assert page.inner_text(FIGURE.format("oee")) == f"{100 * value['oee']:.1f}"
    assert float(page.inner_text(FIGURE.format("energy"))) == float(number(value["kwh_per_part"]))
    shares = kpis["operation.critical_path_share"]["values"]
    limit = max(shares, key=lambda name: shares[name] or 0)
    assert page.inner_text(FIGURE.format("constraint")) == limit
    assert f"{100 * shares[limit]:.0f} %" in page.inner_text("#constraint")
    assert page.locator(".cell.constraint .name").inner_text() == limit


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_machine_has_the_letter_of_its_state(
    server: PageServer, three: LivePage, visit: Visit, width: int, scheme: str
) -> None:
    page = visit(server.address.url, width=width, color_scheme=scheme)
    assert three.picture is not None
    wanted = {
        unit.name: LETTERS[now.state]
        for unit, now in zip(three.picture.meta.units, three.picture.line.units, strict=True)
        if unit.role == "machine"
    }
    assert page.evaluate(LETTERS_SHOWN) == wanted
    assert page.noise == []


@pytest.mark.parametrize("width", [320, 390, 768, 1100, 1440, 1920])
def test_nothing_is_wider_than_the_screen(server: PageServer, visit: Visit, width: int) -> None:
    page = visit(server.address.url, width=width)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_keys_reach_a_machine_and_its_details(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url)
    page.keyboard.press("Tab")  # the link that skips to the line
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.dataset.unit")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.dataset.unit")
    assert first
    assert second
    assert first != second
    page.keyboard.press("Enter")
    page.wait_for_selector("#details .signal canvas")
    assert page.inner_text("#details-name").startswith(second)
    assert page.evaluate("document.activeElement.id") == "details-name"
    page.keyboard.press("Escape")
    assert page.is_hidden("#details")
    assert page.evaluate("document.activeElement.dataset.unit") == second
    assert page.noise == []


def test_details_show_every_sensor_with_its_range(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url)
    plan = answer(server, "plan.json")
    unit = next(each for each in plan["units"] if each["role"] == "machine" and each["sensors"])
    page.click(f'#line [data-unit="{unit["name"]}"]')
    page.wait_for_selector("#details .signal canvas")
    names = page.evaluate("[...document.querySelectorAll('#details .signal')].map(each => each.dataset.sensor)")
    assert names == unit["sensors"]
    found = answer(server, f"units/{unit['name']}")
    for sensor, text in zip(found["sensors"], page.locator("#details .range").all_inner_texts(), strict=True):
        assert text == f"range {number(sensor['low'])} to {number(sensor['high'])} {sensor['text']}".replace(".0 ", " ")
    assert f"of the last {len(found['cycle_times_s'])}" in page.inner_text("#details")


def test_a_lost_connection_is_marked_and_restored(three: LivePage, visit: Visit) -> None:
    with PageServer(three, PageAddress(port=0)) as first:
        page = visit(first.address.url)
        before = page.inner_text("#link")
        port = first.address.port
    page.wait_for_selector("#link.lost")
    assert page.inner_text("#link").startswith("not connected since ")
    assert page.inner_text(FIGURE.format("good")) != "–"  # the last values stay, and are marked
    with PageServer(three, PageAddress(port=port)):
        page.wait_for_selector("#link:not(.lost)", timeout=20_000)
        assert page.inner_text("#link") == before


def test_a_value_that_is_not_defined_is_a_dash_with_its_reason(visit: Visit) -> None:
    page = described(meta_of(THREE))
    with PageServer(page, PageAddress(port=0)) as server:
        opened = visit(server.address.url, wait="#line .m")
        assert opened.inner_text(FIGURE.format("rate")) == "–"
        assert opened.inner_text("#rate .more") == "not known yet"
        assert set(opened.locator("#line .m").all_inner_texts()) == {"?"}
        assert opened.noise == []


def test_names_are_text(visit: Visit) -> None:
    meta = meta_of(THREE)
    operations = tuple(
        replace(each, name=f"{ATTACK}{n}", title=ATTACK, section=ATTACK) for n, each in enumerate(meta.operations)
    )
    units = tuple(
        replace(each, name=f"{ATTACK}{n}", kind=ATTACK, section=ATTACK and each.section)
        for n, each in enumerate(meta.units)
    )
    page = described(replace(meta, plant=ATTACK, operations=operations, units=units))
    with PageServer(page, PageAddress(port=0)) as server:
        opened = visit(server.address.url, wait="#line .m")
        opened.locator("#line .m").first.click()
        opened.wait_for_selector("#details-name")
        assert ATTACK in opened.inner_text("#details-name")
        assert opened.locator("img").count() == 0
        assert opened.evaluate("window.broken") is None


def test_a_page_without_a_feed_waits_for_one(three: LivePage, visit: Visit) -> None:
    empty = type(three)("some/root")
    with PageServer(empty, PageAddress(port=0)) as server:
        page = visit(server.address.url, wait="#notice:not([hidden])")
        page.wait_for_function("document.querySelector('#link').textContent === 'waiting for a feed'")
        assert "No feed" in page.inner_text("#notice")
        assert three.picture is not None
        empty.describe(three.picture.meta)
        page.wait_for_selector("#line .m")
        assert page.is_hidden("#notice")


def test_paper_has_the_line_and_no_controls(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert [name for name in ("#time", "#whatif", ".readout") if page.is_visible(name)] == []
    assert page.is_visible("#line .m >> nth=0")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--card').trim()") == "#ffffff"
    assert page.pdf(prefer_css_page_size=True, print_background=True).startswith(b"%PDF")
    assert page.noise == []


def test_reasons_marks_and_causes_stand_beside_the_figures(server: PageServer, three: LivePage, visit: Visit) -> None:
    page = visit(server.address.url, wait="#line .m", script=STREAM)
    picture = three.full()
    top = picture["top"] | {
        "oee": 1.2,
        "marks": {"oee": "above 100 %"},
        "energy_kwh_per_part": None,
        "reasons": {"energy_kwh_per_part": "no meters"},
        "stopped": [{"name": "WASH", "kind": "starved", "by": "CUT", "seconds": 612}],
        "constraint": {"kind": "operation", "name": "WASH", "share": 0.4},
        "plan_parts": 480,
    }
    alarm = {"id": "a", "since_ms": picture["t_ms"], "unit": None, "what": "feed", "severity": "low", "text": "late"}
    page.evaluate("(picture) => feed.send('full', picture)", picture | {"top": top, "alarms": [alarm]})
    assert page.inner_text(FIGURE.format("oee")) == "120.0"
    assert page.inner_text("#oee .more") == "above 100 %"
    assert page.inner_text(FIGURE.format("energy")) == "–"
    assert page.inner_text("#energy .more") == "no meters"
    assert page.inner_text("#stopped li").split("\n") == ["starved by CUT", "10 min"]
    assert "of 480 planned" in page.inner_text("#good")
    assert page.is_visible("#good .meter")
    assert re.fullmatch(r"\d\d:\d\d", page.inner_text("#alarms li em"))


def test_the_timeline_shows_the_past_and_returns(server: PageServer, three: LivePage, visit: Visit) -> None:
    page = visit(server.address.url)
    plan, picture = answer(server, "plan.json"), three.full()
    end_ms = picture["t_ms"]
    begin_ms = end_ms - 1_200_000
    shift = {"name": "early", "from_ms": begin_ms, "to_ms": end_ms + 3_600_000}
    unit = next(each["name"] for each in plan["units"] if each["role"] == "machine")
    past = picture | {"t_ms": begin_ms + 600_000, "units": {unit: [State.SETUP, begin_ms, None, None]}}
    past |= {"health": None, "top": {"shift": shift, "reasons": {"oee": "It is being computed."}}}
    top = dict[str, Any](three.full())["top"] | {
        "oee": 0.512,
        "constraint": {"kind": "operation", "name": "WASH", "share": 0.4},
    }
    loss = {"reason": "starved", "at": "WASH", "by": "CUT", "seconds": 612}
    figures = {"top": top, "pareto": [loss], "pareto_total_s": 1224.0, "health": picture["health"], "alarms": []}
    timeline = {"from_ms": begin_ms, "to_ms": end_ms, "shifts": [shift]}
    answers = {"plan.json": plan | {"recording": True}, "timeline": timeline, "at?*": past, "figures?*": figures}
    for path, content in answers.items():
        page.route(f"**/{path}", answering(content))
    page.reload()
    tile = page.locator(f'#line [data-unit="{unit}"]')
    page.wait_for_selector("#time:not([hidden])")
    page.wait_for_selector("body[data-t]")
    before = tile.inner_text()
    page.click("#earlier")
    page.wait_for_selector("#link.past")
    assert tile.inner_text() == LETTERS[State.SETUP]
    assert page.get_attribute("body", "data-t") == str(begin_ms + 600_000)
    assert page.locator("#line .m", has_text="?").count() > 0  # machines of which the past picture has nothing
    page.wait_for_selector("#oee:not(.undefined)")  # the figures follow the picture
    assert page.inner_text(FIGURE.format("oee")) == "51.2"
    assert page.inner_text(FIGURE.format("constraint")) == "WASH"
    page.wait_for_function("() => document.querySelector('#pareto svg')?.textContent.includes('50 %')")
    page.click("#now")
    page.wait_for_selector("#link:not(.past)")
    assert tile.inner_text() == before
    assert page.inner_text(FIGURE.format("oee")) == f"{100 * dict[str, Any](three.full())['top']['oee']:.1f}"
    assert page.noise == []
