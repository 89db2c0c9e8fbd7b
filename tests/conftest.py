"""What every test shares: the same thread count and the same Hypothesis effort everywhere."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when NumPy is first imported

from hypothesis import HealthCheck, settings

# One thorough profile: a random line compiles and simulates, which the default deadline calls slow.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
