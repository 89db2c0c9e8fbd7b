"""What has been sent at QoS 1 and is not acknowledged yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.records import Message


class Window:
    """At most `messages` and `size` bytes; one message always has room."""

    def __init__(self, messages: int, size: int) -> None:
        self.messages, self.size = messages, size
        self._held: dict[int, tuple[int, Message]] = {}  # packet's number -> message's number, message; oldest first
        self._bytes = 0

    def __len__(self) -> int:
        """How many messages."""
        return len(self._held)

    def __iter__(self) -> Iterator[tuple[int, Message]]:
        """(packet's number, message), oldest first."""
        return ((k, message) for k, (_, message) in self._held.items())

    def is_full(self, size: int) -> bool:
        """Whether a message of `size` bytes has to wait."""
        crowded = self._bytes + size > self.size and bool(self._held)
        return crowded or len(self._held) >= self.messages

    def add(self, message: Message, count: int, next_number: Callable[[], int]) -> int:
        """Keep the `count`th message under a packet number that no other one has; that number."""
        number = next_number()
        while number in self._held:
            number = next_number()
        self._held[number] = (count, message)
        self._bytes += len(message.payload)
        return number

    def acknowledge(self, number: int) -> Message | None:
        """Forget a message; None if it is unknown."""
        _, message = self._held.pop(number, (0, None))
        if message is not None:
            self._bytes -= len(message.payload)
        return message

    def first(self, otherwise: int) -> int:
        """The count of the oldest message."""
        for count, _ in self._held.values():
            return count
        return otherwise
