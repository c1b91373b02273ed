"""The journal: keeps speech on disk until it is delivered, so that no crash or limit loses it or delivers it twice.

    call of the turn    on disk afterwards
    paused              the clip so far, before it is posted as if the user had finished
    heard               the complete clip, in place of the one so far
    transcribed         the text too, so that it is never paid for twice
    delivering          a mark, before the text is used: after a crash it is not delivered again, only shown
    over                nothing: delivered, or not wanted
    left                everything, with the reason: `voiceloop transcribe --pending` may take it

A thread writes the files, one after the other, so listening never waits for the disk. What waits for the thread is
bounded; and where the disk doesn't answer, as a network's may, turns go on without it, and the program ends without it.
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

_SETTLE_S = 0.5
"""How long the program waits at its end for the last files to be written."""
PATIENCE_S = 2.0
"""How long a turn waits for the disk. Once it has waited in vain, no turn waits until the disk answers again."""
_OPEN_S = 5.0
"""How long the start waits for the disk."""
BOUND_BYTES = 64_000_000
"""How much speech may wait for the disk: over half an hour. What comes then is not kept."""
_BOUND_JOBS = 10_000
"""How many steps may wait for the disk."""


def bounds(settings: Settings) -> Bounds:
    """The journal's limits in the config, as `Bounds`."""
    return Bounds(settings.max_mb * 1_000_000, settings.max_days * 86_400.0)


@asynccontextmanager
async def open_journal(
    settings: Settings, publish: Publish, *, folder: Path | None = None, engine: str | None = None
) -> AsyncIterator[DiskJournal | NoJournal]:
    """A journal in `folder`, by default in the user's state folder. If that can't be written, a notice is published and
    the journal keeps nothing. `engine` names the transcriber, for entry.json."""
    store = JournalStore(folder)
    try:
        with trio.fail_after(_OPEN_S):
            await trio.to_thread.run_sync(store.enter, abandon_on_cancel=True)
    except (OSError, trio.TooSlowError) as error:
        why = _cant_write(store, error) if isinstance(error, OSError) else _stalled(store)
        publish("notice", text=f"{why}: speech that is not yet delivered is lost if the program is killed.")
        yield NO_JOURNAL
        return
    async with trio.open_nursery() as nursery:
        journal = DiskJournal(store, bounds(settings), nursery, publish, engine)
        journal.trim()
        try:
            yield journal
        finally:
            journal.do(store.end)  # in the thread, too: it works on files. Without it the process's end unlocks them
            with trio.move_on_after(_SETTLE_S, shield=True):
                await journal.settled()
            journal.give_up()
            nursery.cancel_scope.cancel()


