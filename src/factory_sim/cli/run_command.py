"""`run`: simulate a plant and publish its telemetry, until its window ends or Ctrl-C. `asyncapi`: its document."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from factory_sim.cli import login, options
from factory_sim.version import VERSION
from factory_sim.views.text.terminal import say

_DURATION = "Length of the published window; forever: until Ctrl-C or SIGTERM."
_BIND = "Address of our own broker; any but 127.0.0.1 needs --user and a password."
_EXPIRY = "MQTT 5: how long a broker keeps readings for absent subscribers; 0 s: forever."
_PAYLOAD = "uns: bare sends exactly timestamp_ms and value."
_SPARKPLUG = "sparkplug: strict omits the data types of data, as the specification advises."
_TAKEOVER = "Publish below a root on which another run is live."
_LINGER = "How long our own broker waits, without progress, for subscribers that are behind."
_RECORD = "Record the run in this folder, without a broker, as fast as possible."
_COMMANDS = "Record the commands of hosts in this file; repeat those that it contains already."


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How a run is published: arguments of the Python call `publish`."""

    seed: options.Seed = 1
    replication: options.Replication = 0
    duration: Annotated[str, typer.Option(metavar="TIME|forever", help=_DURATION)] = "8 h"
    warm_up: options.WarmUp = "auto"
    broker: Annotated[str, typer.Option(help=options.BROKER_URL, show_default=f"our own, port {options.PORT}")] = ""
    payload_format: Annotated[
        str, typer.Option("--format", help="How readings become messages: `factory-sim list formats`.")
    ] = "machine"
    payload: Annotated[str, typer.Option(metavar="full|bare", help=_PAYLOAD)] = "full"
    sparkplug: Annotated[str, typer.Option(metavar="typed|strict", help=_SPARKPLUG)] = "typed"
    speed: Annotated[str, typer.Option(metavar="N|max", help="Simulated seconds per second.")] = "1"
    start: options.Start = ""
    root: options.Root = ""
    log: Annotated[
        Path | None,
        options.output(help="Write every event there (.parquet or .csv); without --broker, do nothing else."),
    ] = None
    record: Annotated[Path | None, typer.Option(metavar="DIR", help=_RECORD)] = None
    page: options.Page = False
    page_address: options.PageAddress = options.PAGE_ADDRESS
    page_password_file: options.PagePasswordFile = None
    link: Annotated[
        str, typer.Option(help="How telemetry travels: `factory-sim list links`.", show_default="the plant file's")
    ] = ""
    journal: Annotated[
        Path | None, typer.Option(help="Keep messages there until they are acknowledged; a killed run resumes from it.")
    ] = None
    journal_limit_mb: Annotated[
        float, typer.Option("--journal-limit", metavar="MB", help="Size at which the run waits.", min=1)
    ] = 1024.0
    ack: Annotated[
        str, typer.Option(metavar="broker|consumer:NAME", help="Whose acknowledgement empties the journal.")
    ] = "broker"
    primary_host: Annotated[str, typer.Option(help="sparkplug: publish only while this host is online.")] = ""
    port: Annotated[
        int, typer.Option(help="Port of our own broker.", min=0, max=65535, show_default=str(options.PORT))
    ] = 0
    bind: Annotated[str, typer.Option(help=_BIND, show_default="127.0.0.1")] = ""
    takeover: Annotated[bool, typer.Option("--takeover", help=_TAKEOVER)] = False
    linger: Annotated[str, typer.Option(metavar="TIME", help=_LINGER)] = "60 s"
    commands: Annotated[Path | None, options.output(help=_COMMANDS)] = None
    expiry: Annotated[str, typer.Option(metavar="TIME", help=_EXPIRY)] = "24 h"
    engine: options.Engine = "auto"
    save: Annotated[Path | None, options.output(help="Save the state of the run there, for --resume and whatif.")] = (
        None
    )
    resume: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Resume a snapshot instead of starting a PLANT.")
    ] = None


def run(
    plant: Annotated[str, typer.Argument(help=options.PLANT_HELP, show_default="gearbox_line")] = "",
    *,
    feed: Feed = Feed(),
    access: login.Login = login.Login(),  # noqa: B008 - frozen
) -> None:
    """Simulate a plant and publish its telemetry; with --log, write all events to a file.

    At the end: good parts per planned hour, calendar day and week, and their distribution over whole shifts.
    Ctrl-C ends the run properly. --save keeps a snapshot in a file for --resume and `factory-sim whatif FILE CHANGE`.

    Example: factory-sim run gearbox_line --broker mqtt://127.0.0.1:1883 --speed 60
    """
    from factory_sim.api.publishing import publish
    from factory_sim.views.text.output_text import output_lines

    credentials = login.arguments(access, feed.broker)
    with options.graceful() as stop:
        sent = publish(plant or None, stop=stop, **asdict(feed), **credentials).result
    if feed.record is not None:
        say(f"Recorded {sent.readings:,} readings of run {sent.run_id} in {feed.record}.")
    elif sent.run_id:
        undelivered = f" {sent.undelivered:,} of these were not sent: they were undelivered at the end." * bool(
            sent.undelivered
        )
        dropped = f" The link lost {sent.dropped:,} further messages." if sent.dropped else ""
        verb = "Simulated" if sent.undelivered else "Sent"
        text = f"{verb} {sent.readings:,} readings; {sent.messages:,} messages passed the link."
        say(f"{text}{undelivered}{dropped}")
    if sent.output is not None:
        say("\n".join(output_lines(sent.output)))
    if feed.log is not None:
        say(f"Wrote {sent.events:,} events to {feed.log}; {sent.good_parts:,} good parts in the window.")


def asyncapi(
    plant: options.PlantFile = "gearbox_line", *, root: options.Root = "", out: options.OutFile = None
) -> None:
    """Print the AsyncAPI 3 document of a plant's topics and messages, for subscribers.

    Example: factory-sim asyncapi gearbox_line --out asyncapi.json
    """
    from factory_sim import registry
    from factory_sim.live.publish import RunSetup, epoch_ns, window_of
    from factory_sim.plant.describe import describe
    from factory_sim.wire.asyncapi import document

    loaded = registry.load(plant)
    meta = describe(loaded, loaded.name, epoch_ns(loaded, RunSetup()), window_of(RunSetup()))
    options.print_json(out, document(meta, root or loaded.topic_root, VERSION))
