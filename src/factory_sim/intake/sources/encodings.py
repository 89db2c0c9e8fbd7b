"""Text files in other encodings than UTF-8, recoded as they are read."""

from __future__ import annotations

import codecs
import re
from typing import Protocol

from factory_sim.errors import ConfigError

_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_BLOCK_BYTES = 1 << 20


class Stream(Protocol):
    """What a reader of text needs of a binary file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""

    def readline(self) -> bytes:
        """Return the next line."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""


class Recoded:
    """A file in another encoding, read as UTF-8 from its beginning."""

    def __init__(self, stream: Stream, encoding: str, name: str) -> None:
        self._stream, self._encoding, self._name = stream, encoding, name
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes as UTF-8, about `size`."""
        while not self._rest and (data := self._stream.read(max(size, _BLOCK_BYTES))):
            self._rest = self._decoded(data)
        found, self._rest = self._rest, b""
        return found

    def readline(self) -> bytes:
        """Return the next line as UTF-8."""
        while b"\n" not in self._rest and (data := self._stream.read(_BLOCK_BYTES)):
            self._rest += self._decoded(data)
        line, end, self._rest = self._rest.partition(b"\n")
        return line + end

    def seek(self, offset: int, /) -> int:
        """Return to the beginning, offset 0."""
        self._decoder.reset()
        self._rest = b""
        return self._stream.seek(offset)

    def _decoded(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data).encode()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise ConfigError.of(self._name, f"is not text in {self._encoding}: byte {byte:#04x}", HINT) from None


HINT = "Write encoding: cp1252 (Windows), gb18030 or another for its source, or save it as CSV UTF-8."


def by_mark(header: bytes) -> str:
    """Return the encoding that the first bytes of a file state; "" for UTF-8 or none."""
    return next((name for mark, name in _MARKS if header.startswith(mark)), "")


def check(text: bytes, name: str, first_line: int = 1) -> None:
    """Raise ConfigError for bytes that are not UTF-8; a character cut off at the end does not count."""
    if text.isascii():
        return
    try:
        codecs.getincrementaldecoder("utf-8")().decode(text)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + first_line
        message = f"line {line} is not UTF-8 text: byte {text[error.start]:#04x}"
        raise ConfigError.of(name, message, HINT) from None


def guessed(head: bytes) -> str:
    """Return the most likely encoding of text that is not UTF-8; "" for UTF-8."""
    try:
        check(head, "")
    except ConfigError:
        runs = re.findall(rb"[\x80-\xff]+", head)
        is_chinese = sum(len(run) % 2 == 0 for run in runs) > len(runs) / 2  # its characters are pairs of such bytes
        return "gb18030" if is_chinese else "cp1252"
    return ""
