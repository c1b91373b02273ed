"""For all tests: Hypothesis takes no time for failure (machines are busy), and gives the same examples every time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("voiceloop", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("voiceloop")
