"""The charts of the live page in a real browser: the Pareto and the states of all machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from test_live_browser import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.live.page.live_page import LivePage
    from factory_sim.live.page.server import PageServer

    Visit = Callable[..., Any]

pytestmark = pytest.mark.slow
TEXTS = "[...document.querySelectorAll('#pareto svg text')].map((each) => each.textContent)"
DRAWN = "() => document.querySelector('#pareto svg') && document.querySelector('#chart canvas')"
# Share of the pixels in a band of the chart that have a colour. The names of sections and the axis lie outside.
PIXELS = """
([row, rows, colour]) => {
  const canvas = document.querySelector("#chart canvas"), scale = canvas.width / canvas.clientWidth;
  const left = Math.ceil(innerWidth < 640 ? 2 : 130) * scale, high = canvas.height - 21 * scale;
  const y = Math.round(scale + (high * (row + 0.5)) / rows), wide = canvas.width - left - 2 * scale;
  const { data } = canvas.getContext("2d").getImageData(left, y, wide, 1);
  const wanted = colour.slice(1).match(/../g).map((hex) => parseInt(hex, 16));
  let same = 0;
  for (let k = 0; k < data.length; k += 4) same += wanted.every((value, i) => data[k + i] === value);
  return same / (data.length / 4);
}
"""
COLOUR = "(id) => getComputedStyle(document.documentElement).getPropertyValue(`--s${id}`).trim()"


def test_the_pareto_has_the_losses_of_the_server(server: PageServer, three: LivePage, visit: Visit) -> None:
    page = visit(server.address.url)
    page.wait_for_function(DRAWN)
    losses, whole_s = (dict[str, Any](three.full())[key] for key in ("pareto", "pareto_total_s"))
    texts = page.evaluate(TEXTS)
    assert [text for text in texts if "  " in text and not text.endswith("%")] == [
        f"{each['at'].replace('_', ' ')}  {each['reason']}" for each in losses
    ]
    shares = [int(text.split()[-2]) for text in texts if text.endswith("%")]
    assert shares == [round(100 * each["seconds"] / whole_s) for each in losses]
    assert page.noise == []


def test_keys_read_the_pareto_and_open_a_machine(server: PageServer, three: LivePage, visit: Visit) -> None:
    page = visit(server.address.url, reduced_motion="reduce")
    page.wait_for_function(DRAWN)
    second: Any = three.full()["pareto"][1]  # type: ignore[index]
    page.focus("#pareto .plot")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    label = page.get_attribute("#pareto .plot", "aria-label")
    assert label.startswith(f"{second['at']}: {second['reason']}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#details-name")
    operations = {each["name"]: each["machines"] for each in answer(server, "plan.json")["operations"]}
    assert page.inner_text("#details-name").split()[0] == operations[second["at"]][0]
    assert page.noise == []


def test_the_value_beside_a_curve_is_as_precise_as_the_curve(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url)
    page.click("#line .m")
    page.wait_for_function("() => [...document.querySelectorAll('.signal b')].some((b) => /\\d/.test(b.textContent))")
    unit, to_ms = page.inner_text("#details-name").split()[0], int(page.get_attribute("body", "data-t"))
    read = "(each) => [each.dataset.sensor, each.querySelector('b').textContent]"
    shown = page.evaluate(f"[...document.querySelectorAll('.signal')].map({read})")
    signals = answer(server, f"signals/{unit}?from_ms={to_ms - 300_000}&to_ms={to_ms}&points=600")["signals"]
    assert shown
    for name, text in shown:
        values = [each for each in signals[name]["value"] if each is not None]
        assert abs(float(text.replace("−", "-").replace(",", "")) - values[-1]) <= (max(values) - min(values)) / 20
    assert page.noise == []


def test_open_details_cover_no_list_and_say_that_the_server_is_gone(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url)
    page.click("#line .m")
    page.wait_for_function(DRAWN)
    page.wait_for_selector("#details .signal")
    for top in (0, 300, 10_000):
        page.evaluate("(top) => scrollTo(0, top)", top)
        low, high = page.evaluate(
            "['#details', '#pareto'].map((each) => document.querySelector(each).getBoundingClientRect())"
            ".map(({top, bottom}, i) => (i ? top : bottom))"
        )
        assert low <= high
    assert page.noise == []
    page.context.set_offline(True)
    page.wait_for_selector("#details .notice:not([hidden])")
    assert page.inner_text("#details .notice") == "The server does not answer."


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light")])
def test_the_state_chart_has_the_states_of_the_server(
    server: PageServer, three: LivePage, visit: Visit, width: int, scheme: str
) -> None:
    page = visit(server.address.url, width=width, color_scheme=scheme)
    page.wait_for_function(DRAWN)
    top: Any = three.full()["top"]
    chart = answer(server, f"chart?from_ms={top['shift']['from_ms']}&to_ms={top['shift']['to_ms']}")
    assert page.noise == []  # a browser complains when a test reads pixels
    long = chart["to_ms"] - chart["from_ms"]
    now_ms: Any = three.full()["t_ms"]
    for row, machine in enumerate(chart["rows"]):
        shares: dict[int, float] = {}
        for begin, end, state in machine["strip"]:
            shares[state] = shares.get(state, 0) + (min(end, now_ms) - begin) / long
        state = max(shares, key=shares.__getitem__)
        drawn = page.evaluate(PIXELS, [row, len(chart["rows"]), page.evaluate(COLOUR, state)])
        assert drawn == pytest.approx(shares[state], abs=0.25 * shares[state]), json.dumps(machine)
    page.focus("#chart .board")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#chart .readout").startswith(chart["rows"][0]["name"])


def test_the_strip_of_a_machine_is_drawn_and_removed(server: PageServer, visit: Visit) -> None:
    page = visit(server.address.url)
    page.locator("#line .m").first.click()
    page.wait_for_selector("#details .strip canvas")
    page.keyboard.press("Escape")
    assert page.locator("#details canvas").count() == 0
    assert page.noise == []
