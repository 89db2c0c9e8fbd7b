"""An hour of events, sent as fast as the browser draws, leaves no node and no listener behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from page_feeds import STREAM

if TYPE_CHECKING:
    from factory_sim.live.page.server import PageServer

pytestmark = pytest.mark.long(reason="draws 7,200 events: up to a minute")
HOUR = 7200  # events
PER_FRAME = 3
PLAY = """
async ([picture, events, perFrame]) => {
  const machines = Object.keys(picture.units), places = Object.keys(picture.levels);
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  for (let k = 0; k < events; k += 1) {
    const t = picture.t_ms + 500 * k, units = {}, levels = {};
    for (let i = 0; i < 20; i += 1) units[machines[(7 * k + i) % machines.length]] = [(k + i) % 9, t, k % 1000, null];
    for (let i = 0; i < 5; i += 1) levels[places[(3 * k + i) % places.length]] = (k + i) % 4;
    const unit = (n) => machines[n % machines.length];
    const alarm = (n) => ({ id: `${k}.${n}`, since_ms: t, unit: unit(n), severity: "low", text: `alarm ${k}` });
    const health = { readings: k, lost: 0, late: 0, duplicates: 0, distrusted: 0, silent_s: 0 };
    feed.send("change", { t_ms: t, units, levels, health, alarms: Array.from({ length: k % 12 }, (_, n) => alarm(n)) });
    if (k % perFrame === perFrame - 1) await frame();
  }
}
"""


def test_an_hour_of_events_leaves_no_trace(server: PageServer, browser: Any, three: Any) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.add_init_script(STREAM)
        page.goto(server.address.url)
        page.wait_for_selector("#line .m")
        picture = three.full()
        page.evaluate("(picture) => feed.send('full', picture)", picture)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")

        def measured() -> dict[str, float]:
            session.send("HeapProfiler.collectGarbage")
            return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}

        page.evaluate(PLAY, [picture, 300, PER_FRAME])  # every list has been as long as it becomes
        before = measured()
        page.evaluate(PLAY, [picture, HOUR, PER_FRAME])
        after = measured()
        assert after["Nodes"] <= before["Nodes"] + 5
        assert after["JSEventListeners"] <= before["JSEventListeners"] + 5
    finally:
        page.close()
