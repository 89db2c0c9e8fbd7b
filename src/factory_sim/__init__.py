"""Simulate a factory line, publish its telemetry and analyse it: `import factory_sim as fs`.

A plant is simulated, sensed, put on the wire, analysed and viewed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from factory_sim.version import VERSION

if TYPE_CHECKING:  # for type checkers and editors
    from factory_sim.api.answers import Feed as Feed
    from factory_sim.api.answers import Publication as Publication
    from factory_sim.api.arguments import Change as Change
    from factory_sim.api.foreign.reading import Reading as Reading
    from factory_sim.api.foreign.reading import read as read
    from factory_sim.api.kpi_table import KpiTable as KpiTable
    from factory_sim.api.listening import listen as listen
    from factory_sim.api.plants import Plant as Plant
    from factory_sim.api.plants import Table as Table
    from factory_sim.api.plants import load as load
    from factory_sim.api.progress import ProgressEvent as ProgressEvent
    from factory_sim.api.publishing import publish as publish
    from factory_sim.api.recorded.feed_recording import Recorded as Recorded
    from factory_sim.api.recorded.feed_recording import record as record
    from factory_sim.api.recorded.history import History as History
    from factory_sim.api.recorded.history import history as history
    from factory_sim.api.recorded.playing import play as play
    from factory_sim.api.runs import Run as Run
    from factory_sim.api.runs import simulate as simulate
    from factory_sim.api.snapshots import Snapshot as Snapshot
    from factory_sim.api.snapshots import fork as fork
    from factory_sim.api.snapshots import snapshot as snapshot
    from factory_sim.api.studies import compare as compare
    from factory_sim.api.studies import replay as replay
    from factory_sim.api.studies import whatif as whatif
    from factory_sim.api.studies import why as why
    from factory_sim.api.study_results import Comparison as Comparison
    from factory_sim.api.study_results import Optimisation as Optimisation
    from factory_sim.api.study_results import Replay as Replay
    from factory_sim.api.study_results import Sweep as Sweep
    from factory_sim.api.study_results import Why as Why
    from factory_sim.api.variants import optimise as optimise
    from factory_sim.api.variants import sweep as sweep
    from factory_sim.demo.analyzers import AnalyzerError as AnalyzerError
    from factory_sim.errors import BrokerError as BrokerError
    from factory_sim.errors import BufferFullError as BufferFullError
    from factory_sim.errors import ConfigError as ConfigError
    from factory_sim.errors import ConflictError as ConflictError
    from factory_sim.errors import DatabaseError as DatabaseError
    from factory_sim.errors import FactoryError as FactoryError
    from factory_sim.errors import MissingExtraError as MissingExtraError
    from factory_sim.errors import ModelError as ModelError
    from factory_sim.errors import PageError as PageError
    from factory_sim.errors import PayloadError as PayloadError
    from factory_sim.errors import Problem as Problem
    from factory_sim.errors import StoppedError as StoppedError
    from factory_sim.errors import TrialError as TrialError
    from factory_sim.file_lock import LockedError as LockedError
    from factory_sim.live.foreign.mapped_feed import NothingReadError as NothingReadError
    from factory_sim.live.listen import NoFeedError as NoFeedError
    from factory_sim.live.listen import NoReadingsError as NoReadingsError
    from factory_sim.recordings.layout import NotARecordingError as NotARecordingError
    from factory_sim.recordings.layout import RecordingError as RecordingError
    from factory_sim.study.snapshot_files import SnapshotError as SnapshotError
    from factory_sim.study.store import StudyError as StudyError
    from factory_sim.validation.ledger import LedgerError as LedgerError
    from factory_sim.wire.mqtt.broker_url import BrokerAddressError as BrokerAddressError

__version__ = VERSION
_NAMES = {  # module -> public names that are imported from it on first use
    "api.arguments": ("Change",),
    "api.answers": ("Feed", "Publication"),
    "api.recorded.feed_recording": ("Recorded", "record"),
    "api.recorded.history": ("History", "history"),
    "api.recorded.playing": ("play",),
    "api.kpi_table": ("KpiTable",),
    "api.listening": ("listen",),
    "api.plants": ("Plant", "Table", "load"),
    "api.progress": ("ProgressEvent",),
    "api.publishing": ("publish",),
    "api.foreign.reading": ("Reading", "read"),
    "api.runs": ("Run", "simulate"),
    "api.snapshots": ("Snapshot", "fork", "snapshot"),
    "api.studies": ("compare", "replay", "whatif", "why"),
    "api.study_results": ("Comparison", "Optimisation", "Replay", "Sweep", "Why"),
    "api.variants": ("optimise", "sweep"),
    "demo": ("AnalyzerError",),
    "errors": (
        "BrokerError",
        "BufferFullError",
        "ConfigError",
        "ConflictError",
        "DatabaseError",
        "FactoryError",
        "MissingExtraError",
        "ModelError",
        "PageError",
        "PayloadError",
        "Problem",
        "StoppedError",
        "TrialError",
    ),
    "file_lock": ("LockedError",),
    "live.listen": ("NoFeedError", "NoReadingsError"),
    "live.foreign.mapped_feed": ("NothingReadError",),
    "recordings.layout": ("NotARecordingError", "RecordingError"),
    "study.snapshot_files": ("SnapshotError",),
    "study.store": ("StudyError",),
    "validation.ledger": ("LedgerError",),
    "wire.mqtt.broker_url": ("BrokerAddressError",),
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}
__all__ = sorted(["__version__", *_MODULES])  # noqa: PLE0605 - stated once, above


if not TYPE_CHECKING:  # so that type checkers refuse misspelled names

    def __getattr__(name: str) -> Any:
        """Import a public name on first use, so that `import factory_sim` stays quick."""
        if name not in _MODULES:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name)
        globals()[name] = found = getattr(import_module(_MODULES[name]), name)
        return found


def __dir__() -> list[str]:
    """Return the public names without importing them."""
    return list(__all__)
