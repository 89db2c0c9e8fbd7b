"""`demo`: the main job end to end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options
from factory_sim.views.text.terminal import say, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from factory_sim.demo.setting import Setting, Watcher
    from factory_sim.plant.spec import Plant
    from factory_sim.results.demo import DemoResult, Figures
    from factory_sim.results.estimate import Estimate

BASELINE, RETROFIT = "gearbox_line", "retrofit"


def demo(
    baseline: Annotated[str, typer.Argument(help="The plant before.")] = BASELINE,
    retrofit: Annotated[str, typer.Argument(help="The plant after, or a scenario.")] = RETROFIT,
    *,
    json: options.JsonFile = None,
    seed: options.Seed = 1,
    quick: Annotated[bool, typer.Option("--quick", help="A short window and two pairs: a smoke test.")] = False,
) -> None:
    """Simulate a shift before and after the retrofit, stream both over MQTT, and analyse the telemetry.

    The analyzer is a process of its own that receives only the telemetry.

    Example: factory-sim demo --json headline.json
    """
    from factory_sim import registry
    from factory_sim.demo import QUICK, Setting
    from factory_sim.demo import run as run_demo

    setting = QUICK if quick else Setting()
    before, after = registry.load(baseline), registry.load(retrofit)
    with options.graceful() as stop, _progress(before) as watcher:
        result = run_demo(before, after, setting.with_seed(seed), watcher, stop)
    options.write_json(json, result.to_dict())
    _show(result, before, setting)


@contextlib.contextmanager
def _progress(before: Plant) -> Iterator[Watcher]:
    """Show the progress, and the figures of each plant as soon as they are known."""
    from factory_sim.views.text.progress_bar import ProgressBar

    class Stages:
        """Shows stages."""

        def stage(self, name: str, total: float) -> None:
            self.name, self.total = name, total
            bar.update(name, 0, total, note="...")

        def reached(self, done: float, note: str = "") -> None:
            bar.update(self.name, done, self.total, note=note)

        def found(self, name: str, figures: Figures) -> None:
            station = _station(before, figures)
            say(
                f"{name:<9} station {station} {figures.station_cycle_time_s:.2f} s a part, "
                f"line {figures.good_parts_per_h:.1f} good parts an hour"
            )

    with ProgressBar() as bar:
        yield Stages()


def _station(plant: Plant, figures: Figures) -> str:
    return plant.operations[plant.pacing].name if plant.pacing >= 0 else figures.constraint


def _show(result: DemoResult, plant: Plant, setting: Setting) -> None:
    gain = result.change["line_rate_pct"]
    headline = f"The line makes {gain.mean:+.1f} % good parts an hour {_interval(gain)}".rstrip()
    say(f"\n{headline}\n", style="bold")
    show([_table(result, plant)])
    feed, audit = result.feed, result.audit
    say(
        f"\nFeed    {result.sent_readings:,} readings in {result.sent_messages:,} messages sent, {feed.readings:,} in "
        f"{feed.messages:,} received; {feed.lost:,} lost, {feed.duplicates:,} duplicates.\n"
        f"Audit   Against the simulator's own counts the machines' cycle times differ by at most "
        f"{audit.cycle_time_error_s:.3f} s, their parts by {audit.parts_error}."
    )
    hours = setting.duration_s / 3600
    say(
        f"Read    Before and after come from one streamed window of {hours:g} h, changes from {setting.pairs} pairs of "
        "such windows; a single pair can differ by several percentage points."
    )
    say(READ_WITH_CARE)


READ_WITH_CARE = (
    "Published are 56 s to 37 s at one station and 30.19 % production efficiency: the line gains less than the "
    "station, because the constraint moves. The line is calibrated to these facts; everything else is assumed."
)


def _table(result: DemoResult, plant: Plant) -> RenderableType:
    from rich.table import Table

    from factory_sim.views.text.figures import FEWEST

    before, after, change = result.baseline, result.retrofit, result.change
    station = _station(plant, before)
    is_sure = result.change["line_rate_pct"].n >= FEWEST
    table = Table("", "before", "after", "change", "95 % interval" * is_sure, box=None, pad_edge=False)
    for column in table.columns[1:4]:
        column.justify = "right"
    currency = result.currency
    rows = (
        (f"station {station}: cycle time, s", "station_cycle_time_s", "station_time_pct", ".2f"),
        (f"station {station}: rate", "", "station_rate_pct", ""),
        ("line: good parts per planned hour", "good_parts_per_h", "line_rate_pct", ".1f"),
        ("energy per part, kWh", "kwh_per_part", "kwh_per_part_pct", ".2f"),
        (f"cost per part, {currency}", "cost_per_part", "cost_per_part_pct", ",.2f"),
    )
    for label, name, moved, shape in rows:
        pair = [format(getattr(each, name), shape) if name else "" for each in (before, after)]
        table.add_row(label, *pair, f"{change[moved].mean:+.1f} %", _interval(change[moved]))
    table.add_row(f"station {station}: OEE, %", f"{100 * before.oee:.1f}", f"{100 * after.oee:.1f}")
    if is_sure:
        table.add_row("constraint (critical path)", before.constraint, after.constraint)
    return table


def _interval(change: Estimate) -> str:
    from factory_sim.views.text.figures import FEWEST

    return "" if change.n < FEWEST else f"[{change.low:+.1f}, {change.high:+.1f}]"
