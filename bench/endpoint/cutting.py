"""The turns of the endpointing benchmark: recorded prompts and made sentences, each with a pause between two words.

`cuts.txt` lists the pauses: the name, after how many words, and whether the words so far can't be a turn (`open`) or
could be one (`could`), which was decided by reading, before there was any score. The sentences of `sentences.txt` are
spoken by the embedded voice; `sentence_times.txt` and `word_times.txt` say when each word begins and ends.

Every turn is whole speech with a pause put into it; nothing is said in pieces. It is made louder or softer, faster or
slower, by a hash of its name, and another hash keeps half of the names apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from bench.endpoint.material import TEXTS, Prompt, Word, prompts, times
from bench.endpoint.survival import quantile
from voiceloop.audio.resample import resample
from voiceloop.speak.hibari_voice import RATE_HZ, Voice, find_voice
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES

HERE = Path(__file__).parent
SENTENCES, SENTENCE_TIMES, CUTS = (HERE / f"{name}.txt" for name in ("sentences", "sentence_times", "cuts"))
Label = Literal["open", "could"]
_SHORTEST = 4
_BEGINNINGS = frozenset({"conf-enteringno", "queue-holdtime", "queue-thereare", "vm-num-i-have", "vm-theperson"})
"""Prompts after which a number is read out: their end is no turn's, though their text doesn't show it."""
_LEVELS_DB = (0.0, -6.0, -12.0, -20.0)
_SPEEDS = (0.87, 1.0, 1.0, 1.15)
_SHORTEST_PAUSE_S = 0.35
"""Shorter pauses are laid out as long as this, so that they are noticed; they count with their own length."""
_GAP_S = (2.0, 6.0)
"""Between turns: the shortest and the longest."""
_FADE = CAPTURE_RATE_HZ * 8 // 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A whole utterance with a pause in it."""

    name: str
    words: int
    """How many come before the pause."""
    label: Label
    pcm: bytes = field(repr=False)
    cut: int
    """The sample at which the pause begins."""
    resumed: int
    """The sample at which it ends."""
    end: int
    """The end of the last word."""
    whole: bool
    """Whether its end is the end of a turn: some prompts are beginnings of longer ones."""

    @property
    def span(self) -> int:
        """The samples from its first one to that of the next turn: a gap as long as a reply takes lies between, and
        whole frames."""
        gap_s = _GAP_S[0] + chance(f"gap {self.name} {self.words}") * (_GAP_S[1] - _GAP_S[0])
        samples = len(self.pcm) // SAMPLE_BYTES + round(gap_s * CAPTURE_RATE_HZ)
        return samples - samples % FRAME_SAMPLES

    @property
    def kept(self) -> bool:
        """Whether it is kept apart until the coefficients are fitted."""
        return chance(f"kept {self.name}") < 0.5


def chance(text: str) -> float:
    """A number from 0 to 1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def turns(texts: Path = TEXTS) -> list[Turn]:
    """All turns, in an order that mixes them."""
    spoken = dict(_named(texts))
    found = [_turn(name, spoken[name], int(words), label) for name, words, label in _cuts() if name in spoken]
    return sorted(found, key=lambda turn: chance(f"order {turn.name} {turn.words}"))


def _cuts() -> Iterator[tuple[str, str, Label]]:
    for line in CUTS.read_text(encoding="ascii").splitlines():
        name, words, label = line.split()
        assert label in {"open", "could"}, line
        yield name, words, "open" if label == "open" else "could"


def _named(texts: Path) -> Iterator[tuple[str, Prompt]]:
    for prompt in prompts(texts, shortest=_SHORTEST):
        yield prompt.name, prompt
    voice = Voice(find_voice("heart"), british=False)
    bounds = dict(times(SENTENCE_TIMES.read_text(encoding="ascii")))
    for number, text in enumerate(SENTENCES.read_text(encoding="ascii").splitlines(), 1):
        pcm = b"".join(voice.sound(part) for part in voice.phonemes(text))
        pcm = resample(pcm, from_hz=RATE_HZ, to_hz=CAPTURE_RATE_HZ)
        length, spans = bounds[str(number)]
        if len(pcm) != length * SAMPLE_BYTES:
            raise SystemExit(f"sentence {number} is spoken in another way than it was measured: its times are wrong")
        words = zip(text.replace("-", " ").split(), spans, strict=True)
        name = f"sentence-{number}"
        yield name, Prompt(pcm, tuple(Word(word, *span) for word, span in words), name)


def _turn(name: str, prompt: Prompt, words: int, label: Label) -> Turn:
    key = f"{name} {words}"
    speed = _SPEEDS[int(chance(f"speed {key}") * len(_SPEEDS))]
    level = _LEVELS_DB[int(chance(f"level {key}") * len(_LEVELS_DB))]
    pcm = resample(prompt.pcm, from_hz=round(CAPTURE_RATE_HZ * speed), to_hz=CAPTURE_RATE_HZ)
    sound = np.frombuffer(pcm, "<i2").astype(np.float64) * 10 ** (level / 20)
    cut = round((prompt.words[words - 1].end + prompt.words[words].start) / 2 / speed)
    pause = round(max(quantile(chance(f"pause {key}")), _SHORTEST_PAUSE_S) * CAPTURE_RATE_HZ)
    before, after = sound[:cut].copy(), sound[cut:].copy()
    before[-_FADE:] *= np.linspace(1, 0, len(before[-_FADE:]))
    after[:_FADE] *= np.linspace(0, 1, len(after[:_FADE]))
    laid = np.rint(np.concatenate((before, np.zeros(pause), after))).astype("<i2").tobytes()
    end = round(prompt.words[-1].end / speed) + pause
    whole = name not in _BEGINNINGS and not prompt.text.endswith(("...", ":"))
    return Turn(name, words, label, laid, cut, cut + pause, end, whole)
