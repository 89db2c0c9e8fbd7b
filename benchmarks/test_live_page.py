"""Rows of `factory-sim bench` about the live page: the server's share of a core, without the analysis."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from stretch import H_US, QUICK
from table import held

from factory_sim import registry
from factory_sim.live.listen import Listener
from factory_sim.live.page.conclusions import concluded
from factory_sim.live.page.live_page import LivePage
from factory_sim.live.page.page_address import PageAddress
from factory_sim.live.page.server import PageServer
from factory_sim.plant.describe import describe
from factory_sim.records import Readings, Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS

if TYPE_CHECKING:
    from factory_sim.records import Meta

    Feed = tuple[Meta, list[list[Readings]]]

WATCHED_S = 10 if QUICK else 60
FILLED_US = H_US  # of the feed, before it is watched
SETTLING_S = 2.0  # the first picture of every browser is not a steady state
MOST_PCT = {1: 2.0, 30: 6.0}
MOST_PAINT_S, MOST_VALUES_S = 1.0, 2.0
# When the figures at the top and the states of all machines have been drawn [ms since the navigation].
_VALUES = """
const look = () => {
  const texts = (nodes) => [...document.querySelectorAll(nodes)].map(({ textContent }) => textContent);
  const known = (found, none) => found.length > 0 && !found.some((text) => none.includes(text));
  const isShown = known(texts("#good .figure b, #oee .figure b"), ["", "–"]) && known(texts("#line .m"), ["", "?"]);
  requestAnimationFrame(isShown ? () => { window.valuesMs = performance.now(); } : look);
};
look();
"""
# Browsers in a process of their own: each reads /events until its input ends.
_BROWSERS = """
import selectors, socket, sys
port, n = int(sys.argv[1]), int(sys.argv[2])
selector = selectors.DefaultSelector()
selector.register(sys.stdin, selectors.EVENT_READ)
for _ in range(n):
    browser = socket.create_connection(("127.0.0.1", port))
    browser.sendall(f"GET /events HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n".encode())
    selector.register(browser, selectors.EVENT_READ)
print("ready", flush=True)
changes = 0
while True:
    for key, _ in selector.select():
        if key.fileobj is sys.stdin:
            print(changes)
            sys.exit()
        changes += key.fileobj.recv(1 << 20).count(b"event: change")
"""


@pytest.fixture(scope="module")
def feed() -> Feed:
    """The reference line's readings as a listener decodes them, by second, after an hour that comes at once."""
    plant, window = registry.load("gearbox_line"), Window(0, FILLED_US + WATCHED_S * 1_000_000)
    meta = describe(plant, "bench", 0, window)
    sensing = Sensing(plant, seed=1, replication=0, epoch_ns=0, t0_us=0)
    simulation = Simulation(plant, until_us=window.t1_us)
    form = FORMATS["machine"]
    encoder, decoder = form.encoder(meta, "bench"), form.decoder(meta, "bench")
    past = [sensing.sample(simulation.advance(FILLED_US), FILLED_US)]
    seconds = []
    for t1_us in range(FILLED_US + 1_000_000, window.t1_us + 1, 1_000_000):
        readings = sensing.sample(simulation.advance(t1_us), t1_us)
        seconds.append([decoder.feed(message) for message in encoder.data(readings)])
    return meta, [past, *seconds]


def test_page_cpu_pct_1(benchmark: Any, feed: Feed) -> None:
    held(benchmark, 100 * benchmark.pedantic(_share, (feed, 1), rounds=1), "%", MOST_PCT[1])


def test_page_cpu_pct_30(benchmark: Any, feed: Feed) -> None:
    held(benchmark, 100 * benchmark.pedantic(_share, (feed, 30), rounds=1), "%", MOST_PCT[30])


def test_page_first_paint_s(benchmark: Any, feed: Feed) -> None:
    """The first contentful paint of a new browser, of a line that has run for an hour."""
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    held(benchmark, _median_s(benchmark, _page(feed), paint), "s", MOST_PAINT_S)


def test_page_first_values_s(benchmark: Any, feed: Feed) -> None:
    """From the navigation of a new browser until all figures and the states of all machines are drawn."""
    meta, past = feed[0], feed[1][0]
    listener = Listener("bench", store=(page := LivePage("bench")))
    messages = FORMATS["bulk"].encoder(meta, "bench").data(past[0])
    for message in [description.message(meta, "bench"), *messages]:
        listener.take(message)
    page.conclude(concluded(listener))
    held(benchmark, _median_s(benchmark, page, "window.valuesMs"), "s", MOST_VALUES_S)


def _median_s(benchmark: Any, page: LivePage, instant: str) -> float:
    """Return the median time until an instant [ms since the navigation] of five new browsers."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with PageServer(page, PageAddress(port=0)) as server, api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found = [benchmark.pedantic(_reached_s, (browser, server.address.url, instant), rounds=1)]
        found += [_reached_s(browser, server.address.url, instant) for _ in range(4)]
        browser.close()
    return statistics.median(found)


def _reached_s(browser: Any, url: str, instant: str) -> float:
    page = browser.new_context().new_page()  # an empty cache
    page.add_init_script(_VALUES)
    page.goto(url)
    page.wait_for_function(f"() => {instant}")
    value = float(page.evaluate(instant))
    page.context.close()
    return value / 1000


def _page(feed: Feed) -> LivePage:
    """A page of a line that has run for an hour."""
    page = LivePage("bench")
    page.describe(feed[0])
    for each in feed[1][0]:
        page.add(each)
    return page


def _share(feed: Feed, browsers: int) -> float:
    """Return CPU time over time: of the server's thread, and of handing readings over, at the feed's own speed."""
    seconds = feed[1]
    with PageServer(page := _page(feed), PageAddress(port=0)) as server:
        command = [sys.executable, "-c", _BROWSERS, str(server.address.port), str(browsers)]
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert reader.stdout is not None
        reader.stdout.readline()
        time.sleep(SETTLING_S)
        thread = time.pthread_getcpuclockid(server.thread.ident or 0)
        begin_s, begin_cpu_s, handing_s = time.monotonic(), time.clock_gettime(thread), 0.0
        halves = [half for each in seconds[1:] for half in (each[::2], each[1::2])]
        for number, readings in enumerate(halves, 1):
            before_s = time.thread_time()
            for each in readings:
                page.add(each)
            handing_s += time.thread_time() - before_s
            time.sleep(max(begin_s + number / 2 - time.monotonic(), 0))
        used_s, passed_s = time.clock_gettime(thread) - begin_cpu_s + handing_s, time.monotonic() - begin_s
        changes, _ = reader.communicate("")
    assert int(changes) > 1.5 * browsers * WATCHED_S  # 2 a second
    return used_s / passed_s
