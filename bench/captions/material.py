"""The track that the captions benchmark listens to: recorded prompts, partly with gaps, partly without any pause.

Faint noise is added everywhere. It makes every moment of the track unique, so that a clip can be found again exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.endpoint.material import TEXTS, Prompt, Word, in_a_room, prompts
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

GAPS_S = (0.25, 2.5)
"""The shortest and the longest gap between prompts in talk with gaps."""
RUN_ON_S = 30.0
"""The least length of a stretch without pauses."""
TALK_S = 60.0
"""The least length of a stretch with gaps."""


@dataclass(slots=True)
class Material:
    """The speech laid out so far (int16, mono), and the place of each word in it."""

    pcm: bytearray = field(default_factory=bytearray)
    words: list[Word] = field(default_factory=list)
    placed: list[tuple[int, int, int]] = field(default_factory=list)
    """For each prompt: its first sample, its last one, and how many words it has."""

    @property
    def samples(self) -> int:
        return len(self.pcm) // SAMPLE_BYTES

    def quiet(self, seconds: float) -> None:
        self.pcm += bytes(round(seconds * CAPTURE_RATE_HZ) * SAMPLE_BYTES)

    def say(self, prompt: Prompt, *, trimmed: bool) -> None:
        """Append a prompt. `trimmed`: without the silence before the first word and after the last one."""
        begin = prompt.words[0].start if trimmed else 0
        end = prompt.words[-1].end if trimmed else len(prompt.pcm) // SAMPLE_BYTES
        shift = self.samples - begin
        self.words += [Word(word.text, word.start + shift, word.end + shift) for word in prompt.words]
        self.placed.append((self.samples, self.samples + end - begin, len(prompt.words)))
        self.pcm += prompt.pcm[begin * SAMPLE_BYTES : end * SAMPLE_BYTES]

    def said(self) -> list[str]:
        """The words of the track."""
        return [word.text for word in self.words]

    def cut(self, folder: Path) -> list[tuple[Path, list[str]]]:
        """Write each prompt as a file of its own; return the files with their words."""
        folder.mkdir(parents=True, exist_ok=True)
        clips, at = [], 0
        for number, (start, end, count) in enumerate(self.placed):
            path = folder / f"{number:04}.wav"
            path.write_bytes(wav_bytes(bytes(self.pcm[start * SAMPLE_BYTES : end * SAMPLE_BYTES]), CAPTURE_RATE_HZ))
            clips.append((path, self.said()[at : at + count]))
            at += count
        return clips


def material(minutes: float, *, texts: Path = TEXTS, seed: int = 1, talk_s: float = TALK_S) -> Material:
    """`minutes` of speech: stretches of talk with gaps and stretches without pauses, in turn. `talk_s`: the least
    length of the former; 0 for none, and the latter are one stretch."""
    run_on_s = RUN_ON_S if talk_s else minutes * 60
    random, made = Random(seed), Material()
    spoken = _endless(prompts(texts), random)
    whole = minutes * 60 * CAPTURE_RATE_HZ
    made.quiet(1.0)
    while made.samples < whole:
        for seconds, run_on in ((talk_s, False), (run_on_s, True)):
            until = min(made.samples + seconds * CAPTURE_RATE_HZ, whole)
            while made.samples < until:
                made.say(next(spoken), trimmed=run_on)
                if not run_on:
                    made.quiet(random.uniform(*GAPS_S))
            made.quiet(1.5)
    made.pcm = bytearray(in_a_room(bytes(made.pcm)))
    return made


def _endless(spoken: list[Prompt], random: Random) -> Iterator[Prompt]:
    while True:
        yield from random.sample(spoken, len(spoken))


def write(made: Material, folder: Path) -> tuple[Path, Path]:
    """Write the track to `track.wav`, and the words that the loopback server has to know to `track.json`."""
    wav, known = folder / "track.wav", folder / "track.json"
    wav.write_bytes(wav_bytes(bytes(made.pcm), CAPTURE_RATE_HZ))
    rows = [[word.text, word.start, word.end] for word in made.words]
    known.write_text(json.dumps({"wav": wav.name, "words": rows}))
    return wav, known
