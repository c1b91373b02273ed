"""Whether a transcript merely repeats what the loop itself was saying. Pure: knows no sound, no turn and no clock.

The last line of defence, behind the echo canceller: what leaks through is heard as speech, and transcribed as what it
is, a garbled piece of the reply. It is told from an answer by length and order: three words or more, nearly all of
them words of the reply, in the reply's order and close together; and by time, as it ends with the reply. A short answer
that uses the reply's words ("Monday", "yes please") is never taken for an echo.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Sequence
from difflib import SequenceMatcher

_LEAST_WORDS = 3
_LEAST_LETTERS = 8
"""All together: three words like "to the a" prove nothing. In scripts without spaces, 6 signs."""
_LEAST_SIGNS = 6
_SHARE = 0.7
"""Of the transcript's letters that must be in words that match."""
_LIKE = 0.75
"""How alike two words must be to match: recognisers garble."""
_SPREAD = 1.5
"""How far apart in the reply the matches may lie, by the transcript's length."""
_KEPT = 64


class Audible:
    """What of our replies could be heard when, in seconds of any one clock. Keeps the last 64 pieces."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[str, float, float]] = deque(maxlen=_KEPT)

    def note(self, text: str, start_s: float, end_s: float) -> None:
        """`text` sounds from `start_s` to `end_s`; `end_s` may lie ahead (`cut`)."""
        self._pieces.append((text, start_s, end_s))

    def begin(self, text: str, at_s: float) -> None:
        """`text` begins to sound, where the piece before it ends; its own end comes with the next, or with `cut`."""
        self.cut(at_s)
        self.note(text, at_s, float("inf"))

    def cut(self, at_s: float) -> None:
        """The reply was silenced at that time: what was to sound after it never did."""
        cut = [(text, start, min(end, at_s)) for text, start, end in self._pieces if start < at_s]
        self._pieces = deque(cut, maxlen=_KEPT)

    def between(self, start_s: float, end_s: float, *, margin_s: float = 0.5) -> str:
        """All pieces that sounded then, or up to `margin_s` before or after, whole and in order; nothing when the last
        of them ended sooner: an echo stops with what it is of, and who repeats a reply back to it goes on."""
        found = [piece for piece in self._pieces if piece[1] < end_s + margin_s and piece[2] > start_s - margin_s]
        if not found or found[-1][2] < end_s - margin_s:
            return ""
        return " ".join(text for text, _, _ in found)


def repeats(transcript: str, audible: str) -> bool:
    """Whether `transcript` is only a piece of `audible`, what was sounding meanwhile, as recognisers hear it."""
    said, ours = _words(transcript), _words(audible)
    if not _enough(said) or not ours:
        return False
    matches = _aligned(said, ours)
    matched = sum(len(said[i]) for i, _ in matches)
    if len(matches) < _LEAST_WORDS or matched < _SHARE * sum(map(len, said)):
        return False
    return matches[-1][1] - matches[0][1] < _SPREAD * len(said) + 1


def _words(text: str) -> list[str]:
    """Lower-case words without marks or punctuation; each sign of a script without spaces is a word."""
    words: list[str] = []
    word = ""
    for sign in unicodedata.normalize("NFKD", text.casefold()):
        kind = unicodedata.category(sign)
        if kind[0] == "M" or sign in "'’":
            continue
        if kind[0] not in "LN":
            words, word = [*words, word], ""
        elif _stands_alone(sign):
            words, word = [*words, word, sign], ""
        else:
            word += sign
    return [word for word in [*words, word] if word]


def _stands_alone(sign: str) -> bool:
    """Han, kana, Thai, Lao, Khmer and Burmese are written without spaces."""
    return (
        "\u0e00" <= sign <= "\u0eff"
        or "\u1000" <= sign <= "\u109f"
        or "\u1780" <= sign <= "\u17ff"
        or "\u3040" <= sign <= "\u30ff"
        or "\u3400" <= sign <= "\u9fff"
        or sign >= "\U00020000"
    )


def _enough(said: Sequence[str]) -> bool:
    signs = sum(_stands_alone(word[0]) for word in said)
    if signs > len(said) // 2:
        return signs >= _LEAST_SIGNS
    return len(said) >= _LEAST_WORDS and sum(map(len, said)) >= _LEAST_LETTERS


def _aligned(said: Sequence[str], ours: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of places, in order on both sides, with the most letters of `said` in words that are alike."""
    best: list[list[int]] = [[0] * (len(ours) + 1) for _ in range(len(said) + 1)]
    for i in range(len(said) - 1, -1, -1):
        for j in range(len(ours) - 1, -1, -1):
            gain = best[i + 1][j + 1] + len(said[i]) if _alike(said[i], ours[j]) else 0
            best[i][j] = max(gain, best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(said) and j < len(ours):
        # A match as soon as it costs nothing; its last place is as near to the first as the reply's order allows.
        if _alike(said[i], ours[j]) and best[i][j] == best[i + 1][j + 1] + len(said[i]):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
    return pairs


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    if min(len(one), len(other)) < 4:
        return False
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= _LIKE and matcher.quick_ratio() >= _LIKE and matcher.ratio() >= _LIKE
