"""Functions compiled by Numba once per machine, and again whenever a source that they use changes.

Numba's own cache looks only at the file of the function it stores. Ours call each other across files and take constants
from others, so a change in one would leave stale machine code behind in its callers. Every room therefore keeps its
compiled functions in a directory named after the contents of all its sources and of the floor below.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

_numba: Any = numba  # its own types know neither config nor the options below
_PACKAGE = Path(__file__).parent
_GROUND = (
    "jit.py",
    "random_streams.py",
    "inverse_cdf.py",
    "clock.py",
    "plant/states.py",
    "sim/event_classes.py",
)  # what compiled rooms use
_SWITCHES = ("FACTORY_SIM_CHECKED", "FACTORY_SIM_LINKAGE")  # which change what is compiled
_A_DAY_S = 86_400


def _without_linear_algebra() -> None:
    """Keep Numba from importing scipy.linalg, a fifth of a start, until linear algebra is compiled.

    It does so only to see whether it is there, and asks again where it is used.
    """
    from numba.np import linalg  # noqa: PLC0415 - the order is the point

    ask, linalg.ensure_blas = linalg.ensure_blas, lambda: None
    try:
        import numba.np.arraymath  # noqa: F401, PLC0415
    finally:
        linalg.ensure_blas = ask


_without_linear_algebra()


def njit(function: Callable[..., Any]) -> Any:
    """Compile `function` when it is first called, or load what an earlier process compiled.

    Division follows NumPy (by zero: inf or 0, never an exception), which is what lets the compiler vectorise. Other
    threads of the process continue meanwhile.
    """
    return kept_njit(function, "numpy")


def raising_njit(function: Callable[..., Any]) -> Any:
    """Like `njit`, but dividing by zero raises ZeroDivisionError.

    For loops that follow one value from reading to reading, which nothing vectorises: sensing was measured to be seven
    times as fast with it.
    """
    return kept_njit(function, "python")


def inner_njit(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function that only other compiled functions call, and that makes no arrays.

    It cannot be called from Python, counts no references and has no file of its own: compiling takes a third of the
    time.
    """
    inner = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
    return _numba.njit(**inner, **options)(function)


def kept_njit(function: Callable[..., Any], error_model: str, **options: Any) -> Any:
    """Compile `function` with options of `numba.njit`, kept in the directory of its room."""
    _numba.config.CACHE_DIR = str(cache_directory(function.__module__))
    return _tolerant(_numba.njit(cache=True, error_model=error_model, nogil=True, **options)(function))


def _tolerant(compiled: Any) -> Any:
    """Let damaged files of compiled code be compiled again, and let a full disk only prevent that they are kept."""
    cache = compiled._cache  # noqa: SLF001 - Numba has no public way
    load, save = cache.load_overload, cache.save_overload

    def load_overload(signature: Any, context: Any) -> Any:
        try:
            return load(signature, context)
        except Exception:  # noqa: BLE001 - unpickling half a file raises many kinds
            with suppress(OSError):
                cache.flush()
            return None

    def save_overload(signature: Any, data: Any) -> None:
        with suppress(OSError):
            save(signature, data)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return compiled


def cache_directory(module: str) -> Path:
    """Return the directory of the compiled functions of a module's package; create it if needed."""
    return _directory_of(module.removeprefix("factory_sim.").rpartition(".")[0].replace(".", "/"))


@cache
def _directory_of(room: str) -> Path:
    """Return a directory in NUMBA_CACHE_DIR, else beside the package, else of the user, else a temporary one."""
    homes = [_PACKAGE / "__pycache__"]
    if asked := os.environ.get("NUMBA_CACHE_DIR"):
        homes.insert(0, Path(asked))
    with suppress(RuntimeError):  # a user without a home
        homes.append(Path.home() / ".cache" / "factory_sim")
    homes.append(Path(tempfile.gettempdir()) / "factory_sim")
    stem = f"numba-{room.replace('/', '-') or 'ground'}-"
    for home in homes:
        directory = home / (stem + _digest(room))
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if _is_own(directory):
            _forget_others(home, stem, directory)
            return directory
    return Path(tempfile.mkdtemp(prefix="factory_sim-"))


def _is_own(directory: Path) -> bool:
    """Return whether a directory can be written and is this user's: compiled code of others is not loaded."""
    user = getattr(os, "getuid", lambda: directory.stat().st_uid)()  # Windows has no such ids
    return os.access(directory, os.W_OK) and directory.stat().st_uid == user


def _digest(room: str) -> str:
    digest = blake2b(
        "\x1f".join([numba.__version__, *(os.environ.get(name, "") for name in _SWITCHES)]).encode(), digest_size=8
    )
    sources = {_PACKAGE / name for name in _GROUND}
    if room:
        sources |= set((_PACKAGE / room).rglob("*.py"))
    for path in sorted(path for path in sources if path.is_file()):  # an analyzer needs no simulator beside it
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _forget_others(home: Path, stem: str, mine: Path) -> None:
    """Remove what other versions compiled, unless a process of theirs may still be running."""
    for other in home.glob(stem + "*"):
        if other != mine and other.stat().st_mtime < time.time() - _A_DAY_S:
            shutil.rmtree(other, ignore_errors=True)
