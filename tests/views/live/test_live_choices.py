"""What can be chosen on the live page in a real browser: a what-if change, an instant of the recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from page_feeds import STREAM
from test_live_browser import answer, answering

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.live.page.live_page import LivePage
    from factory_sim.live.page.server import PageServer

    Visit = Callable[..., Any]

pytestmark = pytest.mark.slow
SEND = "(picture) => feed.send('full', picture)"


def test_an_answer_stays_when_the_constraint_changes(server: PageServer, three: LivePage, visit: Visit) -> None:
    page = visit(server.address.url, wait="#line .m", script=STREAM)
    limit, held = "CUT", list[Any]()
    effect = {"parts_per_shift": {"mean": 3.2, "low": 1.0, "high": 5.4}}

    def what_if(route: Any) -> None:
        if route.request.method == "POST":
            held.append(route)
        else:
            route.fulfill(json=[{"change": f"{limit}-1", "text": f"one second less at {limit}"}])

    def limited_by(name: str) -> None:
        picture = three.full()
        top = dict[str, Any](picture)["top"] | {"constraint": {"kind": "operation", "name": name, "share": 0.4}}
        page.evaluate(SEND, picture | {"top": top})
        page.wait_for_selector(f'#whatif li[data-change="{name}-1"]')

    page.route("**/plan.json", answering(answer(server, "plan.json") | {"simulated": True}))
    page.route("**/whatif", what_if)
    page.reload()
    page.wait_for_selector("#line .m")
    limited_by("CUT")
    page.click('#whatif li[data-change="CUT-1"] button')
    page.wait_for_function("document.querySelector('#whatif .result').textContent === 'is being simulated'")
    limit = "WASH"
    limited_by("WASH")
    held[0].fulfill(json=effect)
    page.wait_for_selector("#whatif .range")
    limit = "TEST"
    limited_by("TEST")
    rows = page.locator("#whatif li").evaluate_all("(rows) => rows.map((row) => row.dataset.change)")
    assert rows == ["TEST-1", "CUT-1"]  # WASH was not asked for
    assert page.inner_text('#whatif li[data-change="CUT-1"] .range') == "+1.0 to +5.4"
    assert page.noise == []


def test_the_timeline_begins_with_the_recording(server: PageServer, three: LivePage, visit: Visit) -> None:
    page = visit(server.address.url)
    plan, picture = answer(server, "plan.json"), three.full()
    end_ms: Any = picture["t_ms"]
    begin_ms, asked = end_ms - 1_200_000, list[str]()
    shift = {"name": "early", "from_ms": begin_ms - 3_600_000, "to_ms": end_ms + 3_600_000}  # it has begun before

    def past(route: Any) -> None:
        asked.append(route.request.url.partition("t_ms=")[2])
        route.fulfill(json=picture)

    page.route("**/plan.json", answering(plan | {"recording": True}))
    page.route("**/timeline", answering({"from_ms": begin_ms, "to_ms": end_ms, "shifts": [shift]}))
    page.route("**/at?*", past)
    page.route("**/figures?*", answering({"top": picture["top"], "health": None}))
    page.reload()
    page.wait_for_selector("#time:not([hidden])")
    page.wait_for_selector("body[data-t]")
    page.focus("#moment")
    page.keyboard.press("Home")
    page.wait_for_selector("#link.past")
    page.select_option("#shift", str(shift["from_ms"]))
    page.dispatch_event("#shift", "change")
    page.wait_for_timeout(300)
    assert set(asked) == {str(begin_ms)}
    assert page.noise == []
