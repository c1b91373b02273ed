"""What typing needs of a desktop: Protocols for pressing keys (`Keys`), reading its state (`DesktopState`), and using
its clipboard (`Clipboard`). Also which applications are terminals, and which keys paste in which application.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence, Set, Sized
from dataclasses import dataclass
from typing import Protocol

import trio

from voiceloop.dictation.targets.target import Focus
from voiceloop.errors import ClipboardSilent, TargetError

Paste = Callable[[Callable[[], None]], Awaitable[None]]
"""Presses the keys that paste. It calls its argument right before it does: from then on the window may read."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TERMINALS = _words(
    "xterm uxterm urxvt rxvt st st-256color alacritty kitty foot footclient konsole yakuake gnome-terminal"
    " gnome-terminal-server org.gnome.terminal org.gnome.console kgx ptyxis org.gnome.ptyxis xfce4-terminal"
    " mate-terminal lxterminal qterminal terminator tilix guake tilda terminology wezterm org.wezfurlong.wezterm"
    " ghostty com.mitchellh.ghostty sakura termite contour rio io.elementary.terminal deepin-terminal"
)
"""Window classes of terminals, in lower case."""
TERMINAL_CHORD = "ctrl+shift+v"
CHORDS = {"xterm": "shift+Insert", "uxterm": "shift+Insert", "urxvt": "shift+Insert", "emacs": "ctrl+y"}
"""Keys that paste in applications where neither the usual keys nor those of terminals do, by window class. Shift+Insert
pastes the primary selection in these, so the text is put there too."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The count of key and button presses by the user; `line`: whether the last one was Return; `ago_s`: how long ago
    it was."""

    count: int = 0
    line: bool = False
    ago_s: float = math.inf


class DesktopState(Protocol):
    """Reads the state of a desktop: focus, user input, held keys, keyboard layout. `None` means: can't be read here."""

    @property
    def watches_focus(self) -> bool: ...

    async def focus(self) -> Focus | None: ...

    async def activity(self) -> Activity | None: ...

    async def held(self) -> str:
        """The modifier keys that are held, as text for the user (`Ctrl+Shift`); empty when none is, or when unknown."""
        ...

    async def typable(self) -> Set[str] | None:
        """The characters that have a key in the current layout."""
        ...

    async def typing(self, *, on: bool) -> None:
        """Announce that the key presses from now on are our own (`on`), or the user's again."""
        ...


class Keys(Protocol):
    """A means of typing: presses keys by a program or by the desktop portal."""

    @property
    def name(self) -> str: ...

    @property
    def american(self) -> bool:
        """Whether it presses the keys of an American keyboard, so that text comes out wrong in other layouts."""
        ...

    def types(self, char: str) -> bool:
        """Whether it types a character correctly when the keyboard layout is unknown."""
        ...

    async def probe(self) -> None:
        """Raise `TargetError` when it doesn't work here. Types nothing."""
        ...

    async def type(self, text: str) -> None: ...

    async def press(self, chord: str, times: int = 1) -> None:
        """Press keys together, like `ctrl+shift+v`; `times` in a row."""
        ...


@dataclass(frozen=True, slots=True)
class Lent:
    """The result of a paste. `read`: the text was read, by the window where the reader is known, else by any program.
    `restored`: the clipboard holds again all that it held before; `why` says why not."""

    read: bool
    restored: bool
    why: str = ""


class Clipboard(Protocol):
    """A desktop's clipboard: keeps text, or lends it to a window for one paste."""

    async def keep(self, text: str) -> None:
        """Put text on the clipboard, to stay."""
        ...

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        """Put text on the clipboard, call `paste`, wait until the window has read it, and restore the previous content.

        `primary`: use the primary selection too. Raises `ClipboardSilent` before pressing any key when nothing of the
        previous content could be read, so that it could not be restored.
        """
        ...

    async def selected(self, focus: Focus | None) -> str | None:
        """The text that is selected in the window that has the focus; None when unknown."""
        ...

    async def holds(self, text: str) -> bool:
        """Whether the clipboard still holds `text`, put there by us."""
        ...


def check_given_back(content: Sized, why: str) -> None:
    """Raise `ClipboardSilent` when pasting would destroy the clipboard's content: it holds something, but nothing of it
    could be read (`content` is empty), for the reason `why`."""
    if why and not content:
        raise ClipboardSilent(
            f"can't be used to paste, because it could not be restored: {why}",
            place="clipboard",
            remedy="Copy something else, or close the program that owns it",
        )


class NoClipboard:
    """Stands in for a clipboard that can't be used, for the reason `why`: `keep` and `lend` raise `TargetError`."""

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


def is_terminal(names: Sequence[str], *, more: Sequence[str]) -> bool:
    """Whether an application with one of these class names is a terminal; `more`: the user's additions to the list."""
    known = TERMINALS | {name.casefold() for name in more}
    return any(name.casefold() in known for name in names)


def paste_chord(focus: Focus | None, default: str, own: dict[str, str]) -> str:
    """The keys that paste into a window; `own`: the user's settings, by window class."""
    app = focus.app.casefold() if focus else ""
    chords = CHORDS | {name.casefold(): chord for name, chord in own.items()}
    return chords.get(app) or (TERMINAL_CHORD if focus is not None and focus.terminal else default)
