"""Brokers and publishers killed with SIGKILL during a run: nothing is lost and all KPIs are identical."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim.validation.feed.processes import (
    BUSY,
    END_S,
    Crowd,
    Mortal,
    has_ended,
    need_linux,
    program,
    says,
    wait_for,
)
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

BACK_S = 0.5  # limit: time from the return of the broker to the return of data
ROOT = "selftest/site/kills"
CONSUMER = "analyzer"
SPEED, SPEEDS = 60.0, {"uns": 5.0}  # one message a value is slower than one a machine
GAP_S = 3.0  # real time between two kills
SLACK = 2.0  # factor on the time that the kills take if data return at once
QUIET_S = 0.3  # time without a broker


@dataclass
class Kills:
    """The result of the accidents."""

    payload_format: str
    brokers: int = 0  # killed
    publishers: int = 0
    readings: int = 0
    lost: int = -1
    duplicates: int = 0
    differing: list[str] = field(default_factory=list)  # KPIs that differ from the undisturbed run
    back_s: list[float] = field(default_factory=list)  # from the start of the broker to the first data, by broker
    crowd: float = 0.0  # share of the time in which a process waited for a CPU

    def problems(self) -> list[str]:
        """Return the limits that were missed."""
        slowest = max(self.back_s, default=0.0)
        late = slowest > BACK_S and self.crowd < BUSY and self.payload_format != "bulk"  # which sends once a second
        return [
            *[f"{self.payload_format}: {self.lost} readings lost"] * (self.lost != 0),
            *[f"{self.payload_format}: KPIs differ: {', '.join(self.differing[:5])}"] * bool(self.differing),
            *[f"{self.payload_format}: data returned after {slowest:.2f} s, limit {BACK_S:g} s"] * late,
        ]

    def text(self) -> list[str]:
        """Return lines for the terminal."""
        unjudged = f"; not judged: CPUs overloaded {self.crowd:.0%} of the time" if self.crowd >= BUSY else ""
        same = "KPIs identical to an undisturbed run" if not self.differing else f"{len(self.differing)} KPIs differ"
        return [
            (
                f"kills, {self.payload_format}: broker killed {self.brokers} times, publisher {self.publishers} times: "
                f"{self.lost} of {self.readings:,} readings lost, {self.duplicates:,} duplicates; {same}"
            ),
            f"  data returned after {max(self.back_s, default=0.0):.2f} s at most{unjudged}",
        ]


class _Stage:
    """A broker that can be killed, and a publisher."""

    def __init__(self, folder: Path, words: tuple[str, ...]) -> None:
        self.log, self._words = folder / "run.log", words
        self.broker = Mortal().__enter__()
        self.url, self._stack = self.broker.url, ExitStack()
        self.publisher: subprocess.Popen[bytes] | None = None

    def publish(self) -> None:
        self._stack = ExitStack()
        self.publisher = self._stack.enter_context(program(self.log, *self._words, "--broker", self.url))

    def kill_publisher(self) -> None:
        """Kill the publisher with SIGKILL; return when the next one is connected."""
        assert self.publisher is not None
        os.kill(self.publisher.pid, signal.SIGKILL)
        lives = self._lives()
        self._stack.close()
        self.publish()
        wait_for("the next publisher", lambda: self._lives() > lives, self.log)

    def _lives(self) -> int:
        """Return the number of publishers that have started."""
        return self.log.read_text(encoding="utf-8", errors="replace").count("Publishing ")

    def close(self) -> None:
        self._stack.close()
        self.broker.__exit__()


def kills(folder: Path, *, payload_format: str, n_brokers: int, n_publishers: int, plant: str) -> Kills:
    """Run with `--ack consumer` through all kills, and the same run undisturbed.

    The programs are `factory-sim run` and `factory-sim listen`; a killed broker loses everything that it stored.
    """
    need_linux()
    folder.mkdir()
    speed = SPEEDS.get(payload_format, SPEED)
    length = f"{speed * GAP_S * (n_brokers + n_publishers + 2) * SLACK:g} s"
    run = ("run", plant, "--root", ROOT, "--format", payload_format, "--duration", length, "--start", "plant")
    undisturbed = _undisturbed(folder, run)
    journal = ("--journal", str(folder / "journal"), "--ack", f"consumer:{CONSUMER}", "--speed", f"{speed:g}")
    found, stage = Kills(payload_format), _Stage(folder, (*run, *journal))
    heard, out = folder / "listen.log", folder / "disturbed.json"
    words = ("listen", "--root", ROOT, "--quiet", "--ack-as", CONSUMER, "--json", str(out), "--broker", stage.url)
    try:
        with program(heard, *words) as listener:
            wait_for("the listener", says(heard, "listening below"), heard)
            stage.publish()
            crowd = Crowd()
            _accidents(stage, found, n_brokers, n_publishers)
            found.crowd = crowd.share
            assert stage.publisher is not None
            ended = (has_ended(stage.publisher, stage.log), has_ended(listener, heard))
            wait_for("the end of the run", lambda: all(look() for look in ended), stage.log, 4 * END_S)
    finally:
        stage.close()
    _compare(found, json.loads(out.read_text(encoding="utf-8")), undisturbed)
    return found


def _undisturbed(folder: Path, run: tuple[str, ...]) -> dict[str, Any]:
    log, out = folder / "undisturbed.log", folder / "undisturbed.json"
    with Broker() as broker:
        to = ("--broker", broker.url)
        with program(log, "listen", "--root", ROOT, "--quiet", "--json", str(out), *to) as listener:
            wait_for("the listener", says(log, "listening below"), log)
            said = folder / "undisturbed-run.log"
            with program(said, *run, "--speed", "max", *to) as publisher:
                ended = (has_ended(publisher, said), has_ended(listener, log))
                wait_for("the end of the undisturbed run", lambda: all(look() for look in ended), said, 4 * END_S)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _accidents(stage: _Stage, found: Kills, n_brokers: int, n_publishers: int) -> None:
    """Kill a process every GAP_S seconds, the publisher evenly spread among the brokers."""
    first = {round((k + 1) * n_brokers / (n_publishers + 1)) for k in range(n_publishers)}
    with Client(stage.url, back_off_s=(0.02, 0.02), reconnect_timeout_s=END_S) as client:
        client.subscribe([f"{ROOT}/#"], qos=0)
        _flow(client, stage)
        for k in range(n_brokers):
            time.sleep(GAP_S)
            if k in first:
                stage.kill_publisher()
                found.publishers += 1
                _flow(client, stage)
                time.sleep(GAP_S)
            stage.broker.kill(QUIET_S)
            found.brokers += 1
            found.back_s.append(_flow(client, stage, anew=True))


def _flow(client: Client, stage: _Stage, *, anew: bool = False) -> float:
    """Return the seconds until data arrive; `anew`: over a new connection."""
    begun, connections = time.monotonic(), client.connections + anew

    def has_arrived() -> bool:
        client.ready()
        data = [m for m in client.arrived() if "/journal/" not in m.topic and not m.topic.endswith("/meta")]
        return client.connections >= connections and bool(data)

    wait_for("data", has_arrived, stage.log)
    return time.monotonic() - begun


def _compare(found: Kills, heard: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    feed = heard["feed"]
    found.duplicates = feed["duplicates"]
    found.readings = feed["readings"] - found.duplicates
    found.lost = undisturbed["feed"]["readings"] - undisturbed["feed"]["duplicates"] - found.readings
    ours, theirs = heard["kpis"], undisturbed["kpis"]
    found.differing = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
