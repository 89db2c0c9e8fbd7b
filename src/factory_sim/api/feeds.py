"""Publish a plant's telemetry, and listen to a feed."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from datetime import datetime
from threading import Event
from time import time_ns
from typing import TYPE_CHECKING, TypeAlias

from factory_sim import clock
from factory_sim.api.arguments import Changes, Duration, engine_name, one_of, path_of, refuse, seconds, whole
from factory_sim.api.feed_results import Feed, Publication
from factory_sim.api.plants import resolved, spec_of
from factory_sim.api.progress import ProgressOption, events_of
from factory_sim.api.runs import KpiTable
from factory_sim.live import listen as listening
from factory_sim.live.delivery import LEAD_NS, LINGER_S, SETTLE_S, Delivery, command_handler, finish, opened
from factory_sim.live.listen_result import listen_result
from factory_sim.live.publish import RunSetup, epoch_ns, window_of
from factory_sim.live.publish import publish as publish_run
from factory_sim.live.replies import Replies
from factory_sim.plant.catalogue import PROFILES
from factory_sim.plant.describe import describe
from factory_sim.results.feed import PublishResult
from factory_sim.sim.run import Simulation
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import VERSIONS, ClientOptions

if TYPE_CHECKING:
    from factory_sim.api.plants import PlantLike
    from factory_sim.live.publish import Sent
    from factory_sim.plant import spec
    from factory_sim.records import Meta

Start: TypeAlias = "str | datetime"
PathLike: TypeAlias = "str | os.PathLike[str]"


def publish(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike,
    broker: str = "",
    *,
    duration: Duration = "8 h",
    warm_up: Duration = 0.0,
    changes: Changes = None,
    seed: int = 1,
    replication: int = 0,
    engine: str = "auto",
    payload_format: str = "machine",
    speed: float | str = 1.0,
    start: Start = "",
    root: str = "",
    link: str = "",
    journal: str | os.PathLike[str] | None = None,
    journal_limit_mb: float = 1024.0,
    ack: str = "broker",
    primary_host: str = "",
    bind: str = "",
    commands: str | os.PathLike[str] | None = None,
    user: str = "",
    password: str = "",
    ca: str | os.PathLike[str] = "",
    cert: str | os.PathLike[str] = "",
    key: str | os.PathLike[str] = "",
    mqtt: str = "auto",
    expiry: Duration = "24 h",
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> Publication:
    """Simulate a plant and publish its telemetry to an MQTT broker.

    Parameters
    ----------
    plant : str, path or Plant
        A plant or scenario file, a packaged name, or a loaded plant.
    broker : str
        URL of the broker, `mqtt://[user@]host:port` or `mqtts://`; `""`: a broker of its own on port 1883.
    duration, warm_up : str or float
        Length of the published window, and of the unpublished time before it [s, or a text with a unit].
    changes : mapping, Change, str or list of these, optional
        Changes of the plant, as in `load`.
    seed, replication : int
        Name the random streams.
    engine : {"auto", "simpy", "calendar"}
        The simulator.
    payload_format : {"machine", "uns", "bulk", "sparkplug"}
        How readings become messages.
    speed : float or "max"
        Simulated seconds per second.
    start : str or datetime
        When the window starts: `"now"`, `"plant"` (as its file has it) or a date and time; `""`: now at speed 1.
    root : str
        First levels of every topic; `""`: the plant's.
    link : str
        Profile of the network, `factory-sim list links`; `""`: the plant's.
    journal : str or path, optional
        Folder that keeps messages until they are acknowledged; the same call resumes a run from it.
    journal_limit_mb : float
        Size at which the run waits [MB].
    ack : str
        `"broker"` or `"consumer:NAME"`: whose acknowledgement empties the journal.
    primary_host : str
        Sparkplug: publish only while this host is online.
    bind : str
        Address of its own broker; `""`: 127.0.0.1.
    commands : str or path, optional
        File to which the commands of hosts are added; commands in it are repeated.
    user, password : str
        Login at the broker.
    ca, cert, key : str or path
        PEM files for mqtts.
    mqtt : {"auto", "5", "3.1.1"}
        Version of MQTT.
    expiry : str or float
        MQTT 5: how long a broker keeps readings for absent subscribers [s, or a text with a unit]; 0: forever.
    progress : bool or callable
        As in `compare`; a stage is measured in simulated seconds.
    stop : threading.Event, optional
        Set by another thread to end the feed properly.

    Returns
    -------
    Publication
        What was published.

    Raises
    ------
    ConfigError
        When the plant or an argument cannot be used.
    BrokerError
        When the broker cannot be started, reached or used.
    ModelError
        When the run cannot continue.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.publish("line.yaml", broker_url, duration="10 min", speed="max", progress=False).result.dropped
    0
    """
    loaded, pace, stop = spec_of(resolved(plant, changes)), _speed(speed), stop or Event()
    start_ns, is_now = _start_ns(start, loaded, pace)
    start_ns = start_ns + LEAD_NS if is_now and start_ns is not None else start_ns
    setup = RunSetup(
        seed=whole("seed", seed),
        replication=whole("replication", replication),
        warm_up_s=seconds("warm_up", warm_up),
        duration_s=seconds("duration", duration),
        payload_format=one_of("payload_format", payload_format, FORMATS),
        root=root,
        speed=pace,
        settle_s=SETTLE_S,
        link=PROFILES[one_of("link", link, PROFILES)] if link else None,
        start_ns=start_ns,
        begun_ns=start_ns if is_now and start_ns is not None else 0,
    )
    options = _client_options(broker, user, password, (ca, cert, key), mqtt, stop)
    delivery = Delivery(
        url=broker,
        journal=None if journal is None else path_of("journal", journal),
        journal_limit_mb=journal_limit_mb,
        ack=ack,
        primary_host=primary_host,
        bind=bind,
        commands=None if commands is None else path_of("commands", commands),
        client=replace(options, expiry_s=min(math.ceil(seconds("expiry", expiry)), 2**32 - 1)),
    )
    return _published(loaded, setup, delivery, engine_name(engine), progress, stop)


def listen(  # noqa: PLR0913 - one argument per option of the command
    broker: str = "mqtt://127.0.0.1:1883",
    *,
    root: str = "",
    payload_format: str = "",
    plant: PlantLike | None = None,
    start: Start = "",
    duration: Duration = "8 h",
    ack_as: str = "",
    host_id: str = "",
    publish_kpis: bool = False,
    user: str = "",
    password: str = "",
    ca: str | os.PathLike[str] = "",
    cert: str | os.PathLike[str] = "",
    key: str | os.PathLike[str] = "",
    mqtt: str = "auto",
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> Feed:
    """Subscribe to a feed in one of this project's formats and analyse it until its run ends.

    An interruption (Ctrl-C) ends listening; the result is that of the readings received.

    Parameters
    ----------
    broker : str
        URL of the broker, `mqtt://[user@]host:port` or `mqtts://`.
    root : str
        First levels of the feed's topics; `""`: the first feed found.
    payload_format : {"", "machine", "uns", "bulk", "sparkplug"}
        Format of the payloads; `""`: detected.
    plant : str, path or Plant, optional
        For a feed without a description: the plant that publishes it.
    start : str or datetime
        With `plant`: when the window starts, as in `publish`.
    duration : str or float
        With `plant`: length of the window [s, or a text with a unit].
    ack_as : str
        Name under which to acknowledge journals (`publish(ack="consumer:NAME")`).
    host_id : str
        Act as this Sparkplug host.
    publish_kpis : bool
        Whether to retain KPIs below `<root>/kpi`.
    user, password, ca, cert, key, mqtt
        As in `publish`.
    progress : bool or callable
        As in `compare`; a stage is measured in readings, its length is not known.
    stop : threading.Event, optional
        Set by another thread to end listening.

    Returns
    -------
    Feed
        Counts, doubts and KPIs.

    Raises
    ------
    ConfigError
        When an argument cannot be used.
    BrokerError
        When the broker cannot be reached or used.
    NoFeedError
        When no feed has been found.

    Examples
    --------
    >>> import factory_sim as fs
    >>> feed = fs.listen(broker_url, root="line/feed", progress=False)
    >>> feed.result.feed.lost, feed.kpis()["line.good_parts"] > 0
    (0, True)
    """
    stop = stop or Event()
    if payload_format:
        one_of("payload_format", payload_format, FORMATS)
    options = _client_options(broker, user, password, (ca, cert, key), mqtt, stop)
    own_root, meta = ("", None) if plant is None else _described(spec_of(resolved(plant)), start, duration)
    if not (where := root or own_root):
        with Client(broker, options) as client:
            where = listening.find_root(client, stop)
    if ack_as:
        options = replace(options, reconnect_timeout_s=math.inf)  # its publisher waits as well
    replies = Replies(where, ack_as=ack_as, host_id=host_id, with_kpis=publish_kpis)
    listener = listening.Listener(where, payload_format=payload_format, meta=meta)

    with events_of(progress) as report:
        report("listening", 0, 0, f"Listening below {where}.")

        def watch(listener: listening.Listener) -> None:
            report("listening", listener.counts.readings, 0, f"{listener.counts.readings:,} readings so far")

        try:
            with Client(broker, replies.connection(options)) as client:
                listening.listen(listener, client, watch=watch, stop=stop, replies=replies)
        except KeyboardInterrupt:
            if not listener.counts.readings:
                raise
    table = listener.table()
    return Feed(listen_result(listener, table), KpiTable(table))


def _published(
    plant: spec.Plant, setup: RunSetup, delivery: Delivery, engine: str, progress: ProgressOption, stop: Event
) -> Publication:
    delivery.check(setup.payload_format)
    window = window_of(setup)
    with events_of(progress) as report:

        def say(text: object) -> None:
            report("simulated", 0, 0, str(text))

        def watch(sent: Sent) -> None:
            report("simulated", (sent.t_us - window.t0_us) // 1_000_000, (window.t1_us - window.t0_us) // 1_000_000)

        with opened(plant, setup, delivery, say) as (sender, known, _):
            handler = command_handler(sender, plant, delivery, stop)
            simulation = Simulation(
                plant,
                seed=known.seed,
                replication=known.replication,
                warm_up_us=window.t0_us,
                until_us=window.t1_us,
                engine=engine if handler is None else "simpy",  # the one that takes commands
            )
            sent = publish_run(plant, known, sender, watch, stop, handler, simulation)
            finish(sender, stop, say)
            if not delivery.url:
                stop.wait(LINGER_S)
    result = PublishResult(
        plant=plant.name,
        run_id=sent.meta.run_id,
        root=setup.root or plant.topic_root,
        readings=sent.readings,
        messages=sent.messages,
        dropped=sent.dropped,
        good_parts=sent.truth.good_parts if sent.truth is not None else None,
    )
    return Publication(result)


def _client_options(
    broker: str, user: str, password: str, files: tuple[PathLike, PathLike, PathLike], mqtt: str, stop: Event
) -> ClientOptions:
    if not isinstance(broker, str):
        refuse("broker", f"expected a URL, got {broker!r}", "Example: 'mqtt://127.0.0.1:1883'.")
    names = [os.fspath(each) for each in files]
    if any(names) and broker.startswith("mqtt://"):
        refuse("broker", f"{broker} is not encrypted, but TLS files were given", "Write mqtts://.")
    for argument, name in zip(("ca", "cert", "key"), names, strict=True):
        if name and not os.access(name, os.R_OK):
            refuse(argument, f"expected a readable PEM file, got {name!r}")
    ca_file, cert_file, key_file = names
    return ClientOptions(
        user=user,
        password=password,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        mqtt=one_of("mqtt", mqtt, VERSIONS),
        is_stopped=stop.is_set,
    )


def _described(plant: spec.Plant, start: Start, duration: Duration) -> tuple[str, Meta]:
    """Return root and description of a feed that has none."""
    setup = RunSetup(duration_s=seconds("duration", duration), start_ns=_start_ns(start, plant, 1.0)[0])
    return plant.topic_root, describe(plant, plant.name, epoch_ns(plant, setup), window_of(setup))


def _start_ns(start: Start, plant: spec.Plant, speed: float) -> tuple[int | None, bool]:
    """Return when a window starts [ns since 1970 UTC; None: as the plant file has it], and whether that is now."""
    if start == "now" or (start == "" and speed == 1):
        return time_ns(), True
    if start in {"", "plant"}:
        return None, False
    try:
        moment = start if isinstance(start, datetime) else datetime.fromisoformat(start)
    except (TypeError, ValueError):
        refuse("start", f"expected 'now', 'plant' or a date and time, got {start!r}", "Example: '2026-05-04T06:00'.")
    return clock.ns_from_datetime(moment, plant.timezone), False


def _speed(speed: float | str) -> float:
    if speed == "max":
        return math.inf
    if isinstance(speed, int | float) and not isinstance(speed, bool) and speed > 0:
        return float(speed)
    refuse("speed", f"expected a number above 0, or 'max', got {speed!r}")
    return None
