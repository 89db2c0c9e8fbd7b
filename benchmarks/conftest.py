"""What every benchmark shares: a stretch of telemetry, and how a row of the table is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stretch as stretches

if TYPE_CHECKING:
    from collections.abc import Callable

    from stretch import Stretch


@pytest.fixture(scope="session")
def stretch() -> Stretch:
    return stretches.make()


@pytest.fixture
def row(benchmark: Any) -> Callable[..., None]:
    """Measure `work` and note `count` of it a second, beside what it is measured against."""

    def note(
        work: Callable[[], Any], count: int, unit: str, against: str | None = None, reference: float | None = None
    ) -> None:
        benchmark.pedantic(work, rounds=stretches.ROUNDS, iterations=1, warmup_rounds=1)
        value = count / benchmark.stats.stats.min
        ratio = None if reference is None else value / reference
        benchmark.extra_info.update(value=value, unit=unit, against=against, ratio=ratio)

    return note
