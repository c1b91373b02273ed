"""Measured figures, and their rows in the printed table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity. `values`: one value for each run; `notes`: further results, in words."""

    name: str
    unit: str
    aim: str
    peer: str = ""
    values: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def line(self) -> str:
        """A row of the table."""
        return f"| {self.name} | {self._value()} | {self.aim} | {self.peer} | {'; '.join(self.notes)} |"

    def _value(self) -> str:
        if not self.values:
            return "not measured"
        if len(self.values) == 1:
            return f"{self.values[0]:{self._form}} {self.unit}"
        low, high, middle = min(self.values), max(self.values), statistics.median(self.values)
        text = f"{middle:{self._form}} {self.unit} ({low:{self._form}} to {high:{self._form}}"
        return f"{text}, p90 {p90(self.values):{self._form}}, n {len(self.values)})"

    @property
    def _form(self) -> str:
        return ".2f" if self.unit == "posts" else ".0f"


def p90(values: Sequence[float]) -> float:
    """The 90th percentile."""
    return sorted(values)[max(0, -(-9 * len(values) // 10) - 1)]
