"""Read the files of any plant's feed, and listen to it, by a mapping file."""

from __future__ import annotations

import math
from contextlib import ExitStack
from functools import partial
from os import PathLike as AnyPath
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from factory_sim import views
from factory_sim.api.answers import Answer
from factory_sim.api.arguments import Duration, one_of, refuse, seconds
from factory_sim.api.client_arguments import client_options
from factory_sim.api.kpi_table import KpiTable
from factory_sim.api.page.mapped import redraw
from factory_sim.api.page.serving import serving
from factory_sim.api.progress import ProgressEvent, ProgressOption, events_of
from factory_sim.errors import BrokerError
from factory_sim.intake import description, feed_file
from factory_sim.intake.feed_shapes import is_filter
from factory_sim.intake.observing.first_map import Observer
from factory_sim.live.foreign import listen_mapped as listening
from factory_sim.live.foreign import observe, read_files
from factory_sim.live.foreign.mapped_feed import MappedFeed
from factory_sim.live.foreign.mapped_windows import MappedWindows
from factory_sim.live.foreign.reading_result import read_result
from factory_sim.views.text.window_text import window_lines
from factory_sim.views.wording import counted
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping as AnyMapping

    from factory_sim.api.client_arguments import PathLike
    from factory_sim.api.page.serving import Shown
    from factory_sim.api.progress import Report
    from factory_sim.intake.mapping import Mapping
    from factory_sim.live.foreign.conclusion import Conclusion
    from factory_sim.live.page.live_page import LivePage
    from factory_sim.records import Meta
    from factory_sim.results.read import ReadResult
    from factory_sim.views.frames import DataFrame
    from factory_sim.wire.mqtt.client_options import ClientOptions


class Reading(Answer["ReadResult"]):
    """What a foreign feed yields: which KPIs are derivable, their values, and what was skipped. Returned by `read`.

    Attributes
    ----------
    result : factory_sim.results.read.ReadResult
        The whole answer as one record.
    log : pandas.DataFrame
        The rows that the mapper made: one line per change of a unit.

    Examples
    --------
    >>> import factory_sim as fs
    >>> cell = fs.read("cell.csv", map="feed.yaml")
    >>> cell.kpis()["machine.parts", "M1"]
    3.0
    >>> cell.derivable()["line.wip"]
    'no'
    """

    def __init__(
        self, result: ReadResult, kpis: KpiTable, log: DataFrame, windows: AnyMapping[str, KpiTable] | None = None
    ) -> None:
        super().__init__(result)
        self.log = log
        self._kpis, self._windows = kpis, dict(windows or {})

    def kpis(self, window: str = "") -> KpiTable:
        """Return the KPIs of the feed, or of one of the windows that end now.

        Parameters
        ----------
        window : str
            A key of `result.windows` of a listener, such as `"15 min"` or `"today"`; `""`: the whole feed, of one that
            is longer than two days the present shift.

        Returns
        -------
        KpiTable
            All KPIs; NaN where one is not derivable.

        Raises
        ------
        ConfigError
            When there is no such window.
        """
        return self._windows[one_of("window", window, self._windows)] if window else self._kpis

    def derivable(self) -> dict[str, str]:
        """Return which KPIs are derivable.

        Returns
        -------
        dict of str to str
            Name of the KPI to `"yes"`, `"assumed"` or `"no"`; `result.derivable` has assumptions and needs.
        """
        return {each.kpi: each.status for each in self.result.derivable}

    def to_pandas(self) -> DataFrame:
        """Return the KPIs as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            The table of `kpis()`, one row per value.
        """
        return self._kpis.to_pandas()

    def __repr__(self) -> str:
        statuses = list(self.derivable().values())
        counts = ", ".join(f"{statuses.count(word)} {word}" for word in ("yes", "assumed", "no"))
        return f"<Reading of {self.result.feed}: {self.result.observations:,} observations; KPIs derivable: {counts}>"


def read(files: PathLike | Iterable[PathLike] = (), *, map: PathLike, progress: ProgressOption = True) -> Reading:  # noqa: A002 - an option's name
    """Read the files of any plant's feed and compute its KPIs.

    Parameters
    ----------
    files : path or iterable of paths
        CSV, Parquet, SHDR and XES files, event logs, and captures of messages (.jsonl); without any, those that the
        sources of the mapping name.
    map : path
        The mapping, a file `feed.yaml`.
    progress : bool or callable
        As in `compare`; a stage is one file.

    Returns
    -------
    Reading
        Derivability, KPIs, and what was skipped.

    Raises
    ------
    ConfigError
        When the mapping or a file cannot be used, or a state word is not mapped.
    FactoryError
        When no observation matches the mapping.

    Examples
    --------
    >>> import factory_sim as fs
    >>> cell = fs.read("cell.csv", map="feed.yaml")
    >>> round(cell.kpis()["machine.cycle_time_s", "M1"], 1)
    30.0
    """
    mapping = feed_file.read(map)
    feed = MappedFeed(mapping, described(mapping))
    with events_of(progress) as report:

        def watch(name: str) -> None:
            report(ProgressEvent(stage="reading", message=name))

        read_files.read(feed, _paths(files), watch)
    feed.check()
    return _reading(feed, feed.conclude())


