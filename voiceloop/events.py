"""How the loop tells what happens: named events with fields, handed to one function that never waits.

The command line renders them: as JSON lines with `--json`, otherwise as text. `notice` (field `text`) is one line for
the person at the terminal; transcripts and replies ride in `text` fields and are untrusted.
"""

from __future__ import annotations

from typing import Protocol


class Publish(Protocol):
    def __call__(self, name: str, /, **fields: object) -> None: ...
