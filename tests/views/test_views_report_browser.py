"""The report in a real browser: quiet, offline, readable on a phone and on paper, and its replay replays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from report_sample import STEPS

from factory_sim.views.html.report_page import html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factory_sim.views.html.report_data import ReportData

pytestmark = pytest.mark.slow
MARKED = "[...document.querySelectorAll('#tiles i')].map(each => getComputedStyle(each).backgroundColor)"


@pytest.fixture(scope="module")
def file(sample: ReportData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html(sample), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Any, file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, drawn, with `noise`: what it said on the console and asked of a network."""
    width, scheme = getattr(request, "param", (1280, "light"))
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(15_000)
    page.noise = []
    page.on("console", lambda message: page.noise.append(message.text))
    page.on("pageerror", lambda error: page.noise.append(str(error)))
    page.on("request", lambda each: each.url.startswith(("file:", "data:", "blob:")) or page.noise.append(each.url))
    page.goto(file.as_uri())
    page.wait_for_function("typeof report !== 'undefined' && report.replay && report.instances.length > 5")
    yield page
    page.close()


@pytest.mark.parametrize("opened", [(1280, "light"), (390, "dark")], indirect=True)
def test_the_page_draws_everything_without_a_word_or_a_request(opened: Any) -> None:
    visible = "[...document.querySelectorAll('[data-chart]')].filter(each => each.offsetWidth)"
    assert opened.evaluate(f"{visible}.map(each => each.querySelectorAll('path, rect').length > 0)").count(False) == 0
    assert opened.evaluate("window.broken") is None
    assert opened.noise == []


@pytest.mark.parametrize("opened", [(390, "light"), (320, "light"), (1280, "light")], indirect=True)
def test_nothing_is_wider_than_the_screen(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_replay_shows_the_stored_state_of_the_chosen_moment(opened: Any) -> None:
    def tiles_at(step: int) -> list[str]:
        opened.locator("#moment").evaluate("(slider, step) => { slider.value = step; slider.oninput(); }", step)
        found: list[str] = opened.evaluate(MARKED)
        return found

    early, late = tiles_at(0), tiles_at(STEPS - 1)
    assert early[0] == late[0]  # busy all the time
    assert early[1] != late[1]  # starved, then in repair
    assert opened.text_content("#clock") == "Mon 14:03:00"  # the last of 60 steps of two minutes


def test_play_moves_the_moment_on(opened: Any) -> None:
    before = int(opened.input_value("#moment"))
    opened.select_option("#speed", "1200")
    opened.click("#play")
    opened.wait_for_function(f"+document.getElementById('moment').value > {before}")
    opened.click("#play")
    assert opened.get_attribute("#play", "aria-label") == "Play"


def test_the_switch_shows_the_other_scenario_everywhere(opened: Any) -> None:
    shown = "[...document.querySelectorAll('.panel')].filter(each => each.offsetHeight).map(each => each.dataset.side)"
    assert set(opened.evaluate(shown)) == {"1"}
    opened.click("#why .switch button:first-child")
    assert set(opened.evaluate(shown)) == {"0"}
    assert opened.noise == []


@pytest.mark.parametrize("opened", [(1280, "dark")], indirect=True)
def test_paper_has_every_scenario_light_colours_and_no_controls(opened: Any) -> None:
    opened.emulate_media(media="print", color_scheme="dark")
    opened.wait_for_function("report.printing")
    assert opened.evaluate("[...document.querySelectorAll('.panel')].every(each => each.offsetHeight > 0)")
    controls = ["nav", ".switch", ".player", "#tiles"]
    assert [name for name in controls if opened.locator(name).first.is_visible()] == []
    assert opened.evaluate("report.theme().night") is False
    charts = "[...document.querySelectorAll('.chart')]"
    assert opened.evaluate(f"{charts}.every(each => each.scrollHeight <= each.clientHeight + 1)")
    assert opened.evaluate("[...document.querySelectorAll('details.assumed')].every(each => each.open)")
    opened.emulate_media(media="screen")
    opened.wait_for_function("!report.printing")
    assert opened.locator(".player").is_visible()


def test_it_prints_to_pdf(opened: Any) -> None:
    paper = opened.pdf(prefer_css_page_size=True, print_background=True)
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page /") + paper.count(b"/Type/Page/") >= 3
    assert opened.noise == []
