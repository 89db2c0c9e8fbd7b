"""Finished pieces of a long job, kept one by one: a job that was stopped goes on where it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from factory_sim.errors import FactoryError
from factory_sim.study.append_log import Appended

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self


class LedgerError(FactoryError):
    """A file of finished pieces that belongs to something else, or cannot be read or written."""

    exit_code = 2


class Ledger:
    """JSON lines: the first says what the pieces belong to, then one piece a line, on disk before `add` returns.

    A last line that a killed program left unfinished is dropped. `pieces` are those that were there at the start.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Opens `path`, or begins it.

        Raises LedgerError when it holds pieces of something else, or none at all; HeldError while another process
        writes it.
        """
        self._path, self._head = path, json.loads(json.dumps(head))
        try:
            self._file = Appended(path, json.dumps(head))
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self.pieces, size = self._parsed(self._file.content())
            self._file.cut(size)
        except (OSError, LedgerError) as error:
            self._file.close()
            raise self._unusable(error) if isinstance(error, OSError) else error from None

    def __enter__(self) -> Self:
        """The open ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self._file.close()

    def add(self, piece: Mapping[str, Any]) -> None:
        """Keep a finished piece. Raises LedgerError when the disk is full."""
        try:
            self._file.add(json.dumps(piece))
        except OSError as error:
            raise self._unusable(error) from None

    def _parsed(self, content: bytes) -> tuple[list[dict[str, Any]], int]:
        """The pieces, and the length in bytes of their lines."""
        whole = content.rpartition(b"\n")[0]
        try:
            head, *pieces = [json.loads(line) for line in whole.split(b"\n")]
        except ValueError as error:
            msg = f"{self._path} is not a file of finished pieces ({error}). Name another file, or delete it."
            raise LedgerError(msg) from None
        if head != self._head:
            msg = f"{self._path} holds pieces of something else: another plant, seed or setting. Name another file."
            raise LedgerError(msg)
        return pieces, len(whole) + 1

    def _unusable(self, error: OSError) -> LedgerError:
        return LedgerError(f"{self._path}: {error.strerror or error}. Pieces that are finished are kept.")
