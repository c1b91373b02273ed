"""Keeps what was said and may not be sent (`journal/unsent.py`), and says so in the error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voiceloop.errors import LimitReached
from voiceloop.journal.unsent import keep
from voiceloop.types import Utterance

HOW = "what you said is kept, and 'voiceloop transcribe --pending' with the same --config writes it down"


@asynccontextmanager
async def keeping(utterance: Utterance, *, keeps: bool) -> AsyncIterator[None]:
    """Keep `utterance` when the body raises `LimitReached`, and say so in it. `keeps` is off for what is a file."""
    try:
        yield
    except LimitReached as error:
        if not keeps:
            raise
        # What was said must not be lost to a barge-in either.
        with trio.CancelScope(shield=True):
            path = await trio.to_thread.run_sync(keep, utterance)
        if path is not None:
            error.remedy = f"{error.remedy}; {HOW}"
            error.args = (error.what, error.place, error.remedy)
        raise
