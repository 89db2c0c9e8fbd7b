"""The sender of a run's messages: a client, a journal in front of it, or the sessions of Sparkplug edge nodes."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory_sim.errors import ConfigError, Problem
from factory_sim.live.command_handler import CommandHandler
from factory_sim.live.liveness import check_free
from factory_sim.live.publish import new_run_id
from factory_sim.wire import presence, topics
from factory_sim.wire.broker.embedded import HOST, Broker
from factory_sim.wire.delivery.forwarder import Forwarder
from factory_sim.wire.delivery.journal import Journal
from factory_sim.wire.formats import STRICT
from factory_sim.wire.mqtt.broker_url import PORTS
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions, password_of
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from factory_sim.live.publish import RunSetup, Sender
    from factory_sim.plant.spec import Plant
    from factory_sim.wire.delivery.journal import Scalar

SETTLE_S = 1.0  # between description and data
LEAD_NS = 2_000_000_000  # from now to the start of a window that starts now: connecting and settling are over by then
LINGER_S = 3.0  # how long our own broker at least outlives the feed, so that listeners receive its end
WAIT_S = 60.0  # at most, without progress, for subscribers of our own broker that are behind
_REPORT_S, _TURN_S = 5.0, 0.1
MEGABYTE = 1_000_000
_HOST = {
    False: "Waiting for the primary host {}: nothing is published until it is online.",
    True: "The primary host {} is online.",
}
_DROPPED = "! A subscriber was so far behind that our broker dropped messages for it; gaps in `seq` show which."


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where a run's messages go and how."""

    url: str = ""  # empty: a broker of our own
    journal: Path | None = None
    journal_limit_mb: float = 1024.0
    ack: str = "broker"
    primary_host: str = ""
    port: int = 0  # of our own broker; 0: MQTT's own
    bind: str = ""  # of our own broker; empty: this machine alone
    commands: Path | None = None  # record of what hosts command
    takeover: bool = False  # publish below a root on which another run is live
    linger_s: float = WAIT_S  # our own broker waits so long, without progress, for subscribers that are behind
    client: ClientOptions = field(default_factory=ClientOptions, repr=False)

    def check(self, payload_format: str) -> None:
        """Raise ConfigError for options that contradict each other."""
        level = topics.level(self.consumer) if self.consumer else ""
        is_sparkplug = payload_format == "sparkplug"
        problems = {
            f"expected a name without spaces and / + # * > $, got {self.consumer!r}. Did you mean {level}?": level
            != self.consumer,
            f"expected broker or consumer:NAME, got {self.ack!r}": self.ack != "broker" and not self.consumer,
            "--bind applies to our own broker: omit it or --broker": bool(self.url and self.bind),
            "--port applies to our own broker: omit it or --broker": bool(self.url and self.port),
            "--ack consumer:NAME needs --journal DIR, which keeps what is not acknowledged": bool(self.consumer)
            and self.journal is None,
            "sparkplug is QoS 0 by its specification; a journal needs --format machine, uns or bulk": is_sparkplug
            and self.journal is not None,
            "--primary-host applies to --format sparkplug": not is_sparkplug and bool(self.primary_host),
        }
        for message, applies in problems.items():
            if applies:
                raise ConfigError([Problem("delivery", 0, 0, "", message)])

    @property
    def for_subscribers(self) -> ClientOptions:
        """The options of a client that receives what is published: the certificate for our own broker is not its."""
        return self.client if self.url else replace(self.client, cert_file="", key_file="")

    @property
    def consumer(self) -> str:
        """The consumer that acknowledges end to end; empty: the broker does."""
        kind, _, name = self.ack.partition(":")
        return name if kind == "consumer" else ""


def numbers() -> Path | None:
    """Return the folder of the bdSeq of Sparkplug's edge nodes; None: this user has no home directory."""
    try:
        return Path.home() / ".cache" / "factory_sim" / "bd_seq"
    except RuntimeError:
        return None


