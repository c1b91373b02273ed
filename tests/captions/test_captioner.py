"""Captions while somebody speaks: in virtual time, with a service that hears what it is given."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.captions.hall import Hall, Service
from tests.captions.speech import WORD_S, heard, said
from voiceloop.audio.wav import read_wav
from voiceloop.captions.words import Spoken
from voiceloop.errors import LimitReached, ServerFailed
from voiceloop.journal import unsent
from voiceloop.net.limits import Room
from voiceloop.types import CAPTURE_RATE_HZ, Utterance

pytestmark = pytest.mark.usefixtures("kept_here")

LONG = [f"word{number}" for number in range(150)]


@pytest.fixture
def kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeping needs no thread here: the virtual clock knows none."""
    monkeypatch.setattr(unsent, "folder", lambda: tmp_path)

    async def at_once(work: object, *values: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*values)  # type: ignore[operator]

    monkeypatch.setattr(trio.to_thread, "run_sync", at_once)
    return tmp_path


@pytest.fixture
def keeps(monkeypatch: pytest.MonkeyPatch) -> list[Utterance]:
    """The clips that are kept."""
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
    hall = Hall(Service(talk("please hold your call is important to us")))
    await hall.listen()
    assert hall.text == "please hold your call is important to us"
    partial = [text for text in hall.live_texts if text]
    assert len(partial) >= 3
    assert all(hall.text.startswith(text) for text in partial)
    assert hall.live_texts[-1] == ""


async def test_speech_without_pauses_is_final_piece_by_piece_without_a_word_lost_or_repeated(
    autojump_clock: MockClock,
) -> None:
    hall = Hall(Service(said(LONG, 1.0), service_s=1.5))
    await hall.listen(longest_s=10)
    assert hall.text.split() == LONG
    assert len(hall.finals) >= 5
    shown = hall.live_texts
    assert max(len(text.split()) for text in shown) < 60


@pytest.mark.parametrize("service_s", [0.1, 0.3, 1.5, 4.0])
async def test_no_more_is_posted_than_the_budget_allows(autojump_clock: MockClock, service_s: float) -> None:
    hall = Hall(Service(said(LONG, 1.0), service_s=service_s))
    await hall.listen()
    posted_s = sum(clip.duration_s for clip in hall.service.clips)
    assert posted_s <= 5.0 * hall.pacer.heard_s
    assert posted_s == pytest.approx(hall.pacer.posted_s)
    assert hall.text.split() == LONG


async def test_long_speech_costs_no_more_than_short(autojump_clock: MockClock) -> None:
    """What is committed isn't posted again for guesses."""
    hall = Hall(Service(said(LONG, 1.0)))
    await hall.listen(longest_s=60)
    guesses = [clip.duration_s for clip in hall.service.clips if clip.start > CAPTURE_RATE_HZ]
    assert max(guesses[:-2]) < 8.0


async def test_the_last_words_were_posted_in_the_pause_and_are_not_posted_again(autojump_clock: MockClock) -> None:
    hall = Hall(Service(talk("thank you for your patience")))
    await hall.listen()
    assert hall.text == "thank you for your patience"
    ends = [clip.end for clip in hall.service.clips]
    assert len(ends) == len(set(ends))


async def test_without_guesses_each_utterance_is_posted_once(autojump_clock: MockClock) -> None:
    hall = Hall(Service(talk("one two three", "four five six")))
    await hall.listen(guesses=False)
    assert hall.text == "one two three four five six"
    assert len(hall.service.clips) == 2
    assert set(hall.live_texts) == {""}


async def test_final_words_come_in_the_order_of_speaking_however_late_the_first_is(autojump_clock: MockClock) -> None:
    service = Service(talk("one two three", "four five six"))
    slow = service.finish

    async def finish(clip: Utterance) -> object:
        if clip.start < 2 * CAPTURE_RATE_HZ:
            await trio.sleep(6)
        return await slow(clip)

    service.finish = finish  # type: ignore[method-assign,assignment]
    hall = Hall(service)
    await hall.listen()
    assert [final.text for final in hall.finals] == ["one two three", "four five six"]


