"""What the server answers and how it misbehaves: values only."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's misfortune. Fields left alone change nothing."""

    status: int | None = None
    """Answer with this status and an error body."""
    body: bytes | None = None
    """Instead of the usual body, or of the error body."""
    headers: tuple[tuple[str, str], ...] = ()
    """Over the usual ones, by name."""
    head_after_s: float = 0.0
    """Before the answer's first byte."""
    piece: int | None = None
    """Cut the body into pieces of this many bytes."""
    piece_every_s: float = 0.0
    """Between the pieces."""
    cut_after: int | None = None
    """Break the connection after this many bytes of the body."""
    repeat: bool = False
    """Send the body over and over, for as long as the client listens."""
    hang: str = ""
    """`head`: never answer. `body`: send the body, never end it."""
    drop: bool = False
    """Close the connection without an answer."""
    drip_head: bool = False
    """Send the answer's head letter by letter, without end."""


@dataclass(slots=True)
class Script:
    """What to answer. Lists are used up one by one, their last entry again and again."""

    texts: Sequence[str] = ("hello world",)
    replies: Sequence[str] = ("That is what you said.",)
    speech: Sequence[bytes] = ()
    """PCM, int16, of each speech answer; without any, a tone as long as the text would take."""
    speech_rate_hz: int = 24_000
    speech_channels: int = 1
    speech_type: str | None = None
    """The Content-Type of speech, when not `audio/pcm;rate=…;channels=…`."""
    transcribe_s: float = 0.0
    first_token_s: float = 0.0
    token_every_s: float = 0.0
    speak_s: float = 0.0
    """The service times: how long each answer takes to begin."""
    pace: float = 0.0
    """Speech comes this many times faster than it is played; 0 for as fast as it is taken."""
    odd_pieces: bool = False
    """Cut speech into pieces of odd numbers of bytes, from `seed`: samples are torn."""
    jitter_s: float = 0.0
    """Every piece of a streamed answer is late by up to this, from `seed`; none overtakes another."""
    seed: int = 0
    hear: Callable[[bytes], str] | None = None
    """What is said in a posted WAV, instead of `texts`; called in a thread (`recordings.py` has one)."""
    voice: Callable[[str], bytes | None] | None = None
    """The sound of a text to speak, before `speech` is asked; None where it has none (`recordings.py` has one)."""
    openai: bool = False
    """Have the shape of the servers that people run themselves."""
    refuse: Callable[[Any], bool] | None = None
    """Bodies to answer with a bare 400, as models do that don't take something."""
    key: str | None = "test-key"
    """The key to insist on; None for none."""
    models: Sequence[str] | None = None
    """The models there are; None for any."""
    catalogue: Sequence[dict[str, Any]] = ()
    """Rows of /models; each says in `architecture.output_modalities` for whom it is."""
    fault: Callable[[str, int], Fault | None] | None = None
    """Asked for every POST with its path and number (from 0)."""
    faults: list[Fault | None] = field(default_factory=list)
    """Used up by the POSTs, one each, before `fault` is asked."""


TONE_HZ = 880.0
SECONDS_PER_CHARACTER = 0.06


def tone(text: str, rate_hz: int, channels: int = 1) -> bytes:
    """A sine as long as `text` would take to say, faded so that it begins and ends without a click."""
    count = max(int(len(text) * SECONDS_PER_CHARACTER * rate_hz), rate_hz // 10)
    wave_ = np.sin(2 * np.pi * TONE_HZ / rate_hz * np.arange(count))
    fade = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.01 * rate_hz))
    samples = (wave_ * fade * 12_000).astype("<i2")
    return bytes(np.repeat(samples, channels).tobytes())


def wav_file(path: Path) -> tuple[bytes, int, int]:
    """PCM, rate and channels of a 16-bit WAV."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path}: not 16 bit")
        return file.readframes(file.getnframes()), file.getframerate(), file.getnchannels()
