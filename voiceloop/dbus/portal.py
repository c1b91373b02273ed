"""A session of the desktop portal, and its calls that are answered later, by a Request.

    call -> path of a Request …(the desktop may ask the user)… signal Response (code, results)

https://flatpak.github.io/xdg-desktop-portal/docs/
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import trio

from voiceloop.dbus.session_bus import ANSWER_S, Bus, Signal
from voiceloop.errors import TargetError
from voiceloop.events import Publish

SERVICE = "org.freedesktop.portal.Desktop"
PATH = "/org/freedesktop/portal/desktop"
REQUEST, SESSION = "org.freedesktop.portal.Request", "org.freedesktop.portal.Session"
BACKENDS, BACKEND_SESSION = "org.freedesktop.impl.portal.desktop.", "org.freedesktop.impl.portal.Session"
"""How the names begin of the desktop's services behind the portal, and their half of a session."""
CONSENT_S = 60.0
"""How long the user may take to answer the desktop's dialog."""
ASKING_S = 1.0
"""A desktop that hasn't answered within this time is taken to be showing the dialog to the user."""
CLOSE_S = 1.0
"""How long closing a session may take."""
LAST_WORDS_S = 0.2
"""How long a Response may still arrive after the session has ended."""
GONE = "the desktop's portal is gone"
_REFUSED, _OTHERWISE_ENDED = 1, 2
"""The codes of a Response: the user refused; the session or the request ended otherwise."""
_OWNER_CHANGED = "type='signal',member='NameOwnerChanged',sender='org.freedesktop.DBus'"


@dataclass(frozen=True, slots=True)
class Question:
    """A dialog that the desktop may show: the notice that is published then, and the error if the user refuses."""

    notice: str
    refused: str


class Unanswered(TargetError):
    """Nobody answered the desktop's dialog, or the user refused."""


class Failed(TargetError):
    """The Response tells of a failure, and not why; `results` are those that came with it."""

    def __init__(self, what: str, results: dict[str, tuple[str, Any]], *, place: str) -> None:
        super().__init__(what, place=place)
        self.results = results


class RequestSession:
    """A session of one portal interface. `ended` says why it has ended, and is empty before.

    `place` is named in errors, which are `TargetError`s.
    """

    def __init__(self, bus: Bus, interface: str, publish: Publish, *, place: str) -> None:
        self.bus = bus
        self._interface, self._publish, self._place = interface, publish, place
        self.path = ""
        """The session's object; empty before `create`."""
        self.ended = ""
        self.changed = trio.Event()
        """Set, and replaced, when a Response has arrived or the session has ended."""
        self._responses: dict[str, tuple[int, dict[str, Any]]] = {}

    async def watch(self) -> None:
        """Hear the portal's signals, and when it is gone. To be called first."""
        self.bus.when_lost = lambda: self.end("the session's message bus is gone")
        await self.bus.subscribe(f"type='signal',sender='{SERVICE}'", self._on_signal)
        await self.bus.subscribe(f"{_OWNER_CHANGED},arg0='{SERVICE}'", self._on_portal_owner_changed)

    async def create(self) -> None:
        """Create the session."""
        created = await self.request("CreateSession", "a{sv}", {"session_handle_token": ("s", "voiceloop")})
        self.path = str(created["session_handle"][1])

    async def close(self) -> None:
        """End the session."""
        if self.path and not self.ended:
            self.ended = "the session was closed"
            await self.bus.tell(SERVICE, self.path, SESSION, "Close")
        elif self.path and self.ended == GONE:
            await self._close_backends()

    async def _close_backends(self) -> None:
        """End what a portal that is gone has left behind: the desktop's half of the session, which the portal would
        have ended. On GNOME it keeps the shortcut's keys, and no later session would get them."""
        with suppress(TargetError):  # the bus is gone
            for name in await self.bus.names():
                if name.startswith(BACKENDS):
                    await self.bus.tell(name, self.path, BACKEND_SESSION, "Close")

    async def request(
        self, method: str, signature: str, *values: Any, question: Question | None = None
    ) -> dict[str, tuple[str, Any]]:
        """Call a method that answers by a Request, and return the results of its Response.

        `question`: the desktop may ask the user, who gets `CONSENT_S` to answer. Raises `TargetError`.
        """
        *others, options = values
        options = options | {"handle_token": ("s", f"voiceloop_{method}")}
        (path,) = await self.bus.call(SERVICE, PATH, self._interface, method, signature, *others, options)
        with trio.move_on_after(ASKING_S if question else ANSWER_S):
            await self._wait_for_response(path)
        if question and path not in self._responses and not self.ended:
            self._publish("notice", text=question.notice)
            with trio.move_on_after(CONSENT_S):
                await self._wait_for_response(path)
        if path not in self._responses and not self.ended:
            await self.bus.tell(SERVICE, path, REQUEST, "Close")  # closes the dialog
            if question:
                raise Unanswered(f"nobody answered the desktop's dialog within {CONSENT_S:g} s", place=self._place)
            raise TargetError(f"{method} got no answer", place=self._place)
        code, results = self._responses.pop(path, (_OTHERWISE_ENDED, {}))
        if code == _REFUSED and question:
            raise Unanswered(question.refused, place=self._place)
        if code and self.ended:
            raise TargetError(self.ended, place=self._place)
        if code:
            raise Failed(f"{method} failed", results, place=self._place)
        return results

    async def _wait_for_response(self, path: str) -> None:
        while path not in self._responses and not self.ended:
            await self.changed.wait()
        if self.ended:
            with trio.move_on_after(LAST_WORDS_S):  # KDE ends the session first, then reports the refusal
                while path not in self._responses:
                    await self.changed.wait()

    async def wait_ended(self) -> str:
        """Wait until the session has ended; why it has."""
        while not self.ended:
            await self.changed.wait()
        return self.ended

    def end(self, why: str) -> None:
        """The session has ended."""
        self.ended = self.ended or why
        self._note_change()

    def on_signal(self, signal: Signal) -> None:
        """A signal of the portal's that is about neither a Request nor the session's end. For subclasses."""

    def _on_signal(self, signal: Signal) -> None:
        if signal.name == f"{REQUEST}.Response":
            self._responses[signal.path] = (signal.body[0], signal.body[1])
            self._note_change()
        elif signal.name == f"{SESSION}.Closed" and signal.path == self.path:
            self.end("the session was ended on the desktop")
        else:
            self.on_signal(signal)

    def _on_portal_owner_changed(self, signal: Signal) -> None:
        if signal.name.endswith(".NameOwnerChanged") and signal.body[0] == SERVICE and not signal.body[2]:
            self.end(GONE)

    def _note_change(self) -> None:
        previous, self.changed = self.changed, trio.Event()
        previous.set()
