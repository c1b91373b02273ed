"""Reader of an X server's selections, in all their forms (ICCCM, chapter 2). For the connection's thread only. Owns no
selection.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from Xlib import X, Xatom

from voiceloop.dictation.x11.xconnection import XConnection

CHUNK_BYTES = 128 * 1024
"""Larger values are transferred in pieces (INCR): without an extension, a request may have 256 KB at most."""
OWNER_S = 1.0
"""How long the owner of a selection may take to give each piece."""
SAVE_S = 4.0
"""How long the content of the clipboard may take to save in all its forms."""
SAVE_BYTES = 256 << 20
"""How much of the clipboard's content is saved at most."""
_META = frozenset({"TARGETS", "MULTIPLE", "TIMESTAMP", "DELETE", "INSERT_SELECTION", "INSERT_PROPERTY", "SAVE_TARGETS"})
"""Targets that are requests about the selection, not forms of its content."""


@dataclass(frozen=True, slots=True)
class Value:
    """The content of a selection in one form: its type (an atom) and data in items of `bits` bits."""

    type: int
    bits: int
    data: Any = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data) * self.bits // 8


class _UnreadError(Exception):
    """A part of a selection could not be read; the message says why."""


Content = Mapping[int, Value]
"""The forms of a selection's content, by target (an atom)."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The saved content of a selection; `why` says why a part could not be read, and is empty when all was."""

    content: Content
    why: str = ""


class XReader:
    """Reads selections through a hidden window of ours, to whose properties the owners write."""

    def __init__(self, connection: XConnection) -> None:
        self._connection = connection
        self._display = connection.display
        root = self._display.screen().root
        self._window = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask)
        self._notified: Any = None
        self._changed: set[int] = set()
        self._stamp = 0
        connection.subscribe(self._on_answer)

    def atom(self, name: str) -> int:
        return int(self._display.intern_atom(name))

    def save(self, selection: str) -> Saved:
        """Read the content of a selection in every form."""
        name = self.atom(selection)
        if not self.owner(selection):
            return Saved({})
        try:
            offered = self._read(name, self.atom("TARGETS"))
        except _UnreadError:
            return Saved({}, "its owner doesn't answer")
        if offered is None or offered.bits != 32:
            return Saved({}, "its owner doesn't say what it holds")
        return self._save_all(name, [int(target) for target in offered.data])

    def text(self, selection: str) -> str | None:
        """The text in a selection; None when it has no owner or no text."""
        name = self.atom(selection)
        if not self.owner(selection):
            return None
        try:
            value = self._read(name, self.atom("UTF8_STRING"))
        except _UnreadError:
            return None
        return bytes(value.data).decode(errors="replace") if value is not None and value.bits == 8 else None

    def owner(self, selection: str) -> int:
        """The window that owns a selection; 0 for none."""
        owner: Any = self._display.get_selection_owner(self.atom(selection))
        return owner if isinstance(owner, int) else int(owner.id)

    def _save_all(self, name: int, targets: Sequence[int]) -> Saved:
        meta = {self.atom(one) for one in _META}
        content: dict[int, Value] = {}
        deadline, left, why = time.monotonic() + SAVE_S, SAVE_BYTES, ""
        forms = [target for target in dict.fromkeys(targets) if target not in meta]
        for target in forms:
            if time.monotonic() > deadline or left < 0:
                return Saved(content, "it holds too much to be read in time")
            try:
                value = self._read(name, target)
            except _UnreadError as unread:
                why = str(unread)
                continue
            if value is not None:  # a form that its owner refuses is not lost: no program can read it
                content[target] = value
                left -= value.size
        return Saved(content, why)

    def _read(self, name: int, target: int) -> Value | None:
        """Read one form of a selection; None when its owner refuses it. Raises `_UnreadError`."""
        slot = self.atom(f"VOICELOOP_READ_{target}")  # one per target, so that a late answer isn't taken for another's
        self._window.delete_property(slot)
        self._notified = None
        self._window.convert_selection(name, target, slot, self._now())
        if not self._connection.pump(lambda: self._answered(name=name, target=target), timeout_s=OWNER_S):
            raise _UnreadError("its owner didn't give all of it in time")
        if self._notified.property == X.NONE:
            return None
        self._changed.discard(slot)
        value = self._take_property(slot)
        return self._read_pieces(slot) if value is not None and value.type == self.atom("INCR") else value

    def _answered(self, *, name: int, target: int) -> bool:
        event = self._notified
        return event is not None and event.selection == name and event.target == target

    def _read_pieces(self, slot: int) -> Value | None:
        data, type_ = bytearray(), 0
        while self._connection.pump(lambda: slot in self._changed, timeout_s=OWNER_S):
            self._changed.discard(slot)
            value = self._take_property(slot)
            if value is None:
                continue
            if not len(value.data):
                return Value(type_ or value.type, 8, bytes(data))
            if value.bits != 8 or len(data) > SAVE_BYTES:
                raise _UnreadError("it holds too much to be read")
            data += value.data
            type_ = value.type
        raise _UnreadError("its owner didn't give all of it in time")

    def _take_property(self, slot: int) -> Value | None:
        found = self._window.get_full_property(slot, X.AnyPropertyType, sizehint=CHUNK_BYTES)
        self._window.delete_property(slot)
        if found is None:
            return None
        return Value(int(found.property_type), int(found.format), found.value)

    def _now(self) -> int:
        """The server's time, needed to own a selection: ICCCM forbids CurrentTime for that."""
        slot = self.atom("VOICELOOP_TIME")
        self._changed.discard(slot)
        self._window.change_property(slot, Xatom.STRING, 8, b"", mode=X.PropModeAppend)
        self._connection.pump(lambda: slot in self._changed, timeout_s=OWNER_S)
        return self._stamp

    def _on_answer(self, event: Any) -> None:
        if event.type == X.SelectionNotify:
            self._notified = event
        elif event.type == X.PropertyNotify and event.window == self._window and event.state == X.PropertyNewValue:
            self._changed.add(event.atom)
            self._stamp = event.time
