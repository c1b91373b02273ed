"""How long people pause inside a turn, and what a wait therefore costs. Pure.

The distribution is that of LiveKit's published end-of-turn benchmark (English): inner pauses of 0.2 to 5 s, of which
55.6, 21.7, 10 and 5 % last over 0.3, 0.6, 1.0 and 1.6 s. Between these points it is log-linear in the logarithm of
time, which is nearly a straight line there: S(t) ~ t^-1.5.
"""

from __future__ import annotations

import numpy as np

POINTS = ((0.2, 1.0), (0.3, 0.556), (0.6, 0.217), (1.0, 0.1), (1.6, 0.05), (5.0, 0.001))
_LOG_S, _LOG_SHARE = (np.log([point[axis] for point in POINTS]) for axis in (0, 1))


def longer(seconds: float) -> float:
    """The share of inner pauses that last longer than this: those that a turn's end at that time cuts."""
    if seconds <= POINTS[0][0]:
        return 1.0
    if seconds >= POINTS[-1][0]:
        return 0.0
    return float(np.exp(np.interp(np.log(seconds), _LOG_S, _LOG_SHARE)))


def quantile(share: float) -> float:
    """The length that this share of inner pauses is longer than, in seconds."""
    log_share = np.log(min(max(share, POINTS[-1][1]), 1.0))
    return float(np.exp(np.interp(log_share, _LOG_SHARE[::-1], _LOG_S[::-1])))
