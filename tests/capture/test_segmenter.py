"""The segmenter: where utterances start, pause and end, from VAD verdicts that the tests write by hand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voiceloop.capture.endpointing.endpointer import Endpointer, Pause
from voiceloop.capture.endpointing.messages import SoundKnown, TextAwaited, TextKnown
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import (
    EndReason,
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechEvent,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voiceloop.config.tables import Segment
from voiceloop.plugins import Verdict
from voiceloop.types import Frame, Utterance

MS = 16
HOP = 32 * MS
HANGOVER_MS = 600


def noise(samples: int, seed: int = 0) -> bytes:
    """Noise: no two stretches are alike, so that a sample in the wrong place shows."""
    return Random(seed).randbytes(samples * 2)


def hops(*stretches: tuple[int, bool], hop: int = HOP) -> list[Verdict]:
    """Return one verdict per hop; each stretch is a number of hops, voiced or not."""
    voiced = [voice for count, voice in stretches for _ in range(count)]
    return [Verdict(n * hop, (n + 1) * hop, voice) for n, voice in enumerate(voiced)]


@dataclass
class Run:
    """A segmenter, and the events that it produced from some audio."""

    segmenter: Segmenter
    events: list[SpeechEvent] = field(default_factory=list)

    def of(self, kind: type[SpeechEvent]) -> list[SpeechEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def utterances(self) -> list[Utterance]:
        return [event.utterance for event in self.events if isinstance(event, SpeechEnded)]

    @property
    def starts(self) -> list[SpeechStarted]:
        return [event for event in self.events if isinstance(event, SpeechStarted)]

    @property
    def streamed(self) -> list[bytes]:
        """The audio that was streamed while each utterance was open."""
        streams: list[bytes] = []
        for event in self.events:
            if isinstance(event, SpeechStarted):
                streams.append(event.pcm)
            elif isinstance(event, SpeechAudio):
                streams[-1] += event.pcm
        return streams

    @property
    def decisions(self) -> list[object]:
        """Everything that must not depend on how the audio was cut."""
        decided: list[object] = []
        for event in self.events:
            if isinstance(event, SpeechStarted):
                decided.append((event.start, event.onset, event.noticed))
            elif not isinstance(event, SpeechAudio):
                decided.append(event)
        return decided


def run(  # noqa: PLR0913 - what a test may vary
    verdicts: Sequence[Verdict],
    pcm: bytes | None = None,
    *,
    segment: Segment | None = None,
    frames: Iterable[int] = (),
    endpointer: Endpointer | None = None,
    flush: bool = True,
) -> Run:
    """Feed `pcm` in frames of the lengths given (then 20 ms), each verdict as soon as its samples are there."""
    pcm = noise(max(verdict.end for verdict in verdicts)) if pcm is None else pcm
    segmenter = Segmenter(segment or Segment(), hangover_ms=HANGOVER_MS, endpointer=endpointer)
    result = Run(segmenter)
    lengths = iter(frames)
    # A back-dated verdict comes no earlier than the verdicts before it in the list.
    due = list(accumulate((verdict.end for verdict in verdicts), max))
    fed = index = 0
    while index * 2 < len(pcm):
        length = next(lengths, 320)
        frame = Frame(pcm[index * 2 : (index + length) * 2], index)
        index = frame.end
        known = bisect_right(due, index)
        result.events += segmenter.feed(frame, verdicts[fed:known])
        fed = known
        assert segmenter.sent + segmenter.silence + segmenter.held == index
    if flush:
        result.events += segmenter.flush()
    return result


def test_an_utterance_has_its_preroll_its_voice_and_its_tail() -> None:
    pcm = noise(100 * HOP)
    result = run(hops((20, False), (20, True), (60, False)), pcm)
    (utterance,) = result.utterances
    assert utterance.start == 20 * HOP - 300 * MS
    assert utterance.voiced_end == 40 * HOP
    assert utterance.end == 40 * HOP + 200 * MS
    assert utterance.pcm == pcm[utterance.start * 2 : utterance.end * 2]
    assert not utterance.continues


def test_the_onset_is_dated_back_to_the_first_voiced_sample() -> None:
    (start,) = run(hops((20, False), (20, True), (60, False))).starts
    assert start.onset == 20 * HOP
    assert start.noticed == 24 * HOP
    assert start.start == start.onset - 300 * MS


def test_speech_from_the_first_sample_on_has_no_preroll_and_is_complete() -> None:
    (utterance,) = run(hops((20, True), (60, False))).utterances
    assert utterance.start == 0


def test_a_click_begins_nothing() -> None:
    result = run(hops((20, False), (3, True), (60, False)))
    assert result.events == []
    assert result.segmenter.silence == 83 * HOP


def test_too_little_voice_in_the_onset_window_begins_nothing() -> None:
    sparse = [(1, True), (2, False)] * 20
    assert run(hops((10, False), *sparse, (60, False))).events == []


def test_a_cough_is_dropped_and_counts_as_silence() -> None:
    result = run(hops((20, False), (4, True), (60, False)))
    (dropped,) = result.of(SpeechDropped)
    assert isinstance(dropped, SpeechDropped)
    assert dropped.start == 20 * HOP - 300 * MS
    assert dropped.samples == 300 * MS + 4 * HOP + 200 * MS
    assert not result.of(SpeechPaused)
    assert (result.segmenter.sent, result.segmenter.silence) == (0, 84 * HOP)


def test_as_much_voice_as_speech_must_have_at_least_is_speech() -> None:
    least = Segment(min_speech_ms=160)  # five hops
    assert run(hops((20, False), (5, True), (60, False)), segment=least).utterances
    assert run(hops((20, False), (4, True), (60, False)), segment=least).of(SpeechDropped)


def test_a_short_pause_pauses_and_resumes_within_one_utterance() -> None:
    result = run(hops((20, False), (10, True), (10, False), (10, True), (60, False)))
    first, second = result.of(SpeechPaused)
    assert isinstance(first, SpeechPaused)
    assert isinstance(second, SpeechPaused)
    assert first.at == 30 * HOP + Segment().pause_ms * MS
    assert result.of(SpeechResumed) == [SpeechResumed(at=40 * HOP)]
    (utterance,) = result.utterances
    assert (utterance.voiced_end, second.utterance.start) == (50 * HOP, utterance.start)


def test_the_clip_at_the_pause_is_the_clip_at_the_end_when_the_tail_is_no_longer() -> None:
    result = run(hops((20, False), (20, True), (60, False)), segment=Segment(pause_ms=200, tail_ms=200))
    (pause,) = result.of(SpeechPaused)
    assert isinstance(pause, SpeechPaused)
    assert [pause.utterance] == result.utterances


def test_silence_cut_from_the_tail_is_preroll_for_the_next_utterance() -> None:
    result = run(hops((20, False), (20, True), (20, False), (20, True), (60, False)))
    first, second = result.utterances
    assert first.end == 40 * HOP + 200 * MS
    assert second.start == 60 * HOP - 300 * MS
    close = run(hops((20, False), (20, True), (20, False), (20, True), (60, False)), segment=Segment(preroll_ms=2000))
    assert close.utterances[1].start == close.utterances[0].end


def test_verdicts_dated_back_count_towards_the_onset() -> None:
    quiet = hops((40, False))
    revised = [Verdict(n * HOP + 100, (n + 1) * HOP + 100, n >= 33) for n in range(30, 39)]
    verdicts = [*quiet, *revised, *(Verdict(n * HOP, (n + 1) * HOP, n < 50) for n in range(40, 100))]
    (start,) = run(verdicts).starts
    assert start.onset == 33 * HOP + 100
    assert start.noticed == 40 * HOP


def test_a_back_dated_verdict_of_voice_ends_a_pause() -> None:
    quiet = [Verdict(n * HOP, (n + 1) * HOP, 20 <= n < 30) for n in range(42)]
    revised = [Verdict(n * HOP, (n + 1) * HOP, n >= 38) for n in range(36, 42)]
    result = run([*quiet, *revised, *(Verdict(n * HOP, (n + 1) * HOP, False) for n in range(42, 100))])
    (utterance,) = result.utterances
    assert result.of(SpeechResumed) == [SpeechResumed(at=38 * HOP)]
    assert utterance.voiced_end == 42 * HOP


def test_a_back_dated_verdict_of_voice_lengthens_no_utterance_that_has_ended() -> None:
    ended = [Verdict(n * HOP, (n + 1) * HOP, 20 <= n < 30) for n in range(50)]
    revised = [Verdict(n * HOP, (n + 1) * HOP, True) for n in range(34, 50)]
    result = run([*ended, *revised, *(Verdict(n * HOP, (n + 1) * HOP, False) for n in range(50, 100))])
    first, second = result.utterances
    assert first.voiced_end == 30 * HOP
    assert second.start == first.end


def speech_with_a_dip(samples: int, dip: int) -> bytes:
    loud = bytearray(noise(samples))
    loud[(dip - 1_600) * 2 : (dip + 1_600) * 2] = bytes(3_200 * 2)
    return bytes(loud)


def test_long_speech_is_cut_at_its_quietest_point_and_goes_on() -> None:
    total, dip = 16_000 * 9, 16_000 * 4
    result = run(
        hops((250, True), (32, False)), speech_with_a_dip(total + HOP, dip), segment=Segment(max_utterance_s=5)
    )
    first, second = result.utterances
    assert first.continues
    assert not second.continues
    assert abs(first.end - dip) < 1_600
    assert second.start == first.end
    assert isinstance(result.of(SpeechEnded)[0], SpeechEnded)
    assert result.streamed == [first.pcm, second.pcm]
    kinds = [type(event) for event in result.events if not isinstance(event, SpeechAudio)]
    assert kinds[:3] == [SpeechStarted, SpeechEnded, SpeechStarted]


def test_no_utterance_is_longer_than_the_maximum() -> None:
    result = run(hops((400, True)), segment=Segment(max_utterance_s=2))
    assert max(utterance.samples for utterance in result.utterances) <= 32_000
    assert [utterance.continues for utterance in result.utterances][-2:] == [True, False]
    assert b"".join(utterance.pcm for utterance in result.utterances) == noise(400 * HOP)


def test_silence_at_the_maximum_length_ends_the_utterance_instead_of_cutting_it() -> None:
    (utterance,) = run(hops((30, True), (60, False)), segment=Segment(max_utterance_s=1)).utterances
    assert not utterance.continues
    assert utterance.samples == 16_000


def test_speech_after_a_cut_is_kept_however_short_it_is() -> None:
    result = run(hops((33, True), (60, False)), segment=Segment(max_utterance_s=1, min_speech_ms=900))
    assert [utterance.continues for utterance in result.utterances] == [True, False]
    assert not result.of(SpeechDropped)


def test_a_flush_ends_an_open_utterance_with_the_reason() -> None:
    result = run(hops((20, False), (20, True)), flush=False)
    assert result.segmenter.speaking
    (ended,) = (event for event in result.segmenter.flush(EndReason.MUTED) if isinstance(event, SpeechEnded))
    assert ended.reason is EndReason.MUTED
    assert not result.segmenter.speaking
    assert result.segmenter.held == 0


def test_a_flush_keeps_the_samples_that_no_verdict_has_reached() -> None:
    result = run(hops((20, True)), noise(20 * HOP + 100))
    assert result.utterances[0].end == 20 * HOP + 100


def test_a_frame_that_does_not_follow_the_last_one_ends_an_open_utterance() -> None:
    result = run(hops((20, False), (20, True)), flush=False)
    events = result.segmenter.feed(Frame(noise(320), 999_999), [])
    assert [event.reason for event in events if isinstance(event, SpeechEnded)] == ["gap"]
    assert result.segmenter.held == 320


def test_no_audio_from_before_a_gap_is_used_as_preroll() -> None:
    result = run(hops((20, False)), flush=False)
    base = 999_999
    verdicts = [Verdict(base + n * HOP, base + (n + 1) * HOP, True) for n in range(8)]
    events = result.segmenter.feed(Frame(noise(8 * HOP), base), verdicts)
    (start,) = (event for event in events if isinstance(event, SpeechStarted))
    assert (start.start, start.onset) == (base, base)


def test_voice_before_a_gap_does_not_count_towards_an_onset_after_it() -> None:
    result = run(hops((3, True)), flush=False)
    base = 3 * HOP + 320
    verdicts = [Verdict(base + n * HOP, base + (n + 1) * HOP, True) for n in range(3)]
    assert result.events + result.segmenter.feed(Frame(noise(3 * HOP), base), verdicts) == []


def test_samples_without_a_verdict_are_quiet_once_a_later_verdict_has_come() -> None:
    voiced = [Verdict(n * HOP, (n + 1) * HOP, True) for n in (*range(20, 40), *range(70, 90))]
    result = run(voiced, noise(120 * HOP))
    assert [utterance.voiced_end for utterance in result.utterances] == [40 * HOP, 90 * HOP]


def test_an_idle_segmenter_holds_about_a_second() -> None:
    result = run(hops((300, False)), flush=False)
    assert result.segmenter.held <= 1_200 * MS


def test_the_endpointer_is_asked_while_the_pause_lasts() -> None:
    class Sooner(Endpointer):
        """An endpointer that ends the turn in the middle of the pause."""

        asked = 0

        def hangover(self, pause: Pause) -> int:
            self.asked += 1
            assert pause == Pause(start=40 * HOP, hangover=HANGOVER_MS * MS, voice=20 * HOP)
            return pause.hangover if self.asked < 10 else 0

    verdicts = hops((20, False), (20, True), (14, False))
    result = run(verdicts, endpointer=Sooner(), flush=False)
    assert [utterance.end for utterance in result.utterances] == [40 * HOP + 200 * MS]


@pytest.mark.parametrize("seed", range(3))
def test_the_streamed_audio_equals_the_utterance(seed: int) -> None:
    random = Random(seed)
    stretches = [(random.randint(1, 40), voiced) for _ in range(15) for voiced in (True, False)]
    result = run(hops(*stretches), segment=Segment(max_utterance_s=1))
    kept = [pcm for pcm, start in zip(result.streamed, result.starts, strict=True) if was_sent(result, start)]
    assert kept == [utterance.pcm for utterance in result.utterances]


def was_sent(result: Run, start: SpeechStarted) -> bool:
    return any(utterance.start == start.start for utterance in result.utterances)


SHORT = Segment(
    preroll_ms=100,
    onset_ms=20,
    onset_window_ms=40,
    pause_ms=30,
    tail_ms=30,
    min_speech_ms=40,
    max_utterance_s=1,
)
STRETCHES = st.lists(st.tuples(st.integers(1, 70), st.booleans()), min_size=1, max_size=20)


@settings(deadline=None, derandomize=True)
@given(stretches=STRETCHES, frames=st.lists(st.integers(1, 2_000), max_size=60), extra=st.integers(0, 100))
def test_cutting_frames_elsewhere_changes_nothing(
    stretches: list[tuple[int, bool]], frames: list[int], extra: int
) -> None:
    verdicts = hops(*stretches, hop=160)
    pcm = noise(verdicts[-1].end + extra)
    one, other = run(verdicts, pcm, segment=SHORT), run(verdicts, pcm, segment=SHORT, frames=frames)
    assert one.decisions == other.decisions
    assert one.streamed == other.streamed
    assert one.segmenter.ledger == other.segmenter.ledger


@settings(deadline=None, derandomize=True)
@given(stretches=STRETCHES, cuts=st.lists(st.integers(1, 400), max_size=60))
def test_cutting_quiet_verdicts_elsewhere_changes_nothing(stretches: list[tuple[int, bool]], cuts: list[int]) -> None:
    verdicts = hops(*stretches, hop=160)
    lengths = iter(cuts)
    finer: list[Verdict] = []
    for verdict in verdicts:
        start = verdict.start
        while not verdict.voiced and (cut := start + next(lengths, 160)) < verdict.end:
            finer.append(Verdict(start, cut, False))
            start = cut
        finer.append(Verdict(start, verdict.end, verdict.voiced))
    pcm = noise(verdicts[-1].end)
    assert run(verdicts, pcm, segment=SHORT).decisions == run(finer, pcm, segment=SHORT).decisions


LENGTHS = st.sampled_from([0, 1, 30, 200, 3_000])
ANY_SEGMENT = st.builds(
    Segment.model_construct,
    preroll_ms=LENGTHS,
    onset_ms=LENGTHS,
    onset_window_ms=LENGTHS,
    pause_ms=LENGTHS,
    tail_ms=LENGTHS,
    min_speech_ms=LENGTHS,
    max_utterance_s=st.sampled_from([1, 2]),
)
BACK_DATED = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=10)


@settings(deadline=None, derandomize=True)
@given(stretches=STRETCHES, back=BACK_DATED, segment=ANY_SEGMENT)
def test_every_sample_is_sent_once_or_silence_whatever_the_settings(
    stretches: list[tuple[int, bool]], back: list[tuple[int, bool]], segment: Segment
) -> None:
    verdicts = hops(*stretches, hop=160)
    for hops_back, voiced in back:
        end = verdicts[-1].end
        verdicts.append(Verdict(max(0, end - hops_back * 160), end, voiced))
    result = run(verdicts, segment=segment)
    total = max(verdict.end for verdict in verdicts)
    utterances = result.utterances
    assert result.segmenter.held == 0
    assert result.segmenter.ledger.held == 0
    assert all(utterance.duration_s <= segment.max_utterance_s for utterance in utterances)
    assert result.segmenter.sent == sum(utterance.samples for utterance in utterances)
    assert result.segmenter.sent + result.segmenter.silence == total
    for before, after in pairwise(utterances):
        assert before.end <= after.start
        assert not before.continues or before.end == after.start


def test_the_endpointer_is_told_of_each_pause_that_lay_inside_speech() -> None:
    class RecordingEndpointer(Endpointer):
        def __init__(self) -> None:
            super().__init__()
            self.inner: list[tuple[int, int]] = []

        def resumed(self, start: int, at: int) -> None:
            self.inner.append((start, at))

    endpointer = RecordingEndpointer()
    run(hops((10, True), (3, False), (10, True), (10, False), (10, True), (30, False)), endpointer=endpointer)
    assert endpointer.inner == [(23 * HOP, 33 * HOP)]  # the first pause was shorter than pause_ms


def test_what_is_told_of_the_words_before_a_pause_reaches_the_endpointer() -> None:
    def quiet_until_the_end(text: str) -> int:
        segmenter = Segmenter.of(Segment())
        verdicts = hops((20, False), (20, True), (60, False))
        for verdict in verdicts:
            frame = Frame(bytes(2 * HOP), verdict.start)
            for event in segmenter.feed(frame, [verdict]):
                if isinstance(event, SpeechPaused):
                    segmenter.tell(TextAwaited(event.since))
                    segmenter.tell(TextKnown(text, at=event.since, language="en"))
                if isinstance(event, SpeechEnded):
                    return verdict.end - event.utterance.voiced_end
        raise AssertionError("the utterance has no end")

    assert quiet_until_the_end("What time is it?") < quiet_until_the_end("tea") < quiet_until_the_end("I went and")


def test_with_adaptive_endpointing_a_speaker_whose_pauses_grow_is_not_cut_off() -> None:
    verdicts = hops((10, True), *[(count, voice) for count in range(13, 26) for voice in (False, True)], (60, False))
    fixed = run(verdicts)
    adapted = run(verdicts, endpointer=Endpointer.of(Segment(), half_duplex=False))
    assert len(fixed.utterances) > len(adapted.utterances) == 1


def test_the_events_after_a_pause_tell_what_was_decided_about_it() -> None:
    segmenter = Segmenter.of(Segment(), acoustic=True)
    told: list[tuple[type, float | None]] = []
    for verdict in hops((20, False), (20, True), (12, False), (20, True), (100, False)):
        for event in segmenter.feed(Frame(bytes(2 * HOP), verdict.start), [verdict]):
            if isinstance(event, SpeechPaused):
                segmenter.tell(SoundKnown(-3.0 if not told else 3.0, event.since))
            if isinstance(event, (SpeechResumed, SpeechEnded)):
                assert event.decision is not None
                told.append((type(event), event.decision.evidence.sound))
    assert told == [(SpeechResumed, -3.0), (SpeechEnded, 3.0)]


def test_a_pause_of_which_nothing_is_known_has_no_decision() -> None:
    segmenter = Segmenter.of(Segment())
    events = [
        event
        for verdict in hops((20, False), (20, True), (60, False))
        for event in segmenter.feed(Frame(bytes(2 * HOP), verdict.start), [verdict])
    ]
    assert [event.decision for event in events if isinstance(event, SpeechEnded)] == [None]
