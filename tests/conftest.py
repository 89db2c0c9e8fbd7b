"""Shared settings: one thread count, one Hypothesis profile, and `--all`, which also runs the tests marked `long`."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when NumPy is first imported

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job ignores Ctrl-C, and its children

# One thorough profile: a random line compiles and simulates, which the default deadline calls slow.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the tests marked `long`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect long tests unless `--all` is given; each gives the reason why it may be left out."""
    long = [item for item in items if item.get_closest_marker("long")]
    if silent := [item.nodeid for item in long if "reason" not in item.get_closest_marker("long").kwargs]:  # type: ignore[union-attr]
        message = f"long tests without a reason: {', '.join(silent)}"
        raise pytest.UsageError(message)
    if not config.getoption("--all"):
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(scope="session", autouse=True)
def no_traces_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `run` keeps for a user's next Sparkplug run goes to a temporary place."""
    folder = tmp_path_factory.mktemp("home") / "bd_seq"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factory_sim.live.delivery.numbers", lambda: folder)
        yield
