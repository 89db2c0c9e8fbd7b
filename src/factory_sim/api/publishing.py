"""Publish a plant's telemetry."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING

from factory_sim.api import arguments
from factory_sim.api.answers import Publication
from factory_sim.api.arguments import Duration, Start, engine_name, one_of, optional_path, seconds, whole
from factory_sim.api.client_arguments import client_options
from factory_sim.api.page.beside import stay, watched
from factory_sim.api.page.serving import PAGE_ADDRESS, Offers, shown
from factory_sim.api.page.what_if import what_if
from factory_sim.api.progress import ProgressEvent, ProgressOption, events_of
from factory_sim.api.run_plan import STAGE, RunPlan, plan_of
from factory_sim.clock import US_PER_S
from factory_sim.live.delivery import SETTLE_S, Delivery, command_handler, finish, opened
from factory_sim.live.interrupts import interruptible
from factory_sim.live.publish import FOREVER_S, RunSetup, dated, left_since, window_of
from factory_sim.live.publish import publish as publish_run
from factory_sim.live.record import record_run
from factory_sim.plant.catalogue import PROFILES
from factory_sim.records import Window
from factory_sim.results.feed import PublishResult
from factory_sim.sim.engines import compiling_aside
from factory_sim.study.output import run_output
from factory_sim.wire.formats import FORMATS, variant_of
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from factory_sim.api.arguments import Changes
    from factory_sim.api.client_arguments import PathLike
    from factory_sim.api.page.beside import Hold
    from factory_sim.api.page.serving import Shown
    from factory_sim.api.plants import PlantLike
    from factory_sim.live.publish import Sent

AUTO = "auto"  # the warm-up: until the plant is full
FOREVER = "forever"  # the duration: until the run is stopped


def publish(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike | None = None,
    broker: str = "",
    *,
    duration: Duration = "8 h",
    warm_up: Duration = 0.0,
    changes: Changes = None,
    seed: int = 1,
    replication: int = 0,
    engine: str = "auto",
    payload_format: str = "machine",
    payload: str = "full",
    sparkplug: str = "typed",
    speed: float | str = 1.0,
    start: Start = "",
    root: str = "",
    link: str = "",
    journal: PathLike | None = None,
    journal_limit_mb: float = 1024.0,
    ack: str = "broker",
    primary_host: str = "",
    port: int = 0,
    bind: str = "",
    takeover: bool = False,
    linger: Duration = "60 s",
    commands: PathLike | None = None,
    user: str = "",
    password: str = "",
    password_file: PathLike | None = None,
    ca: PathLike | None = None,
    cert: PathLike | None = None,
    key: PathLike | None = None,
    mqtt: str = "auto",
    expiry: Duration = "24 h",
    log: PathLike | None = None,
    record: PathLike | None = None,
    page: bool = False,
    page_address: str = PAGE_ADDRESS,
    page_password_file: PathLike | None = None,
    save: PathLike | None = None,
    resume: PathLike | None = None,
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> Publication:
    """Simulate a plant and publish its telemetry to an MQTT broker.

    Parameters
    ----------
    plant : str, path or Plant, optional
        A plant or scenario file, a packaged name, or a loaded plant; None: `"gearbox_line"`, or that of `resume`.
    broker : str
        URL of the broker, `mqtt://[user@]host:port` or `mqtts://`; `""`: a broker of its own on port 1883.
    duration : str or float
        Length of the published window [s, or a text with a unit]; `"forever"`: until `stop` is set or Ctrl-C.
    warm_up : str or float
        Unpublished time before the window [s, or a text with a unit]; `"auto"`: until the plant is full.
    changes : mapping, Change, str or list of these, optional
        Changes of the plant, as in `load`.
    seed, replication : int
        Name the random streams.
    engine : {"auto", "simpy", "calendar"}
        The simulator.
    payload_format : {"machine", "uns", "bulk", "sparkplug"}
        How readings become messages.
    payload : {"full", "bare"}
        With `uns`: `"bare"` sends exactly `timestamp_ms` and `value`.
    sparkplug : {"typed", "strict"}
        With `sparkplug`: `"strict"` omits the data types of data, as the specification advises.
    speed : float or "max"
        Simulated seconds per second.
    start : str or datetime
        Of the window: `"now"`, `"plant"` (its file's) or a time; `""`: now at speed 1, the plant's with a `log` alone.
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
    port : int
        Port of its own broker; 0: 1883, or 8883 with a certificate.
    bind : str
        Address of its own broker; `""`: 127.0.0.1.
    takeover : bool
        Whether to publish below a root on which another run is live.
    linger : str or float
        How long its own broker waits, without progress, for subscribers that are behind [s, or a text with a unit].
    commands : str or path, optional
        File to which the commands of hosts are added; commands in it are repeated.
    user, password : str
        Login at the broker.
    password_file : str or path, optional
        File whose first line is the password; only its owner may read it.
    ca, cert, key : str or path, optional
        PEM files for mqtts.
    mqtt : {"auto", "5", "3.1.1"}
        Version of MQTT.
    expiry : str or float
        MQTT 5: how long a broker keeps readings for absent subscribers [s, or a text with a unit]; 0: forever.
    log : str or path, optional
        File for every event of the run (.parquet or .csv); without `broker`, nothing is published.
    record : str or path, optional
        Folder in which to record the run instead of publishing it, as fast as possible; `history` reads it.
    page, page_address, page_password_file
        As in `listen`: a live page of what arrives. It offers what-if changes where snapshots of the run are possible.
        When the run has ended, it is served until `stop` is set or Ctrl-C.
    save : str or path, optional
        File that keeps a snapshot of the run, for `resume`, `whatif` and `fork`.
    resume : str or path, optional
        Snapshot to resume instead of starting a plant.
    progress : bool or callable
        As in `compare`; a stage is measured in simulated seconds.
    stop : threading.Event, optional
        Set by another thread to end the feed properly, as Ctrl-C does.

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
    ConflictError
        When another run is live below the root.
    PageError
        When the page cannot be served.
    ModelError
        When the run cannot continue, or cannot be saved.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.publish("line.yaml", broker_url, duration="10 min", speed="max", progress=False).result.dropped
    0
    """
    stop = stop or Event()
    where = shown(page, page_address, page_password_file, is_published=record is None and (not log or bool(broker)))
    variant = variant_of(payload_format, payload=payload, sparkplug=sparkplug)
    _check_end(duration, record, log, broker)
    setup = _setup(seed, replication, warm_up, duration, payload_format, variant, root, speed, link)
    client = client_options(broker, stop, user, password, password_file, ca, cert, key, mqtt, expiry)
    host, folder = arguments.one_level("primary_host", primary_host), optional_path("journal", journal)
    delivery = Delivery(url=broker, journal=folder, ack=ack, primary_host=host, bind=bind, client=client, port=port)
    delivery = replace(delivery, takeover=takeover, linger_s=seconds("linger", linger))
    delivery = replace(delivery, journal_limit_mb=journal_limit_mb, commands=optional_path("commands", commands))
    delivery.check(payload_format)
    with events_of(progress) as report, interruptible(stop):
        plan = plan_of(plant, changes, setup, engine_name(engine), *_snapshots(save, resume), report)
        plan.begin(start or _default_start(record, log, broker), fill=warm_up == AUTO)
        return _run(plan, delivery, optional_path("log", log), optional_path("record", record), where, stop)


def _snapshots(save: PathLike | None, resume: PathLike | None) -> tuple[Path | None, Path | None]:
    return optional_path("save", save), optional_path("resume", resume)


def _default_start(record: PathLike | None, log: PathLike | None, broker: str) -> str:
    """Return the plant's start for a log alone, so that the run can be repeated; "": now at speed 1."""
    return "plant" if log and not broker and record is None else ""


def _check_end(duration: Duration, record: PathLike | None, log: PathLike | None, broker: str) -> None:
    """Refuse a run without end that is not published, or whose log would be written at its end."""
    if duration != FOREVER:
        return
    if record or (log and not broker):
        hint = "Give it a length, or publish it and record it with factory-sim record."
        arguments.refuse("duration", "a run without a broker is simulated at full speed and needs an end", hint)
    if log:
        hint = "Give the run a length, or record it with factory-sim record."
        arguments.refuse("log", "it is written at the end of the run, and this run has none", hint)


def _setup(  # noqa: PLR0913 - arguments of `publish`
    seed: int,
    replication: int,
    warm_up: Duration,
    duration: Duration,
    payload_format: str,
    variant: str,
    root: str,
    speed: float | str,
    link: str,
) -> RunSetup:
    return RunSetup(
        seed=whole("seed", seed),
        replication=whole("replication", replication),
        warm_up_s=0.0 if warm_up == AUTO else seconds("warm_up", warm_up),
        duration_s=FOREVER_S if duration == FOREVER else arguments.window_s(duration),
        payload_format=one_of("payload_format", payload_format, FORMATS),
        variant=variant,
        root=root,
        speed=arguments.speed("speed", speed),
        settle_s=SETTLE_S,
        link=PROFILES[one_of("link", link, PROFILES)] if link else None,
    )


def _run(
    plan: RunPlan, delivery: Delivery, log: Path | None, record: Path | None, where: Shown | None, stop: Event
) -> Publication:
    """Publish the run and write its log; a run with a log and without a broker is not published."""
    if log is not None:
        one_of("log", log.suffix, (".parquet", ".csv"))
    if record is not None:
        sent: Sent | None = _recorded(plan, delivery, record, stop)
    else:
        sent = None if log and not delivery.url else _published(plan, delivery, where, stop)
    good_parts = sent.truth.good_parts if sent and sent.truth else None
    window, events = window_of(plan.setup), 0
    left = sent.left_us if sent else []
    if log is not None:
        rows, truth = plan.write_log(log, sent)
        events, good_parts = len(rows), truth.good_parts
        left = left if sent else [left_since(rows, window.t0_us)]
    simulated = Window(window.t0_us, sent.t_us) if sent else window
    result = PublishResult(
        plant=plan.plant.name,
        run_id=sent.meta.run_id if sent else "",
        root=plan.setup.root or plan.plant.topic_root,
        readings=sent.readings if sent else 0,
        messages=sent.messages if sent else 0,
        dropped=sent.dropped if sent else 0,
        undelivered=sent.undelivered if sent else 0,
        good_parts=good_parts,
        events=events,
        output=run_output(left, dated(plan.plant, plan.setup), simulated),
    )
    return Publication(result)


def _recorded(plan: RunPlan, delivery: Delivery, folder: Path, stop: Event) -> Sent:
    """Record the run in a folder. Raise ConfigError if a broker is named, too, and RecordingError."""
    if delivery.url:
        hint = "To record a feed: factory-sim record --broker URL DIR"
        arguments.refuse("record", "a run is recorded without a broker", hint)
    window = window_of(plan.setup)
    event = ProgressEvent(stage=STAGE, total=(window.t1_us - window.t0_us) // US_PER_S)

    def watch(sent: Sent) -> None:
        done = (sent.t_us - window.t0_us) // US_PER_S
        plan.report(replace(event, done=done, note=f"{sent.readings:,} readings"))

    simulation = plan.new_run(plan.setup)
    return record_run(plan.plant, plan.setup, simulation, folder, watch=watch, stop=stop)


def _published(plan: RunPlan, delivery: Delivery, where: Shown | None, stop: Event) -> Sent:
    plant, window = plan.plant, window_of(plan.setup)
    with ExitStack() as stack:
        if plan.engine == "auto":
            stack.enter_context(compiling_aside())
        if where is not None and delivery.commands is None:
            plan.keep_snapshots(Path(stack.enter_context(TemporaryDirectory(prefix="factory-sim-page-"))))
        sender, setup, url = stack.enter_context(opened(plant, plan.setup, delivery, plan.announce))
        root = setup.root or plant.topic_root
        plan.setup = replace(plan.setup, run_id=setup.run_id)  # which its snapshots keep
        plan.say(f"Publishing {plant.name} below {root}/. To analyse it, in another terminal:")
        plan.say(f"  factory-sim listen --broker {url} --root {root}")
        hold: Hold = lambda *_: None  # noqa: E731 - without a page nothing is waited for
        if where is not None:
            offers = Offers(what_if=what_if(plan))
            hold = stack.enter_context(watched(where, url, delivery.for_subscribers, root, plan.report, offers))
        handler = command_handler(sender, plant, delivery, stop)
        simulation = plan.new_run(setup)
        total_s = 0 if setup.is_endless else (window.t1_us - window.t0_us) // US_PER_S
        event = ProgressEvent(stage=STAGE, total=total_s, note="warming up")
        plan.report(event)

        def watch(sent: Sent) -> None:
            note = f"{sent.readings:,} readings, {sent.messages:,} messages"
            plan.report(replace(event, done=(sent.t_us - window.t0_us) // US_PER_S, note=note))
            if isinstance(sender, EdgeSessions) and (refused := sender.refused.new_since_last()):
                plan.announce(refused)
            plan.save_snapshot(simulation)
            hold(sent.t_us, setup.speed)

        sent = publish_run(plant, setup, sender, watch, stop, handler, simulation)
        plan.save_snapshot(simulation, at_once=True)
        sent.undelivered = finish(sender, stop, plan.announce)
        stay(where, plan.report, stop, sender.wait)
    return sent
