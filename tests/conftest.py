"""Settings for all tests: Hypothesis has no deadline, because machines are busy, and always makes the same examples."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("voiceloop", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("voiceloop")
