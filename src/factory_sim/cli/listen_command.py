"""`listen`: subscribe to a feed and analyse it, until the run ends or Ctrl-C."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from factory_sim.cli import login, options, read_command
from factory_sim.errors import BrokerError
from factory_sim.live.sinks import BUFFER, LIMIT
from factory_sim.views.text.terminal import say, show

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from factory_sim.api.answers import Feed
    from factory_sim.api.foreign.reading import Reading
    from factory_sim.api.progress import ProgressEvent
    from factory_sim.results.feed import ListenResult

Found = TypeVar("Found")
DOUBTS_SHOWN = 20
LOCAL = f"mqtt://127.0.0.1:{options.PORT}"
_PLANT = "A plant file, for a feed without a description."
_MAP = "For any plant's own feed: the mapping, a file feed.yaml."
_DURATION = "With --plant: length of the window; with --map: how long to listen."
KEEP = "Delete recorded days that are older, such as 30d."
KEEP_SIZE = "Delete the oldest recorded days beyond this size, such as '50 GB'."
_SINK = "Write to this PostgreSQL database, postgresql://[user@]host[:port]/database."
_SINK_BUFFER = "Folder for readings while the database is away."
_ACK_AS = "Acknowledge journals under this name (run --ack consumer:NAME)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How a feed is received: arguments of the Python call `listen`."""

    broker: Annotated[str, typer.Option(help=options.BROKER_URL)] = LOCAL
    root: Annotated[str, typer.Option(help="First levels of its topics.", show_default="the first feed found")] = ""
    payload_format: Annotated[str, typer.Option("--format", help="Payload.", show_default="detected")] = ""
    plant: Annotated[str | None, typer.Option(help=_PLANT)] = None
    map: Annotated[Path | None, typer.Option("--map", help=_MAP)] = None
    start: Annotated[
        str, typer.Option(help="With --plant: when its window starts, as in `run`.", show_default="now")
    ] = ""
    duration: Annotated[str, typer.Option(metavar="TIME", help=_DURATION, show_default="8 h; until Ctrl-C")] = ""
    every: Annotated[str, typer.Option(metavar="TIME", help="Interval of reports.")] = "10 s"
    ack_as: Annotated[str, typer.Option(help=_ACK_AS)] = ""
    host_id: Annotated[str, typer.Option(help="Act as this Sparkplug host: STATE, and rebirth requests.")] = ""
    stops: Annotated[Path | None, typer.Option(metavar="FILE", help=options.STOPS)] = None
    publish_kpis: Annotated[bool, typer.Option("--publish-kpis", help="Retain KPIs below <root>/kpi.")] = False
    page: options.Page = False
    page_address: options.PageAddress = options.PAGE_ADDRESS
    page_password_file: options.PagePasswordFile = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of a feed: arguments of the Python call `listen`."""

    keep: Annotated[str, typer.Option(metavar="TIME", help=KEEP, show_default="forever")] = "0 s"
    keep_size: Annotated[str, typer.Option(metavar="SIZE", help=KEEP_SIZE, show_default="no limit")] = "0 GB"
    sink: Annotated[str, typer.Option(metavar="URL", help=_SINK, show_default="no")] = ""
    sink_buffer: Annotated[Path, typer.Option(metavar="DIR", help=_SINK_BUFFER)] = Path(BUFFER)
    sink_limit: Annotated[str, typer.Option(metavar="SIZE", help="Largest size of that folder.")] = LIMIT


def listen(
    *,
    feed: Listening = Listening(),
    record: Annotated[Path | None, typer.Option(metavar="DIR", help="Record the feed in this folder.")] = None,
    keeping: Keeping = Keeping(),
    json: options.JsonFile = None,
    csv: Annotated[Path | None, options.output("--csv", help="Write every KPI there.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No reports, no tables at the end.")] = False,
    access: login.Login = login.Login(),  # noqa: B008 - frozen
) -> None:
    """Subscribe to a feed and analyse it until the run ends or Ctrl-C; print its KPIs.

    With --map: any plant's own feed, by a mapping. Without it: a feed in one of this project's formats, which needs
    neither simulator nor plant file, because it describes itself under <root>/meta.
    --plant, with --start and --duration, replaces a missing description.

    --sink postgresql://USER@HOST/DATABASE also writes rows, minutes of the signals and KPIs to a database; its password
    comes from PGPASSWORD or ~/.pgpass.

    Example: factory-sim listen --broker mqtt://127.0.0.1:1883 --json kpis.json
    """
    from factory_sim.api import answers

    def report(event: ProgressEvent) -> None:
        if event.stage == "subscribed":
            say(event.message)
        elif not quiet or event.stage == "notice":
            say(event.message, err=True)

    def conclude(found: Feed | Reading) -> None:
        if not isinstance(found, answers.Feed):
            read_command.conclude(found, json, csv, quiet=quiet)
            return
        options.write_json(json, found.to_dict())
        options.write_csv(csv, found.to_pandas)
        if not quiet:
            _show(found)

    with options.graceful() as stop:
        from factory_sim.api import listening

        arguments = {**asdict(feed), "record": record, **asdict(keeping), **login.arguments(access, feed.broker)}
        call: Callable[[], Feed | Reading] = partial(listening.listen, progress=report, stop=stop, **arguments)
        found = received(call, feed.broker, stop, conclude)
    if isinstance(found, answers.Feed) and found.result.conflicts:
        raise typer.Exit(1)


def received(call: Callable[[], Found], broker: str, stop: Event, conclude: Callable[[Found], None]) -> Found:
    """Return and conclude what has arrived of a feed, also when its broker is lost.

    Raises typer.Exit with code 130 after Ctrl-C before the first reading.
    """
    from factory_sim.live.listen import NoFeedError

    try:
        found = call()
    except BrokerError as error:
        if error.feed is not None:  # keep what has arrived
            conclude(cast("Found", error.feed))
        elif broker == LOCAL and type(error) is BrokerError:
            hint = "Start a feed in another terminal: factory-sim run"
            raise BrokerError(error.endpoint, f"{error.reason}\n  {hint}") from None
        raise
    except NoFeedError as error:
        if stop.is_set():
            say(str(error), err=True)
            raise typer.Exit(130) from None
        raise
    conclude(found)
    return found


def _show(found: Feed) -> None:
    from factory_sim.views.text import kpi_text, reading_text, window_text

    table, result = found.kpis().record, found.result
    if result.kpis_of == "run":
        show([kpi_text.line_table(table), ""])
    else:
        tables = {name: found.kpis(name).record for name in result.windows}
        shift = result.windows["shift"].shift if "shift" in result.windows else ""
        show([*window_text.window_lines(tables, shift), ""])
    show([kpi_text.station_table(table), *(f"  * {note}" for note in kpi_text.notes(table))])
    show([] if result.stops is None else [reading_text.losses(result.stops)])
    say(kpi_text.feed_line(found.result.feed), err=True)
    _show_window(found.result)
    _show_doubts(found.result)


def _show_window(result: ListenResult) -> None:
    """Print which part of the window was received, conflicts, and earlier runs without an end."""
    notes = list(result.conflicts)
    if result.joined_us is not None:
        heard_min = (result.window_us[1] - result.joined_us) / 60e6
        notes.append(f"Joined late: KPIs and rates are of the {heard_min:,.1f} min that were received.")
    notes += [
        f"Run {each.run_id} has no end; its KPIs are of its {each.feed.readings:,} readings (--json FILE)."
        for each in result.unfinished
    ]
    for note in notes:
        say(f"  ! {note}", err=True, style="yellow")


def _show_doubts(result: ListenResult) -> None:
    """Print doubts to standard error, like everything that is not a result; the JSON file lists all."""
    doubts = result.distrusted
    for each in doubts[:DOUBTS_SHOWN]:
        where = f"{each.unit} {each.sensor}" if each.sensor else each.unit
        say(f"  ! {where}: {each.what.replace('_', ' ')}: {each.reason}", err=True, style="yellow")
    if len(doubts) > DOUBTS_SHOWN:
        say(f"  ! and {len(doubts) - DOUBTS_SHOWN} more: --json FILE lists all", err=True, style="yellow")
    for name in result.energy_by_states:
        say(f"  ! The energy of {name} is state × power: its meter is not used.", err=True, style="yellow")
