"""Rules that end turns, compared as LiveKit's end-of-turn benchmark does: each rule is swept through its settings, and
what counts is the mean wait at the true ends for a given share of cut-offs. Pure.

A pause inside a turn is cut off when it lasts longer than the rule waits; how long such pauses last is taken from that
benchmark's distribution (`survival.py`), so the share needs no random draw. No rule decides before what it needs is
known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import mean, median

from bench.endpoint.measuring import Known
from bench.endpoint.survival import longer

SHORTEST_S, LONGEST_S = 0.25, 3.5
"""The bounds of every adaptive rule here."""
STEPS = 160
Waits = Callable[[Known], float]
"""How long a rule waits in a pause, in seconds, once its setting is fixed."""


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of a rule, and what it does."""

    waits: Waits
    cut: float
    """The share of inner pauses that are cut off."""
    wait_s: float
    """The mean wait at the true ends."""


def point(waits: Waits, known: Sequence[Known]) -> Point:
    """What a rule with this setting does."""
    cuts = [longer(waits(each)) for each in known if each.kind != "end"]
    return Point(waits, mean(cuts), mean(waits(each) for each in known if each.kind == "end"))


def base_s(step: int) -> float:
    """The bases of `scaled`: from 50 ms to 20 s."""
    return float(0.05 * 400 ** (step / (STEPS - 1)))


def scaled(factor: Callable[[Known], float], known_s: float) -> Iterator[Waits]:
    """The settings of a rule that multiplies a base by a factor."""

    def waits(base: float, each: Known) -> float:
        return max(min(max(base * factor(each), SHORTEST_S), LONGEST_S), known_s)

    return (partial(waits, base_s(step)) for step in range(STEPS))


def silence(known_s: float = 0.0) -> Iterator[Waits]:
    """Plain silence: the same wait everywhere."""
    shortest_s = max(0.2, known_s)
    for step in range(STEPS):
        yield partial(_same, shortest_s * (LONGEST_S / shortest_s) ** (step / (STEPS - 1)))


def _same(wait_s: float, _: Known) -> float:
    return wait_s


def thresholds(score: Callable[[Known], float], known_s: float) -> Iterator[Waits]:
    """A threshold: a short wait above it, a long one below it, as programs with such judges have it."""

    def waits(threshold: float, short_s: float, long_s: float, each: Known) -> float:
        return max(short_s if score(each) >= threshold else long_s, known_s)

    shorts, longs = (SHORTEST_S, 0.3, 0.4, 0.5, 0.6, 0.8), (0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.0, LONGEST_S)
    levels = [0.1 * step for step in range(-44, 45, 4)]
    return (partial(waits, *setting) for setting in product(levels, shorts, longs))


def swept(settings: Iterator[Waits], known: Sequence[Known]) -> list[Point]:
    """All settings that are worth having: none cuts off less and waits less. By falling cut-offs."""
    points = sorted((point(waits, known) for waits in settings), key=lambda each: (-each.cut, each.wait_s))
    best: list[Point] = []
    for each in points:
        if best and best[-1].cut == each.cut:
            continue
        while best and best[-1].wait_s >= each.wait_s:
            best.pop()
        best.append(each)
    return best


def wait_at(points: Sequence[Point], cut: float) -> Point:
    """The setting with the least wait of those that cut off at most this share."""
    return min((each for each in points if each.cut <= cut), key=lambda each: each.wait_s)


def cut_at(points: Sequence[Point], wait_s: float) -> float:
    """The least share of cut-offs for a mean wait of at most this."""
    return min((each.cut for each in points if each.wait_s <= wait_s), default=1.0)


def middle(chosen: Point, known: Sequence[Known], where: Callable[[Known], bool]) -> float:
    """The median wait at the ends that `where` selects."""
    return median(chosen.waits(each) for each in known if each.kind == "end" and where(each))


def auc(known: Sequence[Known], kinds: Sequence[str]) -> float:
    """How often the judge gives an end more than a pause of these kinds: 0.5 is chance."""
    ends = [each.sound for each in known if each.kind == "end"]
    holds = [each.sound for each in known if each.kind in kinds]
    return mean((end > hold) + (end == hold) / 2 for end in ends for hold in holds)
