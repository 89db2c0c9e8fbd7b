"""Lets the tests of this folder share analysis_lines.py, and all tests the naive twins in naive.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
