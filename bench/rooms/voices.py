"""Pairs of recorded voices: what the person says, and what the replies are.

From Debian's `asterisk-core-sounds-en-wav` (8 kHz) and `alsa-utils` (48 kHz), and from the package `moonshine-voice`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.turns.material import ALSA, ASTERISK
from voiceloop.audio.wav import read_wav
from voiceloop.types import CAPTURE_RATE_HZ

Sound = NDArray[np.float64]
"""Mono, 1 is full scale."""

SPEAKER_HZ = 24_000
PERSON_DBFS, REPLY_DBFS = -22.0, -20.0
"""The levels of active speech: the person's at the microphone, and the replies' as they are played."""
REPLY_S = (5.0, 5.0, 5.0, 7.0)
"""The last reply is the one that the person speaks over."""
_PAUSE_S, _LONGEST_PAUSE_S = 0.06, 0.3
_SHORTEST_S, _LONGEST_S = 0.9, 2.4
_ACTIVE_DB = 25.0
"""Pieces of 10 ms that are within this of the loudest are active speech."""


@dataclass(frozen=True)
class Pair:
    """`says`: three prompts, the fourth, and what is said over its reply, at 16 kHz. `replies`: four, at 24 kHz."""

    name: str
    says: tuple[Sound, ...]
    replies: tuple[Sound, ...]


def _read(path: Path, rate_hz: int) -> Sound:
    return np.frombuffer(read_wav(path).at(rate_hz), "<i2").astype(np.float64) / 32768


def reading(name: str, rate_hz: int) -> Sound:
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("bench.rooms: recorded voices are missing. Install the extra 'local'.")
    return _read(Path(spec.submodule_search_locations[0], "assets", f"{name}.wav"), rate_hz)


def _prompts(names: Sequence[str], rate_hz: int) -> Sound:
    if not ASTERISK.is_dir():
        raise SystemExit("bench.rooms: recorded voices are missing. apt-get install asterisk-core-sounds-en-wav")
    return np.concatenate([_read(ASTERISK / f"{name}.wav", rate_hz) for name in names])


def _places(names: Sequence[str], rate_hz: int) -> Sound:
    if not ALSA.is_dir():
        raise SystemExit("bench.rooms: recorded voices are missing. apt-get install alsa-utils")
    return np.concatenate([_read(ALSA / f"{name}.wav", rate_hz) for name in names])


def _powers(sound: Sound, rate_hz: int) -> Sound:
    size = rate_hz // 100
    powers: Sound = np.square(sound[: len(sound) // size * size]).reshape(-1, size).mean(1)
    return powers


def active_dbfs(sound: Sound, rate_hz: int) -> float:
    """The level of active speech."""
    powers = _powers(sound, rate_hz)
    return float(10 * np.log10(powers[powers > powers.max() * 10 ** (-_ACTIVE_DB / 10)].mean()))


def levelled(sound: Sound, rate_hz: int, dbfs: float) -> Sound:
    """The sound with its active speech at a level."""
    at_level: Sound = sound * 10 ** ((dbfs - active_dbfs(sound, rate_hz)) / 20)
    return at_level


def phrases(sound: Sound, rate_hz: int) -> list[Sound]:
    """Phrases that are neither too short nor too long, from the first sound to the last, without long pauses."""
    powers, size = _powers(sound, rate_hz), rate_hz // 100
    active = np.flatnonzero(powers > powers.max() * 10**-3.5)
    found: list[Sound] = []
    first = int(active[0])
    for last, following in zip(active, [*active[1:], active[-1] + 1000], strict=True):
        pause_s, length_s = (following - last) / 100, (last + 1 - first) / 100
        if pause_s > _LONGEST_PAUSE_S or (pause_s > _PAUSE_S and length_s >= _SHORTEST_S):
            if _SHORTEST_S <= length_s <= _LONGEST_S:
                found.append(sound[first * size : (int(last) + 1) * size])
            first = int(following)
    return found


def _pair(name: str, says: Sound, replies: Sound) -> Pair:
    found = phrases(says, CAPTURE_RATE_HZ)
    found = sorted(found, key=len)[-5:]  # the longest is said over a reply
    assert len(found) == 5, (name, len(found))
    active = np.flatnonzero(np.abs(replies) > 0.01)
    replies = replies[active[0] :]
    ends = np.cumsum([0, *(round(seconds * SPEAKER_HZ) for seconds in REPLY_S)])
    parts = [replies[a:b] for a, b in pairwise(ends)]
    return Pair(
        name,
        tuple(levelled(one, CAPTURE_RATE_HZ, PERSON_DBFS) for one in found),
        tuple(levelled(one, SPEAKER_HZ, REPLY_DBFS) for one in parts),
    )


@cache
def pairs() -> list[Pair]:
    """Four pairs of different speakers."""
    asked = ("conf-onlyperson", "number-not-answering", "check-number-dial-again", "vm-nobodyavail", "queue-thankyou")
    menu = _prompts(["basic-pbx-ivr-main"], SPEAKER_HZ)
    where = ("Front_Center", "Rear_Right", "Side_Left", "Front_Right", "Side_Right", "Rear_Left", "Front_Left")
    return [
        _pair("prompts/cities", _prompts(asked, CAPTURE_RATE_HZ), reading("two_cities", SPEAKER_HZ)),
        _pair("cities/prompts", reading("two_cities", CAPTURE_RATE_HZ), _prompts(["demo-congrats"], SPEAKER_HZ)),
        _pair("places/endgame", _places(where, CAPTURE_RATE_HZ), reading("endgame_nagg_nell", SPEAKER_HZ)),
        _pair("endgame/menu", reading("endgame_nagg_nell", CAPTURE_RATE_HZ), menu),
    ]
