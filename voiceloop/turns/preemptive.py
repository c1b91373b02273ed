"""The cost of preemptive generation: counts what it wastes, and turns it off for a while when that is too much.

Pure: knows no clock, no service and no turn.

At a short pause the loop transcribes and answers as if the user had finished. If the user goes on, the requests made in
the pause were wasted: they are paid for, and their results are thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["transcribe", "handle", "speak"]

_MEMORY = 0.9
"""The weight that older attempts keep with each new one: about the last ten count."""
_LEAST_ATTEMPTS = 5
"""With fewer attempts the wasted share means nothing."""
REST_PAUSES = 10
"""For how many pauses there is no preemptive work after too much was wasted; then it is tried again."""


@dataclass(slots=True)
class Asked:
    """One request to a service."""

    kind: Kind
    units: float = 1.0
    """Seconds of sound for a transcription, else 1."""
    cost_usd: float | None = None
    """Known once an answer has stated it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum of requests: their number, the seconds of sound posted, and USD (estimated where no answer stated it)."""

    requests: int = 0
    audio_s: float = 0.0
    cost_usd: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.requests + other.requests, self.audio_s + other.audio_s, round(self.cost_usd + other.cost_usd, 9)
        )


class PreemptiveGeneration:
    """Counts what preemptive work wasted. Above `max_waste`, a share of the recent cost, there is none for 10 pauses.

    A request that was broken off states no cost: it counts as much as the requests of its kind before it did on
    average. Where no answer ever states a cost, seconds of posted sound stand for it.
    """

    def __init__(self, *, enabled: bool = True, max_waste: float = 0.5) -> None:
        self._enabled, self._max_waste = enabled, max_waste
        # By kind: USD and units of the requests whose answers stated a cost.
        self._stated: dict[Kind, tuple[float, float]] = {}
        self._recent = (0.0, 0.0)  # recent cost: what was wasted, and all of it; older attempts count less
        self._attempts = 0
        self._resting = 0
        self.used = Tally()
        self.wasted = Tally()

    @property
    def share(self) -> float:
        """The wasted share of the recent cost: 0 to 1."""
        wasted, everything = self._recent
        return wasted / everything if everything else 0.0

    @property
    def resting(self) -> bool:
        """Whether it is off for some pauses, because too much was wasted."""
        return self._resting > 0

    @property
    def allowed(self) -> bool:
        """Whether there may be preemptive work in the pause that has just begun."""
        return self._enabled and not self._resting

    def count_pause(self) -> None:
        """Count a pause. While preemptive work is off, the time off becomes one pause shorter."""
        if self._resting:
            self._resting -= 1
            if not self._resting:
                self._recent, self._attempts = (0.0, 0.0), 0

    def use(self, asked: Sequence[Asked]) -> None:
        """Count the requests of an attempt whose answer was used."""
        self._learn(asked)
        self.used += self._tally(asked)
        self._remember(asked, wasted=False)

    def waste(self, asked: Sequence[Asked], *, preemptive: bool = True) -> Tally:
        """Count the requests of an attempt that was thrown away; returns their sum.

        Not `preemptive`: they were made when the user had finished by all signs, so preemptive work is not turned off
        because of them.
        """
        self._learn(asked)
        lost = self._tally(asked)
        self.wasted += lost
        if not preemptive:
            return lost
        self._remember(asked, wasted=True)
        if self._attempts >= _LEAST_ATTEMPTS and self.share > self._max_waste:
            self._resting = REST_PAUSES
        return lost

    def _learn(self, asked: Sequence[Asked]) -> None:
        for request in asked:
            if request.cost_usd is not None:
                cost, units = self._stated.get(request.kind, (0.0, 0.0))
                self._stated[request.kind] = (cost + request.cost_usd, units + request.units)

    def _tally(self, asked: Sequence[Asked]) -> Tally:
        seconds = sum(request.units for request in asked if request.kind == "transcribe")
        return Tally(len(asked), seconds, round(sum(map(self._cost, asked)), 9))

    def _cost(self, request: Asked) -> float:
        if request.cost_usd is not None:
            return request.cost_usd
        cost, units = self._stated.get(request.kind, (0.0, 0.0))
        return cost / units * request.units if units else 0.0

    def _remember(self, asked: Sequence[Asked], *, wasted: bool) -> None:
        if any(cost for cost, _ in self._stated.values()):
            weight = sum(map(self._cost, asked))
        else:
            weight = sum(request.units for request in asked if request.kind == "transcribe")
        lost, everything = self._recent
        self._recent = (_MEMORY * lost + (weight if wasted else 0.0), _MEMORY * everything + weight)
        self._attempts += 1
