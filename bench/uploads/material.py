"""What is said to the benchmark of uploads: recorded prompts in a room with a little noise.

From Debian's `asterisk-core-sounds-en-wav`: a person, recorded at 8 kHz, so that FLAC has less to write than with a
wider band. White noise of 16 kHz lies under all of it. Pure but for reading the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.turns.material import ASTERISK
from testbed.server.recordings import speech_bounds
from voiceloop.audio.wav import read_wav
from voiceloop.types import CAPTURE_RATE_HZ

PROMPTS = ("demo-congrats", "demo-abouttotry", "demo-moreinfo", "vm-msginstruct", "tt-monkeys", "demo-nogo")
NOISE_DBFS = -60.0
"""The room's noise (root mean square)."""
PAUSE_S = 0.5
LEAD_S, TAIL_S = 1.0, 1.5
"""Room before and after the speech."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What somebody says: int16, mono, 16 kHz."""

    name: str
    pcm: bytes = field(repr=False)
    end: int
    """Just past the last sample of the speech."""


def spoken() -> Iterator[Spoken]:
    """2, 10 and 30 s of speech, and 20 s with three pauses."""
    for length_s in (2, 10, 30):
        yield _in_a_room(f"{length_s} s", [_speech(length_s)])
    yield _in_a_room("20 s, three pauses", [_speech(5, skip) for skip in range(4)])


def _in_a_room(name: str, parts: list[NDArray[np.int16]]) -> Spoken:
    pieces = [_quiet(LEAD_S)]
    for part in parts:
        pieces += [part, _quiet(PAUSE_S)]
    pieces[-1] = _quiet(TAIL_S)
    clean = np.concatenate(pieces).astype(np.float64)
    return Spoken(name, in_noise(clean), len(clean) - len(pieces[-1]))


def in_noise(clean: NDArray[np.float64]) -> bytes:
    """A recording in the room's noise, as int16."""
    noise = np.random.default_rng(21).normal(0, 32_768 * 10 ** (NOISE_DBFS / 20), len(clean))
    return np.clip(np.rint(clean + noise), -32_768, 32_767).astype("<i2").tobytes()


def _quiet(seconds: float) -> NDArray[np.int16]:
    return np.zeros(round(seconds * CAPTURE_RATE_HZ), dtype=np.int16)


def _speech(length_s: float, skip: int = 0) -> NDArray[np.int16]:
    """So many seconds that end where a prompt's speech ends; `skip` prompts are left out."""
    wanted, found, count = round(length_s * CAPTURE_RATE_HZ), [np.zeros(0, dtype=np.int16)], 0
    for name in (PROMPTS * 2)[skip:]:
        found.append(_prompt(name))
        count += len(found[-1])
        if count >= wanted:
            break
    return np.concatenate(found)[-wanted:]


@cache
def _prompt(name: str) -> NDArray[np.int16]:
    """A prompt from its first to its last speech."""
    pcm = np.frombuffer(read_wav(ASTERISK / f"{name}.wav").at(CAPTURE_RATE_HZ), dtype="<i2")
    first, last = speech_bounds(pcm.astype(np.float64), CAPTURE_RATE_HZ)
    return pcm[first:last].astype(np.int16)
