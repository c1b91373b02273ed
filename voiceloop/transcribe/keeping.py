"""Keeping of speech that may not be sent because a limit is reached (`journal/unsent.py`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voiceloop.errors import LimitReached
from voiceloop.journal.unsent import keep
from voiceloop.types import Utterance

KEPT = "what you said is kept, and 'voiceloop transcribe --pending' with the same --config or --cloud transcribes it"
"""What an error adds when a clip was kept."""


@asynccontextmanager
async def keeping_unsent(utterance: Utterance, *, keeps: bool) -> AsyncIterator[None]:
    """Save `utterance` to disk when the body raises `LimitReached`, and add that to the error's remedy.

    `keeps` is false when the speech comes from a file, which need not be saved again.
    """
    try:
        yield
    except LimitReached as error:
        if not keeps:
            raise
        # Shielded, so that a barge-in does not lose the speech.
        with trio.CancelScope(shield=True):
            path = await trio.to_thread.run_sync(keep, utterance)
        if path is not None:
            error.remedy = f"{error.remedy}; {KEPT}"
            error.args = (error.what, error.place, error.remedy)
        raise
