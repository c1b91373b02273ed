"""A family of fuzzed inputs, and what is measured of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Family:
    """What comes from outside in one form.

    `attempt` makes one input of what the given `Random` says and has the code read it. It catches the errors that are
    documented for that code, and asserts what must hold for any input. Whatever it raises is a fault.
    """

    name: str
    about: str
    attempt: Callable[[Random], None]
    most_mb: float = 64
    """What one input may take at its peak."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An input at which the code failed, by the number that makes it again."""

    kind: str
    """`crash`, `hang` or `memory`."""
    number: int
    why: str


@dataclass(slots=True)
class Figures:
    """What was measured of one family."""

    inputs: int = 0
    took_s: float = 0.0
    """By the clock on the wall, with the time of making the inputs."""
    slowest_s: float = 0.0
    slowest: int = 0
    """The number of the slowest input."""
    peak_mb: float = 0.0
    """The most that one input took."""
    grown_mb: float = 0.0
    """What was not given back at the end, since the first tenth of the inputs."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def an_hour(self) -> float:
        return self.inputs / self.took_s * 3600 if self.took_s else 0.0

    def count(self, kind: str) -> int:
        return sum(fault.kind == kind for fault in self.faults)
