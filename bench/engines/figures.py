"""Figures for the printed tables: percentiles, shares of wrong words, rows. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.engines.words import Comparison


@dataclass(frozen=True, slots=True)
class Score:
    """What was heard wrong of several clips."""

    comparisons: Sequence[Comparison]

    @property
    def words(self) -> int:
        return sum(comparison.words for comparison in self.comparisons)

    @property
    def errors(self) -> int:
        return sum(comparison.errors for comparison in self.comparisons)

    @property
    def percent(self) -> float:
        """Words replaced, lost and added, in percent of the words that were said."""
        return 100 * self.errors / self.words


def percentile(values: Sequence[float], share: float) -> float:
    """The value that a `share` of all values do not exceed (the nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def spread(values: Sequence[float]) -> str:
    """The median and the 95th percentile."""
    return f"{percentile(values, 0.5):.0f} / {percentile(values, 0.95):.0f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