@contextlib.contextmanager
def opened(
    plant: Plant, setup: RunSetup, delivery: Delivery, say: Callable[[str], None]
) -> Iterator[tuple[Sender, RunSetup, str]]:
    """Open the sender. Yield it, the setup (a resumed run keeps its name and start) and the broker's URL."""
    with contextlib.ExitStack() as stack:
        setup = replace(setup, run_id=setup.run_id or new_run_id(plant), heartbeat_s=presence.HEARTBEAT_S)
        is_own = not delivery.url
        if is_own:
            delivery = _own_broker(stack, delivery, say)
        journal = Journal(delivery.journal) if delivery.journal is not None else None
        if journal is not None:
            stack.callback(journal.close)
            setup = _identified(plant, setup, journal, say)
        root = setup.root or plant.topic_root
        url = delivery.url
        client_options = replace(delivery.client, presence=presence.of_run(root, setup.run_id))
        is_resumed = journal is not None and journal.calls > 0
        if not (is_own or is_resumed or delivery.takeover):
            with Client(url, delivery.client) as probe:
                check_free(probe, root, own=setup.run_id, is_stopped=delivery.client.is_stopped, say=say)
        if journal is None:
            sender, url = _sender(stack, url, client_options, delivery, setup.payload_format, setup.variant, say)
            yield sender, setup, url
        else:
            # A new run must find its broker: its URL may be wrong.
            client = stack.enter_context(Client(url, replace(client_options, allow_offline_start=is_resumed)))
            sender = _forwarder(journal, client, root, setup.run_id, delivery, say)
            yield stack.enter_context(sender), setup, client.address.display_url


@contextlib.contextmanager
def opened_again(
    delivery: Delivery, root: str, run_id: str, payload_format: str, say: Callable[[str], None]
) -> Iterator[tuple[Sender, str]]:
    """Open the sender of a recording that is played. Yield it and the broker's URL."""
    with contextlib.ExitStack() as stack:
        is_own = not delivery.url
        if is_own:
            delivery = _own_broker(stack, delivery, say)
        elif not delivery.takeover:
            with Client(delivery.url, delivery.client) as probe:
                check_free(probe, root, own=run_id, is_stopped=delivery.client.is_stopped, say=say)
        client_options = replace(delivery.client, presence=presence.of_run(root, run_id))
        yield _sender(stack, delivery.url, client_options, delivery, payload_format, "", say)


def _sender(  # noqa: PLR0913 - the broker, the client and the format
    stack: contextlib.ExitStack,
    url: str,
    client_options: ClientOptions,
    delivery: Delivery,
    payload_format: str,
    variant: str,
    say: Callable[[str], None],
) -> tuple[Sender, str]:
    """Return a client, or the sessions of Sparkplug edge nodes, and the broker's URL."""
    if payload_format != "sparkplug":
        client = stack.enter_context(Client(url, client_options))
        return client, client.address.display_url
    sessions = EdgeSessions(
        url, client_options, primary_host=delivery.primary_host, numbers=numbers(), is_strict=variant == STRICT
    )
    sessions.on_host = lambda is_online: say(_HOST[is_online].format(delivery.primary_host))
    sessions.on_full = lambda missing: say(f"No room for more data while {missing} is away: the run waits.")
    return stack.enter_context(sessions), sessions.address.display_url


def _own_broker(stack: contextlib.ExitStack, delivery: Delivery, say: Callable[[str], None]) -> Delivery:
    """Start a broker. Return the delivery to it: the certificate given is the broker's, not the client's."""
    client = delivery.client
    broker = Broker(
        port=delivery.port or PORTS["mqtts" if client.cert_file else "mqtt"],
        host=delivery.bind or HOST,
        user=client.user,
        password=password_of(client.password),
        cert_file=client.cert_file,
        key_file=client.key_file,
    )
    stack.enter_context(broker)
    stack.callback(lambda: say(_DROPPED) if broker.drops else None)
    stack.push(lambda kind, *_: None if kind else _linger(broker, delivery, say))
    return replace(delivery, url=broker.url, client=replace(client, cert_file="", key_file=""))


