"""Record a feed, without its KPIs. The simulator is not imported."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from factory_sim.api.answers import Answer
from factory_sim.api.client_arguments import client_options, keeping_of
from factory_sim.api.listening import Call, check_names, followed
from factory_sim.api.progress import ProgressOption, events_of
from factory_sim.api.recorded.history import History, history
from factory_sim.live.listen_result import record_result
from factory_sim.live.sinks import BUFFER, LIMIT
from factory_sim.results.feed import RecordResult

if TYPE_CHECKING:
    from factory_sim.api.arguments import Duration
    from factory_sim.api.client_arguments import PathLike

_LOOK_S = 600.0  # interval at which a recorder looks at what it has
_SINK_S = 10.0  # the same with a database, which has the KPIs of every minute


class Recorded(Answer[RecordResult]):
    """What a recorder has received. Returned by `record`.

    Attributes
    ----------
    result : factory_sim.results.feed.RecordResult
        Counts of the latest run, as one record.

    Examples
    --------
    >>> import factory_sim as fs
    >>> found = fs.record("recorded", broker_url, root="line/feed", progress=False)
    >>> found.result.ended, found.result.feed.lost, found.history().kpis()["line.good_parts"] > 0
    (True, 0, True)
    """

    def __init__(self, result: RecordResult, folder: PathLike) -> None:
        super().__init__(result)
        self._folder = folder

    def history(self) -> History:
        """Return the recording.

        Returns
        -------
        History
            Its runs, rows, signals and KPIs.

        Raises
        ------
        RecordingError
            When the folder is no longer a recording.
        """
        return history(self._folder)

    def __repr__(self) -> str:
        return f"<Recorded from {self.result.plant}: {self.result.feed.readings:,} readings in {str(self._folder)!r}>"


def record(  # noqa: PLR0913 - one argument per option of the command
    folder: PathLike,
    broker: str = "mqtt://127.0.0.1:1883",
    *,
    root: str = "",
    payload_format: str = "",
    ack_as: str = "",
    keep: Duration = 0.0,
    keep_size: str | float = 0,
    sink: str = "",
    sink_buffer: PathLike = BUFFER,
    sink_limit: str | float = LIMIT,
    user: str = "",
    password: str = "",
    password_file: PathLike | None = None,
    ca: PathLike | None = None,
    cert: PathLike | None = None,
    key: PathLike | None = None,
    mqtt: str = "auto",
    progress: ProgressOption = True,
    stop: Event | None = None,
) -> Recorded:
    """Record a feed in a folder until its run ends, faster than `listen(record=...)`, which also computes KPIs.

    The same folder again continues the recording: of the same run, or with the next one. An interruption (Ctrl-C) ends
    it; what has been received is in the folder.

    Parameters
    ----------
    folder : str or path
        Folder in which to record; `history` reads it.
    broker : str
        URL of the broker, `mqtt://[user@]host:port` or `mqtts://`.
    root, payload_format, ack_as, keep, keep_size, sink, sink_buffer, sink_limit
        As in `listen`.
    user, password, password_file, ca, cert, key, mqtt
        As in `publish`.
    progress : bool or callable
        As in `listen`; it is reported every ten minutes, with a `sink` every ten seconds.
    stop : threading.Event, optional
        Set by another thread to end recording.

    Returns
    -------
    Recorded
        Counts of the latest run.

    Raises
    ------
    ConfigError
        When an argument cannot be used.
    BrokerError
        When the broker cannot be reached or used; its `feed` is what was received, None if nothing has arrived.
    NoFeedError
        When no feed has been found.
    RecordingError
        When the folder is of another version, or cannot be written.
    LockedError
        When another process records in the folder.
    DatabaseError
        When the database of `sink` refuses.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.record("recorded", broker_url, root="line/feed", progress=False).result.feed.readings > 0
    True
    """
    stop = stop or Event()
    check_names(payload_format, ack_as=ack_as)
    call = Call(
        broker=broker,
        root=root,
        options=client_options(broker, stop, user, password, password_file, ca, cert, key, mqtt),
        keeping=keeping_of(folder, keep, keep_size, sink, sink_buffer, sink_limit),
        payload_format=payload_format,
        ack_as=ack_as,
        every_s=_SINK_S if sink else _LOOK_S,
        stop=stop,
    )
    with events_of(progress) as report:
        return followed(call, report, None, lambda listener: Recorded(record_result(listener), folder))
