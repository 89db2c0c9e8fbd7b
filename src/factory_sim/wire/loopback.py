"""The client's in-memory twin: the same calls without a socket."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from factory_sim.errors import BrokerError
from factory_sim.wire import topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from factory_sim.records import Message


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

    def __init__(self, exchange: Exchange | None = None) -> None:
        self.exchange = exchange or Exchange()
        self.exchange.listeners.append(self)
        self.inbox: deque[Message] = deque()
        self._filters: set[str] = set()

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
        self.inbox.extend(m for topic, m in self.exchange.retained.items() if _matches(filters, topic))

    def deliver(self, message: Message) -> None:
        """Accept a message that a filter matches."""
        if message.payload and _matches(self._filters, message.topic):
            self.inbox.append(message)

    def messages(self, timeout_s: float = 0.0) -> Iterator[Message]:  # noqa: ARG002 - nothing can still arrive
        """Return what has arrived."""
        while self.inbox:
            yield self.inbox.popleft()

    def close(self) -> None:
        """Stop listening."""
        if self in self.exchange.listeners:
            self.exchange.listeners.remove(self)


def _matches(filters: Iterable[str], topic: str) -> bool:
    return any(topics.matches(one, topic) for one in filters)
