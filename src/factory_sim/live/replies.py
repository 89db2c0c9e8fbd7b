"""What a listener says back: acknowledgements, a Sparkplug host's state and requests, KPIs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from factory_sim.errors import PayloadError
from factory_sim.wire import kpi_messages, topics
from factory_sim.wire.delivery.acknowledgements import Receipts
from factory_sim.wire.delivery.forwarder import MAX_STALL_S
from factory_sim.wire.sparkplug.host import Host
from factory_sim.wire.sparkplug.namespace import VERSION, group_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from factory_sim.records import KpiTable, Message, Meta


class Publisher(Protocol):
    """What carries answers: the client, or its in-memory twin."""

    def publish(self, messages: Iterable[Message]) -> None:
        """Send in this order."""


class Answers:
    """Everything that one listener says.

    ack_as : the name under which to acknowledge journals; empty: it does not.
    host_id : of the Sparkplug host that it is; empty: it is none.
    """

    def __init__(self, root: str, *, ack_as: str = "", host_id: str = "", with_kpis: bool = False) -> None:
        self.root, self.with_kpis = root, with_kpis
        self.receipts = Receipts(root, ack_as) if ack_as else None
        self.host = Host(host_id, group_id(root)) if host_id else None

    def connection(self) -> dict[str, Any]:
        """Options of the client that carries the answers: a host's will and first words belong to its connection."""
        host = self.host
        if host is None:
            return {"opening": self._present}
        return {
            "will": lambda: host.will(_now_ms()),
            "opening": lambda: [*host.opened(), *self._present()],
            "filters": (*host.filters(), f"{topics.clean_root(self.root)}/#"),  # nothing is asked for after its STATE
        }

    def _present(self) -> list[Message]:
        """After a reconnect: what this consumer has, so that its publisher knows that it is there again."""
        return [self.receipts.acknowledgement()] if self.receipts is not None and self.receipts.run_id else []

    def to(self, message: Message, *, was_used: bool) -> list[Message]:
        """What to answer at once. What was not used, as nothing had described it yet, is not acknowledged."""
        try:
            if self.host is not None and message.topic.startswith(f"{VERSION}/"):
                return self.host.heard(message, _now_ms())
            if was_used and self.receipts is not None and not message.topic.startswith(self._own()):
                answer = self.receipts.take(message)
                return [answer] if answer is not None else []
        except PayloadError:
            pass  # the listener counts it
        return []

    @property
    def patience_s(self) -> float:
        """How long to wait for what is missing at a run's end: a publisher with a journal keeps it until it is here."""
        return 2.5 * MAX_STALL_S if self.receipts is not None else 0.0

    @property
    def settled(self) -> bool:
        """Whether all that came has been acknowledged, if it is to be: the last block's mark follows the run's end."""
        return self.receipts is None or not self.receipts.owing

    def due(self) -> list[Message]:
        """What has become due by the clock."""
        return self.host.due(_now_ms()) if self.host is not None else []

    def report(self, meta: Meta | None, table: Callable[[], KpiTable]) -> list[Message]:
        """The KPIs so far, if they are to be said and a feed has described itself."""
        return kpi_messages.messages(table(), meta, self.root) if self.with_kpis and meta is not None else []

    def closing(self) -> list[Message]:
        """What to say before leaving."""
        return self.host.closing(_now_ms()) if self.host is not None else []

    def _own(self) -> tuple[str, ...]:
        return (f"{kpi_messages.kpi_root(self.root)}/", f"{self.root}/journal/ack/")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
