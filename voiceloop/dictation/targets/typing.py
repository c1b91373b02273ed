"""The typing target: writes text into the window that has the focus. Decides what is typed, what is pasted and what may
be undone. How keys are pressed and clipboards are lent is up to the parts that `desktop.py` declares.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import regex
import trio

from voiceloop.dictation.targets.clipboard import Aside
from voiceloop.dictation.targets.desktop import Activity, Clipboard, DesktopState, Keys, NoClipboard, paste_chord
from voiceloop.dictation.targets.file_target import plain
from voiceloop.dictation.targets.selecting import select
from voiceloop.dictation.targets.target import Focus, Insertion, Since, TargetOptions
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, KeysHeld, TargetError
from voiceloop.events import Publish

LOOK_S = 0.03
"""Time between two looks at the held keys, while typing waits for their release."""
PAUSE_S = 0.3
"""How long the user must not have pressed a key or a button before something is typed or pasted."""
LONG = 80
"""Longer texts are pasted where the user's own keys can't be seen: a paste is one key, into which no other mixes."""
STRETCH = 40
"""Characters that are typed in one go, before the focus is checked again."""
_AUTO_CLOSED = frozenset('([{"`<')
"""Characters for which editors insert the closing counterpart by themselves when they are typed."""
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


@dataclass(frozen=True, slots=True)
class Desktop:
    """The parts of a desktop that typing works with."""

    keys: Keys
    state: DesktopState
    clipboard: Clipboard


class TypingTarget:
    """Types or pastes text into the focused window.

    `Insertion.mark` is the user's input count right after the insertion, plus the number of our own texts that may have
    been written only in part. A later mark that differs means: don't undo, something else may stand before the cursor.
    """

    def __init__(self, desktop: Desktop, options: TargetOptions, publish: Publish) -> None:
        self._keys, self._desktop_state, self._clipboard = desktop.keys, desktop.state, desktop.clipboard
        self._aside = Aside(desktop.clipboard)
        self._options = options
        self._publish = publish
        self._key_actions = self._partial_texts = 0

    @property
    def name(self) -> str:
        return self._keys.name

    @property
    def watches_focus(self) -> bool:
        return self._desktop_state.watches_focus

    async def focus(self) -> Focus | None:
        return await self._desktop_state.focus()

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        text = plain(text)
        if focus is not None and focus.terminal:
            text = text.replace("\n", " ")
        await self._wait_for_hands()
        await self._check_focus(focus)
        read, before = True, await self._input_mark()
        with self._counting_partial_texts():
            if await self._must_paste(text, focus):
                read = await self._paste_or_type(text, focus)
            else:
                await self._type(text, focus)
            insertion = Insertion(text, focus, await self._input_mark(), read)
        if not read or insertion.mark != before:  # it may be missing, or the user's own keys be in it
            self._partial_texts += 1
        return insertion

    async def since(self, insertion: Insertion) -> Since:
        if not self._desktop_state.watches_focus:
            return "unknown"
        if await self._desktop_state.focus() != insertion.focus:
            return "elsewhere"
        activity = await self._desktop_state.activity()
        if (activity or Activity()).count + self._partial_texts == insertion.mark:
            return "unknown" if activity is None else "nothing"
        return "line" if activity is not None and activity.line else "something"

    async def undo(self, insertion: Insertion) -> None:
        await self._check_undo(insertion)
        graphemes = regex.findall(r"\X", insertion.text)
        if not graphemes:
            return
        with self._counting_partial_texts():
            if insertion.focus is not None and insertion.focus.terminal:
                await self._press_backspaces(graphemes)
            else:
                await self._select_and_delete(insertion, graphemes)

    async def enter(self, *, focus: Focus | None) -> None:
        await self._wait_for_hands()
        await self._check_focus(focus)
        with self._counting_partial_texts():
            async with self._pressing_keys():
                await self._keys.press("Return")

    async def set_aside(self, text: str) -> str:
        await self._aside.add(plain(text))
        return "the clipboard"

    # Inserting

    @contextmanager
    def _counting_partial_texts(self) -> Iterator[None]:
        """Count an action that fails after pressing a key as other input: no earlier insertion can be undone then."""
        before = self._key_actions
        try:
            yield
        except CantUndo:  # nothing was changed
            raise
        except BaseException:
            if self._key_actions != before:
                self._partial_texts += 1
            raise

    async def _wait_for_hands(self) -> None:
        """Wait until no modifier key is held, with which typed text would trigger shortcuts, and until the user's own
        input has paused, so that the two don't mix. Raises `KeysHeld`."""
        held = why = ""
        with trio.move_on_after(self._options.modifiers_s):
            while True:  # polled: X reports no release of a grabbed key
                held = await self._desktop_state.held()
                activity = await self._desktop_state.activity() or Activity()
                why = f"{held} is held down, and typed text would trigger shortcuts" if held else ""
                if not held and activity.ago_s < PAUSE_S:
                    why = "you are typing, and the two texts would mix"
                if not why:
                    break
                await trio.sleep(LOOK_S)
        if why:
            raise KeysHeld(why, place=self.name)

    async def _check_focus(self, focus: Focus | None) -> None:
        if not self._desktop_state.watches_focus:
            return
        now = await self._desktop_state.focus()
        if now is None or not now.window or now != focus:  # an unknown window is never the same
            what = f"{_window_name(now)} has the focus, but you spoke to {_window_name(focus)}"
            raise FocusChanged(what, place=self.name)

    async def _must_paste(self, text: str, focus: Focus | None) -> bool:
        if self._options.paste != "when-needed":
            return self._options.paste == "always"
        typable = await self._is_typable(text)
        if isinstance(self._clipboard, NoClipboard):
            return not typable  # lending raises an error that says why nothing can be pasted
        may_be_editor = focus is None or not focus.terminal
        gets_closed = may_be_editor and not _AUTO_CLOSED.isdisjoint(text)
        mixes = len(text) > LONG and focus is not None and await self._desktop_state.activity() is None
        return not typable or self._keys.american or "\n" in text or gets_closed or mixes

    async def _is_typable(self, text: str) -> bool:
        typable = None if self._keys.american else await self._desktop_state.typable()
        return all(map(self._keys.types, text)) if typable is None else typable >= set(text)

    async def _paste_or_type(self, text: str, focus: Focus | None) -> bool:
        """Paste, or type where the clipboard could not be restored. Returns whether the window has taken the text."""
        try:
            return await self._paste(text, focus)
        except ClipboardSilent as error:
            refused = error
        if self._options.paste == "always" or self._keys.american or not await self._is_typable(text):
            raise refused
        await self._type(text, focus)
        return True

    async def _paste(self, text: str, focus: Focus | None) -> bool:
        """Paste. Returns whether the window has read the text; if not, the text is left on the clipboard."""
        chord = paste_chord(focus, self._options.paste_chord, self._options.paste_chords)

        async def paste(pressing: Callable[[], None]) -> None:
            await self._check_focus(focus)
            await self._wait_for_hands()
            async with self._pressing_keys():
                pressing()
                await self._keys.press(chord)

        text_aside = await self._aside.held()
        lent = await self._clipboard.lend(text, paste, focus=focus, primary="insert" in chord.casefold())
        if not lent.read:
            window = "The window" if focus is None else _window_name(focus)
            if not await self._clipboard.holds(text):
                what = f"{window} had not read the pasted text when something else was copied"
                raise TargetError(what, place=self.name)
            await self._aside.add_behind(held=text_aside, text=text)
            self._publish("notice", text=f"{window} has not read the pasted text: it is in the clipboard.")
        elif not lent.restored:
            self._publish("notice", text=f"The clipboard was not fully restored: {lent.why}.")
        return lent.read

    async def _type(self, text: str, focus: Focus | None) -> None:
        for at in range(0, len(text), STRETCH):
            if at:
                await self._check_between(focus, text[:at])
            async with self._pressing_keys():
                await self._keys.type(text[at : at + STRETCH])

    async def _check_between(self, focus: Focus | None, typed: str) -> None:
        try:
            await self._wait_for_hands()
            await self._check_focus(focus)
        except (FocusChanged, KeysHeld) as error:
            what = f"{error.what}; {len(typed)} characters were typed before"
            raise type(error)(what, place=self.name) from None

    @asynccontextmanager
    async def _pressing_keys(self) -> AsyncIterator[None]:
        """While open: key presses are our own, not the user's."""
        await self._desktop_state.typing(on=True)
        self._key_actions += 1
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                await self._desktop_state.typing(on=False)

    async def _input_mark(self) -> int:
        activity = await self._desktop_state.activity()
        return (activity or Activity()).count + self._partial_texts

    # Undo

    async def _check_undo(self, insertion: Insertion) -> None:
        if insertion.focus is None:
            # It may be a terminal, where the keys that select text elsewhere would write rubbish or run commands.
            raise CantUndo("it can't be seen here which window has the focus", place=self.name)
        await self._wait_for_hands()
        if not await self._is_untouched(insertion) and insertion.focus.terminal:
            # Where the user's keys can't be seen, only a selection shows the text, and keys select nothing in a
            # terminal.
            what = "whether you typed since can't be seen here, and in a terminal nothing can be selected to check"
            raise CantUndo(what, place=self.name)

    async def _is_untouched(self, insertion: Insertion) -> bool:
        """Whether there certainly was no input since; False: unknown. Raises `CantUndo` when there was input."""
        since = await self.since(insertion)
        match since:
            case "elsewhere":
                raise CantUndo("another window has the focus", place=self.name)
            case "line" | "something":
                raise CantUndo("there was other input since, or only part of a text was written", place=self.name)
        return since == "nothing"

    async def _press_backspaces(self, graphemes: Sequence[str]) -> None:
        """Undo in a terminal, where keys select nothing: press BackSpace once for each character."""
        if any(len(grapheme) > 1 for grapheme in graphemes):
            raise CantUndo("terminals differ in how many BackSpaces these characters need", place=self.name)
        async with self._pressing_keys():
            await self._keys.press("BackSpace", len(graphemes))

    async def _select_and_delete(self, insertion: Insertion, graphemes: Sequence[str]) -> None:
        """Undo elsewhere: select the insertion, check the selection, and delete it. One BackSpace for each character
        would also delete brackets that the editor has closed by itself."""
        if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in insertion.text):
            raise CantUndo("text from right to left can't be selected reliably by keys", place=self.name)
        before = await self._clipboard.selected(insertion.focus)
        async with self._pressing_keys():
            try:
                verdict = await select(insertion, graphemes, before, self._keys, self._clipboard)
            except BaseException:  # left selected, the text would be deleted by the user's next key
                with trio.CancelScope(shield=True), suppress(TargetError):
                    await self._keys.press("Right")
                raise
            certain = await self._is_untouched(insertion)
            if certain and verdict == "unknown" and all(len(grapheme) == 1 for grapheme in graphemes):
                verdict = "same"  # each key press has selected one character
            await self._keys.press("BackSpace" if verdict == "same" else "Right")
        if verdict == "unknown" and not certain:
            raise CantUndo("neither your typing since nor the selection can be seen here", place=self.name)
        if verdict != "same":
            raise CantUndo("the text before the cursor is not what was put in", place=self.name)


def _window_name(focus: Focus | None) -> str:
    if focus is None:
        return "an unknown window"
    return (focus.app or "A window") if focus.window else "no window"
