"""Early voice: reported before an onset is certain, and withdrawn when no voice follows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.capture.early_voice import EarlyVoice, EarlyVoiceDetector
from voiceloop.plugins import Verdict

FRAME = 320
HOP = 512


def run(
    seconds: float, *, hint_from: float = 99.0, voice_from: float = 99.0, voice_to: float = 99.0
) -> list[EarlyVoice]:
    """Return the detector's result for each frame; a hint and voice begin at the given times, in seconds."""
    detector, results, judged = EarlyVoiceDetector(), [], 0
    for end in range(FRAME, round(seconds * 16_000) + 1, FRAME):
        verdicts = []
        while judged + HOP <= end:
            at = (judged + HOP) / 16_000
            verdicts.append(Verdict(judged, judged + HOP, voiced=voice_from < at <= voice_to))
            judged += HOP
        results.append(detector.hear(end, verdicts, hint=end / 16_000 > hint_from))
    return results


def first_time(results: list[EarlyVoice], early_voice: EarlyVoice) -> float:
    """Return the time of the first frame with this result, in seconds."""
    return (results.index(early_voice) + 1) * FRAME / 16_000


def test_a_hint_alone_makes_voice_possible_but_not_likely() -> None:
    results = run(2.0, hint_from=1.0)
    assert EarlyVoice.LIKELY not in results
    assert first_time(results, EarlyVoice.POSSIBLE) == 1.02


def test_voice_is_possible_within_60_ms_and_likely_within_100_ms() -> None:
    results = run(2.0, voice_from=1.0)
    assert first_time(results, EarlyVoice.POSSIBLE) <= 1.06
    assert first_time(results, EarlyVoice.LIKELY) <= 1.10


def test_a_hint_without_voice_is_withdrawn_after_a_fifth_of_a_second() -> None:
    results = run(3.0, hint_from=1.0)
    assert results[-1] is EarlyVoice.NONE
    assert results.count(EarlyVoice.POSSIBLE) * 0.02 <= 0.2


def test_hints_from_steady_noise_are_reported_once() -> None:
    results = run(20.0, hint_from=1.0)
    assert results.count(EarlyVoice.POSSIBLE) * 0.02 <= 0.2


def test_voice_in_steady_noise_is_noticed_all_the_same() -> None:
    results = run(6.0, hint_from=1.0, voice_from=5.0)
    assert first_time(results[100:], EarlyVoice.LIKELY) + 2.0 <= 5.12


def test_early_voice_is_withdrawn_a_quarter_of_a_second_after_the_voice_ends() -> None:
    results = run(3.0, voice_from=1.0, voice_to=1.5)
    last = len(results) - 1 - results[::-1].index(EarlyVoice.LIKELY)
    assert (last + 1) * 0.02 <= 1.78
    assert results[-1] is EarlyVoice.NONE


def test_two_single_voiced_hops_far_apart_are_not_likely_voice() -> None:
    detector = EarlyVoiceDetector()
    first = detector.hear(HOP, [Verdict(0, HOP, voiced=True)], hint=False)
    second = detector.hear(20 * HOP, [Verdict(19 * HOP, 20 * HOP, voiced=True)], hint=False)
    assert (first, second) == (EarlyVoice.POSSIBLE, EarlyVoice.POSSIBLE)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=200))
def test_after_enough_quiet_the_result_is_always_calm(frames: list[tuple[bool, bool]]) -> None:
    detector, end, early_voice = EarlyVoiceDetector(), 0, EarlyVoice.NONE
    for voiced, hint in [*frames, *[(False, False)] * 14]:
        end += FRAME
        early_voice = detector.hear(end, [Verdict(end - FRAME, end, voiced)], hint=hint)
    assert early_voice is EarlyVoice.NONE
