"""A consumer stopped for minutes: where the data are held meanwhile, and how fast it catches up."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from factory_sim.validation.feed import processes
from factory_sim.validation.feed.processes import BUSY, EMPTY, Crowd, Usage, program, wait_for
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.delivery import acknowledgements
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from pathlib import Path

GROWTH_MB = 64.0  # promised of each process: at most, while the consumer stands still and catches up
ROOT = "selftest/site/pause"
CONSUMER = "analyzer"
SPEED = 10.0
BEFORE_S, AFTER_S = 10.0, 10.0  # of running feed


@dataclass
class Pause:
    """The measurements."""

    seconds: float
    readings: int = 0  # of the whole run
    lost: int = 0
    duplicates: int = 0
    backlog: int = 0  # blocks that waited when the consumer resumed
    catch_up_s: float = 0.0  # until it had them
    share: float = 0.0  # of a core that the consumer used or waited for meanwhile
    crowd: float = 0.0  # share of that time that something on this machine waited for a core
    growth_mb: dict[str, float] = field(default_factory=dict)  # process -> largest memory less that before the pause
    journal_mb: float = 0.0  # on disk, at most

    def problems(self) -> list[str]:
        """Return the limits that were missed."""
        grown = [f"{who} grew by {mb:.0f} MB" for who, mb in self.growth_mb.items() if mb > GROWTH_MB]
        slow = f"catching up took {self.catch_up_s:.0f} s, longer than the pause"
        late = self.catch_up_s > self.seconds and self.crowd < BUSY
        return [*[f"{self.lost} readings lost"] * (self.lost != 0), *grown, *[slow] * late]

    def text(self) -> list[str]:
        """Return lines for the terminal."""
        grown = ", ".join(f"{who} {mb:+.0f} MB" for who, mb in self.growth_mb.items())
        return [
            (
                f"pause: a consumer stopped for {self.seconds:.0f} s: {self.lost} of {self.readings:,} readings lost, "
                f"{self.duplicates:,} duplicates"
            ),
            f"  memory: {grown}; journal {self.journal_mb:.0f} MB on disk",
            f"  {self.backlog:,} blocks caught up in {self.catch_up_s:.1f} s, with {self.share:.2f} of a core",
        ]


def pause(folder: Path, seconds: float, *, payload_format: str = "machine", plant: str = "gearbox_line") -> Pause:
    """Run at ten times real time with `--ack consumer`, with a `listen` that receives SIGSTOP and SIGCONT."""
    folder.mkdir()
    log, out, journal = folder / "run.log", folder / "kpis.json", folder / "journal"
    length = f"{SPEED * (BEFORE_S + seconds + AFTER_S):g} s"
    found = Pause(seconds)
    with Broker() as broker, processes.listening(out, ROOT, broker.url, "--ack-as", CONSUMER) as listener:
        run = (
            "run",
            plant,
            *EMPTY,
            "--root",
            ROOT,
            "--broker",
            broker.url,
            "--format",
            payload_format,
            "--duration",
            length,
        )
        journaled = ("--speed", f"{SPEED:g}", "--journal", str(journal), "--ack", f"consumer:{CONSUMER}")
        with Client(broker.url) as client, program(log, *run, *journaled) as publisher:
            pids = {"publisher": publisher.process.pid, "broker": broker.pid, "consumer": listener.process.pid}
            _Stage(found, client, {name: Usage(pid) for name, pid in pids.items()}, journal).run(log)
            processes.wait_for_end("the run", listener)
    feed = json.loads(out.read_text(encoding="utf-8"))["feed"]
    found.lost, found.duplicates = feed["lost"], feed["duplicates"]
    found.readings = feed["readings"] - found.duplicates
    return found


class _Stage:
    """The feed with its processes: the consumer is stopped and resumed while memory is measured."""

    def __init__(self, found: Pause, client: Client, usages: dict[str, Usage], journal: Path) -> None:
        self._found, self._client, self._usages, self._journal = found, client, usages, journal
        self._sent, self._have = -1, 0  # last block of the journal sent, number of blocks acknowledged
        client.subscribe([acknowledgements.mark_topic(ROOT), acknowledgements.ack_topic(ROOT, CONSUMER)])

    def run(self, log: Path) -> None:
        """Run, stop and resume the consumer."""
        found, consumer = self._found, self._usages["consumer"].pid
        wait_for("the first block", lambda: self._look() > 0, log)
        self._for(BEFORE_S)
        before = {name: max(usage.rss_mb) for name, usage in self._usages.items()}
        os.kill(consumer, signal.SIGSTOP)
        self._for(found.seconds)
        os.kill(consumer, signal.SIGCONT)
        begun, target, own, crowd = time.monotonic(), self._sent, Usage(consumer), Crowd()
        found.backlog = target + 1 - self._have
        own.look()
        wait_for("catching up", lambda: self._look() > target, log, max(processes.END_S, 2 * found.seconds))
        own.look()
        found.catch_up_s, found.share, found.crowd = time.monotonic() - begun, own.share + own.waiting, crowd.share
        found.growth_mb = {name: max(usage.rss_mb) - before[name] for name, usage in self._usages.items()}

    def _for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            time.sleep(0.2)

    def _look(self) -> int:
        """Measure everything and return the blocks that the consumer acknowledged."""
        self._client.ready()
        for message in self._client.arrived():
            content = orjson.loads(message.payload)
            if message.topic == acknowledgements.mark_topic(ROOT):
                self._sent = max(self._sent, int(content["block"]))
            else:
                self._have = max(self._have, int(content["blocks"]))
        for usage in self._usages.values():
            usage.look()
        size = sum(path.stat().st_size for path in self._journal.iterdir()) if self._journal.is_dir() else 0
        self._found.journal_mb = max(self._found.journal_mb, size / 1e6)
        return self._have
