"""Recordings: `record` a feed, read a `signal` or the `kpis` of a shift, `play` it again, `forget` old days."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import listen_command, login, options
from factory_sim.views.text.terminal import say, show

if TYPE_CHECKING:
    from factory_sim.api.progress import ProgressEvent
    from factory_sim.api.recorded.feed_recording import Recorded
    from factory_sim.api.recorded.history import History
    from factory_sim.results.recorded_kpis import RecordedKpis

Folder = Annotated[Path, typer.Argument(help="The folder of a recording (`factory-sim record`, `run --record`).")]
_REPORT_S = 590.0  # between two reports of a recorder: about ten minutes
_SHOWN = 10  # values of a sensor
_ACK_AS = "Acknowledge journals under this name once their readings are on disk."
_SINK = "Write it to this PostgreSQL database instead, postgresql://[user@]host[:port]/database."
_EVERY = "Mean, lowest and highest value of stretches of this length."
_SHIFT = "One shift, such as 2026-01-05/early; an unnamed one as 2026-01-05/0600."
_BROKER = Annotated[str, typer.Option(help=options.BROKER_URL, show_default=f"our own, port {options.PORT}")]


def record(
    folder: Folder,
    *,
    broker: Annotated[str, typer.Option(help=options.BROKER_URL)] = f"mqtt://127.0.0.1:{options.PORT}",
    root: Annotated[str, typer.Option(help="First levels of its topics.", show_default="the first feed found")] = "",
    payload_format: Annotated[str, typer.Option("--format", help="Payload.", show_default="detected")] = "",
    ack_as: Annotated[str, typer.Option(help=_ACK_AS)] = "",
    keeping: listen_command.Keeping = listen_command.Keeping(),  # noqa: B008 - frozen
    access: login.Login = login.Login(),  # noqa: B008 - frozen
) -> None:
    """Record a feed in a folder until its run ends or Ctrl-C. A kill loses at most the last minute.

    The same folder again continues the recording: of the same run, or with the next one.

    Example: factory-sim record --broker mqtt://127.0.0.1:1883 recordings/line1
    """
    from factory_sim.api.recorded import feed_recording
    from factory_sim.views.text.kpi_text import feed_line

    due_s = time.monotonic() + _REPORT_S

    def report(event: ProgressEvent) -> None:
        nonlocal due_s
        if event.stage == "listening":
            if time.monotonic() < due_s:
                return
            due_s = time.monotonic() + _REPORT_S
        say(event.message, err=event.stage != "subscribed")

    def conclude(recorded: Recorded) -> None:
        found = recorded.result
        state = "" if found.ended else ", which has not ended"
        say(f"{folder}: run {found.run_id}{state}\n  {feed_line(found.feed)}")
        for conflict in found.conflicts:
            say(f"  ! {conflict}", err=True, style="yellow")

    with options.graceful() as stop:
        call = partial(
            feed_recording.record,
            folder,
            broker,
            root=root,
            payload_format=payload_format,
            ack_as=ack_as,
            **asdict(keeping),
            **login.arguments(access, broker),
            progress=report,
            stop=stop,
        )
        found = listen_command.received(call, broker, stop, conclude)
    if found.result.conflicts:
        raise typer.Exit(1)


def signal(
    folder: Folder,
    sensor: Annotated[str, typer.Argument(metavar="UNIT.SENSOR", help="For example M041.spindle_power.")],
    *,
    start: Annotated[
        str, typer.Option("--from", help="First time, such as 2026-01-05T06:00.", show_default="the recording's first")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="End, not included.", show_default="the recording's last")] = "",
    every: Annotated[str, typer.Option(metavar="TIME", help=_EVERY, show_default="every reading")] = "0 s",
    csv: Annotated[Path | None, options.output("--csv", help="Write the values there as CSV.")] = None,
    parquet: Annotated[Path | None, options.output("--parquet", help="Write them there as Parquet.")] = None,
    png: Annotated[Path | None, options.output("--png", help="Draw them there.")] = None,
) -> None:
    """Read one sensor from a recording; without a file, print the first values.

    Example: factory-sim signal recordings/line1 M041.spindle_power --every 1min --csv power.csv
    """
    from factory_sim.api.arguments import writing
    from factory_sim.api.recorded.history import history

    recording = history(folder)
    unit, _, name = sensor.partition(".")
    frame = recording.signal(unit, name, start=start, end=end, every=every)
    _report_damage(recording)
    options.write_csv(csv, frame.reset_index)
    if parquet is not None:
        with writing(parquet):
            frame.to_parquet(parquet)
    if png is not None:
        from factory_sim.errors import require_extra

        require_extra("plots", "a figure")
        from factory_sim.views import plots

        with writing(png):
            plots.save(plots.signal(frame, sensor), png)
    if csv is parquet is png is None:
        say(f"{sensor}: {len(frame):,} values")
        if len(frame):
            say(frame.head(_SHOWN).to_string(float_format="{:.5g}".format))
        if len(frame) > _SHOWN:
            say(f"... and {len(frame) - _SHOWN:,} more: --csv FILE or --parquet FILE writes all of them.")


def kpis(
    folder: Folder,
    *,
    shift: Annotated[str, typer.Option(help=_SHIFT)] = "",
    shifts: Annotated[bool, typer.Option("--shifts", help="List the shifts of the recording and stop.")] = False,
    stops: Annotated[Path | None, typer.Option(metavar="FILE", help=options.STOPS)] = None,
    json: options.JsonFile = None,
) -> None:
    """Compute the KPIs of the last run of a recording, or of one shift.

    Example: factory-sim kpis recordings/line1 --shift 2026-01-05/early
    """
    from factory_sim.api.recorded.history import history
    from factory_sim.views.text import kpi_text, reading_text

    recording = history(folder)
    if shifts:
        for each in recording.shifts:
            say(each)
        _report_damage(recording)
        return
    result, table = recording.answer(shift, stops), recording.kpis(shift).record
    _report_damage(recording)
    options.write_json(json, result.to_dict())
    _show_window(result)
    losses = [] if result.stops is None else [reading_text.losses(result.stops)]
    notes = [f"  * {note}" for note in kpi_text.notes(table)]
    show([kpi_text.line_table(table), "", kpi_text.station_table(table), *notes, *losses])


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing:
    """How a recording is published: arguments of the Python call `play`."""

    broker: _BROKER = ""
    run: Annotated[int, typer.Option(help="Which run to play; 1 is the oldest.", min=0, show_default="the last")] = 0
    speed: Annotated[str, typer.Option(metavar="N|max", help="Recorded seconds per second.")] = "1"
    payload_format: Annotated[
        str, typer.Option("--format", help="How readings become messages: `factory-sim list formats`.")
    ] = "machine"
    start: Annotated[str, typer.Option(metavar="recorded|now", help="now: shift the time stamps.")] = "recorded"
    root: Annotated[str, typer.Option(help="First levels of every topic.", show_default="the recorded feed's")] = ""
    sink: Annotated[str, typer.Option(metavar="URL", help=_SINK, show_default="no")] = ""
    page: options.Page = False
    page_address: options.PageAddress = options.PAGE_ADDRESS
    page_password_file: options.PagePasswordFile = None


def play(
    folder: Folder,
    *,
    playing: Playing = Playing(),
    access: login.Login = login.Login(),  # noqa: B008 - frozen
) -> None:
    """Publish a recording again, message by message as it was recorded but for the run id; or write it to a database.

    Example: factory-sim play recordings/line1 --speed 60 --broker mqtt://127.0.0.1:1883
    """
    from factory_sim.api.recorded.playing import play as play_again

    credentials = login.arguments(access, playing.broker)
    with options.graceful() as stop:
        sent = play_again(folder, stop=stop, **asdict(playing), **credentials).result
    where = f"to {playing.sink}" if playing.sink else f"in {sent.messages:,} messages"
    say(f"Played {sent.readings:,} readings {where}.")


def forget(
    folder: Folder,
    *,
    keep: Annotated[str, typer.Option(metavar="TIME", help=listen_command.KEEP, show_default="forever")] = "0 s",
    keep_size: Annotated[
        str, typer.Option(metavar="SIZE", help=listen_command.KEEP_SIZE, show_default="no limit")
    ] = "0 GB",
) -> None:
    """Delete the oldest days of a recording. The newest day and the KPIs of closed shifts stay.

    Example: factory-sim forget recordings/line1 --keep 30d
    """
    from factory_sim.api.recorded.history import history

    gone = history(folder).forget(keep=keep, keep_size=keep_size)
    for day, size in gone.items():
        say(f"{day}  {size / 1e6:,.1f} MB")
    say(f"Deleted {len(gone)} days, {sum(gone.values()) / 1e6:,.1f} MB.")


def dashboard(*, out: options.OutFile = None) -> None:
    """Print the Grafana dashboard of a database that `listen --sink` fills: import it into Grafana.

    Example: factory-sim dashboard --out line.json
    """
    from json import loads

    from factory_sim.recordings.postgres import dashboard as text

    options.print_json(out, loads(text()))


def _show_window(result: RecordedKpis) -> None:
    """Print the window of the KPIs, which may be a part of the run or the shift."""
    minutes = (result.window_us[1] - result.window_us[0]) / 60e6
    say(f"Window {result.start} to {result.end}: {minutes:,.1f} min.", err=True)
    if not result.complete:
        what = "shift" if result.shift else "run"
        say(
            f"  ! Only this part of the {what} was recorded: KPIs and rates are of this part.", err=True, style="yellow"
        )


def _report_damage(recording: History) -> None:
    for text in recording.damaged:
        say(f"! {text}", err=True, style="yellow")
