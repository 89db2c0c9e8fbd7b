"""Pages of the live server after a feed, or before one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim import registry
from factory_sim.live.listen import Listener, listen
from factory_sim.live.page.conclusions import concluded
from factory_sim.live.page.live_page import LivePage
from factory_sim.live.publish import RunSetup, epoch_ns, publish, window_of
from factory_sim.plant.describe import describe
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from factory_sim.records import Meta

ROOT = "test/site/area"
THREE = Path(__file__).parents[2] / "live" / "three.yaml"
# Stands for the browser's own class; the events of the test come from `feed.send`.
STREAM = """
window.feed = { listeners: {}, send(kind, value) { this.listeners[kind]?.({ data: JSON.stringify(value) }); } };
window.EventSource = class {
  static CLOSED = 2; readyState = 1;
  addEventListener(kind, heard) { window.feed.listeners[kind] = heard; }
  close() {}
};
"""


def received(plant: str | Path, duration_s: float = 1800.0) -> LivePage:
    """Return the page after the feed of a plant, whose run stays open: it is shown as live."""
    exchange, page = Exchange(), LivePage(ROOT)
    receiver, listener = Loopback(exchange), Listener(ROOT, store=page)
    receiver.subscribe([f"{ROOT}/#"])
    publish(registry.load(plant), RunSetup(duration_s=duration_s, payload_format="bulk"), Loopback(exchange))
    listen(listener, receiver)
    page.conclude(concluded(listener))
    return page


def described(meta: Meta) -> LivePage:
    """Return the page of a feed that has been described, and of which nothing has arrived."""
    page = LivePage(ROOT)
    page.describe(replace(meta, sent_rows=(), sent_ticks=()))
    return page


def meta_of(plant: str | Path) -> Meta:
    """Return the description of a plant."""
    setup, found = RunSetup(), registry.load(plant)
    return describe(found, "run", epoch_ns(found, setup), window_of(setup))
