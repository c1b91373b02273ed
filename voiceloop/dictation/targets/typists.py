"""Programs that type: xdotool, wtype, ydotool, and failover between them. Each is run once for a text. The text goes to
its standard input, never into its arguments, which every user of the machine can read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import trio

from voiceloop.dictation.targets.desktop import Keys
from voiceloop.dictation.targets.target import PLACE
from voiceloop.errors import TargetError
from voiceloop.events import Publish
from voiceloop.text import clean_line

DELAY_MS = 2
"""Pause between keys. Without one xdotool got every character of the layout right in a Tk field and an xterm, but
programs differ."""
SLOWEST_S = 20.0
"""Time limit for one run: a program that types hangs when its display server does."""
_BATCH = 50
"""Chords pressed in one run of a program."""


async def run(program: str, *arguments: str, text: str | None = None) -> None:
    """Run a program to its end. Once started it is not cancelled, since half a word would have been typed.

    Raises `TargetError` when it can't be run, fails or takes longer than `SLOWEST_S`."""
    await trio.lowlevel.checkpoint()
    try:
        with trio.fail_after(SLOWEST_S, shield=True):
            done = await trio.run_process(
                [program, *arguments],
                stdin=b"" if text is None else text.encode(),
                stdout=subprocess.DEVNULL,
                capture_stderr=True,
                check=False,
                # They decode text by their locale: with locale C, as over ssh, they would leave out words.
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                # Keeps Ctrl-C in our terminal from the program: ended between press and release of Ctrl, it would leave
                # Ctrl held down.
                start_new_session=True,
            )
    except OSError as error:
        raise TargetError(f"can't be run: {error.strerror}", place=program, remedy="Install it") from error
    except trio.TooSlowError:
        raise TargetError(f"did not finish within {SLOWEST_S:g} s and was killed", place=program) from None
    if done.returncode != 0:
        what = clean_line(done.stderr.decode(errors="replace"))[:300] or f"ended with status {done.returncode}"
        raise TargetError(what, place=program)


def _check_installed(program: str) -> None:
    if shutil.which(program) is None:
        raise TargetError("is not installed", place=program, remedy=f"sudo apt install {program}")


class Xdotool:
    """Types into any X window. For a character without a key xdotool remaps a spare key for a moment; windows that
    notice the remapping too late get another character. So such characters are pasted instead."""

    name = "xdotool"
    american = False

    def types(self, char: str) -> bool:
        return " " <= char <= "~"

    async def probe(self) -> None:
        _check_installed("xdotool")
        await run("xdotool", "mousemove_relative", "--", "0", "0")

    async def type(self, text: str) -> None:
        await run("xdotool", "type", "--delay", str(DELAY_MS), "--file", "-", text=text)

    async def press(self, chord: str, times: int = 1) -> None:
        for at in range(0, times, _BATCH):
            await run("xdotool", "key", "--delay", str(DELAY_MS), *[chord] * min(_BATCH, times - at))


_WTYPE_MODIFIERS = {"ctrl": "ctrl", "shift": "shift", "alt": "alt", "super": "logo", "logo": "logo", "altgr": "altgr"}


class Wtype:
    """Types into Wayland windows, where the compositor has the virtual keyboard protocol (sway, Hyprland, river). Uses
    its own keyboard layout, which has every character of the text."""

    name = "wtype"
    american = False

    def types(self, char: str) -> bool:
        return char not in "\n\t"

    async def probe(self) -> None:
        _check_installed("wtype")
        await run("wtype", "")

    async def type(self, text: str) -> None:
        await run("wtype", "-d", str(DELAY_MS), "-", text=text)

    async def press(self, chord: str, times: int = 1) -> None:
        *modifiers, key = chord.split("+")
        names = [_WTYPE_MODIFIERS.get(one.casefold(), one) for one in modifiers]
        down = [part for name in names for part in ("-M", name)]
        up = [part for name in names for part in ("-m", name)]
        for at in range(0, times, _BATCH):
            # The final Shift_L: GTK 3 never looks up the last key of a layout, and wtype's layout has only this run's
            # keys.
            await run("wtype", *down, *["-k", key] * min(_BATCH, times - at), *up, "-k", "Shift_L")


