"""What each format makes of a clip: its bytes, and the words that a recogniser then gets wrong. In file time."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from bench.engines.words import compare
from bench.turns.material import ASTERISK, WORDS
from bench.uploads.material import NOISE_DBFS, in_noise
from testbed.server.engine import hearing
from voiceloop.audio.clip_formats import ClipFormat, encoded
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

KINDS: tuple[ClipFormat, ...] = ("wav", "flac", "ogg")


@dataclass(slots=True)
class _Sum:
    bytes_: int = 0
    wrong: int = 0


def table() -> str:
    """Recorded prompts in noise, transcribed by Moonshine's smallest model after each format."""
    hear, sums, said = hearing("moonshine"), {kind: _Sum() for kind in KINDS}, 0
    for name, text in WORDS.items():
        path = ASTERISK / f"{name}.wav"
        if not path.exists():
            continue
        pcm = in_noise(np.frombuffer(read_wav(path).at(CAPTURE_RATE_HZ), dtype="<i2").astype(np.float64))
        for kind, sum_ in sums.items():
            file = encoded(kind, pcm, CAPTURE_RATE_HZ)
            sum_.bytes_ += len(file)
            samples, _ = soundfile.read(io.BytesIO(file), dtype="int16")
            sum_.wrong += compare(text, hear(wav_bytes(samples.tobytes(), CAPTURE_RATE_HZ))).errors
        said += compare(text, text).words
    rows = [f"| {kind} | {s.bytes_ / sums['wav'].bytes_:.2f} | {s.wrong} of {said} |" for kind, s in sums.items()]
    head = f"| format, noise at {NOISE_DBFS:g} dBFS | bytes, of the WAV's | words wrong |\n|---|---|---|"
    return "\n".join([head, *rows])
