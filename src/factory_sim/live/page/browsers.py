"""The browsers that follow a page: one change is encoded once for all of them; a stalled one costs bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from factory_sim.live.page.live_page import encoded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from factory_sim.live.page.live_page import LivePage

PERIOD_S, SIGN_OF_LIFE_S = 0.5, 1.5
MOST_BROWSERS, MOST_CHANGES = 100, 8  # changes that wait for a browser; a slower one receives the whole picture next
RETRY = b"retry: 1000\n\n"


class _Browser:
    """The changes that wait for one browser."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.wake = asyncio.Event()
        self.needs_full = True

    def offer(self, change: bytes) -> None:
        """Keep a change; drop all if the browser is too slow for them: it will receive the whole picture."""
        if len(self.waiting) >= MOST_CHANGES:
            self.needs_full = True
        if self.needs_full:
            self.waiting.clear()
        else:
            self.waiting.append(change)
        self.wake.set()


class Browsers:
    """Sends a picture and its changes to every browser."""

    def __init__(self, page: LivePage) -> None:
        self.page = page
        self._browsers: set[_Browser] = set()
        self._closing = False
        self._full = b""  # the whole picture of the present period, once a browser needs it
        self._run_id = ""

    def __len__(self) -> int:
        return len(self._browsers)

    async def run(self) -> None:
        """Use what has arrived, twice a second, and send what has changed."""
        loop = asyncio.get_running_loop()
        due_s, sent_s = loop.time(), loop.time()
        while not self._closing:
            due_s = max(due_s + PERIOD_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            if self.turn(is_quiet=loop.time() - sent_s >= SIGN_OF_LIFE_S):
                sent_s = loop.time()

    def turn(self, *, is_quiet: bool = False) -> bool:
        """Use what has arrived and send what has changed; return whether anything was sent."""
        self.page.turn()
        self._full, picture = b"", self.page.picture
        if picture is None:
            if is_quiet:
                self._offer(_event("change", {}))
            return is_quiet
        if picture.meta.run_id != self._run_id:
            self._run_id = picture.meta.run_id
            for browser in self._browsers:
                browser.needs_full = True
        changes = picture.changes()
        if len(changes) == 1 and not is_quiet:  # the time alone
            return False
        if self._browsers:
            self._offer(_event("change", changes))
        return True

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events of one browser until it goes away or the page is closed."""
        if len(self._browsers) >= MOST_BROWSERS:  # many came at once: this one tries again, and is refused
            return
        browser = _Browser()
        self._browsers.add(browser)
        try:
            yield RETRY
            while not self._closing:
                if browser.needs_full:
                    browser.waiting.clear()
                    browser.needs_full = False
                    yield self._whole()
                elif browser.waiting:
                    yield browser.waiting.popleft()
                else:
                    browser.wake.clear()
                    await browser.wake.wait()
        finally:
            self._browsers.discard(browser)

    def close(self) -> None:
        """Let every browser's events end."""
        self._closing = True
        for browser in self._browsers:
            browser.wake.set()

    def _offer(self, event: bytes) -> None:
        for browser in self._browsers:
            browser.offer(event)

    def _whole(self) -> bytes:
        self._full = self._full or _event("full", self.page.full())
        return self._full


def _event(kind: str, content: dict[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encoded(content))
