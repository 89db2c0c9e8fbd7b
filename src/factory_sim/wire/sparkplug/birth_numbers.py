"""The bdSeq of every edge node's last CONNECT, kept in files so that the next process continues the count.

A broker may publish the will of a process that died minutes ago; from its bdSeq, hosts detect that it is outdated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.wire.sparkplug.namespace import Node


class BirthNumbers:
    """One small file for each broker and node below `folder`; None: nothing is kept, every count starts at 0.

    A number that cannot be read or written counts as absent: the count starts at 0 again.
    """

    def __init__(self, folder: Path | None, broker: str) -> None:
        self._folder = folder and folder / quote(broker, safe="")

    def next(self, node: Node) -> int:
        """Return the number of the node's next CONNECT."""
        if self._folder is None:
            return 0
        try:
            return (int(self._file(self._folder, node).read_bytes()) + 1) % 256
        except (OSError, ValueError):
            return 0

    def used(self, node: Node, number: int) -> None:
        """Record the number that a CONNECT is about to carry."""
        if self._folder is None:
            return
        try:
            file = self._file(self._folder, node)
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_name(f"{file.name}+")  # unique to this node: a quoted name contains no +
            new.write_bytes(b"%d" % number)
            new.replace(file)
        except OSError:
            self._folder = None

    @staticmethod
    def _file(folder: Path, node: Node) -> Path:
        return folder / quote(f"{node.group}/{node.id}", safe="")
