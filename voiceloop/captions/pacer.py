"""Pacer: decides when to transcribe unfinished speech for a guess, as often as the budget allows. Pure.

Where posts cost money, the budget counts seconds of posted audio. Elsewhere it is the time of a processor, this
machine's or a server's: the interval follows the time that the last guess took.

Times are seconds of the source's sample time, so that a replay makes the same guesses as the live run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SLOWEST_S = 8.0
"""The longest interval to which SLOWER stretches the time between guesses."""
SLOWER = 4.0
"""By what factor guesses become rarer while the server wants fewer requests."""
CARRIED_S = 10.0
"""At most the budget of this many seconds of speech is carried over."""
SHARE = 0.4
"""The share of the time that guesses may take on this machine's processor."""
SERVER_SHARE = 1.0
"""The same on a server that costs nothing: the next guess is posted when the last one is there."""


@dataclass(slots=True, kw_only=True)
class Pacer:
    """At least `every_s` between guesses; at most `budget_s` seconds of audio posted per second of speech, in all."""

    every_s: float
    budget_s: float | None
    """None: the audio costs nothing but time."""
    share: float = SHARE
    """The share of the time that guesses may take, without a budget."""
    heard_s: float = 0.0
    posted_s: float = 0.0
    _balance_s: float = 0.0
    """How much audio may be posted now."""
    _last_guess_s: float = field(default=float("-inf"))
    _rest_s: float = 0.0
    """The interval that the time taken by the last guess demands."""

    def hear(self, seconds: float) -> None:
        """Add `seconds` of speech, which earns budget."""
        self.heard_s += seconds
        if self.budget_s is not None:
            self._balance_s = min(self._balance_s + seconds * self.budget_s, CARRIED_S * self.budget_s)

    def begin(self, now_s: float) -> None:
        """Note that somebody begins to speak: the first guess is due after the usual interval."""
        self._last_guess_s = now_s

    def due(self, *, now_s: float, clip_s: float, reserve_s: float, crowded: bool) -> bool:
        """Whether to post a clip of `clip_s` for a guess now. `reserve_s` is the budget to keep for the final words.
        `crowded`: the server has answered that there are too many requests."""
        every_s = min(self.every_s * SLOWER, SLOWEST_S) if crowded else self.every_s
        waited_s = now_s - self._last_guess_s
        return waited_s >= max(every_s, self._rest_s) and self.affords(clip_s, reserve_s=reserve_s)

    def again(self) -> None:
        """Note that the last guess was of no use: the next one is due at once."""
        self._last_guess_s = float("-inf")

    def affords(self, clip_s: float, *, reserve_s: float) -> bool:
        """Whether the budget allows a clip of `clip_s` and still leaves `reserve_s`."""
        return self.budget_s is None or self._balance_s - clip_s >= reserve_s

    def guess(self, *, now_s: float, clip_s: float) -> None:
        """Note that a clip was posted for a guess."""
        self._last_guess_s = now_s
        self.post(clip_s)

    def post(self, clip_s: float) -> None:
        """Deduct a posted clip from the budget."""
        self.posted_s += clip_s
        self._balance_s -= clip_s

    def took(self, seconds: float) -> None:
        """Note how long a guess took. Without a budget, guesses may take up to `share` of the time."""
        self._rest_s = seconds / self.share if self.budget_s is None else 0.0
