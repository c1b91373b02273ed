"""The first audible sound of a reply at the loudspeaker: silence at the beginning of the speech delays nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.turns.latency import first_audible_sample
from bench.turns.material import ALSA, ASTERISK, Reply, Spoken, prompt, sentence
from bench.turns.room import Room, open_room
from testbed.sound.cable import SPEAKER_HZ, why_not
from voiceloop.speak.trimming import ONSET_S

SILENCE_S = 0.3
TURNS, MOST = 3, 10
"""How often each of the two voices answers at least, and at most."""
WITHIN_MS = 15

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not (ALSA.is_dir() and ASTERISK.is_dir()), reason="needs Debian's recorded prompts"),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


def after_silence(spoken: Spoken, seconds: float, words: str) -> Spoken:
    """The same sound behind a silence, for other words."""
    return replace(spoken, words=words, sound=np.concatenate([np.zeros(round(seconds * SPEAKER_HZ)), spoken.sound]))


def delays_ms(room: Room) -> list[float]:
    """For each turn, the time from the first byte of the service's speech until the loudspeaker is audible. What comes
    before that byte can't depend on the voice."""
    _, speaker = room.tracks()
    found = []
    for (uttered, until), request in zip(room.turns(), room.server.posts("/audio/speech"), strict=True):
        first, sound = speaker.between(uttered.at, until)
        audible = first_audible_sample(sound, SPEAKER_HZ)
        assert audible is not None
        found.append((speaker.when(first + audible) - float(request["first_byte_at"])) * 1000)
    return found


def later_ms(delays: list[float]) -> float:
    """How much later the second voice's quickest turn is heard than the first one's."""
    return min(delays[1::2]) - min(delays[::2])


def test_speech_that_begins_with_silence_is_heard_as_soon_as_speech_that_begins_at_once() -> None:
    """Two voices answer in turn. They have the same sound, which the service sends 100 times faster than it plays. The
    first one has no more silence before it than is kept. Each one's quickest turn counts, because a busy machine delays
    some; the turns go on until it has delayed one of each voice less."""
    voice = sentence("please-try-again")
    at_once, late = after_silence(voice, ONSET_S, voice.words), after_silence(voice, SILENCE_S, "One moment, please.")
    said, sets = prompt("queue-thankyou"), ("audio.echo=off", "preemptive.enabled=false")
    with open_room([said], [Reply((at_once,)), Reply((late,))], sets=sets, service=("--pace", "100")) as room:
        turns, delays = 0, [0.0, math.inf]
        while turns < TURNS or (abs(later_ms(delays)) > WITHIN_MS and turns < MOST):
            turns += 1
            for _ in range(2):
                room.answered(said)
                room.wait_for_silence(0.5)
            delays = delays_ms(room)
    assert later_ms(delays) == pytest.approx(0, abs=WITHIN_MS), delays
    assert [event.fields["text"] for event in room.loop.named("reply")] == [at_once.words, late.words] * turns
