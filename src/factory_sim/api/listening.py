"""Listen to a feed and analyse it. The simulator is not imported."""

from __future__ import annotations

import math
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar, overload

from factory_sim.analysis.warm_kernels import warm
from factory_sim.api.answers import Feed
from factory_sim.api.arguments import Duration, Start, one_level, one_of, refuse, seconds, start_ns
from factory_sim.api.client_arguments import client_options, keeping_of
from factory_sim.api.kpi_table import KpiTable
from factory_sim.api.page.serving import PAGE_ADDRESS, conclude, past_of, serving, shown
from factory_sim.api.progress import ProgressEvent, ProgressOption, events_of
from factory_sim.errors import BrokerError, StoppedError
from factory_sim.live import listen as listening
from factory_sim.live.listen_result import feed_counts, listen_result
from factory_sim.live.replies import Replies
from factory_sim.live.rolling.resuming import Memory
from factory_sim.live.sinks import BUFFER, LIMIT
from factory_sim.live.sinks.opening import opened
from factory_sim.views.text.kpi_text import feed_line
from factory_sim.views.text.window_text import window_lines
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.mqtt.broker_url import parse
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from factory_sim.api.client_arguments import PathLike
    from factory_sim.api.foreign.reading import Reading
    from factory_sim.api.page.serving import Shown
    from factory_sim.api.plants import PlantLike
    from factory_sim.api.progress import Report
    from factory_sim.live.foreign.stop_losses import Convention
    from factory_sim.live.page.live_page import LivePage
    from factory_sim.live.sinks.opening import Keeping
    from factory_sim.records import Meta
    from factory_sim.wire.mqtt.client_options import ClientOptions

Concluded = TypeVar("Concluded")


