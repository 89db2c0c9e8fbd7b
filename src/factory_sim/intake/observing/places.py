"""What has been seen of a topic, an edge node's device, or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from factory_sim.intake.observing.guess import Signal

_MOST_SIGNALS = 2000
MOST_ROWS = 5000  # records of one topic that are kept to look for the units in them


@dataclass(slots=True)
class Place:
    """A topic, an edge node's device, or a file: its signals by path."""

    kind: str  # a key of a source
    name: str  # topic, group/node/device, or file
    extra: dict[str, str] = field(default_factory=dict)  # other keys of its source
    signals: dict[str, Signal] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)  # that its columns, tags or records name
    time: str = ""  # where its time stamps are
    stamps: list[str] = field(default_factory=list)  # examples of them
    notes: list[str] = field(default_factory=list)  # for the reader of the feed file
    rows: list[dict[str, Any]] = field(default_factory=list)  # records of JSON
    each: str = ""  # path of the array that they are from
    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    longest_ns: int = 0

    def add(self, path: str, value: Any) -> None:
        """Use one value of one signal."""
        signal = self.signals.get(path)
        if signal is None:
            if len(self.signals) >= _MOST_SIGNALS:
                return
            signal = self.signals[path] = Signal(path)
        signal.add(value)

    def shown(self) -> list[Signal]:
        """Return the first signals."""
        return list(self.signals.values())[:6]

    def seen(self, t_ns: int) -> None:
        """Count a message."""
        self.messages += 1
        if self.last_ns:
            self.longest_ns = max(self.longest_ns, t_ns - self.last_ns)
        self.first_ns, self.last_ns = self.first_ns or t_ns, t_ns
