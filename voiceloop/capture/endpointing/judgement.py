"""The judgement of one pause from all that is known about it: a factor by which the base hangover is multiplied. Pure.

Each piece of evidence has a weight in log-odds that the turn is over; the weights add up, and

    factor = exp(-SLOPE x log-odds)

The form follows from what a wait costs. Inner pauses last longer than t seconds with a share of about t^-1.5 (LiveKit's
end-of-turn benchmark, English: 55.6, 21.7, 10 and 5 % last over 0.3, 0.6, 1.0 and 1.6 s). Waiting t costs t where the
turn is over, and saves a cut of that share where it isn't; the t that costs least is proportional to the odds to the
power -1 / 2.5. So SLOPE is 0.4.

Without the sound, the weights are those of how the words end, and the factors are round numbers. With it, they are
those of a logistic regression on the open half of the material of `scripts/bench endpoint`, which prints them again
with `--fit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

from voiceloop.capture.endpointing.endings import Ending

SLOPE = 0.4
FACTORS = {
    Ending.QUESTION: 0.6,
    Ending.STOP: 0.75,
    Ending.UNKNOWN: 1.0,
    Ending.LINKED: 1.3,
    Ending.OPEN: 1.8,
}
"""Without the sound: the factor for each way a transcript can end."""
SOUND = 0.72
"""The weight of the judge's log-odds."""
SCALE = 1.26
"""The factor at log-odds of 0: with it the usual `hangover_ms` of 600 ms cuts off 5 % of the pauses of that half."""
WORDS = {
    Ending.QUESTION: -log(FACTORS[Ending.QUESTION]) / SLOPE,
    Ending.STOP: -log(FACTORS[Ending.STOP]) / SLOPE,
    Ending.UNKNOWN: 0.0,
    Ending.LINKED: -1.85,
    Ending.OPEN: -2.23,
}
"""With the sound: the weight of each way a transcript can end. Words that are not known weigh nothing. The two of
punctuation are as without the sound: the recogniser of the benchmark puts marks after anything, so they can't be
fitted, and its marks aren't used."""


LANGUAGES = frozenset(
    "ar bn da de en es fi fr hi id it ja ko mr nl no pl pt ru tr uk vi zh".split()  # noqa: SIM905 - as its maker lists
)
"""Those that Smart Turn was trained on: in others the sound doesn't count."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a pause. None: not known, or not yet."""

    ending: Ending | None = None
    """How the transcript before it ends."""
    sound: float | None = None
    """The acoustic judge's log-odds that the turn is over."""


NOTHING = Evidence()
"""Nothing is known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a pause, and by what."""

    start: int
    """The pause's first sample."""
    hangover: int
    """How long it had to last, in samples."""
    evidence: Evidence
    factor: float
    """What the evidence makes of the base hangover."""
    speaker_factor: float


def log_odds(evidence: Evidence) -> float:
    """The log-odds that the turn is over, by the sound and what is known of the words."""
    words = WORDS[evidence.ending] if evidence.ending is not None else 0.0
    return SOUND * (evidence.sound or 0.0) + words


def factor(evidence: Evidence) -> float:
    """The factor by which the base hangover is multiplied."""
    if evidence.sound is None:
        return FACTORS[Ending.UNKNOWN if evidence.ending is None else evidence.ending]
    return SCALE * exp(-SLOPE * log_odds(evidence))
