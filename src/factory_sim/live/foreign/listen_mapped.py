"""Listen to a foreign feed until it is stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from factory_sim.live.foreign.mapped_feed import MappedFeed
    from factory_sim.live.foreign.mapped_windows import MappedWindows
    from factory_sim.live.receiver import Receiver

TURN_S = 0.2


def listen(  # noqa: PLR0913 - the feed, its connection, its end and its observers
    feed: MappedFeed,
    receiver: Receiver,
    *,
    windows: MappedWindows,
    stop: Event,
    for_s: float = float("inf"),
    every_s: float = 10.0,
    ready: Callable[[], None] = lambda: None,
    watch: Callable[[MappedFeed, MappedWindows], None] = lambda *_: None,
) -> None:
    """Take messages until `stop` is set or `for_s` have passed; call `watch` every `every_s`."""
    first, *others = feed.filters()
    receiver.subscribe([first])
    receiver.subscribe(others, qos=0)  # the embedded broker delays several busy filters of one client at QoS 1
    ready()
    end_s, next_s = time.monotonic() + for_s, time.monotonic() + every_s
    while not stop.is_set() and time.monotonic() < end_s:
        for message in receiver.messages(TURN_S):
            feed.take(message, time.time_ns())
            if stop.is_set() or time.monotonic() >= end_s:
                break
        if time.monotonic() >= next_s:
            windows.refresh()
            watch(feed, windows)
            next_s = time.monotonic() + every_s
