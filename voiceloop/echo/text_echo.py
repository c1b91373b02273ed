"""A detector of transcripts that merely repeat the reply. Pure: works on text and times.

It is the last line of defence, behind the echo canceller. Echo that leaks through is taken for speech, and its
transcript is a garbled piece of the reply. Such a transcript differs from an answer by length and order (three words or
more, nearly all of them words of the reply, in the reply's order and close together), and by time (it ends with the
reply). A short answer that uses the reply's words ("Monday", "yes please") is never taken for an echo.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Sequence

_LEAST_WORDS = 3
_LEAST_LETTERS = 8
"""Letters in all words together: three words like "to the a" prove nothing."""
_LEAST_SIGNS = 6
"""The same for scripts without spaces, in signs."""
_SHARE = 0.7
"""The share of the transcript's letters that must be in matching words."""
_SIMILARITY = 0.75
"""How similar two words must be to match, from 0 to 1: the share of their letters that both have in the same order. Not
1, because recognisers garble words."""
_LEAST_GARBLED = 4
"""Shorter words match only if they are equal."""
_SPREAD = 1.5
"""How many words of the reply the matches may span, relative to the number of words of the transcript."""
_KEPT = 64
MOST_WORDS = 60
"""Only the last words on either side are compared: some 20 s of speech."""
LONGEST_WORD = 40
"""Longer words are cut at this many letters."""
_MOST_SIGNS = 4_000
"""Only the end of a text is read for its last words."""


class Audible:
    """A record of which texts were audible when, in seconds of any one clock. Keeps the last 64 pieces."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[str, float, float]] = deque(maxlen=_KEPT)

    def note(self, text: str, start_s: float, end_s: float) -> None:
        """Note that `text` sounds from `start_s` to `end_s`, which may lie in the future (see `cut`)."""
        self._pieces.append((text, start_s, end_s))

    def begin(self, text: str, at_s: float) -> None:
        """Note that `text` begins to sound and the piece before it ends. It lasts until the next `begin` or `cut`."""
        self.cut(at_s)
        self.note(text, at_s, float("inf"))

    def cut(self, at_s: float) -> None:
        """Note that the reply was silenced at `at_s`: nothing sounded after that."""
        cut = [(text, start, min(end, at_s)) for text, start, end in self._pieces if start < at_s]
        self._pieces = deque(cut, maxlen=_KEPT)

    def between(self, start_s: float, end_s: float, *, margin_s: float = 0.5) -> str:
        """Return the complete text of all pieces that sounded then, or up to `margin_s` before or after, in order.

        Returns "" if the last of them ended more than `margin_s` before `end_s`: an echo stops with its source, whereas
        a user who repeats the reply's words speaks on.
        """
        found = [piece for piece in self._pieces if piece[1] < end_s + margin_s and piece[2] > start_s - margin_s]
        if not found or found[-1][2] < end_s - margin_s:
            return ""
        return " ".join(text for text, _, _ in found)


def repeats(transcript: str, audible: str) -> bool:
    """Whether `transcript` is only a piece, perhaps garbled, of `audible`: the text that was sounding meanwhile."""
    heard, played = _words(transcript), _words(audible)
    if not _enough(heard) or not played:
        return False
    matches = _aligned(heard, played)
    matched = sum(len(heard[i]) for i, _ in matches)
    if len(matches) < _LEAST_WORDS or matched < _SHARE * sum(map(len, heard)):
        return False
    return matches[-1][1] - matches[0][1] < _SPREAD * len(heard) + 1


def _words(text: str) -> list[str]:
    """Return the last words in lower case, without accents or punctuation; in scripts without spaces each sign is a
    word."""
    words: list[str] = []
    word: list[str] = []
    for sign in unicodedata.normalize("NFKD", text[-_MOST_SIGNS:].casefold())[-_MOST_SIGNS:]:
        kind = unicodedata.category(sign)
        if kind[0] == "M" or sign in "'’":
            continue
        if kind[0] in "LN" and not _is_spaceless(sign):
            word.append(sign)
            continue
        if word:
            words.append("".join(word[:LONGEST_WORD]))
            word = []
        if kind[0] in "LN":
            words.append(sign)
    if word:
        words.append("".join(word[:LONGEST_WORD]))
    return words[-MOST_WORDS:]


def _is_spaceless(sign: str) -> bool:
    """Whether the sign is of a script without spaces: Han, kana, Thai, Lao, Khmer or Burmese."""
    return (
        "\u0e00" <= sign <= "\u0eff"
        or "\u1000" <= sign <= "\u109f"
        or "\u1780" <= sign <= "\u17ff"
        or "\u3040" <= sign <= "\u30ff"
        or "\u3400" <= sign <= "\u9fff"
        or sign >= "\U00020000"
    )


def _enough(words: Sequence[str]) -> bool:
    """Whether the words are enough to be told from an answer that happens to use the reply's words."""
    signs = sum(_is_spaceless(word[0]) for word in words)
    if signs > len(words) // 2:
        return signs >= _LEAST_SIGNS
    return len(words) >= _LEAST_WORDS and sum(map(len, words)) >= _LEAST_LETTERS


