"""The live page's server: what browsers receive is what the listener received, whatever they do."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.errors import ConfigError, PageError
from factory_sim.live.listen import Listener, listen
from factory_sim.live.listen_result import listen_result
from factory_sim.live.page.browsers import MOST_BROWSERS, MOST_CHANGES, Browsers
from factory_sim.live.page.conclusions import TOP, concluded
from factory_sim.live.page.line_now import LineNow
from factory_sim.live.page.live_page import LivePage
from factory_sim.live.page.page_address import PageAddress
from factory_sim.live.page.server import PageServer
from factory_sim.live.publish import RunSetup, epoch_ns, publish, window_of
from factory_sim.plant.describe import describe
from factory_sim.plant.states import Outcome, State
from factory_sim.records import Readings, Rows
from factory_sim.sim.run import simulate
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Plant
    from factory_sim.records import Meta

ROOT = "test/site/area"
ORDER = RunSetup(duration_s=1800.0, payload_format="bulk")
FREE = PageAddress(port=0)


@pytest.fixture(scope="module")
def plant() -> Plant:
    return registry.load(Path(__file__).parent / "three.yaml")


def heard(plant: Plant, order: RunSetup = ORDER) -> tuple[LivePage, Listener]:
    """A page and the listener beside it, after a whole feed."""
    exchange, page = Exchange(), LivePage(ROOT)
    receiver, listener = Loopback(exchange), Listener(ROOT, store=page)
    receiver.subscribe([f"{ROOT}/#"])
    publish(plant, order, Loopback(exchange))
    listen(listener, receiver)
    page.conclude(concluded(listener))
    return page, listener


@pytest.fixture(scope="module")
def served(plant: Plant) -> Iterator[tuple[PageServer, Listener]]:
    page, listener = heard(plant)
    with PageServer(page, FREE) as server:
        wait_for(lambda: page.picture is not None)
        yield server, listener


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def ask(server: PageServer, path: str, method: str = "GET", body: str | None = None, **headers: str) -> tuple[int, Any]:
    """Status and content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        is_json = (answer.headers["content-type"] or "").startswith("application/json")
        return answer.status, json.loads(content) if is_json else content
    finally:
        connection.close()


