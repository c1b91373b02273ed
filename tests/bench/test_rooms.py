"""The simulated rooms: where the echo is, what counts as a turn of its own, and that two runs give the same figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.rooms.acoustics import Loudspeaker, Room, impulse_response
from bench.rooms.conditions import CONDITIONS
from bench.rooms.figures import Figures, figures_of, own_turns
from bench.rooms.parts import OWN, SAYS
from bench.rooms.scene import run
from bench.rooms.voices import SPEAKER_HZ, Pair, Sound, pairs
from voiceloop.echo.double_talk import DoubleTalkDetector
from voiceloop.turns.own_voice import OwnVoice
from voiceloop.types import CAPTURE_RATE_HZ

BLOCK = CAPTURE_RATE_HZ // 50
ROOMS = {condition.name: condition for condition in CONDITIONS}


@pytest.fixture
def pair() -> Pair:
    pytest.importorskip("livekit.rtc", reason="the extra 'echo' is not installed")
    try:
        return pairs()[0]
    except SystemExit as error:
        pytest.skip(str(error))


def tone(seconds: float) -> Sound:
    fade = np.minimum(1.0, np.arange(round(seconds * SPEAKER_HZ)) / 2400)
    sound: Sound = 0.1 * fade * np.sin(2 * np.pi * 440 * np.arange(len(fade)) / SPEAKER_HZ)
    return sound


@given(began=st.floats(0, 5), ppm=st.floats(-300, 300), blocks=st.lists(st.integers(1, 2000), min_size=1))
@settings(max_examples=30, deadline=None)
def test_what_is_played_sounds_when_each_sample_is_due(began: float, ppm: float, blocks: list[int]) -> None:
    rate_hz, sound = SPEAKER_HZ * (1 + ppm / 1e6), tone(1.0)
    speaker = Loudspeaker(clipping_db=60)
    speaker.begin(began, rate_hz)
    pcm = np.rint(sound * 32768).astype("<i2")
    for piece in np.split(pcm, np.clip(np.cumsum(blocks), 0, len(pcm))):
        speaker.play(piece.tobytes())
    times = began + 0.5 + np.arange(BLOCK) / CAPTURE_RATE_HZ
    expected = 0.1 * np.sin(2 * np.pi * 440 * (times - began) * rate_hz / SPEAKER_HZ)
    assert np.abs(speaker.heard(times) - expected).max() < 0.001


def test_a_room_that_is_fed_block_by_block_reverberates_as_a_whole() -> None:
    random = np.random.default_rng(1)
    response, sound = impulse_response(0.3, random), random.standard_normal(20 * BLOCK)
    room = Room(response, BLOCK)
    heard = np.concatenate([room.feed(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK)])
    assert np.allclose(heard, np.convolve(sound, response)[: len(sound)])
    assert np.square(response).sum() == pytest.approx(1.0)


def test_a_turn_with_words_that_nobody_said_or_that_were_answered_is_its_own() -> None:
    first, second = SAYS[:2]
    assert own_turns([first, second], [first, second]) == 0
    assert own_turns([first, OWN, second], [first, second]) == 1
    assert own_turns([first, first, second], [first, second]) == 1
    assert own_turns([first, f"{first} {OWN}"], [first]) == 1, "one turn counts once"
    assert own_turns([first, f"{first} {second}"], [first, second]) == 0, "she went on"
    assert own_turns([first, first], [first, first]) == 0, "she had to say it again"


def measured(name: str, pair: Pair, *sets: str) -> Figures:
    figures = figures_of(run(ROOMS[name], pair, sets))
    return replace(figures, processing_ms=0.0, besides_ms=0.0)


def test_the_person_over_the_reply_is_seen_and_the_echo_is_removed_the_same_in_every_run(pair: Pair) -> None:
    figures = measured("calm", pair)
    assert (figures.replies, figures.own_turns, figures.unanswered) == (4, 0, 0)
    assert figures.spoken_over
    assert figures.noticed_ms is not None
    assert 60 < figures.noticed_ms < 400
    assert np.median(figures.erle_db) > 20
    assert measured("calm", pair) == figures


def test_without_a_canceller_the_echo_is_judged_and_the_person_is_heard(pair: Pair) -> None:
    figures = measured("base", pair, "audio.echo=off")
    assert figures.own_turns == 0
    assert figures.hushes <= 1
    assert figures.noticed_ms is not None


def test_a_program_that_judges_no_echo_interrupts_and_answers_itself(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DoubleTalkDetector, "echo_only", property(lambda _: False))
    monkeypatch.setattr(OwnVoice, "stopped", lambda _, **__: False)
    monkeypatch.setattr(OwnVoice, "copies", lambda _: False)
    figures = measured("base", pair, "audio.echo=off")
    assert figures.hushes >= 3
    assert figures.own_turns >= 2
