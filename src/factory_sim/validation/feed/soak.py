"""All sensors of a plant in real time for minutes: latency of readings, CPU and memory of the publisher."""

from __future__ import annotations

import re
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.validation.feed.processes import BUSY, EMPTY, Crowd, Usage, program, unjudged, wait_for
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from pathlib import Path

P99_MS, SHARE, GROWTH_MB = 25.0, 1 / 3, 10.0  # promised: at most
ROOT = "selftest/site/soak"
WARM_S = 10.0  # of data before anything is measured
SCENARIO = "extends: {plant}\ntitle: Every sensor at {hz:g} Hz\nset:\n  kinds.*.sensors.*.rate: {hz:g} Hz\n"
_HEAD = re.compile(rb'"t_ns":(\d+),"seq":(\d+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """The measurements."""

    seconds: float
    messages: int
    lost: int  # ticks of machines that did not arrive
    p50_ms: float  # from the reading's time stamp to its arrival
    p99_ms: float
    max_ms: float
    share: float  # of one core, the publishing process
    crowd: float  # share of the time in which a process waited for a CPU
    rss_mb: float  # of the publishing process, at most
    growth_mb: float  # of the same, from the first tenth of the time to the last
    limit_ms: float  # that the p99 is held against

    def problems(self) -> list[str]:
        """Return the limits that were missed."""
        late = self.p99_ms > self.limit_ms and self.crowd < BUSY
        return [
            *[f"{self.lost} samples lost"] * (self.lost > 0),
            *[f"p99 latency {self.p99_ms:.1f} ms, promised {self.limit_ms:g}"] * late,
            *[f"the publisher took {self.share:.2f} of a core, promised a third"] * (self.share > SHARE),
            *[f"the publisher grew by {self.growth_mb:.1f} MB"] * (self.growth_mb > GROWTH_MB),
        ]

    def text(self) -> list[str]:
        """Return lines for the terminal."""
        note = unjudged(self.crowd)
        return [
            f"soak: {self.messages:,} messages in {self.seconds:.0f} s, {self.lost} lost",
            f"  publisher: {self.share:.2f} of a core, {self.rss_mb:.0f} MB, grown by {self.growth_mb:+.1f} MB",
            f"  latency [ms]: p50 {self.p50_ms:.1f}, p99 {self.p99_ms:.1f}, worst {self.max_ms:.1f}{note}",
        ]


class _Ear:
    """The latency of arriving messages, and the number of missing ones."""

    def __init__(self, client: Client) -> None:
        self.client, self.late_ns, self.lost = client, array("q"), 0
        self._seq: dict[str, int] = {}

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for message in self.client.messages(0.02):
                head = _HEAD.search(message.payload) if message.topic.endswith("/data") else None
                if head is not None:
                    self.late_ns.append(time.time_ns() - int(head[1]))
                    seq = int(head[2])
                    last = self._seq.get(message.topic, seq - 1)
                    self.lost += max(seq - last - 1, 0)  # what comes twice makes up for no loss
                    self._seq[message.topic] = max(seq, last)
                if time.monotonic() >= end:
                    break


def soak(
    folder: Path, minutes: float, *, plant: str = "gearbox_line", hz: float = 10.0, limit_ms: float = P99_MS
) -> Soak:
    """Run `factory-sim run --format machine` in real time with every sensor at `hz`."""
    scenario, log = folder / "soak.yaml", folder / "soak.log"
    scenario.write_text(SCENARIO.format(plant=plant, hz=hz), encoding="utf-8")
    with Broker() as broker, Client(broker.url) as client:
        client.subscribe([f"{ROOT}/+/+/+/+"])
        ear = _Ear(client)
        length = f"{60 * minutes + 2 * WARM_S:g} s"
        words = ("run", str(scenario), *EMPTY, "--root", ROOT, "--broker", broker.url, "--format", "machine")
        with program(log, *words, "--duration", length, "--start", "now") as publisher:

            def has_begun() -> bool:
                ear.listen(0.2)
                return bool(ear.late_ns)

            wait_for("the first reading", has_begun, log)
            ear.listen(WARM_S)
            usage, crowd, begun = Usage(publisher.process.pid), Crowd(), time.monotonic()
            del ear.late_ns[:]
            ear.lost = 0
            while time.monotonic() < begun + 60 * minutes:
                usage.look()
                ear.listen(min(1.0, begun + 60 * minutes - time.monotonic()))
            usage.look()
            busy = crowd.share
    late_ms = np.frombuffer(ear.late_ns, np.int64) / 1e6
    latency = dict(zip(("p50_ms", "p99_ms", "max_ms"), np.percentile(late_ms, (50, 99, 100)).tolist(), strict=True))
    return Soak(
        seconds=60 * minutes,
        messages=len(late_ms),
        lost=ear.lost,
        **latency,
        share=usage.share,
        crowd=busy,
        rss_mb=max(usage.rss_mb),
        growth_mb=usage.growth_mb,
        limit_ms=limit_ms,
    )
