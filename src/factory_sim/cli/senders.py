"""What carries a run's messages: a client, a journal in front of it, or the sessions of Sparkplug edge nodes."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from factory_sim.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.live.publish import Order, Sender
    from factory_sim.plant.spec import Plant
    from factory_sim.wire.delivery.forwarder import Forwarder

MEGABYTE = 1_000_000
_DROPPED = "! A subscriber was so far behind that our broker dropped what waited for it; what it lacks shows in `seq`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where a run's messages go and how."""

    url: str = ""  # empty: a broker of our own
    journal: Path | None = None
    journal_limit_mb: float = 1024.0
    ack: str = "broker"
    primary_host: str = ""
    bind: str = ""  # of our own broker; empty: this machine alone
    commands: Path | None = None  # record of what hosts command
    client: dict[str, Any] = field(default_factory=dict, repr=False)  # options; they hold secrets

    def check(self, payload_format: str) -> None:
        """Refuse what does not go together."""
        if self.ack != "broker" and not self.consumer:
            message = f"expected broker or consumer:NAME, got {self.ack!r}"
            raise typer.BadParameter(message)
        options.one_level(self.consumer)
        if self.url and self.bind:
            message = "--bind belongs to our own broker: leave it or --broker out"
            raise typer.BadParameter(message)
        if self.consumer and self.journal is None:
            message = "--ack consumer:NAME needs --journal DIR: what is not acknowledged has to be kept somewhere"
            raise typer.BadParameter(message)
        if payload_format == "sparkplug" and self.journal is not None:
            message = "sparkplug is QoS 0 by its specification; a journal needs --format machine, uns or bulk"
            raise typer.BadParameter(message)
        if payload_format != "sparkplug" and self.primary_host:
            message = "--primary-host belongs to --format sparkplug"
            raise typer.BadParameter(message)

    @property
    def consumer(self) -> str:
        """Who acknowledges end to end; empty: the broker does."""
        kind, _, name = self.ack.partition(":")
        return name if kind == "consumer" else ""


def numbers() -> Path | None:
    """Where the bdSeq of Sparkplug's edge nodes wait for the next run; None: this user has no home directory."""
    try:
        return Path.home() / ".cache" / "factory_sim" / "bd_seq"
    except RuntimeError:
        return None


@contextlib.contextmanager
def opened(
    plant: Plant, order: Order, delivery: Delivery, say: Callable[[str], None]
) -> Iterator[tuple[Sender, Order, str]]:
    """The sender, the order (a run that goes on keeps its name and start) and the broker's address."""
    from factory_sim.wire.mqtt.client import Client
    from factory_sim.wire.sparkplug.sessions import EdgeSessions

    with contextlib.ExitStack() as stack:
        url, client_options = delivery.url, delivery.client
        if not url:
            url, client_options = _own_broker(stack, delivery, say)
        if order.payload_format == "sparkplug":
            sessions = EdgeSessions(url, primary_host=delivery.primary_host, numbers=numbers(), **client_options)
            sessions.on_full = lambda missing: say(f"No room for more data while {missing} is away: the run waits.")
            stack.enter_context(sessions)
            yield sessions, order, sessions.address.shown
            return
        if delivery.journal is None:
            client = stack.enter_context(Client(url, **client_options))
            yield client, order, client.address.shown
            return
        journal, order = _journal(plant, order, delivery.journal, say)
        goes_on = journal.calls > 0  # else a broker that is away may be one that does not exist
        client = stack.enter_context(Client(url, waits_for_broker=goes_on, **client_options))
        root = order.root or plant.topic_root
        forwarder = _forwarder(journal, client, root, order.run_id, delivery)
        forwarder.on_full = lambda: say(f"The journal is full ({delivery.journal_limit_mb:g} MB): the run waits.")
        forwarder.on_link = lambda trouble: say(_link_told(client.address.shown, trouble, delivery.journal))
        yield stack.enter_context(forwarder), order, client.address.shown


def _link_told(where: str, trouble: str, folder: Path | None) -> str:
    if not trouble:
        return f"{where} is there again."
    return f"{where}: {trouble}\n  The run goes on and tries again; its messages wait in {folder}."


def _own_broker(
    stack: contextlib.ExitStack, delivery: Delivery, say: Callable[[str], None]
) -> tuple[str, dict[str, Any]]:
    """The address of a broker that runs from now on, and a client's options there: the certificate is the broker's."""
    from factory_sim.wire.broker.embedded import HOST, Broker
    from factory_sim.wire.mqtt.broker_url import PORTS
    from factory_sim.wire.mqtt.client_options import password_of

    login = {"user": delivery.client.get("user", ""), "password": password_of(delivery.client.get("password", ""))}
    files = {name: delivery.client.get(name, "") for name in ("cert_file", "key_file")}
    port = PORTS["mqtts" if files["cert_file"] else "mqtt"]
    broker = stack.enter_context(Broker(port=port, host=delivery.bind or HOST, **login, **files))
    stack.callback(lambda: say(_DROPPED) if broker.drops else None)
    return broker.url, delivery.client | dict.fromkeys(files, "")


def _journal(plant: Plant, order: Order, folder: Path, say: Callable[[str], None]) -> tuple[Any, Order]:
    """The journal in `folder` and the order of the run that it belongs to."""
    from factory_sim.live.publish import new_run_id
    from factory_sim.wire.delivery.journal import Journal

    journal = Journal(folder)
    fixed = {k: v for k, v in asdict(order).items() if k not in ("start_ns", "run_id", "begun_ns", "settle_s")}
    fixed = {k: (v if isinstance(v, str | int | bool | None) else repr(v)) for k, v in fixed.items()}
    mine = {"_run_id": new_run_id(plant), "_start_ns": order.start_ns, "_begun_ns": order.begun_ns or time.time_ns()}
    known = journal.identity({"plant": plant.name, **fixed, **mine})
    if known["_run_id"] != mine["_run_id"]:
        say(f"Going on with run {known['_run_id']}: {journal.blocks - journal.acknowledged:,} blocks to deliver.")
    order = replace(order, run_id=known["_run_id"], start_ns=known["_start_ns"], begun_ns=known["_begun_ns"])
    return journal, order


def _forwarder(journal: Any, client: Any, root: str, run_id: str, delivery: Delivery) -> Forwarder:
    from factory_sim.wire.delivery.forwarder import Forwarder

    limit = int(delivery.journal_limit_mb * MEGABYTE)
    return Forwarder(journal, client, root=root, run_id=run_id, consumer=delivery.consumer, limit_bytes=limit)
