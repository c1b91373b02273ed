"""The selections of an X server: reading all that one holds, and owning one (ICCCM, chapter 2). In the connection's
thread only.

Owning one ourselves is what tells when a window has read a paste and whether the clipboard is still ours; no program
that sets the clipboard from outside can say either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from Xlib import X, Xatom, error
from Xlib.protocol import event as events

from voiceloop.dictation.xconnection import XConnection

CHUNK_BYTES = 128 * 1024
"""More goes over in pieces (INCR); a request of 256 KB is the most without an extension."""
OWNER_S = 1.0
"""How long the owner of a selection may take for each piece."""
SAVE_S = 4.0
SAVE_BYTES = 256 << 20
"""How long and how much is read of a clipboard to give it back."""
_META = frozenset({"TARGETS", "MULTIPLE", "TIMESTAMP", "DELETE", "INSERT_SELECTION", "INSERT_PROPERTY", "SAVE_TARGETS"})
TEXT = ("UTF8_STRING", "text/plain;charset=utf-8", "text/plain", "STRING", "TEXT")


@dataclass(frozen=True, slots=True)
class Value:
    """What a selection holds in one form: its type (an atom) and items of `bits` each."""

    type: int
    bits: int
    data: Any = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data) * self.bits // 8


Content = Mapping[int, Value]
"""By target (an atom)."""


@dataclass(frozen=True, slots=True)
class Saved:
    """All that a selection held; `why` says what of it could not be read."""

    content: Content
    why: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """Somebody read the text that we own: the window that asked."""

    selection: int
    requestor: int


class XSelections:
    def __init__(self, connection: XConnection, on_read: Callable[[Read], None]) -> None:
        self._connection = connection
        self._display = connection.display
        self._on_read = on_read
        root = self._display.screen().root
        self._window = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask)
        self._owned: dict[int, tuple[Content, int]] = {}
        self._sending: dict[tuple[int, int], tuple[Value, int]] = {}
        self._notified: Any = None
        self._changed: set[int] = set()
        self._stamp = 0
        connection.subscribe(self._event)

    def atom(self, name: str) -> int:
        return int(self._display.intern_atom(name))

    # Reading

    def save(self, selection: str) -> Saved:
        """All that a selection holds, in every form."""
        name = self.atom(selection)
        if name in self._owned:
            return Saved(self._owned[name][0])
        if not self.owner(selection):
            return Saved({})
        offered = self._read(name, self.atom("TARGETS"))
        if offered is None or offered.bits != 32:
            return Saved({}, "its owner doesn't answer")
        return self._save_all(name, [int(target) for target in offered.data])

    def text(self, selection: str) -> str | None:
        """The text that a selection holds; None when nobody owns it or it holds none."""
        name = self.atom(selection)
        if not self.owner(selection):
            return None
        value = self._read(name, self.atom("UTF8_STRING"))
        return bytes(value.data).decode(errors="replace") if value is not None and value.bits == 8 else None

    def owner(self, selection: str) -> int:
        """The window that owns a selection; 0 for none."""
        owner: Any = self._display.get_selection_owner(self.atom(selection))
        return owner if isinstance(owner, int) else int(owner.id)

    def _save_all(self, name: int, targets: Sequence[int]) -> Saved:
        meta = {self.atom(one) for one in _META}
        content: dict[int, Value] = {}
        deadline, left = time.monotonic() + SAVE_S, SAVE_BYTES
        for target in targets:
            if target in meta or target in content:
                continue
            if time.monotonic() > deadline or left < 0:
                return Saved(content, "it holds too much to be read in time")
            if (value := self._read(name, target)) is not None:
                content[target] = value
                left -= value.size
        return Saved(content)

    def _read(self, name: int, target: int) -> Value | None:
        slot = self.atom("VOICELOOP_READ")
        self._window.delete_property(slot)
        self._notified = None
        self._window.convert_selection(name, target, slot, self._now())
        if not self._connection.pump(lambda: self._answered(name, target), timeout_s=OWNER_S):
            return None
        if self._notified.property == X.NONE:
            return None
        self._changed.discard(slot)
        value = self._take(slot)
        return self._read_pieces(slot) if value is not None and value.type == self.atom("INCR") else value

    def _answered(self, name: int, target: int) -> bool:
        told = self._notified
        return told is not None and told.selection == name and told.target == target

    def _read_pieces(self, slot: int) -> Value | None:
        data, kind = bytearray(), 0
        while self._connection.pump(lambda: slot in self._changed, timeout_s=OWNER_S):
            self._changed.discard(slot)
            value = self._take(slot)
            if value is None:
                continue
            if not len(value.data):
                return Value(kind or value.type, 8, bytes(data))
            if value.bits != 8 or len(data) > SAVE_BYTES:
                return None
            data += value.data
            kind = value.type
        return None

    def _take(self, slot: int) -> Value | None:
        found = self._window.get_full_property(slot, X.AnyPropertyType, sizehint=CHUNK_BYTES)
        self._window.delete_property(slot)
        if found is None:
            return None
        return Value(int(found.property_type), int(found.format), found.value)

    # Owning

    def own_text(self, selection: str, text: str) -> None:
        """Own a selection that holds text."""
        data = text.encode()
        latin = text.encode("latin-1", "replace")
        types = {name: self.atom("UTF8_STRING") if name == "TEXT" else self.atom(name) for name in TEXT}
        self.own(
            selection,
            {self.atom(name): Value(types[name], 8, latin if name == "STRING" else data) for name in TEXT},
        )

    def own(self, selection: str, content: Content) -> None:
        """Own a selection with this content, or let go of it when there is none."""
        name, now = self.atom(selection), self._now()
        if content:
            self._owned[name] = (content, now)
            self._window.set_selection_owner(name, now)
        else:
            self._owned.pop(name, None)
            self._display.create_resource_object("window", X.NONE).set_selection_owner(name, now)
        self._display.sync()

    def owns(self, selection: str) -> bool:
        """Whether what we put there is still there."""
        self._connection.handle_pending()
        return self.atom(selection) in self._owned and self.owner(selection) == self._window.id

    def hand_over(self) -> None:
        """Give what we own on the clipboard to the desktop's clipboard manager, where there is one: it ends with us."""
        manager = self.atom("CLIPBOARD_MANAGER")
        if not (self.owns("CLIPBOARD") and self.owner("CLIPBOARD_MANAGER")):
            return
        self._notified = None
        target = self.atom("SAVE_TARGETS")
        self._window.convert_selection(manager, target, self.atom("VOICELOOP_SAVED"), self._now())
        self._connection.pump(lambda: self._answered(manager, target), timeout_s=OWNER_S)

    def _now(self) -> int:
        """The server's time: ICCCM forbids CurrentTime for owning."""
        slot = self.atom("VOICELOOP_TIME")
        self._changed.discard(slot)
        self._window.change_property(slot, Xatom.STRING, 8, b"", mode=X.PropModeAppend)
        self._connection.pump(lambda: slot in self._changed, timeout_s=OWNER_S)
        return self._stamp

    # Events

    def _event(self, event: Any) -> None:
        if event.type == X.SelectionRequest:
            self._asked(event)
        elif event.type == X.SelectionClear:
            self._owned.pop(event.atom, None)
        elif event.type == X.SelectionNotify:
            self._notified = event
        elif event.type == X.PropertyNotify and event.window == self._window and event.state == X.PropertyNewValue:
            self._changed.add(event.atom)
            self._stamp = event.time
        elif event.type == X.PropertyNotify and event.state == X.PropertyDelete:
            self._send_more(event.window, event.atom)

    def _asked(self, event: Any) -> None:
        slot = event.property or event.target  # obsolete clients leave the property out
        given = False
        if event.target == self.atom("MULTIPLE"):
            given = self._give_several(event, slot)
        else:
            given = self._give(event, event.target, slot)
        answer = events.SelectionNotify(
            time=event.time,
            requestor=event.requestor,
            selection=event.selection,
            target=event.target,
            property=slot if given else X.NONE,
        )
        event.requestor.send_event(answer)
        self._display.flush()
        names = {self.atom(name) for name in TEXT}
        if given and (event.target in names or event.target == self.atom("MULTIPLE")):
            self._on_read(Read(event.selection, event.requestor.id))

    def _give_several(self, event: Any, slot: int) -> bool:
        found = event.requestor.get_full_property(slot, X.AnyPropertyType)
        if found is None:
            return False
        pairs = list(found.value)
        for at in range(0, len(pairs) - 1, 2):
            if not self._give(event, pairs[at], pairs[at + 1]):
                pairs[at + 1] = X.NONE
        event.requestor.change_property(slot, found.property_type, 32, pairs)
        return True

    def _give(self, event: Any, target: int, slot: int) -> bool:
        content, stamp = self._owned.get(event.selection, ({}, 0))
        if not content:
            return False
        if target == self.atom("TARGETS"):
            offered = [self.atom("TARGETS"), self.atom("TIMESTAMP"), self.atom("MULTIPLE"), *content]
            event.requestor.change_property(slot, Xatom.ATOM, 32, offered)
            return True
        if target == self.atom("TIMESTAMP"):
            event.requestor.change_property(slot, Xatom.INTEGER, 32, [stamp])
            return True
        value = content.get(target)
        if value is None:
            return False
        self._put(event.requestor, slot, value)
        return True

    def _put(self, window: Any, slot: int, value: Value) -> None:
        if value.size <= CHUNK_BYTES:
            window.change_property(slot, value.type, value.bits, value.data)
            return
        window.change_attributes(event_mask=X.PropertyChangeMask)
        self._sending[window.id, slot] = (value, 0)
        window.change_property(slot, self.atom("INCR"), 32, [value.size])

    def _send_more(self, window: Any, slot: int) -> None:
        sending = self._sending.get((window.id, slot))
        if sending is None:
            return
        value, at = sending
        piece = value.data[at : at + CHUNK_BYTES * 8 // value.bits]
        try:
            window.change_property(slot, value.type, value.bits, piece)
            self._display.sync()
        except error.XError:
            piece = b""
        if len(piece) > 0:
            self._sending[window.id, slot] = (value, at + len(piece))
        else:
            del self._sending[window.id, slot]
