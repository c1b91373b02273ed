"""An utterance as a file in memory, for services that take files."""

from __future__ import annotations

import io
import wave

from voiceloop.types import SAMPLE_BYTES


def wav(pcm: bytes, rate_hz: int) -> bytes:
    """A WAV of `pcm` (int16, mono)."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_BYTES)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()
