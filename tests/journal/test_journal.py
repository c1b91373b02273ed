"""The journal: speech is on disk until it is delivered; nothing is lost, delivered twice or taken from a process."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from voiceloop.audio.wav import read_wav
from voiceloop.config.tables import Journal as Settings
from voiceloop.journal.journal import DiskJournal, open_journal
from voiceloop.journal.locks import FileLock
from voiceloop.journal.no_journal import NO_JOURNAL
from voiceloop.journal.store import Bounds, Entry, JournalStore
from voiceloop.types import Transcript, Utterance


def utterance(seconds: float = 0.5, *, continues: bool = False) -> Utterance:
    pcm = os.urandom(2 * int(seconds * 16_000))
    return Utterance(pcm, 0, len(pcm) // 2, continues=continues)


class RecordedEvents:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, /, **fields: object) -> None:
        self.events.append((name, fields))

    def notices(self) -> list[str]:
        return [fields["text"] for name, fields in self.events if name == "notice"]


@asynccontextmanager
async def journal(folder: Path, events: RecordedEvents | None = None, **settings: Any) -> AsyncIterator[DiskJournal]:
    async with open_journal(Settings(**settings), events or RecordedEvents(), folder=folder) as opened:
        assert isinstance(opened, DiskJournal)
        yield opened


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def entries(folder: Path) -> list[Entry]:
    return JournalStore(folder).entries()


async def test_an_utterance_is_on_disk_before_it_is_posted_and_gone_once_delivered(tmp_path: Path) -> None:
    clip = utterance()
    async with journal(tmp_path) as opened:
        page = opened.turn(1)
        page.heard(clip)
        await page.safe()
        (entry,) = entries(tmp_path)
        assert read_wav(entry.clips[0]).pcm == clip.pcm
        assert (entry.text, entry.doubtful, entry.left) == (None, False, False)
        page.transcribed(Transcript("one two", clip))
        await page.delivering()
        (entry,) = entries(tmp_path)
        assert (entry.text, entry.doubtful) == ("one two", True)
        page.over()
    assert names(tmp_path) == []


async def test_a_clip_posted_in_a_pause_is_on_disk_first_and_is_replaced_by_the_complete_utterance(
    tmp_path: Path,
) -> None:
    start, clip, last = utterance(0.2), utterance(0.5), utterance(0.3)
    async with journal(tmp_path) as opened:
        page = opened.turn(1)
        for so_far in (start, clip):
            page.paused(so_far)
            await page.safe()
            (entry,) = entries(tmp_path)
            assert [read_wav(path).pcm for path in entry.clips] == [so_far.pcm]
        page.heard(clip)
        page.paused(start)
        page.heard(last)
        await page.safe()
        (entry,) = entries(tmp_path)
        assert [read_wav(path).pcm for path in entry.clips] == [clip.pcm, last.pcm]
        page.over()
    assert names(tmp_path) == []


async def test_an_unfinished_utterance_is_not_left_beside_the_turn_that_takes_it_over(tmp_path: Path) -> None:
    clip = utterance(continues=True)
    async with journal(tmp_path) as opened:
        failing = opened.turn(1)
        failing.paused(utterance())
        failing.left("a bug")
        pieces = opened.turn(2)
        pieces.heard(clip)
        pieces.paused(utterance())
        pieces.left("a bug")
    (entry,) = entries(tmp_path)
    assert [read_wav(path).pcm for path in entry.clips] == [clip.pcm]


async def test_only_the_user_can_read_the_journal(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "unsent"
    old = os.umask(0)
    try:
        async with journal(folder) as opened:
            page = opened.turn(1)
            page.heard(utterance())
            await page.safe()
            for path in (folder, *folder.rglob("*")):
                assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
            page.left("no network")
    finally:
        os.umask(old)
    (entry,) = entries(folder)
    assert (entry.left, entry.doubtful, entry.facts["reason"]) == (True, False, "no network")


async def test_the_parts_of_long_speech_are_one_entry(tmp_path: Path) -> None:
    pieces = [utterance(continues=True), utterance(continues=True), utterance()]
    async with journal(tmp_path) as opened:
        page = opened.turn(7)
        for piece in pieces:
            page.heard(piece)
        await page.safe()
        (entry,) = entries(tmp_path)
        assert [read_wav(clip).pcm for clip in entry.clips] == [piece.pcm for piece in pieces]


async def test_entries_of_a_session_that_ends_before_delivery_are_left_to_be_claimed(tmp_path: Path) -> None:
    async with journal(tmp_path) as opened:
        opened.turn(1).heard(utterance())
        opened.turn(2).heard(utterance())
    with JournalStore(tmp_path).claimed() as found:
        assert found is not None
        assert [entry.path.name[-6:] for entry in found] == ["000001", "000002"]


async def test_speech_reaches_the_disk_although_the_program_is_cancelled(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        async with journal(tmp_path) as opened:
            opened.turn(1).heard(utterance())
            scope.cancel()
            await trio.sleep_forever()
    assert len(entries(tmp_path)) == 1


def hold_an_entry(folder: str, ready: Any, end: Any) -> None:
    store = JournalStore(Path(folder))
    store.enter()
    store.entry(1).put(0, utterance())
    ready.set()
    end.wait(120)


def test_a_running_process_keeps_its_entries_and_those_of_a_killed_one_can_be_claimed(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, end = spawn.Event(), spawn.Event()
    process = spawn.Process(target=hold_an_entry, args=(str(tmp_path), ready, end))
    process.start()
    assert ready.wait(60)
    with JournalStore(tmp_path).claimed() as found:
        assert found == []
    process.kill()
    process.join()
    with JournalStore(tmp_path).claimed() as found:
        assert found is not None
        assert len(found) == 1
        with JournalStore(tmp_path).claimed() as second:
            assert second is None, "two processes claimed the entries at once"
        found[0].remove()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_was_removed_can_be_taken_again_by_one_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first = FileLock.take(path)
    assert first is not None
    assert FileLock.take(path) is None
    first.release()
    second = FileLock.take(path)
    assert second is not None
    assert FileLock.take(path) is None
    second.release()


def left(folder: Path, seconds: float, *, age_s: float = 0.0) -> Entry:
    store = JournalStore(folder)
    store.enter()
    entry = store.entry(1)
    entry.put(0, utterance(seconds))
    entry.leave()
    store.end()
    at = time.time() - age_s
    os.utime(entry.path, (at, at))
    return entry


def test_the_oldest_entries_are_deleted_when_the_limits_are_exceeded(tmp_path: Path) -> None:
    old, second, third = left(tmp_path, 0.1, age_s=100), left(tmp_path, 1), left(tmp_path, 1)
    store = JournalStore(tmp_path)
    removed = store.trim(Bounds(40_000, 50.0), now=time.time())
    assert [entry.path.name.split(".")[0] for entry in removed] == [old.session, second.session]
    assert [entry.path for entry in store.entries()] == [third.path]


DAY_S = 86_400.0


def test_entries_that_look_too_old_are_deleted_only_a_week_after_that_was_noticed(
    tmp_path: Path,
) -> None:
    left(tmp_path, 0.1)
    (tmp_path / "19700101-000000-678901.wav").write_bytes(b"RIFF")
    now, store = time.time(), JournalStore(tmp_path)
    for entry in store.entries():
        os.utime(entry.path, (0, 0))  # written while the clock still showed 1970
    month = Bounds(1_000_000, 30 * DAY_S)
    for later_days in (0, 0.1, 6.9):
        assert store.trim(month, now=now + later_days * DAY_S) == []
    with store.claimed() as found:
        assert found is not None
        assert [entry.overdue and entry.left and not entry.doubtful for entry in found] == [True, True]
    assert len(store.trim(month, now=now + 7.1 * DAY_S)) == 2
    assert list(tmp_path.iterdir()) == []


async def test_pending_and_deleted_entries_are_reported(tmp_path: Path) -> None:
    left(tmp_path, 1, age_s=9 * DAY_S)
    assert JournalStore(tmp_path).trim(Bounds(1_000_000, DAY_S), now=time.time() - 2 * DAY_S) == []
    left(tmp_path, 1)
    events = RecordedEvents()
    async with journal(tmp_path, events, max_days=1) as opened:
        await opened.settled()
    assert ("journal.pending", {"count": 1, "doubtful": 0}) in events.events
    assert events.notices() == [
        "journal: 1 of the oldest undelivered utterances were deleted (limits: journal.max_mb, journal.max_days)."
    ]


async def test_a_folder_that_cannot_be_made_is_reported_and_nothing_else_stops(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    events = RecordedEvents()
    async with open_journal(Settings(), events, folder=tmp_path / "file" / "unsent") as opened:
        assert opened is NO_JOURNAL
    assert "not a directory" in events.notices()[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
async def test_a_full_disk_is_reported_once_and_leaves_nothing_that_could_be_delivered_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = RecordedEvents()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with journal(tmp_path, events) as opened:
        page = opened.turn(1)
        page.heard(utterance())
        await page.safe()
        monkeypatch.setattr("voiceloop.journal.store.write_atomically", full)
        page.transcribed(Transcript("one", utterance()))
        other = opened.turn(2)
        other.heard(utterance())
        await other.safe()
        await page.delivering()
        (entry,) = entries(tmp_path)
        assert entry.doubtful, "a rename needs no space"
        await other.delivering()
        page.over()
        other.over()
    assert len(events.notices()) == 1
    assert "no space left on device" in events.notices()[0]
    assert entries(tmp_path) == []


async def test_an_entry_that_cannot_be_marked_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = RecordedEvents()

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    async with journal(tmp_path, events) as opened:
        page = opened.turn(1)
        page.heard(utterance())
        await page.safe()
        monkeypatch.setattr(Entry, "mark_delivering", refuse)
        await page.delivering()
        assert entries(tmp_path) == []
    assert "read-only file system" in events.notices()[0]


def test_clips_kept_because_of_a_limit_are_entries_too(tmp_path: Path) -> None:
    (tmp_path / "20260102-030405-678901.wav").write_bytes(b"RIFF")
    (tmp_path / "stray.txt").write_text("")
    with JournalStore(tmp_path).claimed() as found:
        assert found is not None
        (entry,) = found
        assert (entry.left, entry.doubtful, entry.text, entry.clips) == (True, False, None, [entry.path])
        entry.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["stray.txt"]


def test_an_entry_that_a_kill_left_without_sound_is_removed_when_the_rest_is_taken(tmp_path: Path) -> None:
    store = JournalStore(tmp_path)
    store.enter()
    entry = store.entry(1)
    entry.path.mkdir()
    entry.note(time=0.0)
    assert store._lock is not None
    store._lock.leave()  # as a kill does: the file stays
    with JournalStore(tmp_path).claimed() as entries:
        assert entries == []
    assert list(tmp_path.iterdir()) == []


def test_half_written_and_half_deleted_files_of_a_crash_are_removed(tmp_path: Path) -> None:
    half = tmp_path / "20260102-030405-678901.000001"
    gone = tmp_path / "20260102-030405-678901.000002.delivering.gone"
    for folder in (half, gone):
        folder.mkdir()
        (folder / "entry.json").write_text("{")
    (gone / "000001.wav").write_bytes(b"RIFF")
    (half / "000001.part").write_bytes(b"RIFF")
    killed = tmp_path / "20260102-030405-678902.part"
    being_written = tmp_path / "20260102-030405-678903.part"
    killed.write_bytes(b"RIFF")
    being_written.write_bytes(b"RIFF")
    os.utime(killed, (0, 0))
    with JournalStore(tmp_path).claimed() as found:
        assert found == []
    assert list(tmp_path.iterdir()) == [being_written]


@pytest.mark.parametrize("facts", [b"[" * 5_000 + b"]" * 5_000, b'{"text": ' + b"9" * 5_000 + b"}", b"\xff", b"[]"])
def test_an_entry_with_damaged_facts_has_none_and_takes_new_ones(tmp_path: Path, facts: bytes) -> None:
    store = JournalStore(tmp_path)
    store.enter()
    entry = store.entry(1)
    entry.put(0, Utterance(bytes(320), 0, 160))
    (entry.path / "entry.json").write_bytes(facts)
    assert entry.facts == {}
    entry.note(text="Said.")
    assert entry.text == "Said."
    store.end()
