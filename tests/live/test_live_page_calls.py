"""`page=True` of the Python calls: a page beside a publisher, a listener and a recording that is played."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

import factory_sim as fs
from factory_sim.api.page.beside import STAYS
from factory_sim.plant.states import State
from factory_sim.records import Message
from factory_sim.validation.feed.processes import EMPTY, program, wait_for
from factory_sim.wire.broker.embedded import Broker, free_port
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREE = str(Path(__file__).parent / "three.yaml")
ANY_PORT = {"page": True, "page_address": "127.0.0.1:0"}
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Broker(port=0) as broker:
        yield broker.url


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "r"
    fs.publish(THREE, duration="30 min", record=folder, progress=False)
    return folder


class Call:
    """A call with a page, in a thread, until it is stopped."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, **more: Any) -> None:
        self.stop, self.stays, self._found, self._pages = Event(), Event(), Event(), list[str]()
        self.done_s = 0  # of the run, published so far
        self.errors: list[BaseException] = []
        more = {**ANY_PORT, **more, "progress": self._report, "stop": self.stop}
        self._thread = threading.Thread(target=self._call, args=(function, arguments, more))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()
        assert not self.errors

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def ask(self, path: str, until: Callable[[Any], bool] = bool) -> Any:
        """The answer of the page, as soon as it fulfils a condition."""
        assert self._found.wait(WITHIN_S)
        end = time.monotonic() + WITHIN_S
        while True:
            with contextlib.suppress(HTTPError), urlopen(self._pages[0] + path, timeout=20) as answer:  # noqa: S310 - our own page
                if until(found := json.load(answer)):
                    return found
            assert time.monotonic() < end, path
            time.sleep(0.1)

    def _call(self, function: Callable[..., Any], arguments: Any, more: Any) -> None:
        try:
            function(*arguments, **more)
        except BaseException as error:  # noqa: BLE001 - asserted by the test
            self.errors.append(error)
            self._found.set()

    def _report(self, event: fs.ProgressEvent) -> None:
        self.done_s = max(self.done_s, event.done)
        if event.message == STAYS:
            self.stays.set()
        _, is_page, address = event.message.partition("Live page: ")
        if is_page:
            self._pages.append(address)
            self._found.set()


def parts_of(values: Any) -> float:
    return float(values["kpis"]["line.good_parts"]["values"]["line"] or 0)


def has_parts(chart: Any) -> bool:
    return all(len(row["strip"]) > 3 for row in chart["rows"])


def test_publish_shows_what_arrives_and_offers_changes(url: str) -> None:
    with Call(fs.publish, THREE, url, duration="8 h", speed=120, root="page/own") as call:
        plan = call.ask("plan.json", lambda found: found.get("units"))
        assert [each["name"] for each in plan["operations"]] == ["CUT", "WASH", "TEST"]
        assert plan["root"] == "page/own"
        assert plan["recording"] is False
        assert has_parts(call.ask("chart", has_parts))
        changes = call.ask("whatif", lambda _: True)
        assert plan["simulated"] == bool(changes)


