"""Finished pieces of a long job, kept one by one: a job that was stopped goes on where it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from factory_sim.errors import FactoryError

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
        """Opens `path`, or begins it. Raises LedgerError when it holds pieces of something else, or none at all."""
        self._path, self._head = path, json.loads(json.dumps(head))
        try:
            if not path.exists():
                path.write_text(json.dumps(head) + "\n", encoding="utf-8")
            self.pieces = self._read()
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise self._unusable(error) from None

    def __enter__(self) -> Self:
        """The open ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self._file.close()

    def add(self, piece: Mapping[str, Any]) -> None:
        """Keep a finished piece. Raises LedgerError when the disk is full."""
        try:
            self._file.write(json.dumps(piece) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._unusable(error) from None

    def _read(self) -> list[dict[str, Any]]:
        content = self._path.read_text(encoding="utf-8", errors="replace")
        whole, _, torn = content.rpartition("\n")
        try:
            head, *pieces = [json.loads(line) for line in whole.split("\n")]
        except ValueError as error:
            msg = f"{self._path} is not a file of finished pieces ({error}). Name another file, or delete it."
            raise LedgerError(msg) from None
        if head != self._head:
            msg = f"{self._path} holds pieces of something else: another plant, seed or setting. Name another file."
            raise LedgerError(msg)
        if torn:
            self._path.write_text(whole + "\n", encoding="utf-8")
        return pieces

    def _unusable(self, error: OSError) -> LedgerError:
        return LedgerError(f"{self._path}: {error.strerror or error}. Pieces that are finished are kept.")
