"""The silences of a reply: what is cut, what is kept, and that no sound is ever lost or late."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.trimming import CLAUSE_S, END_S, HELD_S, ONSET_S, SENTENCE_S, Trimmed, Trimmer, pause_s

RATE_HZ = 1_000
"""One sample is 1 ms, and a hop 10 samples."""


def sound(samples: int, value: int = 5_000) -> bytes:
    return array("h", [value] * samples).tobytes()


def quiet(samples: int) -> bytes:
    """Silence that can be told from digital silence: values of at most 50."""
    return array("h", [1 + n % 50 for n in range(samples)]).tobytes()


def joined(parts: Sequence[Trimmed]) -> bytes:
    return b"".join(part.before + part.own for part in parts)


def trimmed(chunks: Sequence[bytes], *, pause: float = SENTENCE_S) -> bytes:
    """What is played of a reply of these chunks."""
    trimmer, parts = Trimmer(RATE_HZ), []
    for chunk in chunks:
        trimmer.begin(pause)
        parts += [trimmer.feed(chunk), trimmer.end()]
    return joined([*parts, trimmer.finish()])


def lengths(pcm: bytes) -> list[tuple[str, int]]:
    """The silences and sounds in `pcm`, with their lengths in ms."""
    found: list[tuple[str, int]] = []
    for sample in array("h", pcm):
        kind = "sound" if abs(sample) > 1_000 else "quiet"
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + 1)
        else:
            found.append((kind, 1))
    return found


@pytest.mark.parametrize("before", [30, 300, 2_900, 20_000])
def test_of_the_silence_before_the_first_word_20_ms_are_kept(before: int) -> None:
    assert lengths(trimmed([quiet(before) + sound(200)])) == [("quiet", 20), ("sound", 200)]
    assert trimmed([quiet(before) + sound(200)]).startswith(quiet(before)[-40:])


@pytest.mark.parametrize("before", [0, 10, 20])
def test_a_shorter_silence_before_the_first_word_is_kept_whole(before: int) -> None:
    assert trimmed([quiet(before) + sound(200)]) == quiet(before) + sound(200)


def test_of_the_silence_at_the_end_100_ms_are_kept() -> None:
    assert lengths(trimmed([sound(200) + quiet(430)])) == [("sound", 200), ("quiet", 100)]
    assert trimmed([sound(200) + quiet(80)]) == sound(200) + quiet(80)


def test_silences_between_chunks_become_one_pause() -> None:
    chunks = [sound(200) + quiet(430), quiet(280) + sound(300)]
    assert lengths(trimmed(chunks)) == [("sound", 200), ("quiet", 300), ("sound", 300)]
    assert lengths(trimmed(chunks, pause=CLAUSE_S)) == [("sound", 200), ("quiet", 120), ("sound", 300)]


@pytest.mark.parametrize(("end", "beginning"), [(430, 0), (430, 10), (0, 430), (10, 430), (110, 430)])
def test_the_pause_is_taken_from_the_end_and_from_the_beginning(end: int, beginning: int) -> None:
    chunks = [sound(200) + quiet(end), quiet(beginning) + sound(300)]
    assert lengths(trimmed(chunks)) == [("sound", 200), ("quiet", 300), ("sound", 300)]
    # The last sound dies away in the silence after it, and the next begins in the silence before it.
    kept = trimmed(chunks)[400:1_000]
    assert kept.startswith(quiet(end)[:560])
    assert kept.endswith(quiet(beginning)[-40:])


@given(st.integers(0, 15), st.integers(0, 15))
def test_a_silence_that_is_short_enough_stays_as_it_is(end: int, beginning: int) -> None:
    chunks = [sound(200) + quiet(10 * end), quiet(10 * beginning) + sound(300)]
    assert trimmed(chunks) == b"".join(chunks)


@pytest.mark.parametrize("length", [400, 1_990, 2_500, 7_000])
def test_a_silence_inside_a_chunk_stays_as_it_is(length: int) -> None:
    chunk = sound(100) + quiet(length) + sound(100)
    assert trimmed([chunk]) == chunk


def test_a_chunk_of_silence_only_lengthens_no_pause() -> None:
    chunks = [sound(200) + quiet(200), quiet(700), quiet(200) + sound(300)]
    assert lengths(trimmed(chunks)) == [("sound", 200), ("quiet", 300), ("sound", 300)]


@pytest.mark.parametrize("chunks", [[], [b""], [quiet(5_000)], [quiet(5), b"", quiet(300)]])
def test_of_silence_alone_nothing_is_played(chunks: list[bytes]) -> None:
    assert trimmed(chunks) == b""


def test_sound_is_passed_on_at_once() -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    assert trimmer.feed(quiet(300)) == Trimmed()
    assert trimmer.feed(sound(10)) == Trimmed(own=quiet(300)[-40:] + sound(10), onset=20)
    assert trimmer.feed(sound(10) + quiet(100)) == Trimmed(own=sound(10), onset=0)
    assert trimmer.end() == Trimmed()
    trimmer.begin(SENTENCE_S)
    silence, own, onset = trimmer.feed(quiet(50) + sound(10))
    assert (silence, own, onset) == (quiet(100), quiet(50) + sound(10), 50)


@given(st.integers(0, 100_000))
def test_endless_silence_takes_no_memory(length: int) -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    for _ in range(3):
        trimmer.feed(bytes(2 * length))
        assert trimmer.held <= HELD_S * RATE_HZ
        trimmer.feed(sound(10))
        trimmer.feed(bytes(2 * length))
        assert trimmer.held <= HELD_S * RATE_HZ
        trimmer.end()
        trimmer.begin(SENTENCE_S)


# Silence that is taken out early, because nothing else was left to play


def test_silence_inside_a_chunk_is_not_played_twice() -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    parts = [trimmer.feed(sound(100) + quiet(150)), Trimmed(trimmer.take(60)), trimmer.feed(quiet(50) + sound(100))]
    assert joined(parts) == sound(100) + quiet(150) + quiet(50) + sound(100)


def test_a_pause_that_has_passed_already_is_not_played_again() -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    parts = [trimmer.feed(sound(100) + quiet(400)), trimmer.end(), Trimmed(trimmer.take(250))]
    trimmer.begin(SENTENCE_S)
    parts += [trimmer.feed(quiet(200) + sound(100)), trimmer.end(), trimmer.finish()]
    assert lengths(joined(parts)) == [("sound", 100), ("quiet", 300), ("sound", 100)]


def test_after_a_pause_that_has_passed_the_onset_is_still_kept() -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    parts = [trimmer.feed(sound(100) + quiet(400)), trimmer.end()]
    trimmer.begin(CLAUSE_S)
    parts += [trimmer.feed(quiet(100)), Trimmed(trimmer.take(10_000))]
    assert trimmer.held == 0
    parts += [trimmer.feed(sound(100))]
    assert lengths(joined(parts)) == [("sound", 100), ("quiet", 120 + 100), ("sound", 100)]


def test_a_pause_that_has_passed_does_not_shorten_the_next_one() -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    parts = [trimmer.feed(sound(100) + quiet(400)), Trimmed(trimmer.take(250)), trimmer.feed(sound(100) + quiet(400))]
    parts.append(trimmer.end())
    trimmer.begin(SENTENCE_S)
    parts.append(trimmer.feed(sound(100)))
    assert [length for _, length in lengths(joined(parts))] == [100, 400, 100, 300, 100]


def test_silence_at_the_end_that_has_passed_counts() -> None:
    trimmer = Trimmer(RATE_HZ)
    trimmer.begin(SENTENCE_S)
    parts = [trimmer.feed(sound(100) + quiet(400)), Trimmed(trimmer.take(70)), trimmer.end(), trimmer.finish()]
    assert lengths(joined(parts)) == [("sound", 100), ("quiet", 100)]


# However the sound is cut

PARTS = st.lists(st.builds(lambda make, n: make(n), st.sampled_from([sound, quiet]), st.integers(0, 400)))
CHUNKS = st.lists(PARTS.map(b"".join), max_size=4)


@given(CHUNKS, st.lists(st.integers(0, 2_000)))
def test_cutting_the_sound_elsewhere_changes_nothing(chunks: list[bytes], cuts: list[int]) -> None:
    trimmer, parts = Trimmer(RATE_HZ), []
    for chunk in chunks:
        trimmer.begin(SENTENCE_S)
        places = sorted({0, len(chunk), *(2 * min(cut, len(chunk) // 2) for cut in cuts)})
        parts += [trimmer.feed(chunk[a:b]) for a, b in pairwise(places)]
        parts.append(trimmer.end())
    assert joined([*parts, trimmer.finish()]) == trimmed(chunks)


@given(CHUNKS, st.data())
def test_every_sound_is_played_once_in_order_and_every_silence_at_most_once(
    chunks: list[bytes], data: st.DataObject
) -> None:
    """Samples are told apart by their values: those of sounds are over 1,000, and each occurs once."""
    numbers = iter(range(1_001, 32_767))
    marked = [array("h", [next(numbers, 9) if s > 1_000 else s for s in array("h", c)]).tobytes() for c in chunks]
    trimmer, parts, fed = Trimmer(RATE_HZ), [], 0
    for chunk in marked:
        trimmer.begin(data.draw(st.sampled_from([CLAUSE_S, SENTENCE_S])))
        for at in range(0, len(chunk), 300):
            parts.append(trimmer.feed(chunk[at : at + 300]))
            parts.append(Trimmed(trimmer.take(data.draw(st.sampled_from([0, 7, 500])))))
        parts.append(trimmer.end())
        fed += len(chunk)
    played = joined([*parts, trimmer.finish()])
    assert [s for s in array("h", played) if s > 1_000] == [s for c in marked for s in array("h", c) if s > 1_000]
    assert len(played) <= fed


@given(CHUNKS)
def test_the_onset_is_the_first_audible_sample(chunks: list[bytes]) -> None:
    trimmer = Trimmer(RATE_HZ)
    for chunk in chunks:
        trimmer.begin(SENTENCE_S)
        for part in (trimmer.feed(chunk), trimmer.end()):
            hops = [max(array("h", part.own[at : at + 20])) for at in range(0, len(part.own), 20)]
            loud = [n for n, top in enumerate(hops) if top > 1_000]
            assert (part.onset is None) == (not loud)
            assert part.onset is None or part.onset // 10 in {loud[0], loud[0] - 1}


# Which pause


@pytest.mark.parametrize(
    ("chunk", "following", "seconds"),
    [
        ("Well, that depends,", "said the cat.", CLAUSE_S),
        ("I would go there", "because it is late.", CLAUSE_S),
        ("One: ", "two.", CLAUSE_S),
        ("他说，", "好。", CLAUSE_S),
        ("That is all.", "Good night.", SENTENCE_S),
        ("“Is it?”", "she asked.", SENTENCE_S),
        ("That is all.", "iPhones too.", SENTENCE_S),
        ("Shopping list", "Milk", SENTENCE_S),
        ("今日は。", "明日は", SENTENCE_S),
        ("", "", SENTENCE_S),
    ],
)
def test_the_pause_suits_the_end_of_the_chunk(chunk: str, following: str, seconds: float) -> None:
    assert pause_s(chunk, following) == seconds


def test_the_pauses_are_in_order() -> None:
    assert ONSET_S < END_S <= CLAUSE_S < SENTENCE_S < HELD_S
