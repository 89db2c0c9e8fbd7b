"""The only door to Numba: functions compiled once per machine, and again whenever any compiled source changes.

Numba's own cache looks only at the file of the function it stores. Ours call each other across files, so a change in one
would leave stale machine code behind in the callers of another. All compiled functions therefore share a cache
directory that is named after the contents of all compiled sources.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numba

_PACKAGE = Path(__file__).parent
_A_DAY_S = 86_400


def _digest() -> str:
    digest = blake2b(numba.__version__.encode(), digest_size=8)
    for path in sorted(_PACKAGE.rglob("*.py")):
        text = path.read_bytes()
        if b"njit" in text:
            digest.update(text)
    return digest.hexdigest()


def _directory() -> str:
    """Beside the package's own caches where that can be written, else in the user's cache, else in a temporary place."""
    homes = [_PACKAGE / "__pycache__", Path.home() / ".cache" / "factory_sim", Path(tempfile.gettempdir()) / "factory_sim"]
    name = f"numba-{_digest()}"
    for home in homes:
        try:
            (home / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(home / name, os.W_OK):
            _remove_others(home, name)
            return str(home / name)
    return ""


def _remove_others(home: Path, name: str) -> None:
    """Forget what other versions compiled, unless a process of theirs may still be running."""
    for other in home.glob("numba-*"):
        if other.name != name and other.stat().st_mtime < time.time() - _A_DAY_S:
            shutil.rmtree(other, ignore_errors=True)


if not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = _directory()

# error_model="numpy": dividing by zero gives inf, not an exception, which is what lets the compiler vectorise
njit = partial(numba.njit, cache=True, error_model="numpy")

# For functions that only other compiled functions call, and that make no arrays: no way in from Python, no reference
# counts, no file of their own. Compiling takes a third of the time.
inner_njit = partial(
    numba.njit, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False
)
