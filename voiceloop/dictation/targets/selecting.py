"""Selects an insertion with Shift+Left and checks that the selection is that text. Deletes nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

import trio

from voiceloop.dictation.targets.desktop import Clipboard, Keys
from voiceloop.dictation.targets.target import Insertion

LOOK_S = 0.03
"""Time between two looks at the selection."""
SELECT_S = 1.5
"""How long a window may take to publish its selection."""
STEADY_S = 0.3
"""A selection that hasn't changed for this time is complete: the window has handled all keys."""

Verdict = Literal["same", "other", "unknown"]
"""Whether the selection is the insertion (`same`) or another text; `unknown`: the window doesn't publish its
selection."""


async def select(
    insertion: Insertion, graphemes: Sequence[str], before: str | None, keys: Keys, clipboard: Clipboard
) -> Verdict:
    """Select `insertion`, split into `graphemes`, before the cursor of the focused window. `before`: the text that was
    selected until now."""
    await keys.press("shift+Left", len(graphemes))
    selected, steady_s = before, 0.0
    with trio.move_on_after(SELECT_S):
        while True:
            last, selected = selected, await clipboard.selected(insertion.focus)
            if selected is not None and selected != before and _same_text(selected, insertion.text):
                return "same"
            steady_s = steady_s + LOOK_S if selected == last else 0.0
            if steady_s > STEADY_S and (missing := _missing(selected, wanted=insertion.text)):
                await keys.press("shift+Left", missing)
                steady_s = 0.0
            await trio.sleep(LOOK_S)
    return "unknown" if selected == before else "other"


def _same_text(one: str, other: str) -> bool:
    return _plain_lines(one) == _plain_lines(other)


def _plain_lines(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\u00a0", " "))


def _missing(selected: str | None, *, wanted: str) -> int:
    """The number of characters of `wanted` that are not selected yet, because the window's Shift+Left selects less than
    a grapheme; 0 when `selected` is another text."""
    selected, wanted = _plain_lines(selected or ""), _plain_lines(wanted)
    return len(wanted) - len(selected) if selected and wanted.endswith(selected) else 0
