"""Keeps what was said and may not be sent, as files that `voiceloop transcribe --pending` takes (journal/store.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import trio

from voiceloop.audio.wav import wav_bytes
from voiceloop.errors import LimitReached
from voiceloop.journal.atomic_write import write_whole
from voiceloop.types import Utterance

HOW = "what you said is kept, and 'voiceloop transcribe --pending' with the same --config writes it down"


def folder() -> Path:
    """Where clips are kept: the user's state."""
    from platformdirs import user_state_path

    return user_state_path("voiceloop", appauthor=False) / "unsent"


def keep(utterance: Utterance) -> Path | None:
    """Write a clip where only the user can read it; None when that fails, with nothing of it left."""
    data = wav_bytes(utterance.pcm, utterance.rate_hz)
    with suppress(OSError):
        for path in _names():
            with suppress(FileExistsError):
                write_whole(path, data, synced=True, new=True)
                return path
    return None


def _names() -> Iterator[Path]:
    """Names in the order of speaking; a second clip of the same microsecond gets another."""
    here = folder()
    here.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    yield from (here / f"{stamp}{more}.wav" for more in ("", "-2", "-3", "-4"))


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
