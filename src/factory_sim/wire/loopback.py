"""The client's in-memory twin: same calls, no socket, and a network as bad as a test wants it."""

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
    """What happens to messages on their way to one subscriber; every draw belongs to `seed`."""

    seed: int = 0
    drop: float = 0.0  # share that never arrives
    duplicate: float = 0.0  # share that arrives twice
    shuffle: int = 0  # messages waiting at once, of which any may be next; 0: in order


class Exchange:
    """What loopbacks share, as clients share a broker: retained messages and who listens."""

    def __init__(self) -> None:
        self.retained: dict[str, Message] = {}
        self.listeners: list[Loopback] = []

    def publish(self, message: Message) -> None:
        """To every listener, at once."""
        if message.retain and message.payload:
            self.retained[message.topic] = message
        elif message.retain:
            self.retained.pop(message.topic, None)
        for listener in self.listeners:
            listener.deliver(replace(message, retain=False))


class Loopback:
    """Publishes to, and hears from, all loopbacks of one exchange (itself included)."""

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
        """The loopback itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stops listening."""
        self.close()

    def publish(self, messages: Iterable[Message]) -> None:
        """To every listener. Raises BrokerError on a topic that a broker disconnects on."""
        for message in messages:
            problem = topics.problem_of(message.topic)
            if problem:
                raise BrokerError(self.url, f"cannot publish {message.topic[:200]!r}: {problem}")
            self.exchange.publish(message)

    def flush(self, timeout_s: float = 0.0) -> None:
        """Nothing is ever on its way."""

    def wait(self, seconds: float) -> None:
        """Waits; nothing can arrive meanwhile."""
        time.sleep(seconds)

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:  # noqa: ARG002 - the client's interface
        """Asks for topics; retained messages that match come at once, marked as retained."""
        self._filters.update(filters)
        for topic, message in self.exchange.retained.items():
            if any(topics.matches(one, topic) for one in filters):
                self._inbox.append(message)

    def deliver(self, message: Message) -> None:
        """Takes a message that some filter matches, unless it is lost on its way."""
        if not message.payload or not any(topics.matches(one, message.topic) for one in self._filters):
            return
        if self.faults.drop and next(self._drops) < self.faults.drop:
            return
        self._inbox.append(message)
        if self.faults.duplicate and next(self._doubles) < self.faults.duplicate:
            self._inbox.append(message)

    def messages(self, timeout_s: float = 0.0) -> Iterator[Message]:  # noqa: ARG002 - nothing can still arrive
        """What has arrived, in the order that the faults give it."""
        while self._inbox or self._mixing:
            while self._inbox and len(self._mixing) <= self.faults.shuffle:
                self._mixing.append(self._inbox.popleft())
            last = len(self._mixing) - 1
            chosen = int(next(self._picks) * (last + 1)) if last else 0
            self._mixing[chosen], self._mixing[last] = self._mixing[last], self._mixing[chosen]
            yield self._mixing.pop()

    def close(self) -> None:
        """Stops listening."""
        if self in self.exchange.listeners:
            self.exchange.listeners.remove(self)
