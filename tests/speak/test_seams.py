"""Seams: natural pauses between the pieces of a text."""

from __future__ import annotations

import pytest

from voiceloop.speak.seams import Seams

RATE_HZ = 1_000
HOP_S = 0.01


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE_HZ))


def voice(seconds: float) -> bytes:
    return b"\x00\x20\x00\xe0" * round(seconds * RATE_HZ / 2)


def seconds(pcm: bytes) -> float:
    return len(pcm) / 2 / RATE_HZ


SPOKEN = silence(0.3) + voice(0.5) + silence(0.4)


def test_a_single_piece_keeps_its_silences() -> None:
    assert Seams(RATE_HZ).piece(SPOKEN, "One.", None) == SPOKEN


@pytest.mark.parametrize(("text", "following", "pause_s"), [("One,", "two.", 0.12), ("One.", "Two.", 0.3)])
def test_the_pause_between_two_pieces_suits_the_text(text: str, following: str, pause_s: float) -> None:
    seams = Seams(RATE_HZ)
    first, last = seams.piece(SPOKEN, text, following), seams.piece(SPOKEN, following, None)
    assert first.startswith(silence(0.3) + voice(0.5))
    assert last.endswith(voice(0.5) + silence(0.4))
    assert seconds(first) + seconds(last) == pytest.approx(0.3 + 0.5 + pause_s + 0.5 + 0.4, abs=2 * HOP_S)


def test_silence_that_is_short_already_stays() -> None:
    seams = Seams(RATE_HZ)
    assert seams.piece(voice(0.5), "One,", "two.") == voice(0.5)
    assert seams.piece(silence(0.01) + voice(0.5), "two.", None) == silence(0.01) + voice(0.5)


def test_silence_inside_a_piece_stays() -> None:
    inside = voice(0.2) + silence(0.6) + voice(0.2)
    seams = Seams(RATE_HZ)
    assert seams.piece(inside, "One,", "two,") == inside
    assert seams.piece(inside, "two,", "three.") == inside


def test_a_piece_without_sound_is_no_beginning() -> None:
    seams = Seams(RATE_HZ)
    assert seams.piece(b"", "…", "One.") == b""
    assert seams.piece(SPOKEN, "One.", None) == SPOKEN


def test_a_silent_piece_between_two_others_does_not_fail() -> None:
    seams = Seams(RATE_HZ)
    seams.piece(SPOKEN, "One,", "hm,")
    assert seconds(seams.piece(silence(2.0), "hm,", "two.")) < 2.0
