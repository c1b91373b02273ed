"""Fits the coefficients of `voiceloop/capture/endpointing/judgement.py` to the open half of the material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from bench.endpoint import policies
from bench.endpoint.measuring import Known
from voiceloop.capture.endpointing.endings import Ending, ending
from voiceloop.capture.endpointing.judgement import SLOPE

_RIDGE = 1.0
"""Holds back weights of what is rarely seen: as much as one more pause of each kind would."""
_CUT = 0.05


@dataclass(frozen=True, slots=True)
class Fit:
    """The coefficients. `base_s` is the base hangover with which 5 % of the pauses are cut off."""

    sound: float
    words: Mapping[Ending, float]
    base_s: float


def features(known: Sequence[Known], *, words: bool) -> np.ndarray:
    """A row for each pause: 1, the sound's log-odds, whether the words want another one, and whether they must have
    one. The weights of full stops and question marks can't be fitted: the recogniser here puts them after anything."""
    endings = [heard(each) if words else Ending.UNKNOWN for each in known]
    wants = [(float(one >= Ending.LINKED), float(one is Ending.OPEN)) for one in endings]
    return np.array([[1.0, each.sound, *want] for each, want in zip(known, wants, strict=True)])


def heard(each: Known) -> Ending:
    """How the words of a pause end."""
    return ending(each.text, "en", punctuated=False)


def logistic(rows: np.ndarray, over: np.ndarray) -> np.ndarray:
    """The coefficients of a logistic regression with a ridge, by Newton's method. Both outcomes weigh the same."""
    weights = np.where(over, 0.5 / over.mean(), 0.5 / (1 - over.mean()))
    found = np.zeros(rows.shape[1])
    ridge = np.full(rows.shape[1], _RIDGE)
    ridge[0] = 0.0
    for _ in range(50):
        chance = 1 / (1 + np.exp(-rows @ found))
        slope = rows.T @ (weights * (over - chance)) - ridge * found
        curve = (rows * (weights * chance * (1 - chance))[:, None]).T @ rows + np.diag(ridge)
        found = found + np.linalg.solve(curve, slope)
    return found


def fit(known: Sequence[Known], known_s: float) -> Fit:
    """Fit to pauses with their words and, once more, without them: words may not be known. A word that must have
    another never weighs less than one that wants one."""
    rows = np.concatenate((features(known, words=True), features(known, words=False)))
    over = np.array([each.kind == "end" for each in known] * 2)
    _, sound, linked, more = logistic(rows, over)
    if more > 0:
        _, sound, linked = logistic(rows[:, :3], over)
        more = 0.0
    words = {Ending.LINKED: float(linked), Ending.OPEN: float(linked + more)}

    def factor(each: Known) -> float:
        return exp(-SLOPE * (sound * each.sound + words.get(heard(each), 0.0)))

    points = [policies.point(waits, known) for waits in policies.scaled(factor, known_s)]
    step = next(step for step, each in enumerate(points) if each.cut <= _CUT)
    return Fit(float(sound), words, policies.base_s(step))