async def test_what_could_not_be_transcribed_is_kept_and_the_rest_goes_on(
    autojump_clock: MockClock, kept_here: Path
) -> None:
    def fail(clip: Utterance) -> None:
        if clip.start > 3 * CAPTURE_RATE_HZ and clip.start < 5 * CAPTURE_RATE_HZ:
            raise ServerFailed("it is broken", place="the server")

    hall = Hall(Service(talk("one two three", "four five six", "seven eight nine"), fail=fail))
    await hall.listen()
    assert hall.text == "one two three seven eight nine"
    (failed,) = [fields for name, fields in hall.told if name == "caption.failed"]
    (wav,) = wavs(kept_here)
    assert failed["kept"] == str(wav)
    assert read_wav(wav).duration_s == pytest.approx(3 * WORD_S + 0.5, abs=0.1)


async def test_when_the_money_is_spent_every_utterance_is_kept_once(autojump_clock: MockClock, kept_here: Path) -> None:
    def fail(_: Utterance) -> None:
        raise LimitReached("the session has cost 1 USD: nothing more is sent", place="limits")

    hall = Hall(Service(talk("one two three", "four five six"), fail=fail))
    await hall.listen()
    assert len(wavs(kept_here)) == 2
    assert hall.text == ""


async def test_what_has_no_words_yet_when_it_is_ended_is_kept(autojump_clock: MockClock, kept_here: Path) -> None:
    hall = Hall(Service(talk("one two three", "four five six"), service_s=2.5))
    with trio.move_on_after(6.5):  # the words of the second have not come
        await hall.listen(guesses=False)
    assert hall.text == "one two three"
    (wav,) = wavs(kept_here)
    assert read_wav(wav).duration_s == pytest.approx(3 * WORD_S + 0.5, abs=0.2)
    assert [fields["kept"] for name, fields in hall.told if name == "caption.failed"] == [str(wav)]


@pytest.mark.parametrize("stop_s", [1.3, 6.0, 9.0, 9.3, 9.6, 14.0])
@pytest.mark.parametrize("service_s", [0.1, 1.5, 4.0])
@pytest.mark.parametrize("guesses", [True, False])
async def test_ended_at_any_moment_each_word_is_final_or_kept(
    autojump_clock: MockClock, keeps: list[Utterance], stop_s: float, service_s: float, guesses: bool
) -> None:
    truth = said(LONG, 1.0)
    hall = Hall(Service(truth, service_s=service_s))
    with trio.move_on_after(stop_s):
        await hall.listen(longest_s=8.0, guesses=guesses)
    spoken = [word.text for word in truth if word.end_s < stop_s - 0.1]
    there = [word.text for clip in keeps for word in heard(truth, *seconds(clip))]
    assert hall.text.split() == spoken[: len(hall.text.split())]
    assert set(spoken) <= {*hall.text.split(), *there}
    assert len([name for name, _ in hall.told if name == "caption.failed"]) == len(keeps)
    assert guesses is False or sum(clip.duration_s for clip in keeps) < 5 + 2 * service_s, "no more than is needed"


def seconds(clip: Utterance) -> tuple[float, float]:
    return clip.start / CAPTURE_RATE_HZ, clip.end / CAPTURE_RATE_HZ


async def test_ended_in_a_pause_when_all_words_are_shown_nothing_is_kept(
    autojump_clock: MockClock, keeps: list[Utterance]
) -> None:
    hall = Hall(Service(talk("thank you for your patience"), service_s=0.05))
    with trio.move_on_after(1.0 + 5 * WORD_S + 0.45):  # it would be certain to be the end after 0.5 s
        await hall.listen()
    assert hall.text == "thank you for your patience"
    assert keeps == []


async def test_words_that_were_shown_stay_when_the_post_that_was_to_confirm_them_fails(
    autojump_clock: MockClock, kept_here: Path
) -> None:
    truth = talk("one two three four five six", "eleven twelve thirteen fourteen fifteen sixteen")

    def fail(clip: Utterance) -> None:
        if clip.end > (truth[6].start_s + 1.6) * CAPTURE_RATE_HZ:
            raise LimitReached("nothing more is sent", place="limits")

    hall = Hall(Service(truth, fail=fail))
    await hall.listen()
    shown = max((text for text in hall.live_texts if text.startswith("eleven")), key=len)
    assert shown.startswith("eleven twelve")
    assert hall.text == f"one two three four five six {shown}"
    (wav,) = wavs(kept_here)
    assert read_wav(wav).duration_s > 6 * WORD_S


