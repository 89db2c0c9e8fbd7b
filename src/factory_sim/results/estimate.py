"""An estimate with its confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate from n independent values with its two-sided confidence interval.

    Attributes
    ----------
    mean : float
        The estimate; NaN when it is not defined.
    low, high : float
        Ends of the interval, in the unit of `mean`; infinite with fewer than two values.
    n : int
        Number of values or pairs behind the estimate.
    confidence : float
        Probability with which the interval covers the true value [1].
    """

    mean: float
    low: float
    high: float
    n: int
    confidence: float = 0.95

    @property
    def half_width(self) -> float:
        """Half of the interval's width, in the unit of `mean`."""
        return (self.high - self.low) / 2

    @property
    def is_defined(self) -> bool:
        """Whether `mean` is a finite number."""
        return math.isfinite(self.mean)

    @property
    def includes_zero(self) -> bool:
        """Whether 0 lies inside the interval: the data do not show the sign."""
        return not (self.low > 0 or self.high < 0)

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit, `factor` > 0 of which make one of this."""
        mean, low, high = (factor * value for value in (self.mean, self.low, self.high))
        return Estimate(mean=mean, low=low, high=high, n=self.n, confidence=self.confidence)

    def to_dict(self) -> dict[str, float | None]:
        """Return `mean`, `low` and `high`; None stands for a value that is infinite or not defined."""
        ends = {"mean": self.mean, "low": self.low, "high": self.high}
        return {name: value if math.isfinite(value) else None for name, value in ends.items()}
