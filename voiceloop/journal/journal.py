"""Keeps what is said on disk until it is delivered, so that no crash, cut or limit loses it or delivers it twice.

    paused       what was said so far is on disk, before it is posted as if it was all
    heard        the whole clip is, in its place
    transcribed  its text is there too: nobody pays for it again
    delivering   noted before anything is done with it: after a crash it is never done again, only shown
    delivered    deleted

The files are written one after the other by a thread, beside the loop: hearing never waits for a disk.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from voiceloop.config.tables import Journal as Settings
from voiceloop.events import Publish
from voiceloop.journal.no_journal import NO_JOURNAL, NoJournal
from voiceloop.journal.store import Bounds, Entry, JournalStore
from voiceloop.types import Transcript, Utterance

HOW = "'voiceloop transcribe --pending' writes it down"
_SETTLE_S = 0.5
"""How long the end of the program waits for the last files."""


def bounds(settings: Settings) -> Bounds:
    """What the config says of how much is kept."""
    return Bounds(settings.max_mb * 1_000_000, settings.max_days * 86_400.0)


@asynccontextmanager
async def open_journal(
    settings: Settings, publish: Publish, *, folder: Path | None = None, engine: str | None = None
) -> AsyncIterator[DiskJournal | NoJournal]:
    """A journal in the user's state folder; one that keeps nothing, with a notice, where that can't be written.
    `engine` is who is to transcribe it: noted with what is kept."""
    store = JournalStore(folder)
    try:
        await trio.to_thread.run_sync(store.enter)
    except OSError as error:
        publish("notice", text=f"{_why(store, error)}: what is not delivered is lost if the program is killed.")
        yield NO_JOURNAL
        return
    async with trio.open_nursery() as nursery:
        journal = DiskJournal(store, bounds(settings), nursery, publish, engine)
        journal.trim()
        try:
            yield journal
        finally:
            with trio.move_on_after(_SETTLE_S, shield=True):
                await journal.settled()
            store.end()
            nursery.cancel_scope.cancel()


class DiskJournal:
    """A session's journal. `pending` counts what waits on disk for somebody to fetch it, as far as is known."""

    def __init__(
        self, store: JournalStore, bounds: Bounds, nursery: trio.Nursery, publish: Publish, engine: str | None = None
    ) -> None:
        self.publish, self.engine = publish, engine
        self.pending = 0
        self._store, self._bounds, self._nursery = store, bounds, nursery
        # Unbounded in name only: a turn adds a handful, and turns that wait are bounded (conversation.waiting).
        self._jobs: deque[tuple[Callable[[], None], trio.Event]] = deque()
        self._last = trio.Event()
        self._last.set()
        self._broken = False

    def turn(self, number: int) -> Page:
        """Begin a turn's page."""
        return Page(self, self._store.entry(number))

    def do(self, job: Callable[[], None]) -> trio.Event:
        """Have `job` done after all before it; the event tells when it was, or failed."""
        self._last = trio.Event()
        self._jobs.append((job, self._last))
        if len(self._jobs) == 1:
            self._nursery.start_soon(self._work)
        return self._last

    async def settled(self) -> None:
        """Wait until nothing is to be done any more."""
        await self._last.wait()

    def trim(self) -> None:
        """Keep within bounds, and count what waits."""
        self.do(self._trim)

    def _trim(self) -> None:
        before = self.pending
        removed = self._store.trim(self._bounds, now=time.time())
        waiting = [entry for entry in self._store.entries() if entry.left or entry.session != self._store.session]
        self.pending = len(waiting)
        trio.from_thread.run_sync(self._tell, len(removed), before, sum(entry.doubtful for entry in waiting))

    def _tell(self, removed: int, before: int, doubtful: int) -> None:
        if removed:
            what = f"{removed} of the oldest utterances that waited were deleted"
            self.publish("notice", text=f"{what} (journal.max_mb, journal.max_days).")
        if self.pending != before:
            self.publish("journal.pending", count=self.pending, doubtful=doubtful)

    async def _work(self) -> None:
        # Shielded: what was said must reach the disk although the program ends. It is a matter of milliseconds.
        with trio.CancelScope(shield=True):
            while self._jobs:
                job, done = self._jobs[0]
                try:
                    await trio.to_thread.run_sync(job)
                    self._broken = False
                except OSError as error:
                    self._fail(error)
                finally:
                    self._jobs.popleft()
                    done.set()

    def _fail(self, error: OSError) -> None:
        if not self._broken:
            self._broken = True
            text = f"{_why(self._store, error)}: dictation goes on, but what can't be delivered is lost."
            self.publish("notice", text=text)


@dataclass(slots=True, eq=False)
class Page:
    """One turn's speech: `keeping.TurnJournal`."""

    journal: DiskJournal
    entry: Entry
    _written: trio.Event | None = None
    """The last of its clips is on disk."""
    _whole: int = 0
    """How many of them are complete: at most one more is not."""
    _marked: trio.Event | None = None
    _closed: bool = False

    def paused(self, clip: Utterance) -> None:
        self._put(clip)

    def heard(self, utterance: Utterance) -> None:
        self._put(utterance)
        self._whole += 1
        self.journal.do(self._sync)

    def _put(self, clip: Utterance) -> None:
        self._written = self.journal.do(partial(self.entry.put, self._whole, clip, engine=self.journal.engine))

    async def safe(self) -> None:
        if self._written is not None:
            await self._written.wait()

    def transcribed(self, transcript: Transcript) -> None:
        if self._written is not None:
            self.journal.do(lambda: self._note(transcript.text))

    async def delivering(self) -> None:
        if self._written is not None:
            if self._marked is None:
                self._marked = self.journal.do(self._mark)
            await self._marked.wait()

    def over(self) -> None:
        if self._written is not None and not self._closed:
            self._closed = True
            self.journal.do(self.entry.remove)

    def left(self, reason: str) -> None:
        if not self._whole:  # what was being said goes on in another turn, with all of it
            self.over()
        elif not self._closed:
            self._closed = True
            self.journal.do(lambda: self._leave(reason))
            self.journal.trim()

    def _note(self, text: str) -> None:
        if self.entry.path.is_dir():
            self.entry.note(text=text)

    def _sync(self) -> None:
        if self.entry.path.is_dir():
            self.entry.sync()

    def _mark(self) -> None:
        if not self.entry.path.is_dir():
            return
        try:
            self.entry.mark_delivering()
        except OSError:
            # What can't be marked must not be there after a crash: it would be delivered a second time.
            self.entry.remove()
            raise

    def _leave(self, reason: str) -> None:
        if self.entry.path.is_dir():
            try:
                self.entry.cut(self._whole)
                self.entry.note(reason=reason)
            finally:
                self.entry.leave()


def _why(store: JournalStore, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"journal: {store.folder} can't be written ({reason}; mend its permissions or free some space)"