def listen_mapped(  # noqa: PLR0913 - the feed, its connection, its end and its observers
    broker: str,
    map_file: PathLike,
    options: ClientOptions,
    stop: Event,
    duration: Duration,
    every: Duration,
    progress: ProgressOption,
    served: Shown | None,
) -> Reading:
    """Listen to a feed by a mapping until `stop` is set or `duration` has passed."""
    mapping = feed_file.read(map_file)
    feed = MappedFeed(mapping, described(mapping))
    windows = MappedWindows(feed)
    if not feed.filters():
        refuse(
            "map", f"{mapping.file} has no source of messages (mqtt, sparkplug)", "Read its files: factory-sim read."
        )
    with events_of(progress) as report, ExitStack() as stack:
        page = stack.enter_context(serving(served, mapping.name, report)) if served else None
        try:
            with Client(broker, options) as client:
                listening.listen(
                    feed,
                    client,
                    stop=stop,
                    for_s=duration if duration == math.inf else seconds("duration", duration),
                    every_s=seconds("every", every),
                    ready=partial(_ready, report, feed),
                    windows=windows,
                    watch=partial(_watch, report, page),
                )
        except KeyboardInterrupt:
            if not feed.messages:
                raise
        except BrokerError as error:
            if feed.observations:
                error.feed = _reading(feed, windows.conclude())
            raise
    return _reading(feed, windows.conclude())


def described(mapping: Mapping) -> Meta:
    """Return the description of the units of a mapping: of its plant file, or of single stations."""
    if not mapping.plant:
        return description.of_stations(mapping)
    from factory_sim import registry  # noqa: PLC0415 - single stations need no simulator
    from factory_sim.plant.describe import describe  # noqa: PLC0415 - same
    from factory_sim.records import Window  # noqa: PLC0415 - same

    plant = registry.load(mapping.plant)
    return describe(plant, mapping.name, 0, Window(0, 1))


def _reading(feed: MappedFeed, found: Conclusion) -> Reading:
    """Return the answer of a feed."""
    names, meta = [info.name for info in found.meta.units], found.meta
    log = views.frames.clock_log_frame(found.log, names, meta.epoch_ns, meta.timezone)
    tables = {name: KpiTable(table) for name, table in found.windows.items()}
    return Reading(read_result(feed, found), KpiTable(found.table), log, tables)


def _paths(files: PathLike | Iterable[PathLike]) -> list[Path]:
    paths = [Path(files)] if isinstance(files, str | AnyPath) else [Path(each) for each in files]
    for path in paths:
        if not path.is_file():
            refuse("files", f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    return paths


def _ready(report: Report, feed: MappedFeed) -> None:
    report(ProgressEvent(stage="subscribed", message=f"listening to {', '.join(feed.filters())}"))


def _watch(report: Report, page: LivePage | None, feed: MappedFeed, windows: MappedWindows) -> None:
    if page is not None:
        redraw(page, feed, windows)
    skipped = sum(each.count for each in feed.context.tally.entries())
    observations, messages = counted(feed.observations, "observation"), counted(feed.messages, "message")
    text = f"{observations} in {messages}; {skipped:,} skipped"
    if windows.windows is not None and windows.is_rolling:
        text = "\n".join((text, *window_lines(windows.windows.tables(), windows.windows.shift_name)))
    report(ProgressEvent(stage="listening", done=feed.observations, message=text))


def first_map(  # noqa: PLR0913 - one argument per option of the command
    files: PathLike | Iterable[PathLike] = (),
    *,
    broker: str = "",
    topics: Iterable[str] = ("#",),
    duration: Duration = "60 s",
    user: str = "",
    password: str = "",
    password_file: PathLike | None = None,
    ca: PathLike | None = None,
    cert: PathLike | None = None,
    key: PathLike | None = None,
    mqtt: str = "auto",
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> str:
    """Observe a broker for a time, or files, and return the text of a first mapping."""
    observer, paths, topics, stop = Observer(), _paths(files), tuple(topics), stop or Event()
    if bool(paths) == bool(broker):
        refuse("broker", "expected a broker or files", "factory-sim map --broker URL, or factory-sim map FILE...")
    for topic in (each for each in topics if not is_filter(each)):
        refuse(
            "topic", f"{topic!r} is not a topic filter", "Write + only as a whole level, and # only as the last level."
        )
    observe.files(observer, paths)
    if broker:
        options = client_options(broker, stop, user, password, password_file, ca, cert, key, mqtt)
        with events_of(progress) as report, Client(broker, options) as client:
            message = f"observing {', '.join(topics)} for {duration}"

            def ready() -> None:
                report(ProgressEvent(stage="subscribed", message=message))

            observe.listen(observer, client, topics, seconds("duration", duration), stop, ready)
    if not observer.places:
        refuse(
            "broker" if broker else "files", "nothing was seen", "Observe for longer (--duration), or another topic."
        )
    return observer.text(paths[0].stem if paths else "feed")


def checked(file: PathLike, recording: Iterable[PathLike]) -> tuple[Mapping, ReadResult | None, list[str]]:
    """Return a checked mapping, what it makes of a recording, and its lines that match nothing there.

    Raise ConfigError when the mapping is wrong, or a state word of the recording is not mapped.
    """
    mapping, paths = feed_file.read(file), _paths(recording)
    meta = described(mapping)
    if not paths:
        return mapping, None, []
    feed = MappedFeed(mapping, meta)
    read_files.read(feed, paths)
    feed.check()
    return mapping, read_result(feed, feed.conclude()), feed.unmatched()
