"""A process that owns the clipboard after `voiceloop` has ended, until something else is copied or the desktop ends.

voiceloop -- content --> keeper -- fork --> owner: owns the clipboard ... until another program does
                         ends with 0 <- "owned" --

What was lent for a paste is owned first, for the rest of its time; then the content that was there before.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from voiceloop.dictation.targets.handing_on import Form, Handed, unpacked
from voiceloop.dictation.targets.target import TargetOptions
from voiceloop.errors import TargetError


async def own_on_x(handed: Handed, owned: Callable[[], None]) -> None:
    """Own an X clipboard until another program does."""
    from voiceloop.dictation.x11.xconnection import open_x
    from voiceloop.dictation.x11.xreading import Value
    from voiceloop.dictation.x11.xselections import XSelections

    lost = trio.Event()
    async with open_x() as connection:
        selections = await connection.call(lambda: XSelections(connection, lambda _: None))

        def own(forms: Sequence[Form]) -> None:
            content = {}
            for form in forms:
                data = form.data if form.bits == 8 else array("H" if form.bits == 16 else "I", form.data)
                content[selections.atom(form.name)] = Value(selections.atom(form.type), form.bits, data)
            selections.own("CLIPBOARD", content)

        def give_back() -> None:
            if selections.owns("CLIPBOARD"):  # else something else was copied meanwhile: that stays
                own(handed.forms)

        def begin() -> None:
            selections.on_lost = lambda: connection.soon(lost.set)
            own(handed.lent or handed.forms)

        await connection.call(begin)
        owned()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_for_either, nursery.cancel_scope, lost)
            nursery.start_soon(_wait_for_either, nursery.cancel_scope, connection.ended)
            if handed.lent:
                await trio.sleep(handed.lent_s)
                await connection.call(give_back)
                if not handed.forms:
                    nursery.cancel_scope.cancel("the clipboard is empty")


async def own_on_wayland(handed: Handed, owned: Callable[[], None]) -> None:
    """Own a Wayland clipboard until another program does."""
    from voiceloop.dictation.wayland.wlclipboard import open_wlclipboard

    async with open_wlclipboard(TargetOptions(), hands_on=False) as clipboard:
        source = await clipboard.offer({form.name: form.data for form in handed.lent or handed.forms})
        await clipboard.confirmed()
        owned()
        if handed.lent:
            with trio.move_on_after(handed.lent_s):
                await source.lost.wait()
            if source.gone:
                return
            source = await clipboard.offer({form.name: form.data for form in handed.forms})
            await clipboard.confirmed()
        if handed.forms:
            await source.lost.wait()


async def _wait_for_either(scope: trio.CancelScope, event: trio.Event) -> None:
    await event.wait()
    scope.cancel("the clipboard is no longer ours")


def main() -> None:
    """Read the content from standard input, and own it in a child; end once that does."""
    handed = unpacked(sys.stdin.buffer.read())
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        os._exit(0 if os.read(read, 1) else 1)
    os.close(read)
    os.chdir("/")

    def owned() -> None:
        os.write(write, b"1")
        os.close(write)

    own = own_on_x if handed.desktop == "x11" else own_on_wayland
    with suppress(TargetError, OSError):  # the desktop is gone: nobody can paste any more
        trio.run(own, handed, owned)


if __name__ == "__main__":
    main()
