"""Clips that a limit kept from being sent: WAV files that `voiceloop transcribe --pending` transcribes (`store.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from voiceloop.audio.wav import wav_bytes
from voiceloop.journal.atomic_write import write_atomically
from voiceloop.types import Utterance


def folder() -> Path:
    """The folder of unsent clips, in the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("voiceloop", appauthor=False) / "unsent"


def keep(utterance: Utterance) -> Path | None:
    """Write a clip to a file that only the user can read, and return its path. None if that fails; no file is left."""
    data = wav_bytes(utterance.pcm, utterance.rate_hz)
    with suppress(OSError):
        for path in _names():
            with suppress(FileExistsError):
                write_atomically(path, data, synced=True, new=True)
                return path
    return None


def _names() -> Iterator[Path]:
    """Paths named by the time, so that they sort by it; further ones for clips of the same microsecond."""
    here = folder()
    here.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    yield from (here / f"{stamp}{more}.wav" for more in ("", "-2", "-3", "-4"))
