"""The first signs of voice: early, and forgotten when they were none."""

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
    """Frame by frame: what is said of a hint and of voice that begin at those times, in seconds."""
    stirring, told, judged = EarlyVoiceDetector(), [], 0
    for end in range(FRAME, round(seconds * 16_000) + 1, FRAME):
        verdicts = []
        while judged + HOP <= end:
            at = (judged + HOP) / 16_000
            verdicts.append(Verdict(judged, judged + HOP, voiced=voice_from < at <= voice_to))
            judged += HOP
        told.append(stirring.hear(end, verdicts, hint=end / 16_000 > hint_from))
    return told


def when(told: list[EarlyVoice], early_voice: EarlyVoice) -> float:
    """When it was first told, in seconds."""
    return (told.index(early_voice) + 1) * FRAME / 16_000


def test_a_hint_makes_it_likely_only_when_the_vad_agrees() -> None:
    told = run(2.0, hint_from=1.0)
    assert EarlyVoice.LIKELY not in told
    assert when(told, EarlyVoice.POSSIBLE) == 1.02


def test_voice_is_noticed_within_a_hop_and_likely_within_two() -> None:
    told = run(2.0, voice_from=1.0)
    assert when(told, EarlyVoice.POSSIBLE) <= 1.06
    assert when(told, EarlyVoice.LIKELY) <= 1.10


def test_a_hint_without_voice_is_forgotten_after_a_fifth_of_a_second() -> None:
    told = run(3.0, hint_from=1.0)
    assert told[-1] is EarlyVoice.CALM
    assert told.count(EarlyVoice.POSSIBLE) * 0.02 <= 0.2


def test_steady_noise_hints_once() -> None:
    told = run(20.0, hint_from=1.0)
    assert told.count(EarlyVoice.POSSIBLE) * 0.02 <= 0.2


def test_voice_in_steady_noise_is_noticed_all_the_same() -> None:
    told = run(6.0, hint_from=1.0, voice_from=5.0)
    assert when(told[100:], EarlyVoice.LIKELY) + 2.0 <= 5.12


def test_voice_that_ends_is_forgotten_after_a_quarter_of_a_second() -> None:
    told = run(3.0, voice_from=1.0, voice_to=1.5)
    last = len(told) - 1 - told[::-1].index(EarlyVoice.LIKELY)
    assert (last + 1) * 0.02 <= 1.78
    assert told[-1] is EarlyVoice.CALM


def test_two_single_hops_far_apart_are_no_voice() -> None:
    stirring = EarlyVoiceDetector()
    first = stirring.hear(HOP, [Verdict(0, HOP, voiced=True)], hint=False)
    second = stirring.hear(20 * HOP, [Verdict(19 * HOP, 20 * HOP, voiced=True)], hint=False)
    assert (first, second) == (EarlyVoice.POSSIBLE, EarlyVoice.POSSIBLE)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=200))
def test_quiet_always_calms_it(frames: list[tuple[bool, bool]]) -> None:
    stirring, end, early_voice = EarlyVoiceDetector(), 0, EarlyVoice.CALM
    for voiced, hint in [*frames, *[(False, False)] * 14]:
        end += FRAME
        early_voice = stirring.hear(end, [Verdict(end - FRAME, end, voiced)], hint=hint)
    assert early_voice is EarlyVoice.CALM
