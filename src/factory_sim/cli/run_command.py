"""`run`: simulate a plant and publish its telemetry, until its window ends or Ctrl-C. `asyncapi`: its document."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory_sim.cli import connection_options, options, snapshot_options
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from rich.progress import Progress

    from factory_sim.cli.snapshot_options import RunPlan
    from factory_sim.live.delivery import Delivery
    from factory_sim.live.publish import RunSetup, Sender, Sent
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.commands import Command

BrokerUrl = Annotated[str, typer.Option(help=options.BROKER_URL, show_default=f"our own, port {options.PORT}")]
Payload = Annotated[str, typer.Option("--format", help="How readings become messages: `factory-sim list formats`.")]
Speed = Annotated[
    float, typer.Option(parser=options.speed, metavar="N|max", show_default="1", help="Simulated seconds per second.")
]
LinkName = Annotated[
    str, typer.Option(help="How telemetry travels: `factory-sim list links`.", show_default="the plant file's")
]
JournalFolder = Annotated[
    Path | None, typer.Option(help="Keep messages there until they are acknowledged; a killed run resumes from it.")
]
JournalLimit = Annotated[float, typer.Option(metavar="MB", help="Size at which the run waits.", min=1)]
Ack = Annotated[str, typer.Option(metavar="broker|consumer:NAME", help="Whose acknowledgement empties the journal.")]
PrimaryHost = Annotated[
    str, typer.Option(callback=options.one_level, help="sparkplug: publish only while this host is online.")
]
Bind = Annotated[
    str,
    typer.Option(
        help="Address of our own broker; any but 127.0.0.1 needs --user and a password.", show_default="127.0.0.1"
    ),
]
CommandsFile = Annotated[
    Path | None,
    options.output(help="Record the commands of hosts in this file; repeat those that it contains already."),
]
LogFile = Annotated[
    Path | None, options.output(help="Write every event there (.parquet or .csv); without --broker, do nothing else.")
]


def run(
    plant: Annotated[str, typer.Argument(help=options.PLANT_HELP, show_default="gearbox_line")] = "",
    *,
    seed: options.Seed = 1,
    replication: options.Replication = 0,
    duration: options.Duration = 8 * 3600.0,
    warm_up: options.WarmUp = 0.0,
    broker: BrokerUrl = "",
    payload_format: Payload = "machine",
    speed: Speed = 1.0,
    start: options.Start = "",
    root: options.Root = "",
    log: LogFile = None,
    link: LinkName = "",
    journal: JournalFolder = None,
    journal_limit: JournalLimit = 1024.0,
    ack: Ack = "broker",
    primary_host: PrimaryHost = "",
    bind: Bind = "",
    commands: CommandsFile = None,
    user: connection_options.User = "",
    password_file: connection_options.PasswordFile = None,
    ca: connection_options.CaFile = None,
    cert: connection_options.CertFile = None,
    key: connection_options.KeyFile = None,
    mqtt: connection_options.MqttVersion = "auto",
    expiry: connection_options.Expiry = 24 * 3600.0,
    engine: options.Engine = "auto",
    save: snapshot_options.SaveFile = None,
    resume: snapshot_options.ResumeFile = None,
) -> None:
    """Simulate a plant and publish its telemetry; with --log, write all events to a file.

    Ctrl-C ends the run properly. --save keeps a snapshot in a file for --resume and `factory-sim whatif FILE CHANGE`.

    Example: factory-sim run gearbox_line --broker mqtt://127.0.0.1:1883 --speed 60
    """
    from factory_sim.live.delivery import Delivery

    _check_names(payload_format, log, link)
    commanded = payload_format == "sparkplug" or commands is not None
    plan = snapshot_options.run_plan(plant, (seed, replication, warm_up), engine, save, resume, commanded=commanded)
    setup = _setup(plan, start, speed=speed, duration_s=duration, payload_format=payload_format, root=root, link=link)
    if log is not None and not broker:
        _write_log(log, plan, setup, None)
        return
    client = connection_options.options(broker, user, password_file, ca, cert, key, mqtt)
    delivery = Delivery(
        url=broker,
        journal=journal,
        journal_limit_mb=journal_limit,
        ack=ack,
        primary_host=primary_host,
        bind=bind,
        commands=commands,
        client=replace(client, expiry_s=min(math.ceil(expiry), 2**32 - 1)),  # 32 bits
    )
    delivery.check(payload_format)
    from factory_sim.sim.engines import compiling_aside

    with compiling_aside() if engine == "auto" else nullcontext():
        _deliver(plan, setup, delivery, log)


def _check_names(payload_format: str, log: Path | None, link: str) -> None:
    from factory_sim.plant.catalogue import PROFILES
    from factory_sim.wire.formats import FORMATS

    options.one_of("format", payload_format, FORMATS)
    if log is not None:
        options.one_of("kind of log file", log.suffix, (".parquet", ".csv"))
    if link:
        options.one_of("link profile", link, PROFILES)


def _setup(plan: RunPlan, start: str, *, speed: float, link: str, **rest: Any) -> RunSetup:
    from factory_sim.live.delivery import SETTLE_S
    from factory_sim.live.publish import RunSetup
    from factory_sim.plant.catalogue import PROFILES

    seed, replication, warm_up_s = plan.start
    start_ns, begun_ns = _beginning(start, plan.plant, speed)
    return RunSetup(
        seed=seed,
        replication=replication,
        warm_up_s=warm_up_s,
        speed=speed,
        settle_s=SETTLE_S,
        link=PROFILES.get(link),
        start_ns=start_ns,
        begun_ns=begun_ns,
        **rest,
    )


def _beginning(start: str, plant: Plant, speed: float) -> tuple[int | None, int]:
    """Return the start of the window, and when it is due: at once (0), or, if it starts now, at the same time."""
    from factory_sim.live.delivery import LEAD_NS

    found = options.start_ns(start, plant, speed)
    if found is None or not options.is_now(start, speed):
        return found, 0
    return found + LEAD_NS, found + LEAD_NS


def _deliver(plan: RunPlan, setup: RunSetup, delivery: Delivery, log: Path | None) -> None:
    with options.graceful() as stop:
        delivery = replace(delivery, client=replace(delivery.client, is_stopped=stop.is_set))
        sent = _publish(plan, setup, delivery, stop)
        if log is not None:
            _write_log(log, plan, setup, sent.t_us, sent.commands)
        if stop.is_set():
            raise typer.Exit(130)


def _publish(plan: RunPlan, setup: RunSetup, delivery: Delivery, stop: Event) -> Sent:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from factory_sim.live.delivery import LINGER_S, command_handler, finish, opened
    from factory_sim.live.publish import publish

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[sent]}"), TimeRemainingColumn())
    with Progress(*columns, console=options.console()) as progress:
        say, plant = progress.console.print, plan.plant
        with opened(plant, setup, delivery, say) as (sender, known, url):
            root = setup.root or plant.topic_root
            say(f"Publishing {plant.name} below {root}/. To analyse it, in another terminal:")
            say(f"  factory-sim listen --broker {url} --root {root}")
            handler = command_handler(sender, plant, delivery, stop)
            watch = _watcher(progress, setup, sender)
            simulation = plan.new_run(known, commanded=handler is not None, report=say)

            def observe(sent: Sent) -> None:
                watch(sent)
                plan.save_snapshot(simulation)

            sent = publish(plant, known, sender, observe, stop, handler, simulation)
            plan.save_snapshot(simulation, at_once=True)
            finish(sender, stop, say)
            if not delivery.url:
                stop.wait(LINGER_S)
    dropped = f" The link lost {sent.dropped:,} further messages." if sent.dropped else ""
    typer.echo(f"Sent {sent.readings:,} readings; {sent.messages:,} messages passed the link.{dropped}")
    return sent


def _watcher(progress: Progress, setup: RunSetup, sender: Sender) -> Callable[[Sent], None]:
    """Return the function that shows the progress of a run and newly refused commands."""
    from factory_sim.live.publish import window_of
    from factory_sim.wire.sparkplug.sessions import EdgeSessions

    window = window_of(setup)
    task = progress.add_task("simulated", total=window.t1_us - window.t0_us, sent="warming up")

    def watch(sent: Sent) -> None:
        counts = f"{sent.readings:,} readings, {sent.messages:,} messages"
        progress.update(task, completed=sent.t_us - window.t0_us, sent=counts)
        if isinstance(sender, EdgeSessions) and (refused := sender.refused.new_since_last()):
            progress.console.print(refused, markup=False)

    return watch


def _write_log(
    path: Path, plan: RunPlan, setup: RunSetup, until_us: int | None, commands: Sequence[Command] = ()
) -> None:
    """Write the run's events as far as they were published; the repeated run is bit-identical."""
    from factory_sim.views.frames import log_frame

    with options.console().status(f"Simulating {plan.plant.name} for {path} ..."):
        log, truth = plan.rows_until(setup, until_us, commands)
    frame = log_frame(log, plan.plant.units)
    with options.writing(path):
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
    typer.echo(f"Wrote {len(frame):,} events to {path}; {truth.good_parts:,} good parts in the window.")


def asyncapi(
    plant: options.PlantFile = "gearbox_line", *, root: options.Root = "", out: options.OutFile = None
) -> None:
    """Print the AsyncAPI 3 document of a plant's topics and messages, for subscribers.

    Example: factory-sim asyncapi gearbox_line --out asyncapi.json
    """
    import json

    from factory_sim import registry
    from factory_sim.live.publish import RunSetup, epoch_ns, window_of
    from factory_sim.plant.describe import describe
    from factory_sim.wire.asyncapi import document

    loaded = registry.load(plant)
    meta = describe(loaded, loaded.name, epoch_ns(loaded, RunSetup()), window_of(RunSetup()))
    found = document(meta, root or loaded.topic_root, VERSION)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        options.written(out, text)


COMMANDS = (run, asyncapi)