def _aligned(heard: Sequence[str], played: Sequence[str]) -> list[tuple[int, int]]:
    """Align two texts: return pairs of positions of similar words, ascending on both sides, so that the matching words
    of `heard` have the most letters.
    """
    similar = _similarities(heard, played)
    best: list[list[int]] = [[0] * (len(played) + 1) for _ in range(len(heard) + 1)]
    for i in range(len(heard) - 1, -1, -1):
        below, row, alike, size = best[i + 1], best[i], similar[i], len(heard[i])
        for j in range(len(played) - 1, -1, -1):
            most = below[j] if below[j] > row[j + 1] else row[j + 1]
            if alike[j] and below[j + 1] + size > most:
                most = below[j + 1] + size
            row[j] = most
    pairs, i, j = [], 0, 0
    while i < len(heard) and j < len(played):
        # Match as early as that costs no letters: so the last match is as near to the first as the order allows.
        if similar[i][j] and best[i][j] == best[i + 1][j + 1] + len(heard[i]):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
    return pairs


def _similarities(heard: Sequence[str], played: Sequence[str]) -> list[list[bool]]:
    """For each word of `heard`, which words of `played` are similar to it."""
    distinct = list(dict.fromkeys(played))
    places = [distinct.index(word) for word in played]
    lanes = _Lanes(distinct)
    rows: dict[str, list[bool]] = {}
    for word in heard:
        if word not in rows:
            shared = lanes.in_common(word) if len(word) >= _LEAST_GARBLED else [0] * len(distinct)
            alike = [
                word == other
                or (
                    min(len(word), len(other)) >= _LEAST_GARBLED
                    and 2 * common >= _SIMILARITY * (len(word) + len(other))
                )
                for other, common in zip(distinct, shared, strict=True)
            ]
            rows[word] = [alike[place] for place in places]
    return [rows[word] for word in heard]


class _Lanes:
    """Words side by side in one large integer, each in a lane of its own, so that the length of the longest common
    subsequence with another word is computed for all of them at once (Hyyrö, "Bit-parallel LCS-length computation
    revisited", 2004)."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._wide = max(map(len, words), default=0) + 1  # a bit for the carry
        self._bits: dict[str, int] = {}
        self._all = 0
        for number, word in enumerate(words):
            for place, letter in enumerate(word):
                bit = 1 << (number * self._wide + place)
                self._bits[letter] = self._bits.get(letter, 0) | bit
                self._all |= bit

    def in_common(self, word: str) -> list[int]:
        """For each of the words, the length of its longest common subsequence with `word`."""
        row = self._all
        for letter in word:
            matched = row & self._bits.get(letter, 0)
            row = ((row + matched) | (row - matched)) & self._all
        lane = (1 << self._wide) - 1
        return [
            len(word) - (row >> (number * self._wide) & lane).bit_count() for number, word in enumerate(self._words)
        ]
