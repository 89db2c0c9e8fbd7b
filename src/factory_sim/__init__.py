"""A plant is simulated, sensed, put on the wire, analysed and viewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory_sim.api import branch, compare, load, moment, optimise, simulate, sweep

__all__ = ["branch", "compare", "load", "moment", "optimise", "simulate", "sweep"]


def __getattr__(name: str) -> Any:
    """The public calls, imported when they are first asked for: `import factory_sim` itself stays quick."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from factory_sim import api  # noqa: PLC0415 - late on purpose

    return getattr(api, name)
