"""A consumer stopped for minutes: where the data are held meanwhile, and how fast it catches up."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from factory_sim.validation.feed.processes import (
    BUSY,
    END_S,
    Crowd,
    Usage,
    has_ended,
    need_linux,
    program,
    says,
    wait_for,
)
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


@dataclass(frozen=True, slots=True)
class Pause:
    """The measurements."""

    seconds: float
    readings: int  # of the whole run
    lost: int
    duplicates: int
    backlog: int  # blocks that waited when the consumer resumed
    catch_up_s: float  # until it had them
    share: float  # of a core that the consumer used or waited for meanwhile
    crowd: float  # share of that time that something on this machine waited for a core
    growth_mb: dict[str, float]  # process -> largest memory less that before the pause
    journal_mb: float  # on disk, at most

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
                f"{self.duplicates:,} came twice"
            ),
            f"  memory: {grown}; journal {self.journal_mb:.0f} MB on disk",
            f"  {self.backlog:,} blocks caught up in {self.catch_up_s:.1f} s, with {self.share:.2f} of a core",
        ]


class _Watch:
    """The progress of publisher and consumer, in blocks of the journal."""

    def __init__(self, url: str) -> None:
        self.client, self.sent, self.have = Client(url), -1, 0
        self.client.subscribe([acknowledgements.mark_topic(ROOT), acknowledgements.ack_topic(ROOT, CONSUMER)])

    def look(self) -> None:
        """Process the messages that arrived."""
        self.client.ready()
        for message in self.client.arrived():
            if message.topic == acknowledgements.mark_topic(ROOT):
                self.sent = max(self.sent, int(orjson.loads(message.payload)["block"]))
            else:
                self.have = max(self.have, int(orjson.loads(message.payload)["blocks"]))


def pause(folder: Path, seconds: float, *, payload_format: str = "machine", plant: str = "gearbox_line") -> Pause:
    """Run at ten times real time with `--ack consumer`, with a `listen` that receives SIGSTOP and SIGCONT."""
    need_linux()
    folder.mkdir()
    log, heard, out, journal = folder / "run.log", folder / "listen.log", folder / "kpis.json", folder / "journal"
    length = f"{SPEED * (BEFORE_S + seconds + AFTER_S):g} s"
    with Broker() as broker:
        to = ("--root", ROOT, "--broker", broker.url)
        run = ("run", plant, *to, "--format", payload_format, "--speed", f"{SPEED:g}", "--duration", length)
        words = ("listen", *to, "--quiet", "--ack-as", CONSUMER, "--json", str(out))
        with program(heard, *words) as listener:
            wait_for("the listener", says(heard, "listening below"), heard)
            watch = _Watch(broker.url)
            with program(log, *run, "--journal", str(journal), "--ack", f"consumer:{CONSUMER}") as publisher:
                pids = {"publisher": publisher.pid, "broker": broker.pid, "consumer": listener.pid}
                stage = _Stage({who: Usage(pid) for who, pid in pids.items()}, watch, journal)
                stage.run(seconds, listener.pid, log)
                wait_for("the end of the run", has_ended(listener, heard), heard, 4 * END_S)
            watch.client.close()
    feed = json.loads(out.read_text(encoding="utf-8"))["feed"]
    return Pause(
        seconds,
        feed["readings"] - feed["duplicates"],
        feed["lost"],
        feed["duplicates"],
        stage.backlog,
        stage.catch_up_s,
        stage.share,
        stage.crowd,
        stage.growth_mb(),
        stage.journal_mb,
    )


class _Stage:
    """The feed with its processes: the consumer is stopped and resumed while memory is measured."""

    def __init__(self, usages: dict[str, Usage], watch: _Watch, journal: Path) -> None:
        self._usages, self._watch, self._journal = usages, watch, journal
        self.backlog, self.catch_up_s, self.share, self.crowd, self.journal_mb = 0, 0.0, 0.0, 0.0, 0.0
        self._before: dict[str, float] = {}

    def run(self, seconds: float, consumer: int, log: Path) -> None:
        """Run, stop and resume the consumer."""
        wait_for("the first block", lambda: self._look() > 0, log)
        self._for(BEFORE_S)
        self._before = {who: max(u.rss_mb) for who, u in self._usages.items()}
        os.kill(consumer, signal.SIGSTOP)
        self._for(seconds)
        os.kill(consumer, signal.SIGCONT)
        begun, target, own, crowd = time.monotonic(), self._watch.sent, Usage(consumer), Crowd()
        self.backlog = target + 1 - self._watch.have
        own.look()
        wait_for("catching up", lambda: self._look() > target, log, max(END_S, 2 * seconds))
        own.look()
        self.catch_up_s, self.share, self.crowd = time.monotonic() - begun, own.share + own.waiting, crowd.share

    def growth_mb(self) -> dict[str, float]:
        """Return the largest memory of each process less that before the pause [MB]."""
        return {who: max(u.rss_mb) - self._before[who] for who, u in self._usages.items()}

    def _for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            time.sleep(0.2)

    def _look(self) -> int:
        """Measure everything and return the blocks that the consumer acknowledged."""
        self._watch.look()
        for usage in self._usages.values():
            usage.look()
        size = sum(path.stat().st_size for path in self._journal.glob("*.log")) if self._journal.is_dir() else 0
        self.journal_mb = max(self.journal_mb, size / 1e6)
        return self._watch.have
