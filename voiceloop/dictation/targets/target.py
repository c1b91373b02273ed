"""Where dictated text goes: the Protocol of a target, and how one is opened. Decides nothing about the words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import Field

from voiceloop.config.tables import Table

PLACE = "handler.to"

Since = Literal["nothing", "line", "something", "elsewhere", "unknown"]
"""What happened since an insertion. `nothing`: the cursor is behind it. `line`: the user typed, and Return was the
last key. `something`: other input was seen. `elsewhere`: another window has the focus. `unknown`: nobody watches."""


class TargetOptions(Table):
    """What a user may say of where text goes."""

    to: str = "type"
    """Where text goes: `type` (into the window that has the focus), `clipboard`, `stdout` or `file:PATH` (appended)."""
    way: Literal["auto", "xdotool", "wtype", "portal", "ydotool"] = "auto"
    """What types. `auto`: the first that works here."""
    paste: Literal["when-needed", "always", "never"] = "when-needed"
    """Whether text is pasted in place of typed. `when-needed`: where typing would mangle it: characters that the
    keyboard layout lacks, brackets and quotes, which editors close by themselves, and new lines."""
    paste_chord: str = "ctrl+v"
    """The keys that paste."""
    paste_chords: dict[str, str] = Field(default_factory=dict)
    """The keys that paste into an application, by its class, like `{ emacs = "ctrl+y" }`; over what is known."""
    terminals: tuple[str, ...] = ()
    """Classes of more applications that are terminals: they paste by Ctrl+Shift+V, and a new line is never put in,
    for there it would run what stands on the line."""
    modifiers_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long typing waits for held modifier keys; then the text goes to the clipboard."""
    clipboard_s: Annotated[float, Field(ge=0.1, le=60)] = 3.0
    """How long a window may take to read what is pasted, before the clipboard is given back."""


@dataclass(frozen=True, slots=True)
class Focus:
    """The window that would get text. Its title is never read: it may say anything."""

    window: str
    """Its identity, for comparing only; empty when no window has the focus."""
    app: str = ""
    """Its application's class, like `xterm`; empty when unknown."""
    terminal: bool = False
    """Whether it is a terminal, where a new line would run what stands on the line."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """What a target really put in, and where. `mark` is the target's own."""

    text: str
    focus: Focus | None
    mark: int = 0
    read: bool = True
    """Whether it was taken; else nobody knows whether it stands there, or will."""


class Target(Protocol):
    """Where text goes. Used by one task at a time, but `focus`, which may be asked at any moment."""

    @property
    def name(self) -> str:
        """What it is, said at start: `xdotool`, `clipboard`, `stdout`, `file:notes.txt`."""
        ...

    @property
    def watches_focus(self) -> bool:
        """Whether it knows which window has the focus. Where it doesn't, start says `focus: not watched`."""
        ...

    async def focus(self) -> Focus | None:
        """The window that would get text now; None where that can't be read. Raises nothing for a window's sake."""
        ...

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        """Put `text` in, cleaned. Raises `FocusChanged` when another window than `focus` has the focus by now, or the
        focus is watched and `focus` is None,
        `KeysHeld` when the user holds modifier keys for too long, `TargetError` when it can't be put in. Then nothing
        of it is there, unless the error says so."""
        ...

    async def since(self, insertion: Insertion) -> Since:
        """What happened since `insertion`, the last one."""
        ...

    async def undo(self, insertion: Insertion) -> None:
        """Take back exactly `insertion`, the last one. Raises `CantUndo`, and then has taken back nothing."""
        ...

    async def enter(self, *, focus: Focus | None) -> None:
        """Press Enter. Only for a spoken command. Raises as `insert` does."""
        ...

    async def set_aside(self, text: str) -> str:
        """Put what `insert` refused where the user can fetch it; the words for where that is ("the clipboard")."""
        ...


@asynccontextmanager
async def opened(target: Target) -> AsyncIterator[Target]:
    """A target that needs no closing."""
    yield target
