"""Captioner: live and final words while somebody speaks, in virtual time with a fake service."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.captions.recorded_captions import RecordedCaptions, Service
from tests.captions.speech import WORD_S, heard, said
from voiceloop.audio.wav import read_wav
from voiceloop.captions.captioner import Captioner
from voiceloop.captions.guessing import FINAL_S
from voiceloop.captions.pacer import Pacer
from voiceloop.captions.piece import Piece
from voiceloop.captions.words import Spoken
from voiceloop.capture.speech_events import SpeechAudio, SpeechEnded, SpeechEvent, SpeechStarted
from voiceloop.errors import LimitReached, ServerFailed
from voiceloop.journal import unsent
from voiceloop.net.limits import Room
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance

pytestmark = pytest.mark.usefixtures("unsent_folder")

LONG = [f"word{number}" for number in range(150)]


@pytest.fixture
def unsent_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of kept clips. They are written without a thread: the virtual clock doesn't wait for threads."""
    monkeypatch.setattr(unsent, "folder", lambda: tmp_path)

    async def run_here(work: object, *values: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*values)  # type: ignore[operator]

    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)
    return tmp_path


@pytest.fixture
def kept_clips(monkeypatch: pytest.MonkeyPatch) -> list[Utterance]:
    """The clips that are kept, in place of files."""
    clips: list[Utterance] = []

    def keep(clip: Utterance) -> Path:
        clips.append(clip)
        return Path(f"{len(clips)}.wav")

    monkeypatch.setattr(unsent, "keep", keep)
    return clips


def wavs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wav"))


def talk(*sentences: str, gap_s: float = 1.5) -> list[Spoken]:
    words: list[Spoken] = []
    for sentence in sentences:
        words += said(sentence.split(), words[-1].end_s + gap_s if words else 1.0)
    return words


async def test_words_are_shown_while_they_are_spoken_and_final_at_the_end(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(talk("please hold your call is important to us")))
    await captions.listen()
    assert captions.text == "please hold your call is important to us"
    partial = [text for text in captions.live_texts if text]
    assert len(partial) >= 3
    assert all(captions.text.startswith(text) for text in partial)
    assert captions.live_texts[-1] == ""


async def test_speech_without_pauses_is_final_piece_by_piece_without_a_word_lost_or_repeated(
    autojump_clock: MockClock,
) -> None:
    captions = RecordedCaptions(Service(said(LONG, 1.0), service_s=1.5))
    await captions.listen(longest_s=10)
    assert captions.text.split() == LONG
    assert len(captions.finals) >= 5
    shown = captions.live_texts
    assert max(len(text.split()) for text in shown) < 60


@pytest.mark.parametrize("service_s", [0.1, 0.3, 1.5, 4.0])
async def test_no_more_is_posted_than_the_budget_allows(autojump_clock: MockClock, service_s: float) -> None:
    captions = RecordedCaptions(Service(said(LONG, 1.0), service_s=service_s))
    await captions.listen()
    posted_s = sum(clip.duration_s for clip in captions.service.clips)
    assert posted_s <= 5.0 * captions.pacer.heard_s
    assert posted_s == pytest.approx(captions.pacer.posted_s)
    assert captions.text.split() == LONG


@pytest.mark.parametrize("embedded", [False, True])
async def test_a_guess_is_as_long_however_long_the_speech_is(autojump_clock: MockClock, embedded: bool) -> None:
    """Settled words are not posted again, but for about a second of them, by which the others are aligned."""
    pacer = Pacer(every_s=1.0, budget_s=None)
    captions = RecordedCaptions(Service(said(LONG, 1.0), embedded=embedded), pacer=pacer)
    await captions.listen(longest_s=60)
    guesses = [clip for clip in captions.service.clips if clip.duration_s < 50]  # all but the final words' own
    early, late = (
        [clip.duration_s for clip in guesses if low < clip.end / CAPTURE_RATE_HZ < low + 20] for low in (5, 40)
    )
    assert max(*early, *late) < 6.0
    assert sum(late) < 1.1 * sum(early)


