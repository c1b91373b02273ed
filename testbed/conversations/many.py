"""Plays many random conversations, on all processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from testbed.conversations.checking import check
from testbed.conversations.seeded import conversation
from voiceloop.turns.arbiter import Event, State

_AT_ONCE = 25


@dataclass
class Played:
    """What happened in some conversations."""

    steps: set[tuple[State, Event]] = field(default_factory=set)
    """What has happened in which state of the arbiter."""
    wrong: dict[int, str] = field(default_factory=dict)
    """The error of each conversation in which something went wrong, by number."""


def play_some(numbers: Sequence[int]) -> Played:
    """Play conversations one after the other."""
    played = Played()
    for number in numbers:
        try:
            played.steps |= check(*conversation(number)).steps
        except Exception as error:  # noqa: BLE001 - which conversation it was is what matters
            played.wrong[number] = repr(error)
    return played


def play_many(numbers: range) -> Played:
    """Play conversations on all processors."""
    parts = [numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE)]
    together = Played()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for played in pool.map(play_some, parts):
            together.steps |= played.steps
            together.wrong |= played.wrong
    return together
