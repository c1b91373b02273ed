"""Measures the time from the user's voice over a long reply until the loudspeaker is ducked, and until it is silent."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from bench.turns.figures import Figure
from bench.turns.latency import end_of_speech
from bench.turns.material import PROMPTS, Reply, long_replies, prompt
from bench.turns.measures import Fall, Track, fall
from bench.turns.room import Uttered, open_room

_BEFORE_S, _AFTER_S = 0.7, 3.0
"""The stretch of the recording around the onset that is measured."""
_DUCKED_S = 0.02
"""The reply counts as ducked when it was quieter for at least this long: the fade of a hold is shorter."""


def measure(runs: int, sets: Sequence[str], *, seed: int = 4) -> list[Figure]:
    """Measure both on the same interruptions: the next prompt interrupts each reply at a random moment."""
    chance = random.Random(seed)
    prompts = [prompt(name) for name in chance.choices(PROMPTS, k=runs + 1)]
    replies = long_replies(seed)
    with open_room([prompt(name) for name in PROMPTS], replies, sets=["audio.echo=off", *sets]) as room:
        room.say(prompts[0])
        for spoken in prompts[1:]:
            time.sleep(room.said[-1].spoken.seconds)
            room.wait_for_silence(0.3)
            room.wait_for_sound()
            time.sleep(chance.uniform(_BEFORE_S + 0.1, 3.0))
            room.say(spoken)
        time.sleep(_AFTER_S)
        mic, speaker = room.tracks()
    falls = [_fall(uttered, mic, speaker, replies) for uttered in room.said[1:]]
    return _figures([one for one in falls if one is not None], lost=falls.count(None), rate_hz=speaker.rate_hz)


def _fall(uttered: Uttered, mic: Track, speaker: Track, replies: Sequence[Reply]) -> Fall | None:
    ended = end_of_speech(mic, uttered)
    if ended is None:
        return None
    onset = ended - uttered.spoken.seconds
    first, sound = speaker.between(onset - _BEFORE_S, onset + _AFTER_S)
    at = speaker.index(onset) - first
    found = (fall(reply.sound, sound, at, speaker.rate_hz) for reply in replies)
    return next((one for one in found if one is not None), None)


def _figures(falls: Sequence[Fall], *, lost: int, rate_hz: int) -> list[Figure]:
    held = Figure("voice onset → loudspeaker silent, echo off", "ms", "median ≤ 200 ms", "424 ms")
    ducked = Figure("voice onset → ducked by 6 dB, echo off", "ms", "≤ 120 ms", "none")
    held.values.extend(one.silent / rate_hz * 1000 for one in falls if one.silent is not None)
    ducked.values.extend(one.ducked / rate_hz * 1000 for one in falls if one.ducked is not None)
    if never := sum(one.silent is None for one in falls):
        held.notes.append(f"{never} never silent")
    if lost:
        held.notes.append(f"{lost} not measured: the reply was not playing")
    lowered = sum(one.between >= _DUCKED_S * rate_hz for one in falls)
    ducked.notes.append(f"{lowered} of {len(falls)} ducked before they were silent" if lowered else "never ducked")
    return [held, ducked]
