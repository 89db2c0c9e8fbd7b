"""`listen`: subscribe to a feed and analyse it, until the run ends or Ctrl-C."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import connection_options, options
from factory_sim.errors import BrokerError

if TYPE_CHECKING:
    from threading import Event

    from factory_sim.live.listen import Listener
    from factory_sim.records import KpiTable, Meta
    from factory_sim.results.feed import ListenResult
    from factory_sim.wire.mqtt.client_options import ClientOptions

DOUBTS_SHOWN = 20
CsvFile = Annotated[Path | None, options.output("--csv", help="Write every KPI there.")]
Every = Annotated[
    float, typer.Option(parser=options.seconds, metavar="TIME", show_default="10 s", help="Interval of reports.")
]
AckAs = Annotated[
    str,
    typer.Option(callback=options.one_level, help="Acknowledge journals under this name (run --ack consumer:NAME)."),
]
HostId = Annotated[
    str, typer.Option(callback=options.one_level, help="Act as this Sparkplug host: STATE, and rebirth requests.")
]


def listen(
    *,
    broker: Annotated[str, typer.Option(help=options.BROKER_URL)] = f"mqtt://127.0.0.1:{options.PORT}",
    root: Annotated[str, typer.Option(help="First levels of its topics.", show_default="the first feed found")] = "",
    json: options.JsonFile = None,
    csv: CsvFile = None,
    payload_format: Annotated[str, typer.Option("--format", help="Payload.", show_default="detected")] = "",
    plant: Annotated[str, typer.Option(help="A plant file, for a feed without a description.")] = "",
    start: options.Start = "",
    duration: options.Duration = 8 * 3600.0,
    every: Every = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No reports, no tables at the end.")] = False,
    ack_as: AckAs = "",
    host_id: HostId = "",
    publish_kpis: Annotated[bool, typer.Option("--publish-kpis", help="Retain KPIs below <root>/kpi.")] = False,
    user: connection_options.User = "",
    password_file: connection_options.PasswordFile = None,
    ca: connection_options.CaFile = None,
    cert: connection_options.CertFile = None,
    key: connection_options.KeyFile = None,
    mqtt: connection_options.MqttVersion = "auto",
) -> None:
    """Subscribe to a feed in one of this project's formats and analyse it until the run ends or Ctrl-C; print its KPIs.

    It needs neither simulator nor plant file: a feed describes itself under <root>/meta.
    --plant, with --start and --duration, replaces a missing description.

    Example: factory-sim listen --broker mqtt://127.0.0.1:1883 --json kpis.json
    """
    from factory_sim.live.listen import Listener
    from factory_sim.live.listen import listen as analyse
    from factory_sim.live.replies import Replies
    from factory_sim.wire.formats import FORMATS
    from factory_sim.wire.mqtt.client import Client

    if payload_format:
        options.one_of("format", payload_format, FORMATS)
    connection = connection_options.options(broker, user, password_file, ca, cert, key, mqtt)
    own_root, meta = _described(plant, start, duration) if plant else ("", None)
    with options.graceful() as stop:
        connection = replace(connection, is_stopped=stop.is_set)
        where = root or own_root or _find(broker, connection, stop)
        replies = Replies(where, ack_as=ack_as, host_id=host_id, with_kpis=publish_kpis)
        if ack_as:
            connection = replace(connection, reconnect_timeout_s=float("inf"))  # its publisher waits as well
        listener = Listener(where, payload_format=payload_format, meta=meta)
        try:
            with Client(broker, replies.connection(connection)) as client:
                report = _reporter(quiet=quiet)
                ready = functools.partial(_ready, where)
                analyse(listener, client, ready=ready, watch=report, every_s=every, stop=stop, replies=replies)
        except BrokerError:
            if listener.counts.readings:  # keep what has arrived
                _conclude(listener, json, csv, quiet=quiet)
            raise
        _conclude(listener, json, csv, quiet=quiet)
        if stop.is_set():
            raise typer.Exit(130)


def _find(broker: str, connection: ClientOptions, stop: Event) -> str:
    from factory_sim.live.listen import find_root
    from factory_sim.wire.mqtt.client import Client

    with Client(broker, connection) as client:
        return find_root(client, stop, lambda: _ready("every root"))


def _conclude(listener: Listener, json: Path | None, csv: Path | None, *, quiet: bool) -> None:
    from factory_sim.live.listen_result import listen_result
    from factory_sim.views.frames import kpi_frame

    table = listener.table()
    result = listen_result(listener, table)
    options.written(json, result.to_dict() if json else None)
    if csv is not None:
        with options.writing(csv):
            kpi_frame(table).to_csv(csv, index=False)
    if not quiet:
        _show(listener, table, result)


def _ready(where: str) -> None:
    """Report that the publisher may start."""
    typer.echo(f"listening below {where}")


def _described(plant: str, start: str, duration: float) -> tuple[str, Meta]:
    """Return root and description of a feed that has none, from its plant file and its start."""
    from factory_sim import registry
    from factory_sim.live.publish import RunSetup, epoch_ns, window_of
    from factory_sim.plant.describe import describe

    loaded = registry.load(plant)
    setup = RunSetup(duration_s=duration, start_ns=options.start_ns(start, loaded, speed=1.0))
    return loaded.topic_root, describe(loaded, loaded.name, epoch_ns(loaded, setup), window_of(setup))


def _reporter(*, quiet: bool) -> Callable[[Listener], None]:
    console = options.console()

    def report(listener: Listener) -> None:
        if quiet or listener.feed is None:
            return
        losses = listener.feed.losses()
        console.print(
            f"{listener.counts.readings:,} readings in {listener.counts.messages:,} messages; {losses.lost:,} lost, "
            f"{losses.duplicates:,} duplicates, {listener.counts.skipped:,} messages skipped"
        )
        if listener.counts.reason:
            console.print(f"  last skipped: {listener.counts.reason}", style="yellow", markup=False)

    return report


def _show(listener: Listener, table: KpiTable, result: ListenResult) -> None:
    from rich.console import Console

    from factory_sim.views.text import kpi_text

    console = Console()
    console.print(kpi_text.line_table(table))
    console.print()
    console.print(kpi_text.station_table(table))
    _reporter(quiet=False)(listener)
    _show_doubts(result)


def _show_doubts(result: ListenResult) -> None:
    """Print doubts to standard error, like everything that is not a result; the JSON file lists all."""
    console, doubts = options.console(), result.distrusted
    for each in doubts[:DOUBTS_SHOWN]:
        where = f"{each.unit} {each.sensor}" if each.sensor else each.unit
        console.print(f"  ! {where}: {each.what.replace('_', ' ')}: {each.reason}", style="yellow", highlight=False)
    if len(doubts) > DOUBTS_SHOWN:
        console.print(f"  ! and {len(doubts) - DOUBTS_SHOWN} more: --json FILE lists all", style="yellow")
    for name in result.energy_by_states:
        console.print(f"  ! The energy of {name} is state × power: its meter is not used.", style="yellow")


COMMANDS = (listen,)
