"""When to ask for a guess at what is being said, and of how much: as often as the budget allows. Pure.

Time is in seconds of the source's sample time, so that a replay asks as the live run did.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SLOWEST_S = 8.0
SLOWER = 4.0
"""How much rarer guesses become while the server wants fewer requests."""
CARRIED_S = 10.0
"""Of how many seconds of speech an unused allowance is carried on."""


@dataclass(slots=True)
class Pacer:
    """`every_s` between guesses at best; at most `budget_s` of audio posted for each second of speech, in all."""

    every_s: float
    budget_s: float
    heard_s: float = 0.0
    posted_s: float = 0.0
    _balance_s: float = 0.0
    _last_s: float = field(default=float("-inf"))

    def hear(self, seconds: float) -> None:
        """So much more was said."""
        self.heard_s += seconds
        self._balance_s = min(self._balance_s + seconds * self.budget_s, CARRIED_S * self.budget_s)

    def begin(self, now_s: float) -> None:
        """Somebody begins to speak: the first guess is due after the usual time."""
        self._last_s = now_s

    def due(self, now_s: float, clip_s: float, *, reserve_s: float, crowded: bool) -> bool:
        """Whether a guess at `clip_s` may be asked for; `reserve_s` is what the final text will still need. `crowded`:
        the server has said that there are too many requests."""
        every_s = min(self.every_s * SLOWER, SLOWEST_S) if crowded else self.every_s
        return now_s - self._last_s >= every_s and self.affords(clip_s, reserve_s=reserve_s)

    def affords(self, clip_s: float, *, reserve_s: float) -> bool:
        """Whether the budget has room for a clip."""
        return self._balance_s - clip_s >= reserve_s

    def guess(self, now_s: float, clip_s: float) -> None:
        """A guess was asked for."""
        self._last_s = now_s
        self.post(clip_s)

    def post(self, clip_s: float) -> None:
        """So much audio was posted."""
        self.posted_s += clip_s
        self._balance_s -= clip_s
