"""Internal linkage: inner compiled functions become part of the entry point that calls them, and nothing else.

Numba links every function as one that others may call, so LLVM keeps and optimises each of them again and again. Here
an inner function is only translated, and the entry point is optimised once as a whole, with all inner functions private
to it: measured 1.1 to 1.3 times the speed, and 10 instead of 24 s of CPU time to compile. This uses internals of Numba.
With other versions than those tested, with FACTORY_SIM_LINKAGE=0, or after a failed self-check, everything is compiled
the ordinary way. Other users of Numba in the process are not affected.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import llvmlite
import numba
from llvmlite.binding import Linkage
from numba.core import codegen, compiler

from factory_sim import jit
from factory_sim.jit import cache_directory, kept_njit

if TYPE_CHECKING:
    from collections.abc import Callable

_njit: Any = numba.njit

TESTED = ("0.68", "0.50")  # versions of Numba and llvmlite


class _NoEnvironment:
    """Replaces the environment of a function that has no Python objects."""

    def set_env(self, *_: Any) -> None:
        """Do nothing."""


class _Inner(codegen.JITCodeLibrary):  # type: ignore[misc]
    """The code of a function that only compiled functions call: neither optimised nor emitted by itself."""

    codegen = _NoEnvironment()

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, _name: str) -> int:
        return 0  # it is never called from Python


class _Frequent(_Inner):
    """The code of an inner function that becomes part of its callers; `forceinline` would do so to its callees too."""

    attribute = "alwaysinline"

    def finalize(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration:
                function.add_function_attribute(self.attribute)
        super().finalize()


class _Rare(_Frequent):
    """The code of an inner function that is kept out of its callers, whose frequent paths it would slow down."""

    attribute = "noinline"


class _Entry(codegen.JITCodeLibrary):  # type: ignore[misc]
    """An entry point with all inner functions below it, optimised together once."""

    def finalize(self) -> None:
        found: dict[Any, None] = {}
        waiting: list[Any] = list(self._linking_libraries)
        while waiting:
            library = waiting.pop()
            if library not in found:
                found[library] = None
                if isinstance(library, _Inner):
                    waiting += library._linking_libraries  # noqa: SLF001 - Numba has no public way
        self._linking_libraries: list[Any] = list(found)
        super().finalize()

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.name = f"{self.name}:{function.name}"  # private names of two modules must differ
                function.linkage = "internal"
        super()._optimize_final_module()


@cache
def _pipeline(library: Any) -> Any:
    class Pipeline(compiler.Compiler):  # type: ignore[misc]
        def define_pipelines(self) -> Any:
            state = self.state
            if state.library is None:
                state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
                state.library.enable_object_caching()
            return super().define_pipelines()

    return Pipeline


def _self_check() -> bool:
    """Return whether a linked pair of functions computes the right result, and an ordinary function still compiles."""
    inner = jit.inner_njit(lambda x: min(x, 40) + 1, pipeline_class=_pipeline(_Inner))
    middle = jit.inner_njit(lambda x: inner(x) * inner(x + 1), pipeline_class=_pipeline(_Inner))
    entry = _njit(pipeline_class=_pipeline(_Entry))(lambda x: middle(x) - 1)
    ordinary = _njit(lambda x: max(min(x, 3), -3))
    return bool(entry(5) == 41 and entry(99) == 1680 and ordinary(5) == 3)


@cache
def is_linked() -> bool:
    """Return whether inner functions get internal linkage; the self-check runs once for each cache directory."""
    versions = (numba.__version__, llvmlite.__version__)
    tested = all(own.startswith(f"{wanted}.") for own, wanted in zip(versions, TESTED, strict=True))
    if os.environ.get("FACTORY_SIM_LINKAGE") == "0" or not tested:
        return False
    passed, failed = (cache_directory(__name__) / name for name in ("linkage-works", "linkage-fails"))
    if not passed.exists() and not failed.exists():
        try:
            works = _self_check()
        except Exception:  # noqa: BLE001 - whatever fails inside Numba, the ordinary way remains
            works = False
        with suppress(OSError):  # else it is checked again next time
            (passed if works else failed).touch()
        return works
    return passed.exists()


def inner_njit(function: Callable[..., Any]) -> Any:
    """Compile a function that only other compiled functions call, and that makes no arrays."""
    return jit.inner_njit(function, **({"pipeline_class": _pipeline(_Inner)} if is_linked() else {}))


def frequent_njit(function: Callable[..., Any]) -> Any:
    """Like `inner_njit`, for small functions that run at every visit: they become part of their callers."""
    return jit.inner_njit(function, **({"pipeline_class": _pipeline(_Frequent)} if is_linked() else {}))


def rare_njit(function: Callable[..., Any]) -> Any:
    """Like `inner_njit`, for functions that run seldom."""
    return jit.inner_njit(function, **({"pipeline_class": _pipeline(_Rare)} if is_linked() else {}))


def entry_njit(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, with the inner functions that it calls."""
    return kept_njit(function, "numpy", **({"pipeline_class": _pipeline(_Entry)} if is_linked() else {}))
