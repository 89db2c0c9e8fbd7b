"""A loopback that drops, repeats and reorders what it receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim import random_streams
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Faults of the delivery to one subscriber; every draw depends on `seed`."""

    seed: int = 0
    drop: float = 0.0  # share that never arrives
    duplicate: float = 0.0  # share that arrives twice
    shuffle: int = 0  # messages waiting at once, of which any may be next; 0: in order


class FaultyLoopback(Loopback):
    def __init__(self, exchange: Exchange | None = None, faults: Faults | None = None) -> None:
        super().__init__(exchange)
        self.faults = faults or Faults()
        self._mixing: list[Message] = []
        self._drops, self._duplicates, self._picks = (
            random_streams.uniforms(random_streams.key(self.faults.seed, 0, "loopback", purpose))
            for purpose in ("drop", "duplicate", "shuffle")
        )

    def deliver(self, message: Message) -> None:
        before = len(self.inbox)
        super().deliver(message)
        if len(self.inbox) == before:
            return
        if self.faults.drop and next(self._drops) < self.faults.drop:
            self.inbox.pop()
        elif self.faults.duplicate and next(self._duplicates) < self.faults.duplicate:
            self.inbox.append(message)

    def messages(self, timeout_s: float = 0.0) -> Iterator[Message]:  # noqa: ARG002 - nothing can still arrive
        while self.inbox or self._mixing:
            while self.inbox and len(self._mixing) <= self.faults.shuffle:
                self._mixing.append(self.inbox.popleft())
            last = len(self._mixing) - 1
            chosen = int(next(self._picks) * (last + 1)) if last else 0
            self._mixing[chosen], self._mixing[last] = self._mixing[last], self._mixing[chosen]
            yield self._mixing.pop()
