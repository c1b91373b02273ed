"""The programs that type: xdotool, wtype, ydotool. Each is run once for a text; text goes to its standard input, never
into its arguments, which every user of the machine can read.
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
"""Between keys. At 0 xdotool got every character of the layout right in a Tk field and an xterm; programs differ."""
SLOWEST_S = 20.0
"""A program that types hangs when its server does."""
_BATCH = 50
"""Chords in one run."""


async def run(program: str, *arguments: str, text: str | None = None) -> None:
    """Run a program to its end. Not cancelled once it has begun: half a word would stand there.

    Raises `TargetError`."""
    await trio.lowlevel.checkpoint()
    try:
        with trio.fail_after(SLOWEST_S, shield=True):
            done = await trio.run_process(
                [program, *arguments],
                stdin=b"" if text is None else text.encode(),
                stdout=subprocess.DEVNULL,
                capture_stderr=True,
                check=False,
                # They read text by their locale: started where that is C, as over ssh, they would leave out words.
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                # Ctrl-C in our terminal is for us: between Ctrl down and Ctrl up it would leave Ctrl held down.
                start_new_session=True,
            )
    except OSError as error:
        raise TargetError(f"can't be run: {error.strerror}", place=program, remedy="Install it") from error
    except trio.TooSlowError:
        raise TargetError(f"hung and was ended after {SLOWEST_S:g} s", place=program) from None
    if done.returncode != 0:
        said = clean_line(done.stderr.decode(errors="replace"))[:300] or f"ended with status {done.returncode}"
        raise TargetError(said, place=program)


def _there(program: str) -> None:
    if shutil.which(program) is None:
        raise TargetError("is not installed", place=program, remedy=f"sudo apt install {program}")


class Xdotool:
    """Types into any X window. A character without a key of its own it puts on a spare key for a moment, which
    windows that are slow to notice get wrong: those are pasted."""

    name = "xdotool"
    american = False

    def types(self, char: str) -> bool:
        return " " <= char <= "~"

    async def probe(self) -> None:
        _there("xdotool")
        await run("xdotool", "mousemove_relative", "--", "0", "0")

    async def type(self, text: str) -> None:
        await run("xdotool", "type", "--delay", str(DELAY_MS), "--file", "-", text=text)

    async def press(self, chord: str, times: int = 1) -> None:
        for at in range(0, times, _BATCH):
            await run("xdotool", "key", "--delay", str(DELAY_MS), *[chord] * min(_BATCH, times - at))


_WTYPE_MODIFIERS = {"ctrl": "ctrl", "shift": "shift", "alt": "alt", "super": "logo", "logo": "logo", "altgr": "altgr"}


class Wtype:
    """Types into Wayland windows, where the compositor has the virtual keyboard protocol (sway,
    Hyprland, river). It brings a keyboard layout of its own that has every character of the text."""

    name = "wtype"
    american = False

    def types(self, char: str) -> bool:
        return char not in "\n\t"

    async def probe(self) -> None:
        _there("wtype")
        await run("wtype", "")

    async def type(self, text: str) -> None:
        await run("wtype", "-d", str(DELAY_MS), "-", text=text)

    async def press(self, chord: str, times: int = 1) -> None:
        *modifiers, key = chord.split("+")
        names = [_WTYPE_MODIFIERS.get(one.casefold(), one) for one in modifiers]
        down = [part for name in names for part in ("-M", name)]
        up = [part for name in names for part in ("-m", name)]
        for at in range(0, times, _BATCH):
            # GTK 3 never looks up the last key of a layout, and wtype's layout has only the keys of this run.
            await run("wtype", *down, *["-k", key] * min(_BATCH, times - at), *up, "-k", "Shift_L")


CODES = {"ctrl": 29, "shift": 42, "alt": 56, "super": 125, "altgr": 100, "return": 28, "backspace": 14, "left": 105}
CODES |= {"right": 106, "insert": 110, "a": 30, "c": 46, "v": 47, "x": 45, "y": 21}
"""Linux's numbers of the keys that we press (input-event-codes.h): ydotool 1 knows no names."""


class Ydotool:
    """Types on any desktop by a keyboard of its own in the kernel, as an American one: with another layout "y" comes
    out as "z", so that text is pasted where it can be. Version 1, with its daemon running."""

    name = "ydotool"
    american = True

    def types(self, char: str) -> bool:
        return " " <= char <= "~"

    async def probe(self) -> None:
        _there("ydotool")
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
    """What types, and why not those before it."""

    keys: Keys
    refused: Sequence[str]


async def choose(candidates: Sequence[Keys]) -> Choice:
    """The first whose probe works. Raises `TargetError` with what each said when none does."""
    refused: list[str] = []
    for keys in candidates:
        try:
            await keys.probe()
        except TargetError as error:
            refused.append(str(error))
        else:
            return Choice(keys, refused)
    raise TargetError(f"nothing can type here: {'; '.join(refused)}", place=PLACE, remedy="Or use --to clipboard")


class Failover:
    """The program that was chosen, until it fails: then the next that works types from then on.

    What it failed at is not tried again by the next: part of it may stand there. The error says that it failed.
    """

    def __init__(self, typists: Sequence[Keys], publish: Publish) -> None:
        self._typists = typists
        self._publish = publish
        self._now = typists[0]

    async def probe(self) -> None:
        """Choose; says why not those before the one that works."""
        choice = await choose(self._typists)
        for why in choice.refused:
            self._publish("notice", text=f"Not typing by {why.rstrip('.')}.")
        self._now = choice.keys
        self._warn()

    @property
    def name(self) -> str:
        return self._now.name

    @property
    def american(self) -> bool:
        return self._now.american

    def types(self, char: str) -> bool:
        return self._now.types(char)

    async def type(self, text: str) -> None:
        await self._watched(self._now.type(text))

    async def press(self, chord: str, times: int = 1) -> None:
        await self._watched(self._now.press(chord, times))

    async def _watched(self, working: Awaitable[None]) -> None:
        failed: TargetError | None = None
        try:
            await working
        except TargetError as error:
            failed = error
        if failed is not None:
            await self._next()
            raise failed

    async def _next(self) -> None:
        failed = self._now
        rest = [typist for typist in self._typists if typist is not failed]
        try:
            self._now = (await choose(rest)).keys
        except TargetError:
            return  # it may yet work again, and nothing else does
        self._publish("notice", text=f"{failed.name} failed: {self._now.name} types from now on.")
        self._warn()

    def _warn(self) -> None:
        if self._now.american:
            what = "presses the keys of an American keyboard: with another layout, what can't be pasted comes out wrong"
            self._publish("notice", text=f"{self._now.name} {what}.")