def _linger(broker: Broker, delivery: Delivery, say: Callable[[str], None]) -> None:
    """Wait until subscribers have received everything, at most `linger_s` without progress; report their backlog."""
    now = reported_s = time.monotonic()
    least_s = now if delivery.client.is_stopped() else now + LINGER_S
    behind, end_s = broker.backlog(), now + delivery.linger_s
    while now < least_s or (any(behind) and now < end_s):
        time.sleep(_TURN_S)
        now, before, behind = time.monotonic(), behind, broker.backlog()
        # A backlog also grows: when a broker sends again what has not been acknowledged.
        if behind[0] < before[0] or behind[1] < before[1]:
            end_s = now + delivery.linger_s
        if any(behind) and now - reported_s > _REPORT_S:
            reported_s = now
            say(f"Subscribers are {_amount(behind)} behind; our broker waits for them.")
    if any(behind):
        say(f"! Subscribers were {_amount(behind)} behind when our broker ended.")


def _amount(behind: tuple[int, int]) -> str:
    messages, size = behind
    return " and ".join(filter(None, (f"{messages:,} messages" * (messages > 0), f"{size:,} bytes" * (size > 0))))


def _identified(plant: Plant, setup: RunSetup, journal: Journal, say: Callable[[str], None]) -> RunSetup:
    """Return the setup of the run that a journal belongs to."""
    own = {"start_ns", "run_id", "begun_ns", "settle_s", "is_resumable", "heartbeat_s"}  # of a process, not of the run
    wanted: dict[str, Scalar] = {"plant": plant.name}
    wanted |= {
        key: value if isinstance(value, str | int | bool | None) else repr(value)
        for key, value in asdict(setup).items()
        if key not in own
    }
    run_id, begun_ns = setup.run_id, setup.begun_ns or time.time_ns()
    known = journal.identity({**wanted, "_run_id": run_id, "_start_ns": setup.start_ns, "_begun_ns": begun_ns})
    if known["_run_id"] != run_id:
        pending = journal.blocks - journal.acknowledged
        say(f"Resuming run {known['_run_id']}: {pending:,} blocks to deliver.")
    known_ids: dict[str, Any] = {key: known[f"_{key}"] for key in ("run_id", "start_ns", "begun_ns")}
    return replace(setup, is_resumable=True, **known_ids)


def _forwarder(
    journal: Journal, client: Client, root: str, run_id: str, delivery: Delivery, say: Callable[[str], None]
) -> Forwarder:
    limit, url = int(delivery.journal_limit_mb * MEGABYTE), client.address.display_url
    forwarder = Forwarder(journal, client, root=root, run_id=run_id, consumer=delivery.consumer, limit_bytes=limit)
    forwarder.on_full = lambda: say(f"The journal is full ({delivery.journal_limit_mb:g} MB): the run waits.")
    lost = f"  The run continues and retries; its messages wait in {journal.folder}."
    forwarder.on_connection = lambda error: say(f"{url}: {error}\n{lost}" if error else f"{url} is back.")
    return forwarder


def command_handler(sender: Sender, plant: Plant, delivery: Delivery, stop: Event) -> CommandHandler | None:
    """Return what carries out the commands of hosts and of a record; None: there are none."""
    if isinstance(sender, EdgeSessions):
        sender.is_stopped = stop.is_set
        return CommandHandler(plant.units, sender, delivery.commands)
    return CommandHandler(plant.units, None, delivery.commands) if delivery.commands is not None else None


def finish(sender: Sender, stop: Event, say: Callable[[str], None]) -> int:
    """Wait until the journal is delivered, and report the effect of its limit. Return the undelivered messages."""
    if isinstance(sender, Forwarder):
        if not sender.finish(stop.is_set):
            say(f"{sender.pending:,} blocks wait in {sender.journal.folder}: the same command delivers them.")
        counts = sender.counts
        if counts.refused:
            say(f"! {counts.refused:,} acknowledgements of a consumer named messages that were not sent: ignored.")
        if counts.full:
            say(f"The journal was full {counts.full:,} times; the run waited {counts.waited_s:.1f} s for room.")
    return sender.unsent if isinstance(sender, EdgeSessions) else 0
