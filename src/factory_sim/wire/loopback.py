"""The client's in-memory twin: the same calls without a socket, and optional faults for tests."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from factory_sim import random_streams
from factory_sim.errors import BrokerError
from factory_sim.wire import topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from factory_sim.records import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Faults of the delivery to one subscriber; every draw depends on `seed`."""

    seed: int = 0
    drop: float = 0.0  # share that never arrives
    duplicate: float = 0.0  # share that arrives twice
    shuffle: int = 0  # messages waiting at once, of which any may be next; 0: in order


class Exchange:
    """The state that loopbacks share, as clients share a broker: retained messages and listeners."""

    def __init__(self) -> None:
        self.retained: dict[str, Message] = {}
        self.listeners: list[Loopback] = []

    def publish(self, message: Message) -> None:
        """Deliver to every listener, at once."""
        if message.retain and message.payload:
            self.retained[message.topic] = message
        elif message.retain:
            self.retained.pop(message.topic, None)
        for listener in self.listeners:
            listener.deliver(replace(message, retain=False))


class Loopback:
    """A client of one exchange; it receives its own messages, too."""

    url = "loopback"

    def __init__(self, exchange: Exchange | None = None, faults: Faults | None = None) -> None:
        self.exchange = exchange or Exchange()
        self.faults = faults or Faults()
        self.exchange.listeners.append(self)
        self._filters: set[str] = set()
        self._inbox: deque[Message] = deque()
        self._mixing: list[Message] = []
        self._drops, self._doubles, self._picks = (
            random_streams.uniforms(random_streams.key(self.faults.seed, 0, "loopback", purpose))
            for purpose in ("drop", "duplicate", "shuffle")
        )

    def __enter__(self) -> Self:
        """Return the loopback."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()

    def publish(self, messages: Iterable[Message]) -> None:
        """Deliver to every listener. Raises BrokerError on a topic that brokers disconnect on."""
        for message in messages:
            problem = topics.problem_of(message.topic)
            if problem:
                raise BrokerError(self.url, f"cannot publish {message.topic[:200]!r}: {problem}")
            self.exchange.publish(message)

    def flush(self, timeout_s: float = 0.0) -> None:
        """Return at once: nothing is ever in transit."""

    def wait(self, seconds: float) -> None:
        """Wait; nothing can arrive meanwhile."""
        time.sleep(seconds)

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:  # noqa: ARG002 - the client's interface
        """Subscribe; matching retained messages arrive at once, marked as retained."""
        self._filters.update(filters)
        for topic, message in self.exchange.retained.items():
            if _matches(filters, topic):
                self._inbox.append(message)

    def deliver(self, message: Message) -> None:
        """Accept a message that a filter matches, unless a fault loses it."""
        if not message.payload or not _matches(self._filters, message.topic):
            return
        if self.faults.drop and next(self._drops) < self.faults.drop:
            return
        self._inbox.append(message)
        if self.faults.duplicate and next(self._doubles) < self.faults.duplicate:
            self._inbox.append(message)

    def messages(self, timeout_s: float = 0.0) -> Iterator[Message]:  # noqa: ARG002 - nothing can still arrive
        """Return what has arrived, in the order given by the faults."""
        while self._inbox or self._mixing:
            while self._inbox and len(self._mixing) <= self.faults.shuffle:
                self._mixing.append(self._inbox.popleft())
            last = len(self._mixing) - 1
            chosen = int(next(self._picks) * (last + 1)) if last else 0
            self._mixing[chosen], self._mixing[last] = self._mixing[last], self._mixing[chosen]
            yield self._mixing.pop()

    def close(self) -> None:
        """Stop listening."""
        if self in self.exchange.listeners:
            self.exchange.listeners.remove(self)


def _matches(filters: Iterable[str], topic: str) -> bool:
    return any(topics.matches(one, topic) for one in filters)
