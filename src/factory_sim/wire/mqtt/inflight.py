"""The inflight window: messages sent at QoS 1 that are not acknowledged yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.records import Message


class InflightWindow:
    """At most `messages` and `size` bytes; one message always has room."""

    def __init__(self, messages: int, size: int) -> None:
        self.messages, self.size = messages, size
        self._held: dict[int, tuple[int, Message]] = {}  # packet id -> message's number, message; oldest first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[tuple[int, Message]]:
        """Return (packet id, message) pairs, oldest first."""
        return ((k, message) for k, (_, message) in self._held.items())

    def is_full(self, size: int) -> bool:
        """Return whether a message of `size` bytes has to wait."""
        return len(self._held) >= self.messages or (bool(self._held) and self._bytes + size > self.size)

    def add(self, message: Message, count: int, next_id: Callable[[], int]) -> int:
        """Keep the `count`th message under an unused packet id. Return the id."""
        packet_id = next_id()
        while packet_id in self._held:
            packet_id = next_id()
        self._held[packet_id] = (count, message)
        self._bytes += len(message.payload)
        return packet_id

    def acknowledge(self, packet_id: int) -> Message | None:
        """Remove a message; None if it is unknown."""
        _, message = self._held.pop(packet_id, (0, None))
        if message is not None:
            self._bytes -= len(message.payload)
        return message

    def first(self, otherwise: int) -> int:
        """Return the number of the oldest message."""
        return next((count for count, _ in self._held.values()), otherwise)
