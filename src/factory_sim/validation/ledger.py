"""Finished pieces of a long job on disk, so that an interrupted job resumes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from factory_sim.errors import FactoryError
from factory_sim.study.append_log import AppendLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from factory_sim.study.pool import Pool

T = TypeVar("T")


class LedgerError(FactoryError):
    """A file of finished work that belongs to another job, or cannot be read or written."""

    exit_code = 2


class Ledger:
    """JSON lines: a header that identifies the job, then one piece per line, on disk before `add` returns.

    An unfinished last line of a killed program is dropped. `pieces` are those found when the file was opened.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Open or create `path`.

        Raises LedgerError when it belongs to another job or is not a ledger, LockedError while another one writes it.
        """
        self._path, self._head = path, json.loads(json.dumps(head))
        try:
            self._file = AppendLog(path, json.dumps(head))
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self.pieces, size = self._parsed(self._file.content())
            self._file.cut(size)
        except (OSError, LedgerError) as error:
            self._file.close()
            raise self._unusable(error) if isinstance(error, OSError) else error from None

    def __enter__(self) -> Self:
        """Return the open ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def add(self, piece: Mapping[str, Any]) -> None:
        """Store a finished piece. Raises LedgerError when the disk is full."""
        try:
            self._file.add(json.dumps(piece))
        except OSError as error:
            raise self._unusable(error) from None

    def results(
        self,
        record: type[T],
        work: Callable[..., T],
        jobs: Sequence[tuple[object, ...]],
        pool: Pool,
        on_progress: Callable[[int], None],
    ) -> list[T]:
        """Return the result of every job, a `record` with its `number`; those in the file are not computed again."""
        found = {piece["number"]: record(**piece) for piece in self.pieces}
        missing = [number for number in range(len(jobs)) if number not in found]
        on_progress(len(jobs) - len(missing))
        for n, (k, result) in enumerate(pool.each(work, [jobs[number] for number in missing]), 1):
            found[missing[k]] = result
            self.add(asdict(result))  # type: ignore[call-overload]
            on_progress(len(jobs) - len(missing) + n)
        return [found[number] for number in range(len(jobs))]

    def _parsed(self, content: bytes) -> tuple[list[dict[str, Any]], int]:
        """Return the pieces and the length of their lines in bytes."""
        whole = content.rpartition(b"\n")[0]
        try:
            head, *pieces = [json.loads(line) for line in whole.split(b"\n")]
        except ValueError as error:
            msg = f"{self._path} is not a file of finished work ({error}). Name another file, or delete it."
            raise LedgerError(msg) from None
        if head != self._head:
            msg = f"{self._path} belongs to another plant, seed or setting. Name another file."
            raise LedgerError(msg)
        return pieces, len(whole) + 1

    def _unusable(self, error: OSError) -> LedgerError:
        return LedgerError(f"{self._path}: {error.strerror or error}. Finished work is kept.")
