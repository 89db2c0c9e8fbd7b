"""Brokers and publishers killed with SIGKILL during a run: nothing is lost and all KPIs are identical."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim.validation.feed import processes
from factory_sim.validation.feed.processes import BUSY, EMPTY, Crowd, Mortal, Program, program, wait_for
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
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
        same = "KPIs identical to an undisturbed run" if not self.differing else f"{len(self.differing)} KPIs differ"
        return [
            (
                f"kills, {self.payload_format}: broker killed {self.brokers} times, publisher {self.publishers} times: "
                f"{self.lost} of {self.readings:,} readings lost, {self.duplicates:,} duplicates; {same}"
            ),
            f"  data returned after {max(self.back_s, default=0.0):.2f} s at most{processes.unjudged(self.crowd)}",
        ]


@dataclass
class _Stage:
    """A broker that can be killed, and a publisher."""

    broker: Mortal
    log: Path
    words: tuple[str, ...]
    running: ExitStack
    publisher: Program = field(init=False)

    def __post_init__(self) -> None:
        self.publish()

    def publish(self) -> None:
        self.publisher = self.running.enter_context(program(self.log, *self.words, "--broker", self.broker.url))

    def kill_publisher(self) -> None:
        """Kill the publisher with SIGKILL; return when the next one is connected."""
        self.running.close()
        starts = self.publisher.wrote("Publishing ")
        self.publish()
        wait_for("the next publisher", lambda: self.publisher.wrote("Publishing ") > starts, self.log)


def kills(folder: Path, *, payload_format: str, n_brokers: int, n_publishers: int, plant: str) -> Kills:
    """Run with `--ack consumer` through all kills, and the same run undisturbed.

    The programs are `factory-sim run` and `factory-sim listen`; a killed broker loses everything that it stored.
    """
    folder.mkdir()
    speed = SPEEDS.get(payload_format, SPEED)
    length = f"{speed * GAP_S * (n_brokers + n_publishers + 2) * SLACK:g} s"
    run = ("run", plant, *EMPTY, "--root", ROOT, "--format", payload_format, "--duration", length, "--start", "plant")
    calm, disturbed = folder / "undisturbed.json", folder / "disturbed.json"
    with (
        Broker() as broker,
        processes.listening(calm, ROOT, broker.url) as listener,
        program(folder / "undisturbed-run.log", *run, "--speed", "max", "--broker", broker.url) as publisher,
    ):
        processes.wait_for_end("the undisturbed run", publisher, listener)
    words = (*run, "--journal", str(folder / "journal"), "--ack", f"consumer:{CONSUMER}", "--speed", f"{speed:g}")
    found = Kills(payload_format)
    with (
        Mortal() as mortal,
        processes.listening(disturbed, ROOT, mortal.url, "--ack-as", CONSUMER) as listener,
        ExitStack() as running,
    ):
        stage, crowd = _Stage(mortal, folder / "run.log", words, running), Crowd()
        _accidents(stage, found, n_brokers, n_publishers)
        found.crowd = crowd.share
        processes.wait_for_end("the run", stage.publisher, listener)
    _compare(found, *(json.loads(each.read_text(encoding="utf-8")) for each in (disturbed, calm)))
    return found


def _accidents(stage: _Stage, found: Kills, n_brokers: int, n_publishers: int) -> None:
    """Kill a process every GAP_S seconds, the publisher evenly spread among the brokers."""
    first = {round((k + 1) * n_brokers / (n_publishers + 1)) for k in range(n_publishers)}
    with Client(stage.broker.url, back_off_s=(0.02, 0.02), reconnect_timeout_s=processes.END_S) as client:
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
