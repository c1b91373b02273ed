"""What working ahead costs, and whether it is worth it. Pure: knows no clock, no service and no turn.

At a short pause the loop goes on as if the user had finished. When that was wrong, what was asked of services in the
pause is thrown away: paid for, and of use to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["transcribe", "handle", "speak"]

_MEMORY = 0.9
"""How much of what is remembered each further attempt leaves: some ten of them count."""
_JUDGED_FROM = 5
"""Attempts before which a share says nothing."""
_REST = 10
"""For how many pauses nothing is done ahead once too much was wasted; then it is tried again."""


@dataclass(slots=True)
class Asked:
    """One request: `units` are seconds of sound for a transcription, else 1. `cost_usd` once an answer has told it."""

    kind: Kind
    units: float = 1.0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What was asked for: requests, seconds of sound posted, USD (estimated where no answer told it)."""

    requests: int = 0
    audio_s: float = 0.0
    cost_usd: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.requests + other.requests, self.audio_s + other.audio_s, round(self.cost_usd + other.cost_usd, 9)
        )


class PreemptiveGeneration:
    """Counts what working ahead wasted, and pauses it above `max_waste`, a share of the cost of late.

    A request that was broken off tells no cost; it counts as much as those before it did on average. Where no answer
    ever tells one, seconds of posted sound stand for cost.
    """

    def __init__(self, *, enabled: bool = True, max_waste: float = 0.5) -> None:
        self._enabled, self._max_waste = enabled, max_waste
        self._told: dict[Kind, tuple[float, float]] = {}  # USD and units of the answers that told a cost
        self._recent = (0.0, 0.0)  # what was wasted and all, forgetting
        self._attempts = 0
        self._resting = 0
        self.used = Tally()
        self.wasted = Tally()

    @property
    def share(self) -> float:
        """The wasted share of what was spent of late: 0 to 1."""
        wasted, everything = self._recent
        return wasted / everything if everything else 0.0

    @property
    def resting(self) -> bool:
        """Whether it has paused itself."""
        return self._resting > 0

    @property
    def allowed(self) -> bool:
        """Whether to work ahead in the pause that has just begun."""
        return self._enabled and not self._resting

    def count_pause(self) -> None:
        """A pause has begun in which work might have gone ahead: while it has paused itself, one fewer is left."""
        if self._resting:
            self._resting -= 1
            if not self._resting:
                self._recent, self._attempts = (0.0, 0.0), 0

    def use(self, asked: Sequence[Asked]) -> None:
        """An attempt was of use."""
        self._learn(asked)
        self.used += self._tally(asked)
        self._remember(asked, wasted=False)

    def waste(self, asked: Sequence[Asked], *, ahead: bool = True) -> Tally:
        """An attempt was thrown away; gives what it took. Not `ahead`: it was asked for after the user had, by all
        signs, finished; working ahead is not to blame, and not paused for it."""
        self._learn(asked)
        lost = self._tally(asked)
        self.wasted += lost
        if not ahead:
            return lost
        self._remember(asked, wasted=True)
        if self._attempts >= _JUDGED_FROM and self.share > self._max_waste:
            self._resting = _REST
        return lost

    def _learn(self, asked: Sequence[Asked]) -> None:
        for request in asked:
            if request.cost_usd is not None:
                cost, units = self._told.get(request.kind, (0.0, 0.0))
                self._told[request.kind] = (cost + request.cost_usd, units + request.units)

    def _tally(self, asked: Sequence[Asked]) -> Tally:
        seconds = sum(request.units for request in asked if request.kind == "transcribe")
        return Tally(len(asked), seconds, round(sum(map(self._cost, asked)), 9))

    def _cost(self, request: Asked) -> float:
        if request.cost_usd is not None:
            return request.cost_usd
        cost, units = self._told.get(request.kind, (0.0, 0.0))
        return cost / units * request.units if units else 0.0

    def _remember(self, asked: Sequence[Asked], *, wasted: bool) -> None:
        if any(cost for cost, _ in self._told.values()):
            weight = sum(map(self._cost, asked))
        else:
            weight = sum(request.units for request in asked if request.kind == "transcribe")
        lost, everything = self._recent
        self._recent = (_MEMORY * lost + (weight if wasted else 0.0), _MEMORY * everything + weight)
        self._attempts += 1
