"""A connected socket that writes many packets at once, and reads as many as are there.

paho takes it for a socket and writes every packet with one `send`: here they wait until `write`. What arrives is cut
into packets; those that paho is to read are given back to it.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from factory_sim.wire.mqtt.packets import Frames
from factory_sim.wire.varint import varint

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 256 * 1024  # bytes read at once
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Stream:
    """Looks like a socket to paho: `recv`, `send`, `setblocking`, `fileno`, `close`."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection  # a socket, or one that speaks TLS
        self.waiting = bytearray()  # to be written
        self._given = bytearray()
        self._frames = Frames()

    def send(self, data: bytes | bytearray) -> int:
        """Takes everything; `write` brings it on its way."""
        self.waiting += data
        return len(data)

    def recv(self, size: int) -> bytes:
        """Of what was given back. Raises BlockingIOError when that is used up."""
        if not self._given:
            raise BlockingIOError
        found = bytes(self._given[:size])
        del self._given[:size]
        return found

    def setblocking(self, flag: bool, /) -> None:
        """As a socket's."""
        self.connection.setblocking(flag)

    def fileno(self) -> int:
        """As a socket's."""
        found: int = self.connection.fileno()
        return found

    def close(self) -> None:
        """Closes at once; paho's goodbye, which has just been handed over, still goes out if there is room for it."""
        try:
            self.write()
        except OSError:
            pass  # the peer has gone before
        finally:
            self.connection.close()

    @property
    def has_decrypted(self) -> bool:
        """Whether something can be read that `select` does not see."""
        return isinstance(self.connection, ssl.SSLSocket) and self.connection.pending() > 0

    def write(self) -> None:
        """What is waiting, as far as the kernel takes it. Raises OSError on a broken connection."""
        while self.waiting:
            try:
                written = self.connection.send(self.waiting)
            except _LATER:
                return
            del self.waiting[:written]

    def read(self) -> Iterator[tuple[int, bytes]]:
        """(first byte, body) of the packets that have arrived. Raises OSError or ValueError on a broken connection."""
        try:
            data = self.connection.recv(_PIECE)
        except _LATER:
            return
        if not data:
            raise ConnectionResetError
        yield from self._frames.feed(data)

    def give(self, head: int, body: bytes) -> None:
        """A packet for paho, which reads it with `recv`."""
        self._given += bytes((head,)) + varint(len(body)) + body
