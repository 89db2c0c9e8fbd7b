"""Open what a listener writes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory_sim.errors import require_extra
from factory_sim.live.sinks.recording_store import Store
from factory_sim.live.sinks.sink import Several

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.live.sinks.sink import Sink
    from factory_sim.recordings.retention import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept of a feed, and where."""

    record: Path | None
    retention: Retention
    sink: str  # URL of a database
    buffer: Path
    limit: int  # of the buffer [bytes]


def opened(
    keeping: Keeping, root: str, say: Callable[[str], None], page: Sink | None, *, must_keep: bool
) -> Sink | None:
    """Return the sinks of a feed as one; None: nothing is kept.

    page : a live page, which takes everything as well.
    must_keep : a publisher deletes what is acknowledged, so that nothing may be dropped.
    """
    sinks: list[Sink] = [page] if page is not None else []
    if keeping.record is not None:
        sinks.append(Store(keeping.record, root, keeping.retention))
    if keeping.sink:
        sinks.append(database(keeping.sink, root, say, buffer=keeping.buffer, limit=keeping.limit, must_keep=must_keep))
    return Several(*sinks) if len(sinks) > 1 else next(iter(sinks), None)


def check_sink(url: str) -> None:
    """Raise ConfigError unless `url` is that of a database, without a password; MissingExtraError without psycopg."""
    require_extra("postgresql", "--sink")
    from factory_sim.recordings.postgres.database import check_url  # noqa: PLC0415 - psycopg is an extra

    check_url(url)


def database(url: str, root: str, say: Callable[[str], None], **more: Any) -> Sink:
    """Return a database as a sink; `more`: fields of SinkSetup."""
    require_extra("postgresql", "--sink")
    from factory_sim.live.sinks.database_sink import DatabaseSink, SinkSetup  # noqa: PLC0415 - psycopg is an extra

    return DatabaseSink(SinkSetup(url=url, **more), root, say)
