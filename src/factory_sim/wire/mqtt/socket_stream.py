"""A connected socket that writes and reads many packets at once.

paho uses it as a socket and writes every packet with one `send`: here they wait until `write`. What arrives is cut into
packets; those that paho is to read are handed to it.
"""

from __future__ import annotations

import select
import ssl
import time
from typing import TYPE_CHECKING, Any

from factory_sim.wire.mqtt.packets import Frames
from factory_sim.wire.varint import varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 256 * 1024  # bytes read at once
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Stream:
    """The part of a socket's interface that paho uses: `recv`, `send`, `setblocking`, `fileno`, `close`."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection  # a socket, or one that speaks TLS
        self.waiting = bytearray()  # to be written
        self._for_paho = bytearray()
        self._frames = Frames()

    def send(self, data: bytes | bytearray) -> int:
        """Buffer the data; `write` sends them."""
        self.waiting += data
        return len(data)

    def recv(self, size: int) -> bytes:
        """Return bytes of the packets handed to paho. Raises BlockingIOError when there are none left."""
        if not self._for_paho:
            raise BlockingIOError
        found = bytes(self._for_paho[:size])
        del self._for_paho[:size]
        return found

    def setblocking(self, flag: bool, /) -> None:
        """Set the mode of the socket."""
        self.connection.setblocking(flag)

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""
        found: int = self.connection.fileno()
        return found

    def close(self) -> None:
        """Close at once; the DISCONNECT that has just been buffered is still sent if the socket accepts it."""
        try:
            self.write()
        except OSError:
            pass  # the peer is gone already
        finally:
            self.connection.close()

    @property
    def has_decrypted(self) -> bool:
        """Whether data can be read that `select` does not report."""
        return isinstance(self.connection, ssl.SSLSocket) and self.connection.pending() > 0

    def write(self) -> None:
        """Send what is buffered, as far as the kernel accepts it. Raises OSError on a broken connection."""
        while self.waiting:
            try:
                written = self.connection.send(self.waiting)
            except _LATER:
                return
            del self.waiting[:written]

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Return (first byte, body) of each packet that arrived. Raises OSError or ValueError on a broken socket."""
        try:
            data = self.connection.recv(_PIECE)
        except _LATER:
            return
        if not data:
            raise ConnectionResetError
        yield from self._frames.feed(data)

    def give(self, head: int, body: bytes) -> None:
        """Hand a packet to paho, which reads it with `recv`."""
        self._for_paho += bytes((head,)) + varint(len(body)) + body


def wait_for(streams: Iterable[Stream | None], seconds: float) -> None:
    """Wait until one of the connected sockets has something to read, at most `seconds`."""
    connected = [stream for stream in streams if stream is not None]
    if connected:
        select.select(connected, [], [], seconds)
    else:
        time.sleep(seconds)  # Windows refuses to select from nothing
