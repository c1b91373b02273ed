"""Keeps what was said and may not be sent, as a file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from voiceloop.audio.wav import wav_bytes
from voiceloop.types import Utterance


def keep(utterance: Utterance, folder: Path | None = None) -> Path | None:
    """Write a clip where only the user can read it; None when that fails. `folder` is the user's state by default."""
    from platformdirs import user_state_path

    folder = folder or user_state_path("voiceloop", appauthor=False) / "unsent"
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    path = folder / f"{stamp}.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(wav_bytes(utterance.pcm, utterance.rate_hz))
    except OSError:
        return None
    return path
