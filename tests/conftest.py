"""What every test shares: the same thread count and the same Hypothesis effort everywhere."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when NumPy is first imported

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# One thorough profile: a random line compiles and simulates, which the default deadline calls slow.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def no_traces_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What `run` keeps for a user's next Sparkplug run goes to a temporary place."""
    folder = tmp_path_factory.mktemp("home") / "bd_seq"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factory_sim.cli.senders.numbers", lambda: folder)
        yield
