"""Resending pending entries: in the order of speaking, each once, even when one of them fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from voiceloop import errors
from voiceloop.cli import pending
from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets.target import TargetOptions
from voiceloop.journal.resending import Failed, Fetched, fetched
from voiceloop.journal.store import Entry, JournalStore
from voiceloop.plugins import Transcription
from voiceloop.transcribe.merging import join
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Transcript, Utterance


class FakeTranscriber:
    """Its text is the length of the clip in tenths of a second. For clips of certain lengths it raises an error."""

    description = "transcriber"

    def __init__(self, refused: dict[int, errors.VoiceloopError] | None = None) -> None:
        self.refused = refused or {}

    async def warm(self) -> None: ...

    @asynccontextmanager
    async def transcription(self) -> AsyncIterator[Transcription]:
        yield self

    async def feed(self, pcm: bytes | Frame) -> None: ...

    async def finish(self, utterance: Utterance) -> Transcript:
        tenths = round(utterance.duration_s * 10)
        if tenths in self.refused:
            raise self.refused[tenths]
        return Transcript(str(tenths), utterance)


class RecordedNotices:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def __call__(self, name: str, /, **fields: object) -> None:
        self.notices.append(f"{name}: {fields['text']}")


def pending_entries(folder: Path, *tenths: int) -> list[Entry]:
    """Make the entries that ended sessions leave: a clip each, `tenths` of a second long; 0 makes an empty file."""
    store = JournalStore(folder)
    store.enter()
    for number, length in enumerate(tenths):
        pcm = bytes(2 * CAPTURE_RATE_HZ // 10 * length)
        entry = store.entry(number)
        entry.put(0, Utterance(pcm, 0, len(pcm) // 2))
        if not length:
            entry.clips[0].write_bytes(b"")
    store.end()
    return store.entries()


async def fetch(
    entries: list[Entry], transcriber: FakeTranscriber, notices: RecordedNotices | None = None
) -> list[str]:
    """Return the texts, and the names of the errors, in order."""
    out = []
    async with fetched(entries, cast(Any, transcriber), notices or RecordedNotices(), merge=join, overlap=2) as found:
        async for one in found:
            out.append(f"{type(one.error).__name__}" if isinstance(one, Failed) else one.transcript.text)
    return out


async def test_a_damaged_clip_holds_no_other_back(tmp_path: Path) -> None:
    assert await fetch(pending_entries(tmp_path, 0, 1, 0, 2), FakeTranscriber()) == [
        "BadAudioFile",
        "1",
        "BadAudioFile",
        "2",
    ]


async def test_a_clip_that_says_1_hz_takes_no_memory_and_holds_no_other_back(tmp_path: Path) -> None:
    entries = pending_entries(tmp_path, 1, 2)
    clip = bytearray(entries[0].clips[0].read_bytes())
    clip[24:28] = (1).to_bytes(4, "little")
    entries[0].clips[0].write_bytes(clip)
    assert await fetch(entries, FakeTranscriber()) == ["BadAudioFile", "2"]


@pytest.mark.parametrize("error", ["BadRequest", "BadAnswer", "ServerFailed", "BadGateway", "TimedOut", "EdgeTimeout"])
async def test_a_clip_that_the_service_always_refuses_holds_no_other_back(error: str, tmp_path: Path) -> None:
    transcriber = FakeTranscriber({1: getattr(errors, error)("audio is too short")})
    assert await fetch(pending_entries(tmp_path, 1, 2, 1, 3), transcriber) == [error, "2", error, "3"]


@pytest.mark.parametrize(
    "error",
    [
        *("Unreachable", "Unauthorized", "OutOfCredits", "NoSuchModel", "RateLimited", "Unavailable", "Overloaded"),
        *("LimitReached", "EngineError"),
    ],
)
async def test_an_error_that_every_clip_would_meet_ends_the_resending(error: str, tmp_path: Path) -> None:
    transcriber, given = cast(Any, FakeTranscriber({2: getattr(errors, error)("no")})), []
    with pytest.RaisesGroup(getattr(errors, error), flatten_subgroups=True):
        async with fetched(
            pending_entries(tmp_path, 1, 2, 3), transcriber, RecordedNotices(), merge=join, overlap=2
        ) as found:
            async for one in found:
                assert isinstance(one, Fetched)
                given.append(one.transcript.text)
    assert given == ["1"], "the earlier entries are delivered first, the later ones stay pending"


async def test_on_a_full_disk_a_text_is_delivered_although_it_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    entries, events = pending_entries(tmp_path, 1, 2), RecordedNotices()
    monkeypatch.setattr(Entry, "note", full)
    assert await fetch(entries, FakeTranscriber(), events) == ["1", "2"]
    (notice,) = events.notices
    assert notice.startswith(f"notice: {tmp_path} can't be written: no space left on device. ")


async def test_an_entry_that_cannot_be_marked_is_not_delivered_and_stays_with_all_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the program were killed before the entry is deleted, the text would be written a second time."""
    state, notes = tmp_path / "unsent", tmp_path / "notes.txt"
    waiting = [
        Fetched(entry, Transcript(entry.path.name[-1], Utterance(b"", 0, 0)))
        for entry in pending_entries(state, 1, 1, 1)
    ]
    mark = Entry.mark_delivering

    def refuse(entry: Entry) -> None:
        if entry.path.name.endswith("1"):
            raise OSError(30, "Read-only file system")
        mark(entry)

    monkeypatch.setattr(Entry, "mark_delivering", refuse)
    async with open_target(f"file:{notes}", TargetOptions(), RecordedNotices()) as target:
        why = "unsent: can't be written: read-only file system"
        with pytest.raises(errors.OutputError, match=why), pending._writable(state):
            await pending._insert(waiting, target)
    assert notes.read_text() == "0\n"
    assert [(entry.path.name[-1], entry.doubtful) for entry in JournalStore(state).entries()] == [
        ("1", False),
        ("2", False),
    ]
