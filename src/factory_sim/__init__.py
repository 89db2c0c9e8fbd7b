"""Simulate a factory line, publish its telemetry and analyse it: `import factory_sim as fs`.

A plant is simulated, sensed, put on the wire, analysed and viewed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from factory_sim.version import VERSION

if TYPE_CHECKING:
    from factory_sim.api.arguments import Change
    from factory_sim.api.feed_results import Feed, Publication
    from factory_sim.api.kpi_table import KpiTable
    from factory_sim.api.listening import listen
    from factory_sim.api.plants import Plant, Table, load
    from factory_sim.api.progress import ProgressEvent
    from factory_sim.api.publishing import publish
    from factory_sim.api.runs import Run, simulate
    from factory_sim.api.snapshots import Snapshot, fork, snapshot
    from factory_sim.api.studies import compare, replay, whatif, why
    from factory_sim.api.study_results import Comparison, Optimisation, Replay, Sweep, Why
    from factory_sim.api.variants import optimise, sweep
    from factory_sim.demo import AnalyzerError
    from factory_sim.errors import (
        BrokerError,
        ConfigError,
        FactoryError,
        ModelError,
        PayloadError,
        Problem,
        StoppedError,
        TrialError,
    )
    from factory_sim.live.listen import NoFeedError
    from factory_sim.study.append_log import LockedError
    from factory_sim.study.snapshot_files import SnapshotError
    from factory_sim.study.store import StudyError
    from factory_sim.validation.ledger import LedgerError

__version__ = VERSION
__all__ = [
    "AnalyzerError",
    "BrokerError",
    "Change",
    "Comparison",
    "ConfigError",
    "FactoryError",
    "Feed",
    "KpiTable",
    "LedgerError",
    "LockedError",
    "ModelError",
    "NoFeedError",
    "Optimisation",
    "PayloadError",
    "Plant",
    "Problem",
    "ProgressEvent",
    "Publication",
    "Replay",
    "Run",
    "Snapshot",
    "SnapshotError",
    "StoppedError",
    "StudyError",
    "Sweep",
    "Table",
    "TrialError",
    "Why",
    "__version__",
    "compare",
    "fork",
    "listen",
    "load",
    "optimise",
    "publish",
    "replay",
    "simulate",
    "snapshot",
    "sweep",
    "whatif",
    "why",
]
_MODULES = (  # searched in this order; the light ones first
    "errors",
    "study.append_log",
    "validation.ledger",
    "api.arguments",
    "api.plants",
    "study.store",
    "api.progress",
    "api.runs",
    "api.snapshots",
    "study.snapshot_files",
    "api.study_results",
    "api.studies",
    "api.variants",
    "api.feed_results",
    "api.kpi_table",
    "api.listening",
    "api.publishing",
    "live.listen",
    "demo",
)


if not TYPE_CHECKING:  # so that type checkers refuse misspelled names

    def __getattr__(name: str) -> Any:
        """Import a public name on first use, so that `import factory_sim` stays quick."""
        if name in __all__:
            for module in map(import_module, (f"{__name__}.{each}" for each in _MODULES)):
                if name in vars(module):
                    globals()[name] = vars(module)[name]
                    return globals()[name]
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg, name=name)


def __dir__() -> list[str]:
    """Return the public names without importing them."""
    return sorted(__all__)
