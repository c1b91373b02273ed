"""Keeps the shortcut while the program runs: binds it again when the portal comes back, and tells what fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from voiceloop.errors import OutputError, TargetError, UsageError, first
from voiceloop.nursery import private_nursery
from voiceloop.shortcut.holding import Command, Holding


class Controller(Protocol):
    """What the shortcut controls."""

    @property
    def listening(self) -> bool:
        """Whether all speech is used."""

    def do(self, command: Command) -> None:
        """Start or stop listening."""

    def publish(self, name: str, /, **fields: object) -> None:
        """Publish an event."""


RETRY_S = (2.0, 10.0, 30.0)
"""The waits before a failure is tried again: the portal may be starting anew, or still be starting at login."""


@asynccontextmanager
async def open_shortcut(trigger: str, controller: Controller) -> AsyncIterator[None]:
    """Bind the shortcut and carry out its presses while the body runs. What fails is published as a notice, and the
    program goes on without the shortcut."""
    async with private_nursery() as nursery:
        nursery.start_soon(Keeper(trigger, controller).run, name="global shortcut")
        yield


class Keeper:
    """Binds the shortcut `trigger` again and again. A notice tells of it the first time, and of the first failure."""

    def __init__(self, trigger: str, controller: Controller) -> None:
        self._trigger, self._controller = trigger, controller
        self._holding = Holding()
        self._bound = False
        """Whether it was bound once: then a portal that is gone is waited for."""
        self._told: set[str] = set()

    async def run(self) -> None:
        """Keep the shortcut until that fails for good."""
        try:
            await self._run()
        except* Exception as group:  # noqa: BLE001 - whatever a desktop answers, the program goes on
            self._tell("failed", _line(first(group)))

    async def _run(self) -> None:
        from voiceloop.shortcut.portal_shortcut import NoPortal, NoShortcut

        await trio.to_thread.run_sync(_put_entry)
        waits = list(RETRY_S)
        while True:
            try:
                await self._keep()
                waits = list(RETRY_S)
            except NoShortcut:
                raise
            except TargetError as error:
                if not self._bound and (not waits or isinstance(error, NoPortal)):
                    raise
                if not waits:
                    self._tell("failed", f"{str(error).rstrip('.')}. It is tried again.")
            finally:
                self._do(self._holding.lose())
            await trio.sleep(waits.pop(0) if waits else RETRY_S[-1])

    async def _keep(self) -> None:
        """Bind the shortcut, and carry out its presses. Returns when the portal is gone."""
        from voiceloop.dbus.portal import GONE, Unanswered
        from voiceloop.shortcut.portal_shortcut import INSTEAD, PLACE, NoShortcut, open_shortcut_session

        async with open_shortcut_session(self._controller.publish, self._press, self._release) as session:
            try:
                keys = await session.start(self._trigger)
            except Unanswered as error:
                remedy = f"Start again to be asked again. Or: {INSTEAD}"
                raise NoShortcut(error.what, place=PLACE, remedy=remedy) from error
            self._bound = True
            without = "The shortcut has no keys: give it some in the desktop's settings."
            self._tell("bound", f"Shortcut {keys}: hold it to talk, tap it to start or stop." if keys else without)
            if (why := await session.wait_ended()) != GONE:
                raise NoShortcut(why, place=PLACE, remedy="Start again to bind it again")

    def _press(self) -> None:
        self._do(self._holding.press(trio.current_time() * 1000, listening=self._controller.listening))

    def _release(self) -> None:
        self._do(self._holding.release(trio.current_time() * 1000))

    def _do(self, command: Command | None) -> None:
        if command is not None:
            self._controller.do(command)

    def _tell(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._controller.publish("notice", text=text)


def _put_entry() -> None:
    """Write the desktop entry with the application's id. Without it the portal may refuse, and says so."""
    from voiceloop.service.installing import Places, put_entry
    from voiceloop.service.program import this_program

    try:
        put_entry(this_program(), Places.users())
    except (OutputError, UsageError):  # a folder that can't be written; a program that is in a cache
        return


def _line(error: BaseException) -> str:
    if isinstance(error, TargetError):
        return str(error)
    why = "there is no D-Bus on this system" if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
    return f"control.shortcut: {why}."
