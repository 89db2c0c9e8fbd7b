"""The live page of a small line after a whole feed, and pages of the browser that open it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_feeds import THREE, received

from factory_sim.live.page.page_address import PageAddress
from factory_sim.live.page.server import PageServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.live.page.live_page import LivePage


@pytest.fixture(scope="session")
def three() -> LivePage:
    return received(THREE)


@pytest.fixture(scope="session")
def server(three: LivePage) -> Iterator[PageServer]:
    with PageServer(three, PageAddress(port=0)) as started:
        yield started


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page and wait for its first picture; `noise` has errors and requests to other hosts."""
    opened = []

    def visiting(url: str, *, width: int = 1440, wait: str = "body[data-t]", script: str = "", **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900}, **options)
        opened.append(page)
        page.set_default_timeout(20_000)
        page.noise = []
        page.on("console", lambda message: page.noise.append(message.text))
        page.on("pageerror", lambda error: page.noise.append(str(error)))
        page.on("request", lambda each: each.url.startswith((url, "data:")) or page.noise.append(each.url))
        if script:
            page.add_init_script(script)
        page.goto(url)
        page.wait_for_selector(wait)
        return page

    yield visiting
    for page in opened:
        page.close()
