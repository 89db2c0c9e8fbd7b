"""How it is shown: records to tables and text. Nothing here reads a file or decides a number."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from factory_sim.views import frames as frames
else:

    def __getattr__(name: str) -> ModuleType:
        """Import the tables on first use: pandas takes longer to import than many an answer to compute."""
        if name != "frames":
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg, name=name)
        return import_module(f"{__name__}.frames")
