"""Selects what was put in, by keys, and tells whether it is that. Deletes nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

import trio

from voiceloop.dictation.targets.desktop import Clipboard, Keys
from voiceloop.dictation.targets.target import Insertion

LOOK_S = 0.03
"""How often what is selected is looked at."""
SELECT_S = 1.5
"""How long a window may take to show what it has selected."""
STEADY_S = 0.3
"""A selection that hasn't changed for so long is all that the keys have selected."""

Verdict = Literal["same", "other", "unknown"]
"""Whether a window has selected what was put in; `unknown`: it doesn't tell what it selects."""


async def select(
    insertion: Insertion, graphemes: Sequence[str], before: str | None, keys: Keys, clipboard: Clipboard
) -> Verdict:
    """Select `insertion`, which is these graphemes, before the cursor of the window that has the focus. `before`: what
    was selected before."""
    await keys.press("shift+Left", len(graphemes))
    selected, steady_s = before, 0.0
    with trio.move_on_after(SELECT_S):
        while True:
            last, selected = selected, await clipboard.selected(insertion.focus)
            if selected is not None and selected != before and _same_text(selected, insertion.text):
                return "same"
            steady_s = steady_s + LOOK_S if selected == last else 0.0
            if steady_s > STEADY_S and (missing := _missing(selected, insertion.text)):
                await keys.press("shift+Left", missing)
                steady_s = 0.0
            await trio.sleep(LOOK_S)
    return "unknown" if selected == before else "other"


def _same_text(one: str, other: str) -> bool:
    return _plain_lines(one) == _plain_lines(other)


def _plain_lines(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\u00a0", " "))


def _missing(selected: str | None, wanted: str) -> int:
    """How many characters of `wanted` a window has not selected yet that counts smaller parts than graphemes."""
    selected, wanted = _plain_lines(selected or ""), _plain_lines(wanted)
    return len(wanted) - len(selected) if selected and wanted.endswith(selected) else 0
