"""A few hundred requests with random faults leave nothing behind (`scripts/bench soak-http` makes ten thousand)."""

from __future__ import annotations

import pytest
import trio

from bench.soak.requests import Soak


@pytest.mark.parametrize("seed", [7, 8])
async def test_random_faults_leave_nothing_behind(seed: int) -> None:
    with trio.fail_after(300):
        figures = await Soak(150, seed).run()
    assert figures.requests == 150
    assert figures.rules_broken == 0
    assert not any(figures.left.values()), figures.left
    # The random plan was varied.
    assert {"done", "cancelled"} < set(figures.outcomes)
    assert len(figures.outcomes) > 5