@overload
def listen(broker: str = ..., *, map: PathLike, **arguments: Any) -> Reading: ...
@overload
def listen(broker: str = ..., *, map: None = None, **arguments: Any) -> Feed: ...
def listen(  # type: ignore[misc]  # noqa: PLR0913 - one argument per option; the overloads tell the results apart
    broker: str = "mqtt://127.0.0.1:1883",
    *,
    root: str = "",
    payload_format: str = "",
    plant: PlantLike | None = None,
    map: PathLike | None = None,  # noqa: A002 - the name of the option
    start: Start = "",
    duration: Duration = "",
    ack_as: str = "",
    host_id: str = "",
    record: PathLike | None = None,
    stops: PathLike | None = None,
    keep: Duration = 0.0,
    keep_size: str | float = 0,
    sink: str = "",
    sink_buffer: PathLike = BUFFER,
    sink_limit: str | float = LIMIT,
    publish_kpis: bool = False,
    page: bool = False,
    page_address: str = PAGE_ADDRESS,
    page_password_file: PathLike | None = None,
    every: Duration = "10 s",
    user: str = "",
    password: str = "",
    password_file: PathLike | None = None,
    ca: PathLike | None = None,
    cert: PathLike | None = None,
    key: PathLike | None = None,
    mqtt: str = "auto",
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> Feed | Reading:
    """Subscribe to a feed and analyse it: until its run ends, or, with `map`, until it is stopped.

    Without `map` the feed is in one of this project's formats.

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
    map : path, optional
        For any plant's own feed: the mapping, a file `feed.yaml`. `broker`, `duration`, `every`, the page, the login,
        `progress` and `stop` apply.
    start : str or datetime
        With `plant`: when the window starts, as in `publish`.
    duration : str or float
        With `plant`: length of the window, without it 8 h. With `map`: how long to listen, without it until `stop`
        is set or Ctrl-C [s, or a text with a unit].
    ack_as : str
        Name under which to acknowledge journals (`publish(ack="consumer:NAME")`).
    host_id : str
        Act as this Sparkplug host.
    record : str or path, optional
        Folder in which to record the feed; `history` reads it.
    stops : str or path, optional
        Stop rules and loss categories to apply: a file with the keys `stops` and `losses`. With `map` the mapping has
        them.
    keep : str or float
        Age at which recorded days are deleted [s, or a text with a unit]; 0: never.
    keep_size : str or float
        Size beyond which the oldest recorded days are deleted [bytes, or a text with a unit]; 0: none.
    sink : str
        URL of a PostgreSQL database to write to, `postgresql://[user@]host/database`; the password comes from
        `PGPASSWORD` or `~/.pgpass`.
    sink_buffer : str or path
        Folder that keeps what arrives while the database is away.
    sink_limit : str or float
        Largest size of that folder [bytes, or a text with a unit].
    publish_kpis : bool
        Whether to retain KPIs below `<root>/kpi`.
    page : bool
        Whether to serve a live page of the feed (extra `[page]`).
    page_address : str
        `HOST:PORT` of the page; an address that other machines reach requires a password.
    page_password_file : str or path, optional
        File whose first line is the password of the page; only its owner may read it.
    every : str or float
        Interval of reports [s, or a text with a unit].
    user, password, password_file, ca, cert, key, mqtt
        As in `publish`.
    progress : bool or callable
        As in `compare`; a stage is measured in readings, its length is not known.
    stop : threading.Event, optional
        Set by another thread to end listening.

    Returns
    -------
    Feed or Reading
        Counts, doubts and KPIs; with `map` what `read` returns.

    Raises
    ------
    ConfigError
        When an argument cannot be used.
    BrokerError
        When the broker cannot be reached or used; its `feed` is the result so far, None if nothing has arrived.
    NoFeedError
        When no feed has been found.
    DatabaseError
        When the database of `sink` refuses.
    PageError
        When the page cannot be served.

    Examples
    --------
    >>> import factory_sim as fs
    >>> feed = fs.listen(broker_url, root="line/feed", progress=False)
    >>> feed.result.feed.lost, feed.kpis()["line.good_parts"] > 0
    (0, True)
    """
    stop, served = stop or Event(), shown(page, page_address, page_password_file)
    options = client_options(broker, stop, user, password, password_file, ca, cert, key, mqtt)
    if map is not None:
        from factory_sim.api.foreign.reading import listen_mapped  # noqa: PLC0415 - other feeds need no mapping

        given = {"root": root, "plant": plant, "start": start, "ack_as": ack_as, "host_id": host_id, "record": record}
        _refuse_given(broker, map, **given, sink=sink, stops=stops)
        return listen_mapped(broker, map, options, stop, duration or math.inf, every, progress, served)
    check_names(payload_format, ack_as=ack_as, host_id=host_id)
    own_root, meta = _described(plant, start, duration or "8 h")
    call = Call(
        broker=broker,
        root=root or own_root,
        options=options,
        keeping=keeping_of(record, keep, keep_size, sink, sink_buffer, sink_limit),
        payload_format=payload_format,
        meta=meta,
        ack_as=ack_as,
        host_id=host_id,
        publish_kpis=publish_kpis,
        with_windows=progress is not False,
        every_s=seconds("every", every),
        stop=stop,
    )
    with events_of(progress) as report, _page(served, root, report, record) as live:
        return followed(call, report, live, partial(_feed, convention=_convention(stops)))


def _page(
    served: Shown | None, root: str, report: Report, record: PathLike | None
) -> AbstractContextManager[LivePage | None]:
    return serving(served, root, report, past_of(record)) if served else nullcontext()


def _convention(stops: PathLike | None) -> Convention | None:
    if stops is None:
        return None
    from factory_sim.live.foreign import stop_losses  # noqa: PLC0415 - few feeds have stop rules

    return stop_losses.of_file(stops)


def check_names(payload_format: str, **names: str) -> None:
    """Raise ConfigError about a format that does not exist, or a name that cannot be a level of a topic."""
    if payload_format:
        one_of("payload_format", payload_format, FORMATS)
    for argument, name in names.items():
        one_level(argument, name)


def _found(broker: str, options: ClientOptions, stop: Event, report: Report) -> str:
    with Client(broker, options) as client:
        return listening.find_root(client, stop, partial(_ready, report, "every root"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is listened to, and how."""

    broker: str
    root: str  # "": the first feed found
    options: ClientOptions
    keeping: Keeping
    payload_format: str
    meta: Meta | None = None
    ack_as: str
    host_id: str = ""
    publish_kpis: bool = False
    with_windows: bool = False  # its reports show them, also those of a run that is kept whole
    every_s: float
    stop: Event


def followed(
    call: Call, report: Report, page: LivePage | None, conclude_with: Callable[[listening.Listener], Concluded]
) -> Concluded:
    """Listen until the run ends, and return the result; Ctrl-C and a lost connection leave what has been received."""
    warm()  # so that the broker need not wait for a compiler
    options = call.options
    where = call.root or _found(call.broker, options, call.stop, report)
    if call.ack_as:
        options = replace(options, reconnect_timeout_s=math.inf)  # its publisher waits as well
    if page is not None:
        page.root = where
    replies = Replies(where, ack_as=call.ack_as, host_id=call.host_id, with_kpis=call.publish_kpis)
    store = opened(call.keeping, where, partial(_notify, report), page, must_keep=bool(call.ack_as))
    memory = None if call.keeping.record is None else Memory(call.keeping.record)
    listener = listening.Listener(where, payload_format=call.payload_format, meta=call.meta, store=store, memory=memory)
    try:
        with closing(listener), Client(call.broker, _until_ended(replies.connection(options), listener)) as client:
            listening.listen(
                listener,
                client,
                ready=partial(_ready, report, where),
                watch=partial(_watch, report, page, with_windows=call.with_windows),
                notify=partial(_notify, report),
                every_s=call.every_s,
                stop=call.stop,
                replies=replies,
            )
    except KeyboardInterrupt:
        if not listener.counts.readings:
            raise
    except BrokerError as error:
        if not (listener.ended and isinstance(error, StoppedError)):
            if listener.counts.readings:
                error.feed = conclude_with(listener)
            raise
    return conclude_with(listener)


def _until_ended(options: ClientOptions, listener: listening.Listener) -> ClientOptions:
    """Return options of a client that does not wait for the broker of a run that has ended: it was the run's own.

    A client that acknowledges waits: what it has not acknowledged is sent again.
    """
    if options.reconnect_timeout_s == math.inf:
        return options
    return replace(options, is_stopped=lambda: listener.ended or options.is_stopped())


def _refuse_given(broker: str, mapping: PathLike, **arguments: Any) -> None:
    """Refuse arguments that a feed with a mapping does not have."""
    for name, value in arguments.items():
        if value:
            refuse(name, "does not apply to a feed with a mapping", _hint(name, broker, mapping))


def _hint(name: str, broker: str, mapping: PathLike) -> str:
    if name != "record":
        return "Leave it or map out."
    from factory_sim.live.foreign.read_files import capture_command  # noqa: PLC0415 - as above

    address = parse(broker)
    command = capture_command(f"-h {address.host} -p {address.port}")
    return f"Capture its messages: {command}; then: factory-sim read --map {mapping} capture.jsonl."


def _ready(report: Report, where: str) -> None:
    """Report that the publisher may start."""
    report(ProgressEvent(stage="subscribed", message=f"listening below {where}"))


def _notify(report: Report, text: str) -> None:
    report(ProgressEvent(stage="notice", message=text))


def _watch(report: Report, live: LivePage | None, listener: listening.Listener, *, with_windows: bool) -> None:
    if live is not None:
        conclude(live, listener)
    if listener.feed is not None:
        text = feed_line(feed_counts(listener), listener.counts.reason)
        windows = listener.windows
        if windows is not None and (windows.is_rolling or with_windows):
            windows.refresh_in_turn()
            text = "\n".join((text, *window_lines(windows.tables(), windows.shift_name)))
        report(ProgressEvent(stage="listening", done=listener.counts.readings, message=text))


def _feed(listener: listening.Listener, *, convention: Convention | None) -> Feed:
    table, windows = listener.table(), listener.windows
    assert windows is not None
    windows.refresh()
    tables = {name: KpiTable(each) for name, each in windows.tables().items()}
    found = listen_result(listener, table)
    if convention is not None:
        losses = convention.losses(windows.feed.log(), windows.feed.meta, window=table.window)
        found = replace(found, stops=losses)
    return Feed(found, KpiTable(table), tables)


def _described(plant: PlantLike | None, start: Start, duration: Duration) -> tuple[str, Meta | None]:
    """Return root and description of a feed that has none, from its plant and its start; of another one neither."""
    if plant is None:
        return "", None
    from factory_sim.api.plants import resolved, spec_of  # noqa: PLC0415 - a feed with a description needs no simulator
    from factory_sim.live.publish import RunSetup, dated, epoch_ns, window_of  # noqa: PLC0415 - same
    from factory_sim.plant.describe import describe  # noqa: PLC0415 - same

    known = spec_of(resolved(plant))
    begin_ns, _ = start_ns("start", start, known.timezone, 1.0)
    setup = RunSetup(duration_s=seconds("duration", duration), start_ns=begin_ns)
    return known.topic_root, describe(dated(known, setup), known.name, epoch_ns(known, setup), window_of(setup))
