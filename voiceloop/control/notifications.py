"""Desktop notifications: the state of the loop, shown by the desktop's own service over D-Bus.

One notification replaces the one before it. Specification: https://specifications.freedesktop.org/notification-spec/
"""

from __future__ import annotations

import trio

from voiceloop.errors import TargetError, first
from voiceloop.events import Publish

PLACE = "control.notify"
_TITLE = "voiceloop"
_TEXTS = {
    "listening": "Listening",
    "idle": "Not listening",
    "asleep": 'Asleep: say "wake up"',
    "muted": "Muted: the microphone is closed",
}
_SERVICE = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications")
_SIGNATURE = "susssasa{sv}i"
"""Of Notify: application, id to replace, icon, summary, body, actions, hints, milliseconds to show it for."""
_HINTS = {"transient": ("b", True), "x-canonical-private-synchronous": ("s", _TITLE)}
"""Not kept in the desktop's list of past notifications; shown in the place of the one before."""
_SHOWN_MS = 1_500


class Notifier:
    """Shows the last text that it was given. The first failure is published (`notify.failed`, with `why`), and ends
    it: many desktops show no notifications, and the program works without them."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        # One: a new text takes the place of one that waits while the last is being shown.
        self._send, self._receive = trio.open_memory_channel[str](1)

    def state(self, state: str) -> None:
        """Show the loop's new state. Never waits."""
        self.show(_TEXTS[state])

    def show(self, text: str) -> None:
        """Show a line of text. Never waits."""
        try:
            self._send.send_nowait(text)
        except trio.WouldBlock:
            self._receive.receive_nowait()
            self._send.send_nowait(text)
        except trio.BrokenResourceError:  # notifications have failed before
            pass

    async def run(self) -> None:
        """Show each text as it comes, until cancelled or until one can't be shown."""
        with self._receive:
            try:
                await self._run()
            except* Exception as group:  # noqa: BLE001 - whatever a desktop answers, the session goes on
                self._publish("notify.failed", why=_reason(first(group)))

    async def _run(self) -> None:
        text = await self._receive.receive()
        from voiceloop.dbus.session_bus import open_bus  # jeepney: not before there is something to show

        shown_id = 0
        async with open_bus(PLACE) as bus:
            while True:
                values: tuple[object, ...] = (_TITLE, shown_id, "", _TITLE, text, [], _HINTS, _SHOWN_MS)
                answer = await bus.call(*_SERVICE, "Notify", _SIGNATURE, *values)
                shown_id = answer[0] if answer and isinstance(answer[0], int) else 0
                text = await self._receive.receive()


def _reason(error: BaseException) -> str:
    if isinstance(error, TargetError):
        return error.what
    if isinstance(error, ImportError):
        return "there is no D-Bus on this system"
    return f"{type(error).__name__}: {error}"
