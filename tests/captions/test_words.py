"""Words with times, made from transcripts."""

from __future__ import annotations

import numpy as np

from voiceloop.captions.words import spoken, text_of
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance, Word

RATE = CAPTURE_RATE_HZ


def sound(*parts: tuple[float, int]) -> bytes:
    """PCM of noise; each part is its length in seconds and its amplitude (standard deviation of the samples)."""
    random = np.random.default_rng(1)
    pieces = [random.standard_normal(round(seconds * RATE)) * amplitude for seconds, amplitude in parts]
    return np.concatenate(pieces).clip(-32768, 32767).astype("<i2").tobytes()


def test_words_without_times_are_spread_over_the_speech_and_not_the_pause() -> None:
    clip = Utterance(sound((0.5, 3), (1.0, 3000), (1.0, 3), (1.0, 3000), (0.5, 3)), start=RATE, voiced_end=0)
    one, two = spoken(Transcript("hello world", clip))
    assert 1.45 <= one.start_s <= 1.55
    assert 2.4 <= one.end_s <= 2.6
    assert 3.4 <= two.start_s <= 3.6
    assert 4.4 <= two.end_s <= 4.6


def test_the_times_of_the_engine_are_used_where_they_fit_the_words() -> None:
    clip = Utterance(bytes(2 * RATE * 2), start=2 * RATE, voiced_end=0)
    words = (Word(" Hello,", 0.1, 0.4), Word("wor", 0.5, 0.7), Word("ld", 0.7, 0.9))
    one, two = spoken(Transcript("Hello, world!", clip, words=words))
    assert (one.start_s, round(one.end_s, 3)) == (2.1, 2.4)
    assert (two.text, two.start_s, round(two.end_s, 3)) == ("world!", 2.5, 2.9)


def test_times_of_other_words_are_not_used() -> None:
    clip = Utterance(sound((1.0, 3000)), start=0, voiced_end=0)
    (only,) = spoken(Transcript("Hello", clip, words=(Word("goodbye", 5, 6),)))
    assert only.end_s <= 1.0


def test_a_script_without_spaces_is_cut_into_letters_and_joined_without_spaces() -> None:
    clip = Utterance(sound((1.0, 3000)), start=0, voiced_end=0)
    text = "今日は、OpenAIの話です。 Yes."
    words = spoken(Transcript(text, clip))
    assert len(words) == 8
    assert text_of(words) == text


def test_a_space_comes_before_the_first_word_of_a_transcript_except_in_a_script_without_spaces() -> None:
    """Words of two transcripts are joined."""
    clip = Utterance(sound((1.0, 3000)), start=0, voiced_end=0)
    texts = ["Pressed", "for help.", "今日は", "話です"]
    assert text_of(word for text in texts for word in spoken(Transcript(text, clip))) == "Pressed for help.今日は話です"


def test_control_characters_are_removed_from_words() -> None:
    clip = Utterance(sound((1.0, 3000)), start=0, voiced_end=0)
    nasty = "ls\n \x1b]0;title\x07rm\u202e <script>"
    assert text_of(spoken(Transcript(nasty, clip))) == "ls rm <script>"
    assert spoken(Transcript("\x1b[2J \u200b", clip)) == []
