"""The folder in which speech waits until it is delivered: files only, no task. Every method may raise OSError.

    SESSION.lock                    held by the process whose session it is, for as long as it lives
    SESSION.000007/                 what was said in its seventh turn; names sort by the time of speaking
        000001.wav …                the clips of it, whole: each is written beside and renamed
        entry.json                  when, the text once it is known, and why it was left
    SESSION.000007.delivering/      it may have been delivered: a rename, which a full disk allows too
    ….left/                         its session has given it up: anybody may take it
    20260102-030405-678901.wav      what a limit kept of a conversation (unsent.py): left from the start
    ….overdue/, ….overdue.wav       it was found too old when it was last written: it goes if it still waits in a while

An entry that isn't left belongs to its session while that lives, and to whoever comes first once it is dead.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voiceloop.audio.wav import wav_bytes
from voiceloop.journal.atomic_write import PART, write_atomically
from voiceloop.journal.locks import FileLock
from voiceloop.journal.unsent import folder as default_folder
from voiceloop.types import Utterance

_DELIVERING, _LEFT, _OVERDUE, _GONE = "delivering", "left", "overdue", "gone"
_CLAIM = "claim.lock"
_ENTRY = "entry.json"
_GRACE_S = 7 * 86_400.0
"""How long what was found too old waits still; where less than that is kept at all, so long."""
_HALF_MADE_S = 3600.0
"""A clip that is still being written after this never will be: it takes milliseconds."""


@dataclass(slots=True)
class Entry:
    """What was said in one turn, on disk at `path`."""

    path: Path

    @property
    def doubtful(self) -> bool:
        """Whether it may have been delivered already."""
        return _DELIVERING in self._marks

    @property
    def left(self) -> bool:
        """Whether its session has given it up."""
        return _LEFT in self._marks or self.path.is_file()

    @property
    def overdue(self) -> bool:
        """Whether it was found too old already."""
        return _OVERDUE in self._marks

    @property
    def session(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def clips(self) -> list[Path]:
        """Its WAV files in order."""
        return [self.path] if self.path.is_file() else sorted(self.path.glob("*.wav"))

    @property
    def size(self) -> int:
        """Bytes."""
        files = [self.path] if self.path.is_file() else list(self.path.iterdir())
        return sum(file.stat().st_size for file in files)

    @property
    def kept_at(self) -> float:
        """When it was last written: Unix seconds."""
        return self.path.stat().st_mtime

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of it beside its sound: `time`, `text`, `reason`. Nothing, where that was damaged."""
        try:
            facts = json.loads((self.path / _ENTRY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    @property
    def text(self) -> str | None:
        text = self.facts.get("text")
        return text if isinstance(text, str) else None

    @property
    def engine(self) -> str | None:
        """What was to transcribe it, where that is known."""
        engine = self.facts.get("engine")
        return engine if isinstance(engine, str) else None

    @property
    def _marks(self) -> list[str]:
        return self.path.name.split(".")[1:]

    def put(self, number: int, utterance: Utterance, *, engine: str | None = None) -> None:
        """Write the clip `number`, from 0, in the place of what it was before. `engine` was to transcribe it."""
        if not self.path.is_dir():
            self.path.mkdir(mode=0o700)
            self.note(time=round(time.time(), 3), engine=engine)
        write_atomically(self._clip(number), wav_bytes(utterance.pcm, utterance.rate_hz), synced=False)

    def cut(self, count: int) -> None:
        """Keep the first `count` clips."""
        self._clip(count).unlink(missing_ok=True)

    def sync(self) -> None:
        """Make it outlast a power failure."""
        for path in (*self.clips, self.path, self.path.parent):
            _sync(path)

    def note(self, **facts: object) -> None:
        """Add to what is known of it."""
        text = json.dumps(self.facts | facts, ensure_ascii=True)
        write_atomically(self.path / _ENTRY, text.encode(), synced=True)

    def mark_delivering(self) -> None:
        """From now on it may have been delivered."""
        if not self.doubtful:
            self._rename(_DELIVERING)
            _sync(self.path.parent)

    def leave(self) -> None:
        """Give it up, for others to take."""
        if not self.left:
            self._rename(_LEFT)

    def expire(self, now: float) -> None:
        """Note that it was found too old at `now` (Unix seconds)."""
        os.utime(self.path, (now, now))
        self._rename(_OVERDUE)

    def remove(self) -> None:
        """Delete it: gone in one step, however long the rest takes."""
        if self.path.is_file():
            self.path.unlink(missing_ok=True)
        elif self.path.is_dir():
            self._rename(_GONE)
            shutil.rmtree(self.path, ignore_errors=True)

    def _clip(self, number: int) -> Path:
        return self.path / f"{number + 1:06d}.wav"

    def _rename(self, mark: str) -> None:
        name = f"{self.path.stem}.{mark}{self.path.suffix}" if self.path.is_file() else f"{self.path.name}.{mark}"
        path = self.path.with_name(name)
        self.path.rename(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of what nobody fetched is kept: the newest, up to so many bytes, for so long."""

    max_bytes: int
    max_age_s: float


class JournalStore:
    """The folder. `session` is this process's own name in it, once `enter` was called."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()
        self.session = ""
        self._lock: FileLock | None = None

    def enter(self) -> None:
        """Begin a session of one's own."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while self._lock is None:
            self.session = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
            self._lock = FileLock.take(self.folder / f"{self.session}.lock")
        self._lock.write(f"{os.getpid()}\n")

    def end(self) -> None:
        """End the session: what it holds still is anybody's now."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def entry(self, number: int) -> Entry:
        """The entry of one's own turn `number`, not made yet."""
        return Entry(self.folder / f"{self.session}.{number:06d}")

    def entries(self) -> list[Entry]:
        """All there are, whosever, in the order of speaking."""
        if not self.folder.is_dir():
            return []
        return [Entry(path) for path in sorted(self.folder.iterdir()) if _is_entry(path)]

    @contextmanager
    def claimed(self) -> Iterator[list[Entry] | None]:
        """Every entry that belongs to no living session, nobody else's while the body runs. None when another process
        is at it."""
        if not self.folder.is_dir():
            yield []
            return
        claim = FileLock.take(self.folder / _CLAIM)
        if claim is None:
            yield None
            return
        held: dict[str, FileLock | None] = {}
        try:
            self._sweep()
            for path in self.folder.glob("*.lock"):  # those of the dead are removed with what we hold
                if path.name != _CLAIM:
                    self._dead(path.stem, held)
            yield [entry for entry in self.entries() if entry.left or self._dead(entry.session, held)]
        finally:
            for lock in held.values():
                if lock is not None:
                    lock.release()
            claim.release()

    def _dead(self, session: str, held: dict[str, FileLock | None]) -> bool:
        """Whether nobody lives whose session it is; its lock is then ours."""
        if session == self.session and self._lock is not None:
            return False
        if session not in held:
            held[session] = FileLock.take(self.folder / f"{session}.lock")
        return held[session] is not None

    def _sweep(self) -> None:
        """Finish what was being deleted, and what a full disk left half made."""
        for path in self.folder.glob("*.[0-9]*"):
            if _GONE in path.name or (path.is_dir() and not _is_entry(path) and self._orphan(path)):
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f"*{PART}"):
            with suppress(FileNotFoundError):  # it was being written, and is whole now
                if time.time() - path.stat().st_mtime > _HALF_MADE_S:
                    path.unlink()

    def _orphan(self, path: Path) -> bool:
        return not (self.folder / f"{path.name.partition('.')[0]}.lock").exists()

    def trim(self, bounds: Bounds, *, now: float) -> list[Entry]:
        """Delete what nobody fetched and is too much or too old, the oldest first; gives what was deleted.

        What looks too old may have been kept while the clock was wrong, as in a machine that has none of its own until
        the network tells it the time: it is deleted only when that was found some time ago.
        """
        with self.claimed() as entries:
            ages = [(entry, entry.size, now - entry.kept_at) for entry in entries or ()]
            spare = sum(size for _, size, _ in ages) - bounds.max_bytes
            removed = []
            for entry, size, age_s in ages:
                if spare > 0 or (entry.overdue and age_s > min(_GRACE_S, bounds.max_age_s)):
                    entry.remove()
                    removed.append(entry)
                    spare -= size
                elif age_s > bounds.max_age_s and not entry.overdue:
                    entry.expire(now)
            return removed


def _is_entry(path: Path) -> bool:
    if path.suffix == ".wav":
        return path.is_file()
    name = path.name.split(".")
    return len(name) > 1 and name[1].isdigit() and _GONE not in name and path.is_dir() and any(path.glob("*.wav"))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
