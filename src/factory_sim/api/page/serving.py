"""The live page of a feed: beside a listener, or with a listener of its own beside a publisher."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from factory_sim.api.arguments import optional_path, refuse
from factory_sim.api.client_arguments import first_line
from factory_sim.api.progress import ProgressEvent
from factory_sim.clock import US_PER_S
from factory_sim.errors import BrokerError, require_extra
from factory_sim.live import listen as listening
from factory_sim.live.pacing import rest
from factory_sim.live.page.live_page import LivePage, Recording
from factory_sim.live.page.page_address import PageAddress
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from factory_sim.api.client_arguments import PathLike
    from factory_sim.api.progress import Report
    from factory_sim.live.page.live_page import WhatIf
    from factory_sim.wire.mqtt.client_options import ClientOptions

    Hold = Callable[[int, float], None]

PAGE_ADDRESS = "127.0.0.1:8800"
STAYS = "The run has ended. Its page is served until Ctrl-C."
LAG_S = 5.0  # of real time, that a page may be behind the publisher beside it
_READY_S, _END_S = 10.0, 5.0
_IDLE_S, _TURN_S = 2.0, 0.1  # without progress, after which a page is not waited for
_SHARE = 0.1  # of the time, at most, that conclusions for the page may take


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a page is served."""

    address: PageAddress
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Offers:
    """What a page can show beside the present: the past, and what-if changes."""

    folder: Path | None = None  # of a recording
    run_id: str = ""  # of a run that is played again
    what_if: WhatIf | None = None


def past_of(record: PathLike | None) -> Offers:
    """Return what the page of a feed offers that is recorded in a folder, or not at all."""
    return Offers(optional_path("record", record))


def shown(page: bool, address: str, password_file: PathLike | None, *, is_published: bool = True) -> Shown | None:
    """Return where the page is served that arguments ask for; None: none is. Raises ConfigError and PageError."""
    if not page:
        return None
    if not is_published:
        refuse("page", "shows a published run; this one is not published", "Leave it out, or name a broker.")
    require_extra("page", "The live page")
    try:
        where = PageAddress.parse(address)
    except ValueError:
        refuse("page_address", f"expected HOST:PORT, got {address!r}", f"Example: {PAGE_ADDRESS}")
    password = "" if password_file is None else first_line("page_password_file", password_file)
    where.check(password)
    return Shown(where, password)


@contextmanager
def serving(where: Shown, root: str, report: Report, offers: Offers = Offers()) -> Iterator[LivePage]:
    """Serve the page of the feed below `root`. Raises PageError."""
    from factory_sim.live.page.server import PageServer  # noqa: PLC0415 - an extra

    recording = Recording(offers.folder, offers.run_id) if offers.folder is not None else None
    page = LivePage(root, what_if=offers.what_if, recording=recording)
    with PageServer(page, where.address, where.password) as server:
        report(ProgressEvent(stage="subscribed", message=f"Live page: {server.address.url}"))
        yield page


def conclude(page: LivePage, listener: listening.Listener, *, at_once: bool = False) -> None:
    """Show on a page what a listener concludes, unless the last time was too long and too short ago."""
    begin_s = time.monotonic()
    if not listener.counts.readings or (begin_s < page.conclude_due_s and not at_once):
        return
    from factory_sim.live.page.conclusions import concluded  # noqa: PLC0415 - the analysis is slow to import

    page.conclude(concluded(listener))
    end_s = time.monotonic()
    page.conclude_due_s = end_s + (end_s - begin_s) / _SHARE


@contextmanager
def watched(
    where: Shown, url: str, options: ClientOptions, root: str, report: Report, offers: Offers
) -> Iterator[Hold]:
    """Serve the page of a feed that this process publishes: what a listener of its own receives from the broker.

    Yield a function that waits while the page is more than LAG_S behind an instant of the run [µs] at a speed.
    """
    with serving(where, root, report, offers) as page:
        listener = listening.Listener(root, store=page)
        stop, ready = Event(), Event()
        follow = partial(_follow, page, listener, url, options, stop, ready, report)
        thread = Thread(target=follow, name="listener of the page", daemon=True)
        thread.start()
        ready.wait(_READY_S)
        try:
            yield partial(_hold, page, thread, options.is_stopped)
            _wait(thread, listener, options.is_stopped)
        finally:
            stop.set()
            thread.join(_END_S)


def stay(where: Shown | None, report: Report, stop: Event, wait: Callable[[float], None]) -> None:
    """Let the page of a run that has ended be looked at until `stop` is set; `wait` services the connection."""
    if where is not None and not stop.is_set():
        report(ProgressEvent(stage="subscribed", message=STAYS))
        rest(math.inf, stop, wait)


def _hold(page: LivePage, thread: Thread, is_stopped: Callable[[], bool], t_us: int, speed: float) -> None:
    """Wait while the page is behind, as long as it advances: a publisher that is too fast would show the past."""
    wanted_us = t_us - (max(LAG_S * speed, LAG_S) * US_PER_S if math.isfinite(speed) else math.inf)
    seen_us, idle_until_s = -1, time.monotonic() + _IDLE_S
    while thread.is_alive() and not is_stopped() and (reached_us := page.reached_us) < wanted_us:
        if reached_us > seen_us:
            seen_us, idle_until_s = reached_us, time.monotonic() + _IDLE_S
        elif time.monotonic() > idle_until_s:
            return
        time.sleep(_TURN_S)


def _wait(thread: Thread, listener: listening.Listener, is_stopped: Callable[[], bool]) -> None:
    """Wait until the listener has received the end of the run, as long as it receives anything."""
    seen = -1
    while thread.is_alive() and listener.counts.readings > seen and not is_stopped():
        seen = listener.counts.readings
        thread.join(_END_S)


def _follow(  # noqa: PLR0913 - a listener, its connection, and its observers
    page: LivePage,
    listener: listening.Listener,
    url: str,
    options: ClientOptions,
    stop: Event,
    ready: Event,
    report: Report,
) -> None:
    try:
        with Client(url, options) as client:
            listening.listen(listener, client, ready=ready.set, watch=partial(conclude, page), stop=stop)
        conclude(page, listener, at_once=True)
    except BrokerError as error:
        report(ProgressEvent(stage="subscribed", message=f"! The live page has lost its feed: {error}"))
    finally:
        ready.set()
