"""What typing needs of a desktop: the Protocols of its keys, its eyes and its clipboard, and what applications want."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence, Set, Sized
from dataclasses import dataclass
from typing import Protocol

import trio

from voiceloop.dictation.targets.target import Focus
from voiceloop.errors import ClipboardSilent, TargetError

Paste = Callable[[], Awaitable[None]]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TERMINALS = _words(
    "xterm uxterm urxvt rxvt st st-256color alacritty kitty foot footclient konsole yakuake gnome-terminal"
    " gnome-terminal-server org.gnome.terminal org.gnome.console kgx ptyxis org.gnome.ptyxis xfce4-terminal"
    " mate-terminal lxterminal qterminal terminator tilix guake tilda terminology wezterm org.wezfurlong.wezterm"
    " ghostty com.mitchellh.ghostty sakura termite contour rio io.elementary.terminal deepin-terminal"
)
"""Classes of terminals, in lower case."""
TERMINAL_CHORD = "ctrl+shift+v"
CHORDS = {"xterm": "shift+Insert", "uxterm": "shift+Insert", "urxvt": "shift+Insert", "emacs": "ctrl+y"}
"""Keys that paste where neither the usual ones nor those of terminals do. Shift+Insert pastes the primary selection in
these, so text is put there too."""


@dataclass(frozen=True, slots=True)
class Activity:
    """How often the user gave input; `line`: by Return, last."""

    count: int = 0
    line: bool = False


class Eyes(Protocol):
    """What of a desktop can be read. `None` everywhere: it can't."""

    @property
    def watches_focus(self) -> bool: ...

    async def focus(self) -> Focus | None: ...

    async def activity(self) -> Activity | None: ...

    async def held(self) -> str:
        """The modifier keys that are held, for people; empty when none is, or nobody knows."""
        ...

    async def typable(self) -> Set[str] | None:
        """The characters that have a key now."""
        ...

    async def typing(self, *, on: bool) -> None:
        """Whether the keys that come now are ours."""
        ...


class Keys(Protocol):
    """A program that types."""

    @property
    def name(self) -> str: ...

    @property
    def american(self) -> bool:
        """Whether it presses the keys of an American keyboard, whatever they write in the user's layout."""
        ...

    def types(self, char: str) -> bool:
        """Whether it types a character faithfully where nobody knows the keyboard layout."""
        ...

    async def probe(self) -> None:
        """Raise `TargetError` when it doesn't work here. Types nothing."""
        ...

    async def type(self, text: str) -> None: ...

    async def press(self, chord: str, times: int = 1) -> None:
        """Press keys together, like `ctrl+shift+v`, so many times."""
        ...


@dataclass(frozen=True, slots=True)
class Lent:
    """What became of a paste. `read`: by the window, or by nobody knows whom. `restored`: the clipboard is as it was;
    where it isn't, `why`."""

    read: bool
    restored: bool
    why: str = ""


class Clipboard(Protocol):
    async def keep(self, text: str) -> None:
        """Put text on it, to stay."""
        ...

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        """Put text on it, `paste`, wait until the window has read it, and give back what was there.

        `primary`: on the primary selection too. Raises `ClipboardSilent`, and has pressed nothing, when nothing of what
        is there could be read.
        """
        ...

    async def selected(self, focus: Focus | None) -> str | None:
        """The text that is selected in the window that has the focus; None where nobody knows."""
        ...

    async def holds(self, text: str) -> bool:
        """Whether it still holds what we put on it."""
        ...


def check_given_back(content: Sized, why: str) -> None:
    """Raise `ClipboardSilent` where lending the clipboard would destroy all that it holds: nothing of it could be read,
    and `why`."""
    if why and not content:
        raise ClipboardSilent(
            f"can't be lent to paste, for {why}", place="clipboard", remedy="Copy something else, or close its owner"
        )


class NoClipboard:
    """Where the clipboard can't be had, and `why`: what needs it raises `TargetError`."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def keep(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        raise TargetError(self._why, place="clipboard")

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        await trio.lowlevel.checkpoint()
        raise TargetError(self._why, place="clipboard")

    async def selected(self, focus: Focus | None) -> str | None:
        await trio.lowlevel.checkpoint()
        return None

    async def holds(self, text: str) -> bool:
        await trio.lowlevel.checkpoint()
        return False


def is_terminal(names: Sequence[str], more: Sequence[str]) -> bool:
    """Whether an application of one of these class names is a terminal; `more`: the user's own."""
    known = TERMINALS | {name.casefold() for name in more}
    return any(name.casefold() in known for name in names)


def paste_chord(focus: Focus | None, default: str, own: dict[str, str]) -> str:
    """The keys that paste into a window; `own`: the user's, by class."""
    app = focus.app.casefold() if focus else ""
    chords = CHORDS | {name.casefold(): chord for name, chord in own.items()}
    return chords.get(app) or (TERMINAL_CHORD if focus is not None and focus.terminal else default)
