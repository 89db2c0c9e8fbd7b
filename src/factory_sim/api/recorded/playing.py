"""Play a recording again: to a broker, or to a database."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from factory_sim.api import arguments
from factory_sim.api.answers import Publication
from factory_sim.api.arguments import one_of, path_of, refuse, whole
from factory_sim.api.client_arguments import client_options
from factory_sim.api.page.beside import stay, watched
from factory_sim.api.page.serving import PAGE_ADDRESS, Offers, shown
from factory_sim.api.progress import ProgressEvent, ProgressOption, events_of
from factory_sim.clock import US_PER_S
from factory_sim.live.delivery import LINGER_S, SETTLE_S, Delivery, opened_again
from factory_sim.live.interrupts import interruptible
from factory_sim.live.play import Played, PlaySetup, runs_of
from factory_sim.live.play import play as publish_recording
from factory_sim.live.play import store as store_recording
from factory_sim.live.publish import run_id_of
from factory_sim.live.sinks.opening import database
from factory_sim.results.feed import PublishResult
from factory_sim.wire import presence
from factory_sim.wire.formats import FORMATS

if TYPE_CHECKING:
    from factory_sim.api.client_arguments import PathLike
    from factory_sim.api.page.beside import Hold
    from factory_sim.api.page.serving import Shown
    from factory_sim.api.progress import Report
    from factory_sim.recordings.recorded_run import RecordedRun

_FAR_NS = 2**62
_STARTS = ("recorded", "now")


def play(  # noqa: PLR0913 - one argument per option of the command
    folder: PathLike,
    broker: str = "",
    *,
    run: int = 0,
    speed: float | str = 1.0,
    payload_format: str = "machine",
    start: str = "recorded",
    root: str = "",
    sink: str = "",
    page: bool = False,
    page_address: str = PAGE_ADDRESS,
    page_password_file: PathLike | None = None,
    user: str = "",
    password: str = "",
    password_file: PathLike | None = None,
    ca: PathLike | None = None,
    cert: PathLike | None = None,
    key: PathLike | None = None,
    mqtt: str = "auto",
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> Publication:
    """Publish a recording again, message by message as it was recorded but for the run id.

    Parameters
    ----------
    folder : str or path
        A recording.
    broker : str
        URL of the broker, `mqtt://[user@]host:port` or `mqtts://`; `""`: a broker of its own on port 1883.
    run : int
        Which run of the recording, 1 is the oldest; 0: the last.
    speed : float or "max"
        Recorded seconds per second.
    payload_format : {"machine", "uns", "bulk", "sparkplug"}
        How readings become messages.
    start : {"recorded", "now"}
        `"now"` shifts the time stamps.
    root : str
        First levels of every topic; `""`: those of the recorded feed.
    sink : str
        URL of a PostgreSQL database to write the run to, as in `listen`, as fast as possible and without a broker.
    page, page_address, page_password_file
        As in `listen`: a live page of what is played. Unless time stamps are shifted, it looks back into the recording.
        At the end it is served until `stop` is set or Ctrl-C.
    user, password, password_file, ca, cert, key, mqtt
        As in `publish`.
    progress : bool or callable
        As in `compare`; the stage is measured in recorded seconds.
    stop : threading.Event, optional
        Set by another thread to end the feed properly.

    Returns
    -------
    Publication
        What was published.

    Raises
    ------
    ConfigError
        When an argument cannot be used.
    RecordingError
        When the folder is not a recording, or one of another format.
    BrokerError
        When the broker cannot be started, reached or used.
    DatabaseError
        When the database of `sink` cannot be reached, or refuses.
    PageError
        When the page cannot be served.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.play("recording", broker_url, speed="max", progress=False).result.readings > 0
    True
    """
    stop, pace = stop or Event(), arguments.speed("speed", speed)
    one_of("payload_format", payload_format, FORMATS)
    client = client_options(broker, stop, user, password, password_file, ca, cert, key, mqtt)
    runs = runs_of(path_of("folder", folder))
    if whole("run", run) > len(runs):
        refuse("run", f"there is no run {run}: the recording has {len(runs)}")
    chosen = runs[run - 1]
    setup = PlaySetup(
        root=root or chosen.folder.root,
        run_id=run_id_of(chosen.meta.plant),
        payload_format=payload_format,
        speed=pace,
        settle_s=SETTLE_S,
        heartbeat_s=presence.HEARTBEAT_S,
    )
    if one_of("start", start, _STARTS) == "now":
        begin_ns = time.time_ns() + round(SETTLE_S * 1e9)
        setup = replace(setup, start_ns=begin_ns, begun_ns=begin_ns)
    if sink and broker:
        refuse("sink", "a recording goes to a database or to a broker", "Leave out one of them.")
    where = shown(page, page_address, page_password_file, is_published=not sink)
    with events_of(progress) as report, interruptible(stop):
        if sink:
            played = _stored(chosen, sink, setup.root, report, stop)
            setup = replace(setup, run_id=chosen.meta.run_id)
        else:
            played = _played(chosen, setup, Delivery(url=broker, client=client), where, report, stop)
    return _publication(setup, played)


def _publication(setup: PlaySetup, played: Played) -> Publication:
    result = PublishResult(
        plant=played.meta.plant,
        run_id=setup.run_id,
        root=setup.root,
        readings=played.readings,
        messages=played.messages,
        dropped=0,
        undelivered=0,
        good_parts=None,
        events=0,
    )
    return Publication(result)


def _played(
    run: RecordedRun, setup: PlaySetup, delivery: Delivery, where: Shown | None, report: Report, stop: Event
) -> Played:
    window = run.meta.window
    event = ProgressEvent(stage="played", total=(window.t1_us - window.t0_us) // US_PER_S)

    def say(text: str) -> None:
        report(replace(event, message=text))

    def watch(played: Played) -> None:
        report(replace(event, done=(played.t_us - window.t0_us) // US_PER_S))
        hold(played.t_us, setup.speed)

    hold: Hold = lambda *_: None  # noqa: E731 - without a page nothing is waited for
    with ExitStack() as stack:
        opened = opened_again(delivery, setup.root, setup.run_id, setup.payload_format, say)
        sender, url = stack.enter_context(opened)
        say(f"Playing {run.meta.run_id} below {setup.root}/. To analyse it, in another terminal:")
        say(f"  factory-sim listen --broker {url} --root {setup.root}")
        if where is not None:
            past = Offers(run.recording, run.meta.run_id) if setup.start_ns is None else Offers()
            hold = stack.enter_context(watched(where, url, delivery.for_subscribers, setup.root, report, past))
        played = publish_recording(run, setup, sender, stop=stop, watch=watch)
        stay(where, report, stop, sender.wait)
        stop.wait(0 if delivery.url else LINGER_S)
    for text in run.damaged:
        say(text)
    return played


def _stored(run: RecordedRun, url: str, root: str, report: Report, stop: Event) -> Played:
    event = ProgressEvent(stage="stored", total=0)

    def say(text: str) -> None:
        report(replace(event, message=text))

    def watch(played: Played) -> None:
        report(replace(event, done=played.readings))

    played = store_recording(run, database(url, root, say), stop=stop, watch=watch)
    for text in run.damaged:
        say(text)
    return played
