"""The material of the turn-taking benchmark: prompts and replies, recordings of people with their words.

From Debian's `asterisk-core-sounds-en-wav` (8 kHz) and `alsa-utils` (48 kHz). Prompts are cut to their speech: from the
first to the last 10 ms that are within 35 dB of the loudest 10 ms. So the end of a prompt
is the end of its speech.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from bench.turns.measures import Sound
from testbed.server.recordings import speech_bounds
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ
from voiceloop.audio.wav import read_wav, wav_bytes

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
ALSA = Path("/usr/share/sounds/alsa")
WORDS = {
    "queue-thankyou": "Thank you for your patience.",
    "transfer": "Please hold while I try that extension.",
    "please-try-again": "Please try again.",
    "one-moment-please": "One moment, please.",
    "all-circuits-busy-now": "All circuits are busy now.",
    "please-try-call-later": "Please try your call again later.",
    "check-number-dial-again": "Please check the number and dial again.",
    "cannot-complete-as-dialed": "Your call cannot be completed as dialed.",
    "number-not-answering": "The number is not answering.",
    "conf-muted": "You are now muted.",
    "conf-unmuted": "You are now unmuted.",
    "conf-now-muted": "The conference is now muted.",
    "conf-onlyperson": "You are currently the only person in this conference.",
    "conf-waitforleader": "The conference will begin when the leader arrives.",
    "something-terribly-wrong": "Something is terribly wrong.",
    "tt-weasels": "Weasels have eaten our phone system.",
    "tt-monkeysintro": "They have been carried away by monkeys.",
    "vm-nobodyavail": "Nobody is available to take your call at the moment.",
    "vm-msgsaved": "Your message has been saved.",
    "vm-tooshort": "Your message is too short.",
    "vm-nomore": "No more messages.",
    "im-sorry": "I'm sorry.",
    "hello-world": "Hello, world.",
    "goodbye": "Goodbye.",
    "pls-hold-while-try": "Please hold while I try",
    "to-call-this-number": "To call this number",
    "conf-thereare": "There are currently",
    "telephone-number": "telephone number",
    "call-waiting": "call waiting",
    "vm-extension": "extension",
    "vm-youhave": "You have",
    "vm-INBOX": "new",
    "vm-messages": "messages",
    "vm-onefor": "Press one for",
    "vm-press": "press",
    "vm-for": "for",
    "vm-and": "and",
    "vm-tocancel": "to cancel",
    "you-entered": "You entered",
    "digits/1": "one",
    "digits/3": "three",
    "digits/4": "four",
    "digits/5": "five",
    "digits/7": "seven",
    "digits/9": "nine",
    "Front_Center": "Front center.",
    "Front_Left": "Front left.",
    "Rear_Right": "Rear right.",
    "Side_Left": "Side left.",
}
PROMPTS = (
    "queue-thankyou", "transfer", "Front_Center", "please-try-again", "cannot-complete-as-dialed", "conf-muted",
    "vm-nobodyavail", "all-circuits-busy-now", "Side_Left", "check-number-dial-again", "conf-onlyperson",
    "tt-monkeysintro", "number-not-answering", "Rear_Right", "please-try-call-later",
)  # fmt: skip
"""Whole sentences and short phrases whose inner pauses are shorter than 150 ms."""
_LOUD = 1000
"""Quieter samples (of 32768) count as a pause."""
_LONGEST_PAUSE_S = 0.04


@dataclass(frozen=True)
class Spoken:
    """A recording: `words` are spoken in `sound` (int16 as floats, mono, at `rate_hz`)."""

    words: str
    sound: Sound
    rate_hz: int

    @property
    def pcm(self) -> bytes:
        return np.rint(self.sound).astype("<i2").tobytes()

    @property
    def seconds(self) -> float:
        return len(self.sound) / self.rate_hz


@cache
def recorded(name: str, rate_hz: int) -> Spoken:
    """One recording, cut to its speech."""
    folder = ASTERISK if (ASTERISK / f"{name}.wav").exists() else ALSA
    sound = np.frombuffer(read_wav(folder / f"{name}.wav").at(rate_hz), "<i2").astype(np.float64)
    begin, end = speech_bounds(sound, rate_hz)
    return Spoken(WORDS[name], sound[begin:end], rate_hz)


def prompt(name: str) -> Spoken:
    return recorded(name, MIC_HZ)


def spliced(*parts: tuple[str, float]) -> Spoken:
    """Several recordings joined to one prompt. Each part: the recording's name and the silence after it, in seconds."""
    spoken = [prompt(name) for name, _ in parts]
    sounds = [
        np.concatenate([one.sound, np.zeros(round(pause_s * MIC_HZ))])
        for one, (_, pause_s) in zip(spoken, parts, strict=True)
    ]
    return Spoken(" ".join(one.words for one in spoken), np.concatenate(sounds), MIC_HZ)


@cache
def sentence(name: str) -> Spoken:
    """A recording at the loudspeaker's rate, with its pauses cut to 40 ms.

    It begins with its first loud sample, so that the moment when it becomes audible is certain.
    """
    spoken = recorded(name, SPEAKER_HZ)
    return Spoken(spoken.words, _without_pauses(spoken.sound), SPEAKER_HZ)


@dataclass(frozen=True)
class Reply:
    """A reply: sentences, one after another."""

    sentences: tuple[Spoken, ...]

    @property
    def words(self) -> str:
        return " ".join(one.words for one in self.sentences)

    @cached_property
    def sound(self) -> Sound:
        return np.concatenate([one.sound for one in self.sentences])


def reply(*names: str) -> Reply:
    return Reply(tuple(sentence(name) for name in names))


def long_replies(seed: int) -> list[Reply]:
    """Two replies of about 20 s each that have no sentence in common."""
    names = [name for name, words in WORDS.items() if words.endswith(".") and (ASTERISK / f"{name}.wav").exists()]
    random.Random(seed).shuffle(names)
    half = len(names) // 2
    return [reply(*names[:half]), reply(*names[half:])]


def _without_pauses(sound: Sound) -> Sound:
    loud = np.flatnonzero(np.abs(sound) > _LOUD)
    longest = round(_LONGEST_PAUSE_S * SPEAKER_HZ)
    kept = np.zeros(len(sound), bool)
    for before, after in zip(loud, [*loud[1:], loud[-1] + 1], strict=True):
        kept[before : min(int(after), int(before) + longest)] = True
    return sound[kept]


def write_recordings(path: Path, all_: Iterable[Spoken]) -> None:
    """Write the recordings for the loopback service: the prompts it may be sent and the replies it speaks."""
    lines = []
    for number, spoken in enumerate(all_):
        wav = path.with_name(f"{path.stem}-{number}.wav")
        wav.write_bytes(wav_bytes(spoken.pcm, spoken.rate_hz))
        lines.append(json.dumps({"words": spoken.words, "wav": str(wav)}))
    path.write_text("\n".join(lines) + "\n")


def chunk_ends(tokens: Sequence[str], chunk: str) -> int | None:
    """The index of the token that completes `chunk` in a reply; None when the reply doesn't contain the chunk."""
    wanted = letters(chunk)
    texts = accumulate(letters(token) for token in tokens)
    return next((number for number, text in enumerate(texts) if wanted in text), None)


def letters(text: str) -> str:
    """The letters and digits of a text in lower case, to compare spellings of the same words."""
    return "".join(char for char in text.casefold() if char.isalnum())