def test_listen_records_and_looks_back(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    stop = Event()
    run = {"duration": "forever", "speed": 600, "root": "page/heard", "stop": stop, "progress": False}
    publisher = threading.Thread(target=fs.publish, args=(THREE, url), kwargs=run)
    with Call(fs.listen, url, root="page/heard", record=folder, every="1 s") as call:
        call.ask("plan.json", lambda _: True)
        publisher.start()
        try:
            values = call.ask("values.json?window=shift", parts_of)
        finally:
            stop.set()
            publisher.join()
        assert parts_of(values) > 0


def test_a_publisher_waits_for_its_page(url: str) -> None:
    """It could be as fast as it likes; then the page would show the past."""
    seen: list[tuple[int, int]] = []
    with Call(fs.publish, THREE, url, duration="8 h", speed=3000, root="page/fast") as call:
        plan = call.ask("plan.json", lambda found: found.get("units"))
        assert plan["run_id"]
        end = time.monotonic() + 5
        while time.monotonic() < end:
            timeline = call.ask("timeline")
            seen.append((timeline["to_ms"] - timeline["from_ms"], call.done_s * 1000))
            time.sleep(0.2)
    assert all(published - shown < 2 * 5 * 3000 * 1000 for shown, published in seen)
    assert seen[-1][0] > seen[0][0]


def test_play_looks_back_into_its_recording(url: str, recording: Path) -> None:
    with Call(fs.play, recording, url, speed=60, root="page/played") as call:
        plan = call.ask("plan.json", lambda found: found.get("units"))
        assert plan["recording"] is True
        timeline = call.ask("timeline", lambda found: found["to_ms"] > found["from_ms"] + 60_000)
        past = call.ask(f"at?t_ms={timeline['from_ms'] + 30_000}")
        assert past["t_ms"] == timeline["from_ms"] + 30_000
        assert past["live"] is False


@pytest.mark.parametrize("kind", ["run", "play"])
def test_the_page_stays_when_its_run_has_ended(url: str, recording: Path, kind: str) -> None:
    run = {"duration": "10 min", "root": "page/stays"} if kind == "run" else {"root": "page/played_stays"}
    with Call(
        fs.publish if kind == "run" else fs.play, THREE if kind == "run" else recording, url, speed="max", **run
    ) as call:
        assert call.stays.wait(WITHIN_S)
        values = call.ask("values.json")
        assert values["kpis"]["line.oee"]["values"]["line"] > 0
        assert call.is_running
    assert not call.is_running


def test_a_feed_with_a_mapping_has_a_page_too(url: str, tmp_path: Path) -> None:
    mapping = tmp_path / "feed.yaml"
    mapping.write_text(
        "feed: cell\nunits: [M1, M2]\nclock: {time: $.t}\nstates: {RUNNING: busy, IDLE: starved}\n"
        'sources:\n  - {mqtt: "cell/{unit}/status", state: $.state, count: $.count}\n'
    )
    begin_ms = 1_767_600_000_000
    with Call(fs.listen, url, map=mapping, every="0.5 s") as call, Client(url, ClientOptions()) as client:
        call.ask("plan.json")
        for i in range(200):  # a cycle of a minute, of which 40 s busy
            content = {"t": begin_ms + 20_000 * i, "state": "IDLE" if i % 3 == 2 else "RUNNING", "count": i // 3}
            client.publish([Message(f"cell/M{1 + i % 2}/status", json.dumps(content).encode())])
            client.flush()
            time.sleep(0.01)
        plan = call.ask("plan.json", lambda found: found.get("units"))
        assert [each["name"] for each in plan["units"]] == ["M1", "M2"]
        last_ms = begin_ms + 20_000 * 199
        unit = call.ask("units/M2", lambda found: found["t_ms"] >= last_ms)
        assert {state for _, _, state in unit["strip"]} == {State.BUSY, State.STARVED}
        values = call.ask("values.json")
        assert values["kpis"]["machine.share_busy"]["values"]["M1"] > 0.4


def test_a_port_in_use_ends_the_call(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:{1}".format(*taken.getsockname())
        with pytest.raises(fs.PageError, match="is in use"):
            fs.publish(THREE, url, root="page/taken", page=True, page_address=address, progress=False)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL")
def test_the_page_of_a_killed_publisher_ends(url: str, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    words = ("run", THREE, *EMPTY, "--broker", url, "--root", "page/killed", "--page", "--page-address", address)
    with program(log := tmp_path / "log", *words) as run:
        wait_for("the page", lambda: run.wrote("Live page: ") > 0, log)
        assert is_served(address)
        run.process.kill()
    wait_for("the end of the page", lambda: not is_served(address), log)


def is_served(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/plan.json", timeout=5):
            return True
    except OSError:
        return False


def test_a_page_needs_something_that_is_published(tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigError, match="not published"):
        fs.publish(THREE, duration="1 min", record=tmp_path / "r", progress=False, **ANY_PORT)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["8800", "host:port", "127.0.0.1:99999", ""])
def test_a_wrong_address_is_refused(url: str, address: str) -> None:
    with pytest.raises(fs.ConfigError, match="HOST:PORT"):
        fs.listen(url, root="page/none", page=True, page_address=address, progress=False)


def test_an_address_for_others_needs_a_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigError, match="--page-password-file"):
        fs.listen(url, root="page/none", page=True, page_address="192.0.2.1:0", progress=False)
    password = tmp_path / "page.pw"
    password.write_text("secret\n")
    password.chmod(0o644)
    with pytest.raises(fs.ConfigError, match="other users can read it"):
        fs.listen(url, root="page/none", page=True, page_password_file=password, progress=False)


@pytest.mark.parametrize("given", [{"page_address": "127.0.0.1:8801"}, {"page_password_file": "page.pw"}])
def test_an_option_of_the_page_without_the_page_is_refused(given: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigError, match="Add --page"):
        fs.listen("mqtt://127.0.0.1:1", progress=False, **given)
    with pytest.raises(fs.ConfigError, match="Add --page"):
        fs.publish(THREE, record=tmp_path / "r", duration="1 min", progress=False, **given)
