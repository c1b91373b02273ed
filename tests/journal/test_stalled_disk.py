"""A disk that stands still, as an NFS whose server is gone: nothing waits for it for long, and its queue is bounded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.journal.test_journal import RecordedEvents, journal, names, utterance
from voiceloop.config.tables import Journal as Settings
from voiceloop.journal import journal as module
from voiceloop.journal.journal import BOUND_BYTES, open_journal
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.journal.store import Entry, JournalStore


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Clips are written only once the event is set."""
    answers = threading.Event()
    put = Entry.put

    def wait_and_put(self: Entry, *args: object, **options: object) -> None:
        answers.wait()
        put(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Entry, "put", wait_and_put)
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    yield answers
    answers.set()


async def test_turns_go_on_without_the_disk_and_it_is_told_once(stalled: threading.Event, tmp_path: Path) -> None:
    events = RecordedEvents()
    async with journal(tmp_path, events) as opened:
        for number in range(3):
            page = opened.turn(number)
            page.heard(utterance())
            with trio.fail_after(60):
                await page.safe()
                await page.delivering()
            page.over()
        assert [("doesn't answer" in text) for text in events.notices()] == [True]
        stalled.set()
        with trio.fail_after(60):
            await opened.settled()
    assert names(tmp_path) == []  # all in order, once the disk answers


async def test_the_program_ends_without_the_disk(stalled: threading.Event, tmp_path: Path) -> None:
    with trio.fail_after(60):  # and not when the disk answers
        async with journal(tmp_path) as opened:
            opened.turn(1).heard(utterance())
    assert not stalled.is_set()


async def test_what_waits_for_the_disk_is_bounded(stalled: threading.Event, tmp_path: Path) -> None:
    events = RecordedEvents()
    async with journal(tmp_path, events) as opened:
        clip = utterance(60)
        for number in range(2 * BOUND_BYTES // len(clip.pcm)):
            opened.turn(number).heard(clip)
        assert opened._waiting_bytes <= BOUND_BYTES
        assert any("doesn't answer" in text for text in events.notices())
        stalled.set()
        with trio.fail_after(60):
            await opened.settled()
        assert opened._waiting_bytes == 0


async def test_the_start_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(JournalStore, "enter", lambda _: answers.wait())
    monkeypatch.setattr(module, "_OPEN_S", 0.05)
    events = RecordedEvents()
    try:
        with trio.fail_after(60):
            async with open_journal(Settings(), events, folder=tmp_path) as opened:
                assert opened is NO_JOURNAL
    finally:
        answers.set()
    assert "doesn't answer" in events.notices()[0]
