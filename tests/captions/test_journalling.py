"""The journal of captions: speech is on disk until its words are final, however the program is killed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from tests.captions.recorded_captions import RecordedCaptions, Service
from tests.captions.speech import said
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.words import Spoken
from voiceloop.errors import ServerFailed
from voiceloop.journal import unsent
from voiceloop.types import Transcript, Utterance

WORDS = [f"word{number}" for number in range(120)]


@dataclass
class Disk(RecordedCaptions):
    """Captions whose journal is a log: what was done to which page, and what was shown, in this order."""

    log: list[tuple[int, str]] = field(default_factory=list)
    pages: int = 0

    def __post_init__(self) -> None:
        self.page = self.turn

    def turn(self) -> Page:
        self.pages += 1
        return Page(self.pages, self.log)

    def final(self, final: Final, live: Live) -> None:
        self.log.append((0, final.text))
        super().final(final, live)

    def of(self, page: int) -> list[str]:
        return [what for number, what in self.log if number == page]


@dataclass
class Page:
    """A page that notes its calls. As a real one, it does nothing once it is over."""

    number: int
    log: list[tuple[int, str]]

    def paused(self, clip: Utterance) -> None:
        self.log.append((self.number, "paused"))

    def heard(self, utterance: Utterance) -> None:
        self.log.append((self.number, "heard"))

    async def safe(self) -> None:
        await trio.lowlevel.checkpoint()

    def transcribed(self, transcript: Transcript) -> None:
        self.log.append((self.number, "transcribed"))

    async def delivering(self) -> None:
        await trio.sleep(0.01)
        self.log.append((self.number, "delivering"))

    def over(self) -> None:
        self.log.append((self.number, "over"))

    def left(self, reason: str) -> None:
        self.log.append((self.number, "left"))


async def run_here(work: object, *values: object) -> object:
    """What a thread does, in virtual time."""
    await trio.lowlevel.checkpoint()
    return work(*values)  # type: ignore[operator]


def two_sentences() -> list[Spoken]:
    first = said(["please", "hold", "your", "call"], 1.0)
    return [*first, *said(["it", "is", "important", "to", "us"], first[-1].end_s + 2.0)]


@pytest.mark.parametrize("guesses", [False, True])
async def test_speech_is_kept_from_its_first_pause_until_its_words_are_final(
    autojump_clock: MockClock, guesses: bool
) -> None:
    disk = Disk(Service(two_sentences(), service_s=1.5))
    await disk.listen(guesses=guesses)
    assert disk.pages == 2
    for page, final in ((1, "please hold your call"), (2, "it is important to us")):
        assert disk.of(page) == ["paused", "heard", "delivering", "over"]
        # A kill before the mark has it told later; one behind it has it shown as perhaps told.
        mark, shown, over = (disk.log.index(entry) for entry in ((page, "delivering"), (0, final), (page, "over")))
        assert mark < shown < over


async def test_speech_that_is_cut_is_kept_until_the_words_at_the_cut_are_final(autojump_clock: MockClock) -> None:
    disk = Disk(Service(said(WORDS, 1.0)))
    await disk.listen(longest_s=10)
    assert disk.text.split() == WORDS
    assert disk.pages > 3
    done = [disk.log.index((page, "delivering")) for page in range(1, disk.pages + 1)]
    over = [disk.log.index((page, "over")) for page in range(1, disk.pages + 1)]
    assert all(after < forgotten for after, forgotten in zip(done[1:], over[:-1], strict=True))
    assert done[-1] < over[-1]


async def test_in_a_talk_without_pauses_only_what_may_still_be_missing_is_kept(autojump_clock: MockClock) -> None:
    disk = Disk(Service(said(WORDS, 1.0)))
    await disk.listen(longest_s=10)
    assert disk.pages > 3
    on_disk, most = set[int](), 0
    for page, what in disk.log:
        if what == "over":
            on_disk.discard(page)
        elif page:
            on_disk.add(page)
            most = max(most, len(on_disk))
    assert most <= 3


async def test_withdrawn_speech_is_forgotten_and_not_written_again(autojump_clock: MockClock) -> None:
    disk = Disk(Service(two_sentences(), service_s=1.5))
    await disk.listen(cancel_s=3.2)
    assert disk.finals == [final for final in disk.finals if "please" not in final.text]
    assert disk.of(1)[-1] == "over"
    assert "heard" not in disk.of(1)[disk.of(1).index("over") :]


async def test_speech_that_fails_is_kept_as_a_file_before_it_is_forgotten(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Utterance) -> None:
        raise ServerFailed("broken")

    disk = Disk(Service(two_sentences(), fail=fail))
    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)
    monkeypatch.setattr(unsent, "keep", lambda _: disk.log.append((0, "kept")))
    await disk.listen()
    order = [what for number, what in disk.log if number in {0, 1}]
    assert order.index("kept") < order.index("over")


async def test_speech_that_is_cut_and_fails_is_not_kept_twice_until_the_next_piece(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Utterance) -> None:
        raise ServerFailed("broken")

    disk = Disk(Service(said(WORDS, 1.0), fail=fail))
    monkeypatch.setattr(trio.to_thread, "run_sync", run_here)
    monkeypatch.setattr(unsent, "keep", lambda _: disk.log.append((0, "kept")))
    await disk.listen(longest_s=10)
    after = [disk.log[at + 1] for at, entry in enumerate(disk.log) if entry == (0, "kept")]
    assert after == [(page, "over") for page in range(1, disk.pages + 1)]
    assert disk.pages > 3
