"""Types into the window that has the focus. Decides what is typed, what is pasted and what may be taken back; how is
for `desk.py`'s parts to know.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import regex
import trio

from voiceloop.dictation.targets.clipboard import Aside
from voiceloop.dictation.targets.desktop import Activity, Clipboard, Eyes, Keys, NoClipboard, paste_chord
from voiceloop.dictation.targets.file_target import plain
from voiceloop.dictation.targets.selecting import select
from voiceloop.dictation.targets.target import Focus, Insertion, Since, TargetOptions
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, KeysHeld, TargetError
from voiceloop.events import Publish

LOOK_S = 0.03
"""How often held keys are looked at while one waits for them."""
STRETCH = 40
"""Characters that are typed without looking whether the focus is still there."""
_CLOSED = frozenset('([{"`<')
"""What editors close by themselves when it is typed."""
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


@dataclass(frozen=True, slots=True)
class Desktop:
    """What typing works with."""

    keys: Keys
    eyes: Eyes
    clipboard: Clipboard


class TypingTarget:
    """`Insertion.mark` counts the input that the user had given by then, and what of ours may stand there in part."""

    def __init__(self, desktop: Desktop, options: TargetOptions, publish: Publish) -> None:
        self._keys, self._eyes, self._clipboard = desktop.keys, desktop.eyes, desktop.clipboard
        self._aside = Aside(desktop.clipboard)
        self._options = options
        self._publish = publish
        self._presses = self._torn = 0

    @property
    def name(self) -> str:
        return self._keys.name

    @property
    def watches_focus(self) -> bool:
        return self._eyes.watches_focus

    async def focus(self) -> Focus | None:
        return await self._eyes.focus()

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        text = plain(text)
        if focus is not None and focus.terminal:
            text = text.replace("\n", " ")
        await self._free_keys()
        await self._same(focus)
        read = True
        with self._whole():
            if await self._is_pasted(text, focus):
                read = await self._paste_or_type(text, focus)
            else:
                await self._type(text, focus)
            insertion = Insertion(text, focus, await self._count(), read)
        self._torn += not read
        return insertion

    async def since(self, insertion: Insertion) -> Since:
        if not self._eyes.watches_focus:
            return "unknown"
        if await self._eyes.focus() != insertion.focus:
            return "elsewhere"
        activity = await self._eyes.activity()
        if (activity or Activity()).count + self._torn == insertion.mark:
            return "unknown" if activity is None else "nothing"
        return "line" if activity is not None and activity.line else "something"

    async def undo(self, insertion: Insertion) -> None:
        await self._may_undo(insertion)
        graphemes = regex.findall(r"\X", insertion.text)
        if not graphemes:
            return
        with self._whole():
            if insertion.focus is not None and insertion.focus.terminal:
                await self._erase(graphemes)
            else:
                await self._select_and_delete(insertion, graphemes)

    async def enter(self, *, focus: Focus | None) -> None:
        await self._free_keys()
        await self._same(focus)
        with self._whole():
            async with self._ours():
                await self._keys.press("Return")

    async def set_aside(self, text: str) -> str:
        await self._aside.add(plain(text))
        return "the clipboard"

    # Inserting

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What breaks off after a key was pressed counts as input since: nothing before it is taken back any more."""
        before = self._presses
        try:
            yield
        except CantUndo:  # nothing was changed
            raise
        except BaseException:
            self._torn += self._presses != before
            raise

    async def _free_keys(self) -> None:
        """Wait until no modifier is held: with Ctrl down, text is commands."""
        held = ""
        with trio.move_on_after(self._options.modifiers_s):
            while held := await self._eyes.held():  # noqa: ASYNC110 - the server tells of no release that it grabbed
                await trio.sleep(LOOK_S)
        if held:
            raise KeysHeld(f"{held} is held down, and what is typed would be commands", place=self.name)

    async def _same(self, focus: Focus | None) -> None:
        if not self._eyes.watches_focus:
            return
        now = await self._eyes.focus()
        if now is None or not now.window or now != focus:  # an unknown window is never the same
            raise FocusChanged(f"{_named(now)} has the focus, and it was said to {_named(focus)}", place=self.name)

    async def _is_pasted(self, text: str, focus: Focus | None) -> bool:
        if self._options.paste != "when-needed":
            return self._options.paste == "always"
        typable = await self._is_typable(text)
        if isinstance(self._clipboard, NoClipboard):
            return not typable  # it says why it can't be
        closed = focus is None or not focus.terminal
        closes = closed and not _CLOSED.isdisjoint(text)
        return not typable or self._keys.american or "\n" in text or closes

    async def _is_typable(self, text: str) -> bool:
        typable = None if self._keys.american else await self._eyes.typable()
        return all(map(self._keys.types, text)) if typable is None else typable >= set(text)

    async def _paste_or_type(self, text: str, focus: Focus | None) -> bool:
        """Whether it was read."""
        try:
            return await self._paste(text, focus)
        except ClipboardSilent as error:
            refused = error
        if self._options.paste == "always" or self._keys.american or not await self._is_typable(text):
            raise refused
        await self._type(text, focus)
        return True

    async def _paste(self, text: str, focus: Focus | None) -> bool:
        """Whether it was read."""
        chord = paste_chord(focus, self._options.paste_chord, self._options.paste_chords)

        async def paste() -> None:
            await self._same(focus)
            await self._free_keys()
            async with self._ours():
                await self._keys.press(chord)

        aside = await self._aside.held()
        lent = await self._clipboard.lend(text, paste, focus=focus, primary="insert" in chord.casefold())
        if not lent.read:
            window = "The window" if focus is None else _named(focus)
            if not await self._clipboard.holds(text):
                what = f"{window} has not read what was pasted before something else was copied"
                raise TargetError(what, place=self.name)
            await self._aside.add_behind(aside, text)
            self._publish("notice", text=f"{window} has not read what was pasted: it is in the clipboard.")
        elif not lent.restored:
            self._publish("notice", text=f"The clipboard was not given back whole: {lent.why}.")
        return lent.read

    async def _type(self, text: str, focus: Focus | None) -> None:
        for at in range(0, len(text), STRETCH):
            if at:
                await self._still_same(focus, text[:at])
            async with self._ours():
                await self._keys.type(text[at : at + STRETCH])

    async def _still_same(self, focus: Focus | None, typed: str) -> None:
        try:
            await self._same(focus)
        except FocusChanged as error:
            raise FocusChanged(f"{error.what}; {len(typed)} characters were typed before", place=self.name) from None

    @asynccontextmanager
    async def _ours(self) -> AsyncIterator[None]:
        """The keys that come now are ours."""
        await self._eyes.typing(on=True)
        self._presses += 1
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                await self._eyes.typing(on=False)

    async def _count(self) -> int:
        activity = await self._eyes.activity()
        return (activity or Activity()).count + self._torn

    # Taking back

    async def _may_undo(self, insertion: Insertion) -> None:
        if insertion.focus is None:
            # In a terminal, the keys that select elsewhere write rubbish or run things.
            raise CantUndo("which window has the focus can't be read here", place=self.name)
        await self._free_keys()
        if not await self._untouched(insertion) and insertion.focus.terminal:
            # Where keys can't be seen only what is selected tells what stands there, and a terminal selects nothing.
            raise CantUndo("whether you typed since can't be seen here, and a terminal doesn't show", place=self.name)

    async def _untouched(self, insertion: Insertion) -> bool:
        """Whether there certainly was no input since; False: nobody knows. Raises `CantUndo` where there was."""
        since = await self.since(insertion)
        match since:
            case "elsewhere":
                raise CantUndo("another window has the focus", place=self.name)
            case "line" | "something":
                raise CantUndo("there was other input since, or part of a text was put in", place=self.name)
        return since == "nothing"

    async def _erase(self, graphemes: Sequence[str]) -> None:
        """In a terminal, where nothing can be selected: so many BackSpaces."""
        if any(len(grapheme) > 1 for grapheme in graphemes):
            raise CantUndo("how many keys its characters take differs between terminals", place=self.name)
        async with self._ours():
            await self._keys.press("BackSpace", len(graphemes))

    async def _select_and_delete(self, insertion: Insertion, graphemes: Sequence[str]) -> None:
        """Select what was put in, look whether it is that, and delete it: a BackSpace for each would also take a
        bracket that an editor has closed by itself."""
        if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in insertion.text):
            raise CantUndo("keys don't tell which way text from right to left is selected", place=self.name)
        before = await self._clipboard.selected(insertion.focus)
        async with self._ours():
            try:
                verdict = await select(insertion, graphemes, before, self._keys, self._clipboard)
            except BaseException:  # the user's next key would delete what is selected
                with trio.CancelScope(shield=True), suppress(TargetError):
                    await self._keys.press("Right")
                raise
            certain = await self._untouched(insertion)
            if certain and verdict == "unknown" and all(len(grapheme) == 1 for grapheme in graphemes):
                verdict = "same"  # so many keys, so many characters
            await self._keys.press("BackSpace" if verdict == "same" else "Right")
        if verdict == "unknown" and not certain:
            raise CantUndo("neither what you typed since nor what is selected can be seen here", place=self.name)
        if verdict != "same":
            raise CantUndo("what stands before the cursor is not what was put in", place=self.name)


def _named(focus: Focus | None) -> str:
    if focus is None:
        return "an unknown window"
    return (focus.app or "A window") if focus.window else "no window"