CODES = {"ctrl": 29, "shift": 42, "alt": 56, "super": 125, "altgr": 100, "return": 28, "backspace": 14, "left": 105}
CODES |= {"right": 106, "insert": 110, "a": 30, "c": 46, "v": 47, "x": 45, "y": 21}
"""Linux's numbers of the keys that we press (input-event-codes.h): ydotool 1 knows no key names."""


class Ydotool:
    """Types on any desktop through its own virtual keyboard in the kernel. Presses the keys of an American keyboard:
    with a German layout "y" comes out as "z". So text is pasted wherever possible. Version 1, with its daemon
    running."""

    name = "ydotool"
    american = True

    def types(self, char: str) -> bool:
        return " " <= char <= "~"

    async def probe(self) -> None:
        _check_installed("ydotool")
        await run("ydotool", "key", "-d", "0", "0:0")

    async def type(self, text: str) -> None:
        await run("ydotool", "type", "-d", str(DELAY_MS), "-f", "-", text=text)

    async def press(self, chord: str, times: int = 1) -> None:
        codes = [self._code(name) for name in chord.split("+")]
        strokes = [f"{code}:1" for code in codes] + [f"{code}:0" for code in reversed(codes)]
        for at in range(0, times, _BATCH):
            await run("ydotool", "key", "-d", str(DELAY_MS), *strokes * min(_BATCH, times - at))

    def _code(self, name: str) -> int:
        try:
            return CODES[name.casefold()]
        except KeyError:
            known = ", ".join(CODES)
            raise TargetError(f"has no key '{name}'", place=self.name, remedy=f"There are: {known}") from None


@dataclass(frozen=True, slots=True)
class Choice:
    """The means of typing that works, and why those tried before it don't."""

    keys: Keys
    refused: Sequence[str]


async def choose(candidates: Sequence[Keys], *, instead: str = "") -> Choice:
    """Choose the first whose probe works. Raises `TargetError` with all their errors when none does, and with `instead`
    as the remedy."""
    refused: list[str] = []
    for keys in candidates:
        try:
            await keys.probe()
        except TargetError as error:
            refused.append(str(error))
        else:
            return Choice(keys, refused)
    raise TargetError(f"nothing can type here: {'; '.join(refused)}", place=PLACE, remedy=instead)


class Failover:
    """Types with the first program that works; when that fails, switches to the next one for all later texts.

    The text that failed is not typed again by the next program, since part of it may have been typed. The error is
    raised.
    """

    def __init__(self, typists: Sequence[Keys], publish: Publish, *, instead: str = "") -> None:
        self._typists, self._publish, self._instead = typists, publish, instead
        self._active = typists[0]

    async def probe(self) -> None:
        """Choose a program. Publishes a notice for each one before it that doesn't work, with the reason. Raises
        `TargetError` when none does."""
        choice = await choose(self._typists, instead=self._instead)
        for why in choice.refused:
            self._publish("notice", text=f"Can't type with {why.rstrip('.')}.")
        self._active = choice.keys
        self._warn_if_american()

    @property
    def name(self) -> str:
        return self._active.name

    @property
    def american(self) -> bool:
        return self._active.american

    def types(self, char: str) -> bool:
        return self._active.types(char)

    async def type(self, text: str) -> None:
        await self._switching_on_failure(self._active.type(text))

    async def press(self, chord: str, times: int = 1) -> None:
        await self._switching_on_failure(self._active.press(chord, times))

    async def _switching_on_failure(self, action: Awaitable[None]) -> None:
        failed: TargetError | None = None
        try:
            await action
        except TargetError as error:
            failed = error
        if failed is not None:
            await self._switch()
            raise failed

    async def _switch(self) -> None:
        failed = self._active
        rest = [typist for typist in self._typists if typist is not failed]
        try:
            self._active = (await choose(rest)).keys
        except TargetError:
            return  # keep the failed one: no other works, and it may work again
        self._publish("notice", text=f"{failed.name} failed: {self._active.name} types from now on.")
        self._warn_if_american()

    def _warn_if_american(self) -> None:
        if self._active.american:
            what = (
                "presses the keys of an American keyboard: in other layouts, text that can't be pasted comes out wrong"
            )
            self._publish("notice", text=f"{self._active.name} {what}.")
