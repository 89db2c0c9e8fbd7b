"""What can limit a line."""

from __future__ import annotations

from dataclasses import dataclass

from factory_sim.results.record import Record

KINDS = ("operation", "fleet", "operator", "crew", "robot", "source", "cards", "shift")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Resource(Record):
    """A resource of a plant; cards have the name of their source, operators and crews that of their pool."""

    kind: str  # one of `KINDS`
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @classmethod
    def of(cls, text: str) -> Resource:
        """Return the resource that `str` wrote."""
        kind, _, name = text.partition(" ")
        return cls(kind=kind, name=name)
