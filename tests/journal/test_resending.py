"""Fetching what was kept: in the order of speaking, each once, whatever is wrong with one of them."""

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


class Ears:
    """Hears how many tenths of a second a clip has, and refuses the clips that it is told to."""

    description = "ears"

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


class Told:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def __call__(self, name: str, /, **fields: object) -> None:
        self.notices.append(f"{name}: {fields['text']}")


def kept(folder: Path, *tenths: int) -> list[Entry]:
    """What dead sessions left: a clip each; of nothing for 0."""
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


async def fetch(entries: list[Entry], ears: Ears, told: Told | None = None) -> list[str]:
    """What is given out, in order."""
    out = []
    async with fetched(entries, cast(Any, ears), told or Told(), merge=join, overlap=2) as found:
        async for one in found:
            out.append(f"{type(one.error).__name__}" if isinstance(one, Failed) else one.transcript.text)
    return out


async def test_a_damaged_clip_keeps_no_other_back(tmp_path: Path) -> None:
    assert await fetch(kept(tmp_path, 0, 1, 0, 2), Ears()) == ["BadAudioFile", "1", "BadAudioFile", "2"]


@pytest.mark.parametrize("error", ["BadRequest", "BadAnswer", "ServerFailed", "BadGateway", "TimedOut", "EdgeTimeout"])
async def test_a_clip_that_a_service_always_refuses_keeps_no_other_back(error: str, tmp_path: Path) -> None:
    ears = Ears({1: getattr(errors, error)("audio is too short")})
    assert await fetch(kept(tmp_path, 1, 2, 1, 3), ears) == [error, "2", error, "3"]


@pytest.mark.parametrize(
    "error",
    [
        *("Unreachable", "Unauthorized", "OutOfCredits", "NoSuchModel", "RateLimited", "Unavailable", "Overloaded"),
        *("LimitReached", "EngineError"),
    ],
)
async def test_what_would_meet_every_clip_ends_it(error: str, tmp_path: Path) -> None:
    ears, given = cast(Any, Ears({2: getattr(errors, error)("no")})), []
    with pytest.RaisesGroup(getattr(errors, error), flatten_subgroups=True):
        async with fetched(kept(tmp_path, 1, 2, 3), ears, Told(), merge=join, overlap=2) as found:
            async for one in found:
                assert isinstance(one, Fetched)
                given.append(one.transcript.text)
    assert given == ["1"], "those before are given out first, those after wait"


async def test_a_full_disk_costs_the_note_of_a_text_and_not_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    entries, told = kept(tmp_path, 1, 2), Told()
    monkeypatch.setattr(Entry, "note", full)
    assert await fetch(entries, Ears(), told) == ["1", "2"]
    (notice,) = told.notices
    assert notice.startswith(f"notice: {tmp_path} can't be written: no space left on device. ")


async def test_what_cannot_be_marked_is_not_written_and_stays_with_all_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be written a second time, were this killed before it is deleted."""
    state, notes = tmp_path / "unsent", tmp_path / "notes.txt"
    waiting = [Fetched(entry, Transcript(entry.path.name[-1], Utterance(b"", 0, 0))) for entry in kept(state, 1, 1, 1)]
    mark = Entry.mark_delivering

    def refuse(entry: Entry) -> None:
        if entry.path.name.endswith("1"):
            raise OSError(30, "Read-only file system")
        mark(entry)

    monkeypatch.setattr(Entry, "mark_delivering", refuse)
    async with open_target(f"file:{notes}", TargetOptions(), Told()) as target:
        why = "unsent: can't be written: read-only file system"
        with pytest.raises(errors.OutputError, match=why), pending._writable(state):
            await pending._insert(waiting, target)
    assert notes.read_text() == "0\n"
    assert [(entry.path.name[-1], entry.doubtful) for entry in JournalStore(state).entries()] == [
        ("1", False),
        ("2", False),
    ]
