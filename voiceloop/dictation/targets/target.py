"""Targets, where dictated text goes: their Protocol, their options, and the values they share. Decides nothing about
the words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

from pydantic import Field

from voiceloop.config.table import Table

PLACE = "handler.to"

Since = Literal["nothing", "line", "something", "elsewhere", "unknown"]
"""What happened since an insertion. `nothing`: the cursor is still right after it. `line`: the user typed, and the last
key was Return. `something`: there was other input. `elsewhere`: another window has the focus. `unknown`: the target
can't see what happened."""


class TargetOptions(Table):
    """The config keys that say where text goes and how it gets there."""

    to: str = "type"
    """Where text goes: `type` (into the window that has the focus), `clipboard`, `stdout` or `file:PATH` (appended)."""
    way: Literal["auto", "xdotool", "wtype", "portal", "ydotool"] = "auto"
    """The program that types; `portal` is the desktop portal. `auto`: the first that works here."""
    paste: Literal["when-needed", "always", "never"] = "when-needed"
    """Whether text is pasted instead of typed. `when-needed`: only text that typing could spoil: characters that the
    keyboard layout lacks, brackets and quotes (editors close them by themselves), and new lines."""
    paste_chord: str = "ctrl+v"
    """The keys that paste, except in terminals and in the applications of `paste_chords`."""
    paste_chords: dict[str, str] = Field(default_factory=dict)
    """The keys that paste into an application, by its window class, like `{ emacs = "ctrl+y" }`. They take precedence
    over the built-in ones."""
    terminals: tuple[str, ...] = ()
    """Window classes of applications that are terminals, besides the built-in ones. Terminals paste by Ctrl+Shift+V,
    and never get a new line, because it would run the text on the line as a command."""
    modifiers_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long typing waits, in seconds, for held modifier keys to be released, and for a pause of 0.3 s in your own
    typing; then the text goes to the clipboard."""
    clipboard_s: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    """How long a window may take to begin to read a paste, in seconds. Text that isn't read in time stays on the
    clipboard."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The window that has the focus. Its title is never read, since it may contain anything."""

    window: str
    """An identifier, for comparing only; empty when no window has the focus."""
    app: str = ""
    """The class of its application, like `xterm`; empty when unknown."""
    terminal: bool = False
    """Whether it is a terminal, where a new line would run the text on the line as a command."""
    process: int = field(default=0, compare=False)
    """The id of its process; 0 when unknown."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """The text that a target really inserted, and the window. `mark` has a meaning for that target only."""

    text: str
    focus: Focus | None
    mark: int = 0
    read: bool = True
    """Whether the window took the text. False: a paste that was not read in time, and may or may not appear."""


class Target(Protocol):
    """Where text goes. Used by one task at a time, except for `focus`, which may be called at any moment."""

    @property
    def name(self) -> str:
        """The name shown at start: `xdotool`, `clipboard`, `stdout`, `file:notes.txt`."""
        ...

    @property
    def watches_focus(self) -> bool:
        """Whether the target knows which window has the focus. If not, the start-up line says `focus: not watched`."""
        ...

    async def focus(self) -> Focus | None:
        """The window that has the focus now; None when that can't be read. A window that is closing raises no error."""
        ...

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        """Insert `text`, cleaned of control characters.

        Raises `FocusChanged` when another window than `focus` has the focus by now, or when the focus is watched and
        `focus` is None; `KeysHeld` when the user holds modifier keys for too long; `TargetError` when the text can't be
        inserted. After an error none of the text was inserted, unless the error says so.
        """
        ...

    async def since(self, insertion: Insertion) -> Since:
        """What happened since `insertion`, which is the last one."""
        ...

    async def undo(self, insertion: Insertion) -> None:
        """Remove exactly `insertion`, which is the last one. Raises `CantUndo` when it refuses, and has then removed
        nothing."""
        ...

    async def enter(self, *, focus: Focus | None) -> None:
        """Press Enter. Only for a spoken command. Raises as `insert` does."""
        ...

    async def set_aside(self, text: str) -> str:
        """Put text that `insert` refused where the user can fetch it. Returns the name of the place ("the
        clipboard")."""
        ...


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Target]:
    """A context manager for a target that needs no closing."""
    yield target
