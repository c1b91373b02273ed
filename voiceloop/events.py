"""How the loop tells what happens: named events with fields, handed to one function that never waits.

The command line renders them: as JSON lines with `--json`, otherwise as text. `notice` (field `text`) is one line for
the person at the terminal; transcripts and replies ride in `text` fields and are untrusted.
"""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar
from typing import Any, Protocol

TURN: ContextVar[int | None] = ContextVar("turn", default=None)
"""The number of the turn that a task works for: set where a turn begins, inherited by the tasks that it starts."""


class Publish(Protocol):
    def __call__(self, name: str, /, **fields: object) -> None: ...


def plain(value: object) -> Any:
    """What JSON can hold of an event's field that it can't hold: for the `default` of `json.dumps`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
