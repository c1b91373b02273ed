"""The journal store: the folder in which speech waits until it is delivered. Files only, no task.

    SESSION.lock                    locked by the session's process as long as that lives
    SESSION.000007/                 an entry: the speech of the session's turn 7; names sort by the time of speaking
        000001.wav …                its clips, each written atomically
        entry.json                  the time, the engine, the text once it is known, why it was left
    SESSION.000007.delivering/      may have been delivered already; marked by renaming, which works on a full disk too
    ….left/                         left by its session: any process may take it
    20260102-030405-678901.wav      a clip of a conversation that a limit kept from being sent (unsent.py): always left
    ….overdue/, ….overdue.wav       found to be too old, at its file time; deleted some time later
    ….gone/                         being deleted

An entry that is not left belongs to its session while the session's process lives; after that any process may take it.
Every method that works on files may raise OSError.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
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
"""How long an entry that was found too old is still kept; or `Bounds.max_age_s`, if that is shorter."""
_HALF_MADE_S = 3600.0
"""A .part file older than this was abandoned: writing a clip takes milliseconds."""


@dataclass(slots=True)
class Entry:
    """The speech of one turn, on disk at `path`: a folder, or a single WAV file."""

    path: Path

    @property
    def doubtful(self) -> bool:
        """Whether it may have been delivered already."""
        return _DELIVERING in self._marks

    @property
    def left(self) -> bool:
        """Whether its session has given it up, so that any process may take it."""
        return _LEFT in self._marks or self.path.is_file()

    @property
    def overdue(self) -> bool:
        """Whether it was already found too old."""
        return _OVERDUE in self._marks

    @property
    def session(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def clips(self) -> list[Path]:
        """Its WAV files, in the order of speaking."""
        return [self.path] if self.path.is_file() else sorted(self.path.glob("*.wav"))

    @property
    def size(self) -> int:
        """Of all its files, in bytes."""
        files = [self.path] if self.path.is_file() else list(self.path.iterdir())
        return sum(file.stat().st_size for file in files)

    @property
    def kept_at(self) -> float:
        """When it was last written: Unix seconds."""
        return self.path.stat().st_mtime

    @property
    def facts(self) -> dict[str, Any]:
        """The content of entry.json: `time`, `engine`, `text`, `reason`. Empty if the file is missing or damaged."""
        try:
            facts = json.loads((self.path / _ENTRY).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return facts if isinstance(facts, dict) else {}

    @property
    def text(self) -> str | None:
        text = self.facts.get("text")
        return text if isinstance(text, str) else None

    @property
    def engine(self) -> str | None:
        """The transcriber of its session, if known."""
        engine = self.facts.get("engine")
        return engine if isinstance(engine, str) else None

    @property
    def _marks(self) -> list[str]:
        return self.path.name.split(".")[1:]

    def put(self, number: int, utterance: Utterance, *, engine: str | None = None) -> None:
        """Write the clip `number` (from 0), replacing an earlier version. `engine` names the session's transcriber."""
        if not self.path.is_dir():
            self.path.mkdir(mode=0o700)
            self.note(time=round(time.time(), 3), engine=engine)
        write_atomically(self._clip(number), wav_bytes(utterance.pcm, utterance.rate_hz), synced=False)

    def cut(self, count: int) -> None:
        """Delete the clip after the first `count`: at most one is not complete."""
        self._clip(count).unlink(missing_ok=True)

    def sync(self) -> None:
        """Make the entry survive a power failure."""
        for path in (*self.clips, self.path, self.path.parent):
            _sync(path)

    def note(self, **facts: object) -> None:
        """Add `facts` to entry.json."""
        text = json.dumps(self.facts | facts, ensure_ascii=True)
        write_atomically(self.path / _ENTRY, text.encode(), synced=True)

    def mark_delivering(self) -> None:
        """Mark the entry: from now on it may have been delivered."""
        if not self.doubtful:
            self._rename(_DELIVERING)
            _sync(self.path.parent)

    def leave(self) -> None:
        """Mark the entry as given up by its session, so that any process may take it."""
        if not self.left:
            self._rename(_LEFT)

    def expire(self, now: float) -> None:
        """Mark the entry as found too old at `now` (Unix seconds)."""
        os.utime(self.path, (now, now))
        self._rename(_OVERDUE)

    def remove(self) -> None:
        """Delete the entry. It is renamed first, so it disappears in one step, however long deletion takes."""
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
    """How much undelivered speech is kept: the newest `max_bytes`, and none for longer than `max_age_s`."""

    max_bytes: int
    max_age_s: float


