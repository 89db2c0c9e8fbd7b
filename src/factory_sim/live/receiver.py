"""The interface of what receives a feed: the client and its in-memory twin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.records import Message


class Receiver(Protocol):
    """The interface of the client and its in-memory twin."""

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Subscribe to topics."""

    def messages(self, timeout_s: float) -> Iterable[Message]:
        """Return what arrives, until nothing has for `timeout_s`."""

    def publish(self, messages: Iterable[Message]) -> None:
        """Send in this order."""

    def flush(self) -> None:
        """Wait until everything is acknowledged."""
