"""The selections of an X server: owning and reading them (ICCCM, chapter 2). For the connection's thread only.

We own the clipboard ourselves, because only its owner learns when a window has read a paste and whether the clipboard
is still ours. Programs that set the clipboard for us tell neither.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from Xlib import X, Xatom, error
from Xlib.protocol import event as events

from voiceloop.dictation.targets.handing_on import Form
from voiceloop.dictation.x11.xconnection import XConnection
from voiceloop.dictation.x11.xreading import CHUNK_BYTES, OWNER_S, Content, Saved, Value, XReader

TEXT = ("UTF8_STRING", "text/plain;charset=utf-8", "text/plain", "STRING", "TEXT")


@dataclass(frozen=True, slots=True)
class Read:
    """A program has read the text that we own; `requestor` is the window that asked for it."""

    selection: int
    requestor: int


class XSelections(XReader):
    """Owns selections and answers requests for their content. `on_read` is called, in the thread, for each text
    read."""

    def __init__(self, connection: XConnection, on_read: Callable[[Read], None]) -> None:
        super().__init__(connection)
        self._on_read = on_read
        self.on_lost: Callable[[], None] = lambda: None
        """Called, in the thread, when another program has taken a selection over."""
        self._owned: dict[int, tuple[Content, int]] = {}
        self._sending: dict[tuple[int, int], tuple[Value, int]] = {}
        connection.subscribe(self._on_event)

    def save(self, selection: str) -> Saved:
        """Read the content of a selection in every form."""
        name = self.atom(selection)
        return Saved(self._owned[name][0]) if name in self._owned else super().save(selection)

    def own_text(self, selection: str, text: str) -> None:
        """Own a selection and offer `text` in all text forms."""
        data = text.encode()
        latin = text.encode("latin-1", "replace")
        types = {name: self.atom("UTF8_STRING") if name == "TEXT" else self.atom(name) for name in TEXT}
        self.own(
            selection,
            {self.atom(name): Value(types[name], 8, latin if name == "STRING" else data) for name in TEXT},
        )

    def own(self, selection: str, content: Content) -> None:
        """Own a selection and offer `content`; give the selection up when `content` is empty."""
        name, now = self.atom(selection), self._now()
        if content:
            self._owned[name] = (content, now)
            self._window.set_selection_owner(name, now)
        else:
            self._owned.pop(name, None)
            self._display.create_resource_object("window", X.NONE).set_selection_owner(name, now)
        self._display.sync()

    def owns(self, selection: str) -> bool:
        """Whether the selection is still ours, with the content that we put there."""
        self._connection.handle_pending()
        return self.atom(selection) in self._owned and self.owner(selection) == self._window.id

    def hand_over(self) -> list[Form]:
        """Hand our clipboard content over to the desktop's clipboard manager, if there is one: else it ends with our
        program. Returns what no manager has taken, in all its forms."""
        if not self.owns("CLIPBOARD"):
            return []
        if self.owner("CLIPBOARD_MANAGER"):
            manager, target = self.atom("CLIPBOARD_MANAGER"), self.atom("SAVE_TARGETS")
            self._notified = None
            self._window.convert_selection(manager, target, self.atom("VOICELOOP_SAVED"), self._now())
            answered = self._connection.pump(lambda: self._answered(name=manager, target=target), timeout_s=OWNER_S)
            if answered and self._notified.property != X.NONE:
                return []
        return self.forms()

    def forms(self) -> list[Form]:
        """Our clipboard content in all its forms; nothing if the clipboard isn't ours."""
        return self.forms_of(self._owned[self.atom("CLIPBOARD")][0]) if self.owns("CLIPBOARD") else []

    def forms_of(self, content: Content) -> list[Form]:
        """Some content of a selection in all its forms."""
        return [self._form(target, value) for target, value in content.items()]

    def _form(self, target: int, value: Value) -> Form:
        data = value.data if isinstance(value.data, bytes) else bytes(value.data)
        if value.bits != 8:
            data = array("H" if value.bits == 16 else "I", value.data).tobytes()
        return Form(self._display.get_atom_name(target), data, self._display.get_atom_name(value.type), value.bits)

    # Events

    def _on_event(self, event: Any) -> None:
        if event.type == X.SelectionRequest:
            self._on_request(event)
        elif event.type == X.SelectionClear:
            self._owned.pop(event.atom, None)
            self.on_lost()
        elif event.type == X.PropertyNotify and event.state == X.PropertyDelete:
            self._send_more(event.window, event.atom)

    def _on_request(self, event: Any) -> None:
        slot = event.property or event.target  # obsolete clients leave the property out
        given = False
        if event.target == self.atom("MULTIPLE"):
            given = self._give_several(event, slot)
        else:
            given = self._give(event, target=event.target, slot=slot)
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
            if not self._give(event, target=pairs[at], slot=pairs[at + 1]):
                pairs[at + 1] = X.NONE
        event.requestor.change_property(slot, found.property_type, 32, pairs)
        return True

    def _give(self, event: Any, *, target: int, slot: int) -> bool:
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
        self._write_property(event.requestor, slot, value)
        return True

    def _write_property(self, window: Any, slot: int, value: Value) -> None:
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