class JournalStore:
    """The folder. `session` is the name of this process's session, set by `enter`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()
        self.session = ""
        self._lock: FileLock | None = None

    def enter(self) -> None:
        """Begin a session of this process: choose its name and take its lock."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while self._lock is None:
            self.session = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
            self._lock = FileLock.take(self.folder / f"{self.session}.lock")
        self._lock.write(f"{os.getpid()}\n")

    def end(self) -> None:
        """End the session: any process may take the entries that it still has."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def entry(self, number: int) -> Entry:
        """The entry for turn `number` of this session. Nothing is written yet."""
        return Entry(self.folder / f"{self.session}.{number:06d}")

    def entries(self) -> list[Entry]:
        """The entries of all sessions, in the order of speaking."""
        if not self.folder.is_dir():
            return []
        return [Entry(path) for path in sorted(self.folder.iterdir()) if _is_entry(path)]

    @contextmanager
    def claimed(self) -> Iterator[list[Entry] | None]:
        """All entries that belong to no living session, reserved for this process while the body runs. None if another
        process has reserved them."""
        if not self.folder.is_dir():
            yield []
            return
        claim = FileLock.take(self.folder / _CLAIM)
        if claim is None:
            yield None
            return
        held: dict[str, FileLock | None] = {}
        try:
            for path in self.folder.glob("*.lock"):  # locks of dead sessions are taken here, and removed at the end
                if path.name != _CLAIM:
                    self._lock_dead(path.stem, held)
            self._sweep(held)
            yield [entry for entry in self.entries() if entry.left or self._lock_dead(entry.session, held)]
        finally:
            for lock in held.values():
                if lock is not None:
                    lock.release()
            claim.release()

    def _lock_dead(self, session: str, held: dict[str, FileLock | None]) -> bool:
        """Take the lock of `session` if its process is dead, and keep it in `held`; return whether it is dead."""
        if session == self.session and self._lock is not None:
            return False
        if session not in held:
            held[session] = FileLock.take(self.folder / f"{session}.lock")
        return held[session] is not None

    def _sweep(self, held: Mapping[str, FileLock | None]) -> None:
        """Finish interrupted deletions, and delete incomplete entries of dead sessions and abandoned .part files."""
        for path in self.folder.glob("*.[0-9]*"):
            if _GONE in path.name or (path.is_dir() and not _is_entry(path) and self._orphan(path, held)):
                shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob(f"*{PART}"):
            with suppress(FileNotFoundError):  # its writer has finished and renamed it
                if time.time() - path.stat().st_mtime > _HALF_MADE_S:
                    path.unlink()

    def _orphan(self, path: Path, held: Mapping[str, FileLock | None]) -> bool:
        session = path.name.partition(".")[0]
        return held.get(session) is not None or not (self.folder / f"{session}.lock").exists()

    def trim(self, bounds: Bounds, *, now: float) -> list[Entry]:
        """Delete undelivered entries that are too old or exceed the size, the oldest first. Returns those deleted.

        An entry that looks too old may have been written while the clock was wrong, as on a machine without a hardware
        clock until the network tells it the time. So it is marked first, and deleted only some time after that.
        """
        with self.claimed() as entries:
            ages = [(entry, entry.size, now - entry.kept_at) for entry in entries or ()]
            excess = sum(size for _, size, _ in ages) - bounds.max_bytes
            removed = []
            for entry, size, age_s in ages:
                if excess > 0 or (entry.overdue and age_s > min(_GRACE_S, bounds.max_age_s)):
                    entry.remove()
                    removed.append(entry)
                    excess -= size
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