async def test_the_speech_is_copied_for_each_guess_and_not_for_each_frame(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame is 20 ms: 50 copies a second of up to a minute of speech would be 100 MB/s."""
    copied = list[Utterance]()
    usual = Piece.rest

    def rest(piece: Piece) -> Utterance:
        copied.append(usual(piece))
        return copied[-1]

    monkeypatch.setattr(Piece, "rest", rest)
    captions = RecordedCaptions(Service(said(LONG, 1.0), embedded=True), pacer=Pacer(every_s=1.0, budget_s=None))
    await captions.listen(longest_s=60)
    assert 10 < len(copied) <= len(captions.service.clips)


async def test_a_server_hears_only_the_end_of_a_piece_again_for_its_final_words(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(said(LONG[:60], 1.0)))
    await captions.listen(longest_s=60)
    assert captions.text.split() == LONG[:60]
    assert captions.service.clips[-1].duration_s < FINAL_S + 2


async def test_an_engine_on_this_machine_hears_all_of_a_piece_again_for_its_final_words(
    autojump_clock: MockClock,
) -> None:
    service = Service(said(LONG[:60], 1.0), embedded=True)
    captions = RecordedCaptions(service, pacer=Pacer(every_s=0.4, budget_s=None))
    await captions.listen(longest_s=60)
    assert service.clips[-1].duration_s > 60 * WORD_S


async def test_a_guess_that_lost_the_words_before_it_is_not_shown_and_the_next_one_begins_earlier(
    autojump_clock: MockClock,
) -> None:
    """A recogniser sometimes makes a single word of seconds of speech, because of where the clip begins."""
    service = Service(said(LONG[:40], 1.0))
    usual_finish = service.finish
    starts: list[int] = []

    async def finish(clip: Utterance) -> Transcript:
        transcript = await usual_finish(clip)
        starts.append(clip.start)
        return replace(transcript, text="one") if len(starts) == 6 else transcript

    service.finish = finish  # type: ignore[method-assign]
    captions = RecordedCaptions(service, pacer=Pacer(every_s=1.0, budget_s=None))
    await captions.listen(longest_s=60)
    assert starts[6] < starts[5]
    assert service.clips[6].end - service.clips[5].end < 0.5 * CAPTURE_RATE_HZ, "it does not wait for its turn"
    assert all("one" not in text.split() for text in captions.live_texts)


async def test_pieces_that_end_in_a_pause_are_not_glued_when_captions_end(autojump_clock: MockClock) -> None:
    """At the end, all that is shown becomes final at once: two pieces without a word in common."""
    service = Service(talk("one two three pressed it", "for help or four five six", gap_s=1.0))
    usual_finish = service.finish

    async def finish(clip: Utterance) -> Transcript:
        if trio.lowlevel.current_task().name != "guess at captions":
            await trio.sleep(20)
        return await usual_finish(clip)

    service.finish = finish  # type: ignore[method-assign]
    captions = RecordedCaptions(service)
    with trio.move_on_after(6.5):
        await captions.listen()
    assert re.match(r"one two three pressed(?: it)? for help", captions.text)


async def test_words_posted_preemptively_in_the_pause_are_not_posted_again(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(talk("thank you for your patience")))
    await captions.listen()
    assert captions.text == "thank you for your patience"
    ends = [clip.end for clip in captions.service.clips]
    assert len(ends) == len(set(ends))


async def test_without_guesses_each_utterance_is_posted_once(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(talk("one two three", "four five six")))
    await captions.listen(guesses=False)
    assert captions.text == "one two three four five six"
    assert len(captions.service.clips) == 2
    assert set(captions.live_texts) == {""}


async def test_final_words_come_in_the_order_of_speaking_however_late_the_first_is(autojump_clock: MockClock) -> None:
    service = Service(talk("one two three", "four five six"))
    usual_finish = service.finish

    async def finish(clip: Utterance) -> object:
        if clip.start < 2 * CAPTURE_RATE_HZ:
            await trio.sleep(6)
        return await usual_finish(clip)

    service.finish = finish  # type: ignore[method-assign,assignment]
    captions = RecordedCaptions(service)
    await captions.listen()
    assert [final.text for final in captions.finals] == ["one two three", "four five six"]


async def test_speech_that_could_not_be_transcribed_is_kept_and_captions_go_on(
    autojump_clock: MockClock, unsent_folder: Path
) -> None:
    def fail(clip: Utterance) -> None:
        if clip.start > 3 * CAPTURE_RATE_HZ and clip.start < 5 * CAPTURE_RATE_HZ:
            raise ServerFailed("it is broken", place="the server")

    captions = RecordedCaptions(Service(talk("one two three", "four five six", "seven eight nine"), fail=fail))
    await captions.listen()
    assert captions.text == "one two three seven eight nine"
    (failed,) = [fields for name, fields in captions.published if name == "caption.failed"]
    (wav,) = wavs(unsent_folder)
    assert failed["kept"] == str(wav)
    assert read_wav(wav).duration_s == pytest.approx(3 * WORD_S + 0.5, abs=0.1)


async def test_when_the_cost_limit_is_reached_every_utterance_is_kept_once(
    autojump_clock: MockClock, unsent_folder: Path
) -> None:
    def fail(_: Utterance) -> None:
        raise LimitReached("the session has cost 1 USD: nothing more is sent", place="limits")

    captions = RecordedCaptions(Service(talk("one two three", "four five six"), fail=fail))
    await captions.listen()
    assert len(wavs(unsent_folder)) == 2
    assert captions.text == ""


async def test_speech_without_a_transcript_when_captions_end_is_kept(
    autojump_clock: MockClock, unsent_folder: Path
) -> None:
    captions = RecordedCaptions(Service(talk("one two three", "four five six"), service_s=2.5))
    with trio.move_on_after(6.5):  # the second transcript has not arrived
        await captions.listen(guesses=False)
    assert captions.text == "one two three"
    (wav,) = wavs(unsent_folder)
    assert read_wav(wav).duration_s == pytest.approx(3 * WORD_S + 0.5, abs=0.2)
    assert [fields["kept"] for name, fields in captions.published if name == "caption.failed"] == [str(wav)]


async def test_speech_that_the_captioner_is_told_of_only_at_the_end_is_kept(kept_clips: list[Utterance]) -> None:
    """As `captions --source both` does with what it held back."""
    captions = RecordedCaptions(Service([]))
    rest: list[SpeechEvent] = []
    for start, level in ((0, 1), (48_000, 2)):
        pcm = bytes([level, 0]) * 8000
        rest += [SpeechStarted(start, start, start, pcm[:640]), SpeechAudio(pcm[640:], start + 8000)]
        rest.append(SpeechEnded(Utterance(pcm, start, start + 8000)))
    async with trio.open_nursery() as nursery:
        captioner = Captioner("mic", captions.context(), captions.pacer, lambda index: index / 16_000, nursery)
    captioner.end(rest)
    assert [(clip.start, clip.pcm[0], clip.samples) for clip in kept_clips] == [(0, 1, 8000), (48_000, 2, 8000)]


@pytest.mark.parametrize("stop_s", [1.3, 6.0, 9.0, 9.3, 9.6, 14.0])
@pytest.mark.parametrize("service_s", [0.1, 1.5, 4.0])
@pytest.mark.parametrize("guesses", [True, False])
async def test_when_captions_end_at_any_moment_each_word_is_final_or_kept(
    autojump_clock: MockClock, kept_clips: list[Utterance], stop_s: float, service_s: float, guesses: bool
) -> None:
    truth = said(LONG, 1.0)
    captions = RecordedCaptions(Service(truth, service_s=service_s))
    with trio.move_on_after(stop_s):
        await captions.listen(longest_s=8.0, guesses=guesses)
    spoken = [word.text for word in truth if word.end_s < stop_s - 0.1]
    kept_words = [word.text for clip in kept_clips for word in heard(truth, *seconds(clip))]
    assert captions.text.split() == spoken[: len(captions.text.split())]
    assert set(spoken) <= {*captions.text.split(), *kept_words}
    assert len([name for name, _ in captions.published if name == "caption.failed"]) == len(kept_clips)
    assert guesses is False or sum(clip.duration_s for clip in kept_clips) < 5 + 2 * service_s, "no more than is needed"


def seconds(clip: Utterance) -> tuple[float, float]:
    return clip.start / CAPTURE_RATE_HZ, clip.end / CAPTURE_RATE_HZ


@pytest.mark.parametrize("every_s", [0.3, 0.7, 1.0])
async def test_nothing_is_kept_when_captions_end_in_a_pause_and_all_words_are_shown(
    autojump_clock: MockClock, kept_clips: list[Utterance], every_s: float
) -> None:
    """Whether it is a guess or a post of its own that reaches the end of what was said."""
    pacer = Pacer(every_s=every_s, budget_s=None)
    captions = RecordedCaptions(Service(talk("thank you for your patience"), service_s=0.05), pacer=pacer)
    with trio.move_on_after(1.0 + 5 * WORD_S + 0.45):  # before the hangover of 0.5 s is over
        await captions.listen()
    assert captions.text == "thank you for your patience"
    assert kept_clips == []


async def test_shown_words_become_final_when_the_post_for_final_words_fails(
    autojump_clock: MockClock, unsent_folder: Path
) -> None:
    truth = talk("one two three four five six", "eleven twelve thirteen fourteen fifteen sixteen")

    def fail(clip: Utterance) -> None:
        if clip.end > (truth[6].start_s + 1.6) * CAPTURE_RATE_HZ:
            raise LimitReached("nothing more is sent", place="limits")

    captions = RecordedCaptions(Service(truth, fail=fail))
    await captions.listen()
    shown = max((text for text in captions.live_texts if text.startswith("eleven")), key=len)
    assert shown.startswith("eleven twelve")
    assert captions.text == f"one two three four five six {shown}"
    (wav,) = wavs(unsent_folder)
    assert read_wav(wav).duration_s > 6 * WORD_S


async def test_a_piece_that_fails_in_the_middle_of_speech_repeats_no_word(autojump_clock: MockClock) -> None:
    """Its words were shown already, and the next piece begins with some of them (the overlap)."""
    finals: list[int] = []

    def fail(clip: Utterance) -> None:
        if (
            trio.lowlevel.current_task().name == "finish captions"
            and clip.end > 7 * CAPTURE_RATE_HZ
            and len(finals) < 2
        ):
            finals.append(clip.end)
            raise ServerFailed("it is broken", place="the server")

    captions = RecordedCaptions(Service(said(LONG, 1.0), fail=fail))
    await captions.listen(longest_s=8.0)
    said_words = captions.text.split()
    assert finals
    assert len(said_words) == len(set(said_words))
    assert said_words == [word for word in LONG if word in said_words]


@pytest.mark.parametrize("cancel_s", [1.9, 3.0], ids=["while it is spoken", "while its transcript is awaited"])
@pytest.mark.parametrize("fails", [False, True])
async def test_withdrawn_speech_is_neither_shown_nor_kept(
    autojump_clock: MockClock, kept_clips: list[Utterance], cancel_s: float, fails: bool
) -> None:
    def fail(clip: Utterance) -> None:
        if fails and clip.start < 3 * CAPTURE_RATE_HZ:
            raise ServerFailed("it is broken", place="the server")

    captions = RecordedCaptions(Service(talk("one two three", "four five six", gap_s=2.5), service_s=1.5, fail=fail))
    await captions.listen(cancel_s=cancel_s)
    assert captions.text == "four five six"
    assert kept_clips == []
    assert not any(
        "one" in live.sure + live.unsure for at_s, live in captions.lives if at_s - captions.lives[0][0] > cancel_s
    )


async def test_guesses_stop_when_a_quarter_of_the_limits_is_left_and_say_so_once(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(talk("one two three four five six seven eight nine", "one two three")))
    captions.room = Room(crowded=False, share=0.2)
    await captions.listen()
    assert len(captions.service.clips) == 2
    assert [fields["text"] for name, fields in captions.published if name == "notice"] == [
        (
            "Less than a quarter of what [limits] allows is left: "
            "captions appear after each utterance, not while it is spoken."
        )
    ]
    assert captions.text == "one two three four five six seven eight nine one two three"


async def test_a_repeated_shortage_of_posts_is_reported_only_once(autojump_clock: MockClock) -> None:
    """The share of posts that is left in a minute falls below a quarter again and again."""
    captions = RecordedCaptions(Service(said(LONG, 1.0)))
    shares = cycle([0.2, 0.3])
    captions.service.fail = lambda _: setattr(captions, "room", Room(crowded=False, share=next(shares)))
    await captions.listen()
    assert len([name for name, _ in captions.published if name == "notice"]) == 1


async def test_guesses_become_rare_when_the_server_wants_fewer_requests(autojump_clock: MockClock) -> None:
    usual, crowded = RecordedCaptions(Service(said(LONG, 1.0))), RecordedCaptions(Service(said(LONG, 1.0)))
    crowded.room = Room(crowded=True, share=1.0)
    await usual.listen()
    await crowded.listen()
    assert len(crowded.service.clips) < len(usual.service.clips) / 2
    assert crowded.text.split() == LONG


async def test_utterances_over_the_waiting_limit_are_kept(autojump_clock: MockClock, unsent_folder: Path) -> None:
    captions = RecordedCaptions(Service(talk(*["one two three"] * 4, gap_s=1.0), service_s=30))
    await captions.listen(waiting=2)
    assert len(captions.finals) == 2
    assert len(wavs(unsent_folder)) == 2


async def test_when_captions_end_in_the_middle_of_speech_the_shown_words_are_final(autojump_clock: MockClock) -> None:
    captions = RecordedCaptions(Service(said(LONG, 1.0)))
    with trio.move_on_after(9):
        await captions.listen()
    shown = max(captions.live_texts, key=len)
    assert len(shown.split()) > 10
    assert captions.text == shown
    assert captions.live_texts[-1] == ""


async def test_an_engine_on_this_machine_makes_one_guess_at_a_time_and_none_beside_final_words(
    autojump_clock: MockClock,
) -> None:
    service = Service(said(LONG[:60]), service_s=0.9, embedded=True)
    captions = RecordedCaptions(service, pacer=Pacer(every_s=0.3, budget_s=None))
    await captions.listen()
    assert service.most_at_work == 1
    assert captions.text.split() == LONG[:60]


async def test_a_slow_engine_on_this_machine_is_asked_for_guesses_less_often(autojump_clock: MockClock) -> None:
    counts = []
    for service_s in (0.05, 0.9):
        service = Service(said(LONG[:60]), service_s=service_s, embedded=True)
        captions = RecordedCaptions(service, pacer=Pacer(every_s=0.3, budget_s=None))
        await captions.listen()
        counts.append(len(service.clips))
    assert counts[1] < counts[0] / 3
