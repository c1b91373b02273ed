"""Events: named, with fields, passed to one function that never waits.

The command line renders them: as JSON lines with `--json`, otherwise as text. `notice` (field `text`) is one line for
the person at the terminal; transcripts and replies are in `text` fields, and are untrusted.
"""

from __future__ import annotations

import dataclasses
from contextvars import ContextVar
from typing import Any, Protocol

TURN: ContextVar[int | None] = ContextVar("turn", default=None)
"""The number of the turn that a task works for. Set where a turn begins; the tasks that it starts inherit it."""


class Publish(Protocol):
    """Publishes an event. Never waits."""

    def __call__(self, name: str, /, **fields: object) -> None: ...


def plain(value: object) -> Any:
    """A JSON value for a field's value that JSON has no type for: the `default` of `json.dumps`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
