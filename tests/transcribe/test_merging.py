"""Merging: joins clips, and transcripts with their word times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.transcribe.merging import LONGEST_QUIET, is_only, join, merge
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance, Word


def clip(start: int, samples: int, value: int = 1) -> Utterance:
    return Utterance(value.to_bytes(2, "little") * samples, start, start + samples)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 2_000)), min_size=1, max_size=6))
def test_a_merged_clip_contains_every_sample_once_and_in_order(cuts: list[tuple[int, int]]) -> None:
    clips, at = [], 0
    for number, (quiet, samples) in enumerate(cuts, start=1):
        clips.append(clip(at + quiet, samples, number))
        at += quiet + samples
    merged = merge(clips, limit_s=60)
    assert merged is not None
    voice = bytes(byte for i, byte in enumerate(merged.pcm) if i % 2 == 0 and byte)
    assert voice == b"".join(bytes([number]) * samples for number, (_, samples) in enumerate(cuts, start=1))
    quiet = merged.samples - len(voice)
    assert quiet <= LONGEST_QUIET * (len(cuts) - 1)
    assert (merged.start, merged.voiced_end) == (clips[0].start, clips[-1].voiced_end)


def test_a_clip_that_would_be_too_long_is_not_merged() -> None:
    assert merge([clip(0, CAPTURE_RATE_HZ), clip(CAPTURE_RATE_HZ, CAPTURE_RATE_HZ)], limit_s=1.9) is None


def test_texts_are_joined_with_a_space_where_their_script_has_spaces() -> None:
    first, second = clip(0, 16_000), clip(32_000, 16_000)
    assert join([Transcript(" I would ", first), Transcript("like tea. ", second)]).text == "I would like tea."
    assert join([Transcript("お茶を", first), Transcript("ください", second)]).text == "お茶をください"
    assert join([Transcript("", first), Transcript("tea", second)]).text == "tea"


def test_words_keep_the_time_at_which_they_were_said() -> None:
    first = Transcript("a", clip(0, 16_000), words=(Word("a", 0.1, 0.2),))
    second = Transcript("b", clip(32_000, 16_000), words=(Word("b", 0.1, 0.2),))
    assert [(w.text, w.start_s) for w in join([first, second]).words] == [("a", 0.1), ("b", 2.1)]


@pytest.mark.parametrize(
    ("text", "only"),
    [("Mhm.", True), ("mm-hmm, yeah", True), ("", False), ("...", False), ("yeah but no", False), ("stop", False)],
)
def test_a_backchannel_consists_of_the_given_words_only(text: str, only: bool) -> None:
    assert is_only(text, ("mhm", "mm-hmm", "yeah")) is only