class DiskJournal:
    """A session's journal. `pending` is how many entries wait on disk for `transcribe --pending`, at the last count."""

    def __init__(
        self, store: JournalStore, bounds: Bounds, nursery: trio.Nursery, publish: Publish, engine: str | None = None
    ) -> None:
        self.publish, self.engine = publish, engine
        self.pending = 0
        self._store, self._bounds, self._nursery = store, bounds, nursery
        # Bounds: BOUND_BYTES, _BOUND_JOBS. What comes when they are reached is not done, and a notice says so.
        self._jobs: deque[tuple[Callable[[], None], trio.Event, int]] = deque()
        self._waiting_bytes = 0
        self._last = trio.Event()  # set when the job added last is done
        self._last.set()
        self._failing = False
        self._stalled = False
        """Whether the disk was waited for in vain, and has not answered since."""
        self._working = trio.CancelScope()

    def turn(self, number: int) -> Page:
        """The journal of a new turn."""
        return Page(self, self._store.entry(number))

    def do(self, job: Callable[[], None], size: int = 0) -> trio.Event:
        """Do `job` in the thread after all earlier jobs. The event is set when it is done, has failed or can't be done
        because too much waits. `size`: how many bytes it holds meanwhile."""
        done = trio.Event()
        if len(self._jobs) >= _BOUND_JOBS or (self._jobs and self._waiting_bytes + size > BOUND_BYTES):
            done.set()
            self._tell_stalled()
            return done
        self._last = done
        self._jobs.append((job, done, size))
        self._waiting_bytes += size
        if len(self._jobs) == 1:
            self._nursery.start_soon(self._work, name="journal writer")
        return done

    async def done(self, event: trio.Event) -> None:
        """Wait until a job is done, or the disk seems to stand still."""
        if event.is_set():
            await trio.lowlevel.checkpoint()
            return
        with trio.move_on_after(0 if self._stalled else PATIENCE_S) as scope:
            await event.wait()
        if scope.cancelled_caught:
            self._tell_stalled()

    def give_up(self) -> None:
        """Wait for the thread no longer. What it was to do is not done."""
        self._working.cancel()

    def _tell_stalled(self) -> None:
        if not self._stalled:
            self._stalled = True
            text = "the session goes on; until it answers, what can't be delivered is lost, or may be delivered twice."
            self.publish("notice", text=f"{_stalled(self._store)}: {text}")

    async def settled(self) -> None:
        """Wait until all jobs are done."""
        await self._last.wait()

    def trim(self) -> None:
        """Delete entries beyond the bounds, and count those that wait."""
        self.do(self._trim)

    def _trim(self) -> None:
        before = self.pending
        removed = self._store.trim(self._bounds, now=time.time())
        waiting = [entry for entry in self._store.entries() if entry.left or entry.session != self._store.session]
        self.pending = len(waiting)
        doubtful = sum(entry.doubtful for entry in waiting)
        trio.from_thread.run_sync(partial(self._report, removed=len(removed), before=before, doubtful=doubtful))

    def _report(self, *, removed: int, before: int, doubtful: int) -> None:
        if removed:
            what = f"journal: {removed} of the oldest undelivered utterances were deleted"
            self.publish("notice", text=f"{what} (limits: journal.max_mb, journal.max_days).")
        if self.pending != before:
            self.publish("journal.pending", count=self.pending, doubtful=doubtful)

    async def _work(self) -> None:
        # Shielded: speech must reach the disk even if the program is ending. This takes milliseconds; if it doesn't,
        # `give_up` ends it.
        with trio.CancelScope(shield=True) as self._working:
            while self._jobs:
                job, done, size = self._jobs[0]
                try:
                    await trio.to_thread.run_sync(job, abandon_on_cancel=True)
                    self._failing = self._stalled = False
                except OSError as error:
                    self._fail(error)
                finally:
                    self._jobs.popleft()
                    self._waiting_bytes -= size
                    done.set()

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            text = f"{_cant_write(self._store, error)}: the session goes on, speech that can't be delivered is lost."
            self.publish("notice", text=text)


@dataclass(slots=True, eq=False)
class Page:
    """The journal of one turn: `plugins.TurnJournal`."""

    journal: DiskJournal
    entry: Entry
    _written: trio.Event | None = None
    """Set when the last clip is on disk. None before the first clip."""
    _complete: int = 0
    """The number of complete clips. At most one further clip is incomplete."""
    _marked: trio.Event | None = None
    """Set when the entry is marked as possibly delivered."""
    _closed: bool = False

    def paused(self, clip: Utterance) -> None:
        self._put(clip)

    def heard(self, utterance: Utterance) -> None:
        self._put(utterance)
        self._complete += 1
        self.journal.do(self._sync)

    def _put(self, clip: Utterance) -> None:
        put = partial(self.entry.put, self._complete, clip, engine=self.journal.engine)
        self._written = self.journal.do(put, len(clip.pcm))

    async def safe(self) -> None:
        if self._written is not None:
            await self.journal.done(self._written)

    def transcribed(self, transcript: Transcript) -> None:
        if self._written is not None:
            self.journal.do(lambda: self._note(transcript.text))

    async def delivering(self) -> None:
        if self._written is not None:
            if self._marked is None:
                self._marked = self.journal.do(self._mark)
            await self.journal.done(self._marked)

    def over(self) -> None:
        if self._written is not None and not self._closed:
            self._closed = True
            self.journal.do(self.entry.remove)

    def left(self, reason: str) -> None:
        if not self._complete:  # the utterance goes on in another turn, which keeps all of it
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
            # An entry without the mark would be delivered a second time after a crash: delete it.
            self.entry.remove()
            raise

    def _leave(self, reason: str) -> None:
        if self.entry.path.is_dir():
            try:
                self.entry.cut(self._complete)
                self.entry.note(reason=reason)
            finally:
                self.entry.leave()


def _stalled(store: JournalStore) -> str:
    return f"journal: {store.folder} doesn't answer (a disk or a network that stands still?)"


def _cant_write(store: JournalStore, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"journal: {store.folder} can't be written ({reason}; check its permissions and the free space)"
