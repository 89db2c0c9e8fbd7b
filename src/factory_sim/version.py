"""The version of the program, as studies, snapshots and JSON files record it."""

from __future__ import annotations

VERSION = "0.2.0"  # pyproject.toml repeats it; a test compares the two