@contextmanager
def following(server: PageServer) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The events of a browser."""
    connection = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=20)
    connection.request("GET", "/events")
    answer = connection.getresponse()

    def events() -> Iterator[tuple[str, dict[str, Any]]]:
        kind = ""
        while line := answer.readline().decode().rstrip("\n"):
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))
                answer.readline()
            elif line.startswith("retry: "):
                answer.readline()

    try:
        yield events()
    finally:
        connection.close()


def test_values_are_those_of_listen_json(served: tuple[PageServer, Listener]) -> None:
    server, listener = served
    status, found = ask(server, "/values.json")
    wanted = json.loads(json.dumps(listen_result(listener, listener.table()).to_dict()))
    assert status == 200
    assert found["kpis"] == wanted["kpis"]
    with following(server) as events:
        _, full = next(events)
    top, line = full["top"], {name: each["values"].get("line") for name, each in wanted["kpis"].items()}
    assert top["good_parts"] == line["line.good_parts"] > 0
    assert top["rate_per_h"] == line["line.good_parts_per_h"]
    assert top["oee"] == line["line.oee"]
    assert top["energy_kwh_per_part"] == line["line.kwh_per_part"]
    marks = {key: wanted["kpis"][name]["marks"].get("line") for key, name in TOP.items()}
    assert top["marks"] == {key: mark for key, mark in marks.items() if mark}
    shares = wanted["kpis"]["operation.critical_path_share"]["values"]
    assert top["constraint"]["share"] == shares[top["constraint"]["name"]] == max(shares.values())


def meta_of(plant: Plant, order: RunSetup) -> Meta:
    return describe(plant, "x", epoch_ns(plant, order), window_of(order))


def rows_of(plant: Plant, order: RunSetup, until_us: int) -> Rows:
    """The telemetry rows of a run, in order."""
    log = simulate(plant, until_us=until_us).log
    count, seq = Counter[int](), np.empty(len(log), np.int64)
    for i, unit in enumerate(log.unit.tolist()):
        seq[i] = count[unit]
        count[unit] += 1
    return Rows(log.t_us * 1000 + epoch_ns(plant, order), log.unit, seq, log.state, log.part, log.outcome, log.detail)


def buffered(rows: Rows, meta: Meta) -> dict[str, int]:
    """The naive twin: parts given to an operation and not taken yet."""
    found = Counter[str]({f"{to}<{start}": 0 for to, start in (("CUT", "blanks"), ("WASH", "CUT"), ("TEST", "WASH"))})
    for unit, outcome, detail in zip(rows.unit.tolist(), rows.outcome.tolist(), rows.detail.tolist(), strict=True):
        place = meta.units[unit].operation
        if outcome == Outcome.ENTERED:
            found["CUT<blanks"] += 1
        elif outcome == Outcome.PASSED:
            found[f"{meta.operations[detail].name}<{meta.operations[place].name}"] += 1
        elif outcome == Outcome.TOOK:
            found[next(key for key in found if key.startswith(f"{meta.operations[place].name}<"))] -= 1
    return dict(found)


def levels(line: LineNow) -> dict[str, int]:
    return {place.id: n for place, n in zip(line.places, line.levels, strict=True)}


@pytest.mark.parametrize("until_s", [400, 1234, 3000])
def test_states_and_levels_are_those_of_the_log(plant: Plant, until_s: int) -> None:
    rows, meta = rows_of(plant, ORDER, until_s * 1_000_000), meta_of(plant, ORDER)
    line = LineNow(meta)
    line.take(rows)
    last = dict(zip(rows.unit.tolist(), rows.state.tolist(), strict=True))
    assert {unit: line.units[unit].state for unit in last} == last
    assert levels(line) == buffered(rows, meta)


def test_order_and_repetition_change_nothing_and_losses_heal(plant: Plant) -> None:
    rows, meta = rows_of(plant, ORDER, 3_000_000_000), meta_of(plant, ORDER)
    straight, mixed, lossy = LineNow(meta), LineNow(meta), LineNow(meta)
    straight.take(rows)
    random = np.random.default_rng(5)
    order = np.argsort(np.arange(len(rows)) + random.uniform(0, 12, len(rows)))
    for piece in np.array_split(order, 40):
        mixed.take(rows.take(piece))
        mixed.take(rows.take(piece[:3]))
    assert levels(mixed) == levels(straight)
    assert [each.state for each in mixed.units] == [each.state for each in straight.units]
    assert mixed.late > 0 == straight.late
    early = np.arange(len(rows)) < len(rows) // 2
    lossy.take(rows.take(~early | (random.uniform(size=len(rows)) > 0.1)))
    lost = sum(abs(levels(lossy)[key] - n) for key, n in levels(straight).items())
    assert lost <= 2


def test_strips_cover_the_time_and_failures_end(served: tuple[PageServer, Listener]) -> None:
    server, listener = served
    assert listener.meta is not None
    name = listener.meta.units[2].name
    _, unit = ask(server, f"/units/{name}")
    strip = unit["strip"]
    assert [a[1] for a in strip[:-1]] == [b[0] for b in strip[1:]]
    assert strip[-1][1] == unit["t_ms"]
    assert len(unit["cycle_times_s"]) > 20
    assert 30 < np.median([seconds for _, seconds in unit["cycle_times_s"]]) < 60
    assert all(each["to_ms"] is None or each["to_ms"] > each["from_ms"] for each in unit["failures"])
    busy_ms = sum(to - begin for begin, to, state in strip if state == State.BUSY)
    share = listener.table().kpis["machine.share_busy"].values[1]
    assert busy_ms / (strip[-1][1] - strip[0][0]) == pytest.approx(share, abs=0.002)
    _, chart = ask(server, "/chart")
    assert {row["name"] for row in chart["rows"]} == {u.name for u in listener.meta.units if u.role == "machine"}
    assert next(row["strip"] for row in chart["rows"] if row["name"] == name) == strip


def test_signals_are_the_readings(served: tuple[PageServer, Listener]) -> None:
    server, listener = served
    assert listener.meta is not None
    sensor = next(each for each in listener.meta.sensors if each.name == "power")
    name = listener.meta.units[sensor.unit].name
    _, found = ask(server, f"/signals/{name}.power?points=5000")
    signal = found["signals"]["power"]
    assert len(signal["t_ms"]) == 1800
    assert set(np.diff(signal["t_ms"])) == {1000}
    _, thin = ask(server, f"/signals/{name}?points=100")
    assert set(thin["signals"]) == {each.name for each in listener.meta.sensors if each.unit == sensor.unit}
    assert max(thin["signals"]["power"]["value"]) == max(signal["value"])
    assert len(thin["signals"]["power"]["value"]) <= 100


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/units/M0002", 404, "Did you mean M002"),
        ("/signals/M001.powr", 404, "Did you mean power"),
        ("/signals/M001?from_ms=soon", 400, "whole number"),
        ("/signals/M001?from_ms=1e300", 400, "whole number"),
        ("/chart?to_ms=nan", 400, "whole number"),
        ("/values.json?window=shif", 404, "Did you mean shift"),
        ("/at?t_ms=5", 404, "no recording"),
        ("/nowhere", 404, "nothing at"),
        ("/static/../../../../etc/passwd", 404, "no file"),
        ("/static/%2e%2e/%2e%2e/pyproject.toml", 404, "no file"),
        ("/static/page_files.py", 404, "no file"),
    ],
)
def test_a_wrong_request_gets_one_sentence(
    served: tuple[PageServer, Listener], path: str, status: int, words: str
) -> None:
    found, content = ask(served[0], path)
    assert found == status
    assert words in content["error"]
    assert "\n" not in content["error"]


def test_what_if_of_a_feed_that_is_not_saved(served: tuple[PageServer, Listener]) -> None:
    assert ask(served[0], "/whatif") == (200, [])
    status, found = ask(served[0], "/whatif", "POST", '{"change": "CUT.cycle_time=1 s"}')
    assert status == 404
    assert "--save" in found["error"]


def test_every_answer_forbids_foreign_content(served: tuple[PageServer, Listener]) -> None:
    for path in ("/", "/plan.json", "/nowhere"):
        connection = http.client.HTTPConnection("127.0.0.1", served[0].address.port, timeout=20)
        connection.request("GET", path)
        headers = connection.getresponse().headers
        connection.close()
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_another_host_name_is_refused(served: tuple[PageServer, Listener]) -> None:
    status, found = ask(served[0], "/plan.json", Host="evil.example")
    assert status == 421
    assert "evil.example" in found["error"]
    assert ask(served[0], "/plan.json", Host="localhost:9000")[0] == 200  # through a tunnel
    assert ask(served[0], "/whatif", "POST", "{}", Sec_Fetch_Site="cross-site")[0] == 403


def test_a_flood_is_refused_with_a_sentence(plant: Plant) -> None:
    page, _ = heard(plant, replace(ORDER, duration_s=60.0))
    with PageServer(page, FREE) as server, ExitStack() as stack:
        for _ in range(MOST_BROWSERS):
            browser = stack.enter_context(socket.create_connection(("127.0.0.1", server.address.port)))
            browser.sendall(f"GET /events HTTP/1.1\r\nHost: localhost:{server.address.port}\r\n\r\n".encode())
            assert browser.recv(100).startswith(b"HTTP/1.1 200")
        status, found = ask(server, "/events")
        assert status == 503
        assert "close one" in found["error"]
        assert ask(server, "/plan.json")[0] == 200


def test_browsers_that_come_at_the_same_instant_are_not_too_many(plant: Plant) -> None:
    async def story() -> list[bytes]:
        browsers = Browsers(heard(plant, replace(ORDER, duration_s=60.0))[0])
        opened = [browsers.events() for _ in range(MOST_BROWSERS + 5)]
        return [event for each in opened if (event := await anext(each, b""))]

    assert len(asyncio.run(story())) == MOST_BROWSERS


def test_a_password_is_asked_for(plant: Plant) -> None:
    page, _ = heard(plant, replace(ORDER, duration_s=60.0))
    with PageServer(page, FREE, "open sesame") as server:
        for given in ("", "Basic !!", "Basic " + base64.b64encode(b"a:wrong").decode(), "Bearer open sesame"):
            status, found = ask(server, "/plan.json", Authorization=given)
            assert status == 401
            assert "password" in found["error"]
        right = "Basic " + base64.b64encode(b"anyone:open sesame").decode()
        assert ask(server, "/plan.json", Authorization=right)[0] == 200


def test_other_machines_need_a_password() -> None:
    with pytest.raises(ConfigError, match="--page-password-file"):
        PageServer(LivePage(ROOT), PageAddress("192.0.2.1", 0))


def test_a_port_in_use_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        page = LivePage(ROOT)
        with pytest.raises(PageError, match=f"{port} is in use") as caught, PageServer(page, PageAddress(port=port)):
            pass
    assert "\n" not in str(caught.value)


def test_a_browser_sees_the_whole_picture_and_then_changes(plant: Plant) -> None:
    rows, meta = rows_of(plant, ORDER, 1_500_000_000), meta_of(plant, ORDER)
    page, half = LivePage(ROOT), len(rows) // 2
    with PageServer(page, FREE) as server, following(server) as events:
        assert next(events) == ("full", {"plan_id": "", "live": False, "ended": False})
        page.describe(meta)
        page.add(Readings(rows.take(slice(half))))
        kind, shown = next(each for each in events if each[1].get("plan_id") == "x")
        assert kind == "full"
        page.add(Readings(rows.take(slice(half, None))))
        wanted = LineNow(meta)
        wanted.take(rows)
        states = {unit.name: now.state for unit, now in zip(meta.units, wanted.units, strict=True)}
        while shown["levels"] != levels(wanted) or {name: unit[0] for name, unit in shown["units"].items()} != states:
            kind, change = next(events)
            assert kind == "change"
            for key, value in change.items():
                shown[key] = shown[key] | value if key in ("units", "levels", "vehicles", "crews") else value
    assert shown["t_ms"] == int(rows.t_ns[-1]) // 1_000_000


def test_a_stalled_browser_is_sent_the_whole_picture_later(plant: Plant) -> None:
    page, listener = heard(plant, replace(ORDER, duration_s=60.0))
    assert listener.meta is not None

    async def story() -> list[bytes]:
        browsers = Browsers(page)
        browsers.turn()
        stalled = browsers.events()
        seen = [await anext(stalled), await anext(stalled)]
        for _ in range(20 * MOST_CHANGES):
            browsers.turn(is_quiet=True)
        seen += [await anext(stalled)]
        browsers.turn(is_quiet=True)
        seen += [await anext(stalled)]
        await stalled.aclose()
        return seen

    kinds = [event.partition(b"\n")[0] for event in asyncio.run(story())]
    assert kinds == [b"retry: 1000", b"event: full", b"event: full", b"event: change"]


def test_a_browser_that_does_not_read_does_not_disturb_another(served: tuple[PageServer, Listener]) -> None:
    server, _ = served
    with socket.create_connection(("127.0.0.1", server.address.port)) as stalled:
        stalled.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{server.address.port}\r\n\r\n".encode())
        with following(server) as events:
            assert next(events)[0] == "full"
            assert next(events)[0] == "change"


@pytest.mark.slow
def test_ten_thousand_requests_are_answered(served: tuple[PageServer, Listener]) -> None:
    server, _ = served

    def many(_: int) -> Counter[int]:
        connection, found = http.client.HTTPConnection("127.0.0.1", server.address.port, timeout=20), Counter[int]()
        for i in range(1000):
            connection.request("GET", ("/plan.json", "/units/nothing", "/static/live.css", "/chart?from_ms=x")[i % 4])
            answer = connection.getresponse()
            answer.read()
            found[answer.status] += 1
        connection.close()
        return found

    with ThreadPoolExecutor(10) as pool:
        counts = sum(pool.map(many, range(10)), Counter[int]())
    assert counts.total() == 10_000
    assert set(counts) <= {200, 400, 404}
    assert ask(server, "/plan.json")[0] == 200
