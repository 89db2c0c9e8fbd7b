"""The messages that a listener sends: acknowledgements, a Sparkplug host's state and requests, KPIs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.errors import PayloadError
from factory_sim.wire import kpi_messages, presence, topics
from factory_sim.wire.delivery.acknowledgements import Receipts, mark_topic
from factory_sim.wire.delivery.forwarder import MAX_STALL_S
from factory_sim.wire.mqtt.client_options import ClientOptions
from factory_sim.wire.sparkplug.host import Host
from factory_sim.wire.sparkplug.namespace import VERSION, group_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import KpiTable, Message, Meta


class Replies:
    """The replies of one listener.

    ack_as : the name under which to acknowledge journals; empty: none.
    host_id : of the Sparkplug host that it is; empty: none.
    """

    def __init__(self, root: str, *, ack_as: str = "", host_id: str = "", with_kpis: bool = False) -> None:
        self.root, self.with_kpis = root, with_kpis
        self.receipts = Receipts(root, ack_as) if ack_as else None
        self.host = Host(host_id, group_id(root)) if host_id else None
        self._refused, self._is_refusal_reported = "", False  # the first mark that was refused
        self._own = (f"{kpi_messages.kpi_root(root)}/", f"{root}/journal/ack/")
        self._heartbeat = presence.status_topic(root)  # in no journal

    def connection(self, options: ClientOptions | None = None) -> ClientOptions:
        """Return the options of the client for the replies: a host's will and first messages belong to it."""
        host, options = self.host, options or ClientOptions()
        if host is None:
            return replace(options, opening=self._receipts)
        return replace(
            options,
            will=lambda: host.will(_now_ms()),
            opening=lambda: [*host.opened(), *self._receipts()],
            filters=(*host.filters(), f"{topics.clean_root(self.root)}/#"),  # all subscriptions precede its STATE
        )

    def _receipts(self) -> list[Message]:
        """Return the acknowledgement after a reconnect, so that the publisher detects its consumer's return."""
        return [self.receipts.acknowledgement()] if self.receipts is not None and self.receipts.run_id else []

    def to(self, message: Message, *, was_used: bool) -> list[Message]:
        """Return the immediate replies. A message that preceded its description is not acknowledged."""
        try:
            if self.host is not None and message.topic.startswith(f"{VERSION}/"):
                return self.host.receive(message, _now_ms())
            is_journaled = message.topic != self._heartbeat and not message.topic.startswith(self._own)
            if was_used and is_journaled and self.receipts is not None:
                answer = self.receipts.take(message)
                return [answer] if answer is not None else []
        except PayloadError as error:
            if self.receipts is not None and message.topic == mark_topic(self.root):
                self._refused = self._refused or f"A mark of the journal was refused: {error}."
            # the listener counts the others
        return []

    @property
    def patience_s(self) -> float:
        """How long to wait for missing data after a run's end: a publisher sends what its journal still contains."""
        return 0.0 if self.receipts is None or self.receipts.is_complete else 2.5 * MAX_STALL_S

    @property
    def settled(self) -> bool:
        """Whether all that arrived is acknowledged, where required: the last block's mark follows the run's end."""
        return self.receipts is None or not self.receipts.is_pending

    def due(self) -> list[Message]:
        """Return the requests that have become due."""
        return self.host.due(_now_ms()) if self.host is not None else []

    def report(self) -> str:
        """Return the requests since the last report, or the first mark that was refused, in words; empty if none."""
        if self._refused and not self._is_refusal_reported:
            self._is_refusal_reported = True
            return self._refused
        return self.host.report() if self.host is not None else ""

    def kpis(self, meta: Meta, table: KpiTable, windows: Mapping[str, KpiTable]) -> list[Message]:
        """Return the KPIs so far and those of the rolling windows by name, if they are to be published."""
        if not self.with_kpis:
            return []
        found = kpi_messages.messages(table, meta, self.root)
        for name, each in windows.items():
            found += kpi_messages.messages(each, meta, self.root, name)
        return found

    def closing(self) -> list[Message]:
        """Return what to publish before disconnecting."""
        return self.host.closing(_now_ms()) if self.host is not None else []


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