async def test_a_piece_that_fails_in_the_middle_of_speech_repeats_no_word(autojump_clock: MockClock) -> None:
    """Its words were shown, and the piece after it begins with some of them."""
    finals: list[int] = []

    def fail(clip: Utterance) -> None:
        if 7.5 < clip.duration_s < 11 and len(finals) < 2:
            finals.append(clip.end)
            raise ServerFailed("it is broken", place="the server")

    hall = Hall(Service(said(LONG, 1.0), fail=fail))
    await hall.listen(longest_s=8.0)
    said_words = hall.text.split()
    assert finals
    assert len(said_words) == len(set(said_words))
    assert said_words == [word for word in LONG if word in said_words]


@pytest.mark.parametrize("cancel_s", [1.9, 3.0], ids=["while it is said", "while its words are awaited"])
@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_called_off_is_neither_shown_nor_kept(
    autojump_clock: MockClock, keeps: list[Utterance], cancel_s: float, fails: bool
) -> None:
    def fail(clip: Utterance) -> None:
        if fails and clip.start < 3 * CAPTURE_RATE_HZ:
            raise ServerFailed("it is broken", place="the server")

    hall = Hall(Service(talk("one two three", "four five six", gap_s=2.5), service_s=1.5, fail=fail))
    await hall.listen(cancel_s=cancel_s)
    assert hall.text == "four five six"
    assert keeps == []
    assert not any("one" in live.sure + live.unsure for at_s, live in hall.lives if at_s - hall.lives[0][0] > cancel_s)


async def test_guesses_stop_when_a_quarter_of_the_limits_is_left_and_say_so_once(autojump_clock: MockClock) -> None:
    hall = Hall(Service(talk("one two three four five six seven eight nine", "one two three")))
    hall.room = Room(crowded=False, share=0.2)
    await hall.listen()
    assert len(hall.service.clips) == 2
    assert [fields["text"] for name, fields in hall.told if name == "notice"] == [
        "Less than a quarter is left of what [limits] allows: captions come after what is said, not while it is said."
    ]
    assert hall.text == "one two three four five six seven eight nine one two three"


async def test_that_there_are_no_guesses_for_a_while_is_said_once(autojump_clock: MockClock) -> None:
    """Of posts a minute a quarter is left again and again."""
    hall = Hall(Service(said(LONG, 1.0)))
    shares = cycle([0.2, 0.3])
    hall.service.fail = lambda _: setattr(hall, "room", Room(crowded=False, share=next(shares)))
    await hall.listen()
    assert len([name for name, _ in hall.told if name == "notice"]) == 1


async def test_guesses_become_rare_when_the_server_wants_fewer_requests(autojump_clock: MockClock) -> None:
    usual, crowded = Hall(Service(said(LONG, 1.0))), Hall(Service(said(LONG, 1.0)))
    crowded.room = Room(crowded=True, share=1.0)
    await usual.listen()
    await crowded.listen()
    assert len(crowded.service.clips) < len(usual.service.clips) / 2
    assert crowded.text.split() == LONG


async def test_what_too_many_wait_for_already_is_kept(autojump_clock: MockClock, kept_here: Path) -> None:
    hall = Hall(Service(talk(*["one two three"] * 4, gap_s=1.0), service_s=30))
    await hall.listen(waiting=2)
    assert len(hall.finals) == 2
    assert len(wavs(kept_here)) == 2


async def test_when_it_is_ended_in_the_middle_of_speech_what_was_shown_is_final(autojump_clock: MockClock) -> None:
    hall = Hall(Service(said(LONG, 1.0)))
    with trio.move_on_after(9):
        await hall.listen()
    shown = max(hall.live_texts, key=len)
    assert len(shown.split()) > 10
    assert hall.text == shown
    assert hall.live_texts[-1] == ""
