"""Word errors: texts in a form in which they can be compared, and what of them is replaced, lost or added. Pure.

Writing is not an error. Both texts are lowered, and these count as the same:

    case and punctuation    "Please, hold." and "please hold"
    contractions            "I'm", "can't" and "I am", "cannot"
    numerals and symbols    "2", "21st", "7:30", "50 %" and "two", "twenty first", "seven thirty", "fifty percent"
    one word or several     "log-in", "log in" and "login"; "P.B.X." and "PBX"
    a few spellings         "OK" and "okay", "cancelled" and "canceled"
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_POWERS = ((1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_LARGE = frozenset(name for _, name in _POWERS)
_NUMBERS = frozenset((*_SMALL, *_TENS))
_SYMBOLS = {
    "*": "star", "#": "pound", "&": "and", "%": "percent", "@": "at", "+": "plus", "=": "equals", "°": "degrees",
}  # fmt: skip
_MONEY = {"$": "dollars", "€": "euros", "£": "pounds"}
_SPELLINGS = {
    "ok": "okay", "cancelled": "canceled", "cancelling": "canceling", "dialled": "dialed", "centre": "center",
    "colour": "color", "grey": "gray", "mr": "mister", "mrs": "missus", "dr": "doctor",
    "thru": "through", "cannot": "can not", "alright": "all right",
}  # fmt: skip
_IRREGULAR = {"won't": "will not", "can't": "can not", "shan't": "shall not", "ain't": "am not", "let's": "let us"}
_IS = "it|that|he|she|what|there|here|who|where|how|when|everything|nothing|something|everybody|nobody"
_CONTRACTIONS = (
    (re.compile(rf"\b({_IS})'s\b"), r"\1 is"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'m\b"), " am"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'ll\b"), " will"),
    (re.compile(r"'ve\b"), " have"),
    (re.compile(r"'d\b"), " would"),
)
_INITIALS = re.compile(r"\b(?:[a-z]\.){2,}|\b(?:[a-z]\.)+[a-z]\b")
_AMOUNT = re.compile(r"([$€£])(\d[\d,]*(?:\.\d+)?)")
_NUMERAL = re.compile(r"\d[\d,]*(?::\d\d|\.\d+)?(?:st|nd|rd|th)?(?![a-z])|\d+")
_JOINED = 6
"""The most words that may be written as one on the other side."""


def words_of(text: str, *, by_digit: bool = False) -> tuple[str, ...]:
    """The words of a text in the form in which they are compared. `by_digit`: "500" is read as "five zero zero"."""
    plain = text.lower().replace("’", "'").replace("‘", "'").replace("`", "'")
    plain = _INITIALS.sub(lambda found: found[0].replace(".", ""), plain)
    for whole, parts in _IRREGULAR.items():
        plain = plain.replace(whole, parts)
    for pattern, parts in _CONTRACTIONS:
        plain = pattern.sub(parts, plain)
    plain = _AMOUNT.sub(lambda found: f"{found[2]} {_MONEY[found[1]]}", plain)
    plain = _NUMERAL.sub(lambda found: f" {_spelled(found[0], by_digit=by_digit)} ", plain)
    plain = re.sub(r"(?<=[a-z])\.(?=[a-z])", " dot ", plain)
    plain = re.sub(r"[*#&%@+=°]", lambda found: f" {_SYMBOLS[found[0]]} ", plain)
    found = re.findall(r"[^\W\d_]+", plain.replace("'", ""))
    return tuple(_without_and(" ".join(_SPELLINGS.get(word, word) for word in found).split()))


def _without_and(words: Sequence[str]) -> Iterator[str]:
    """The words, without an "and" inside a number ("one hundred and five")."""
    for at, word in enumerate(words):
        inside = 0 < at < len(words) - 1 and words[at - 1] in _LARGE and words[at + 1] in _NUMBERS
        if word == "and" and inside:
            continue
        yield word


def _spelled(numeral: str, *, by_digit: bool) -> str:
    """A numeral as it is read aloud."""
    ordinal = numeral[-2:] in ("st", "nd", "rd", "th")
    whole, mark, rest = (numeral[:-2] if ordinal else numeral).partition(".")
    if mark:
        return f"{_cardinal(whole)} point {_digits(rest)}"
    if ":" in whole:
        hour, _, minute = whole.partition(":")
        return _cardinal(hour) + ("" if minute == "00" else f" {_minutes(minute)}")
    if ordinal:
        return _ordinal(_cardinal(whole))
    return _digits(whole) if by_digit else _cardinal(whole)


def _minutes(digits: str) -> str:
    return f"oh {_SMALL[int(digits)]}" if digits[0] == "0" else _cardinal(digits)


def _digits(digits: str) -> str:
    return " ".join(_SMALL[int(digit)] for digit in digits if digit != ",")


def _cardinal(digits: str) -> str:
    """A whole number in words. What can't be a quantity is read digit by digit; what may be a year, in pairs."""
    plain = digits.replace(",", "")
    if (plain[0] == "0" and len(plain) > 1) or len(plain) > 12:
        return _digits(plain)
    number = int(plain)
    if 1100 <= number <= 1999 and number % 100 and plain == digits:
        return f"{_below(number // 100)} {_minutes(digits[2:])}"
    return _below(number)


def _below(number: int) -> str:
    for power, name in _POWERS:
        if number >= power:
            rest = f" {_below(number % power)}" if number % power else ""
            return f"{_below(number // power)} {name}{rest}"
    if number < 20:
        return _SMALL[number]
    rest = f" {_SMALL[number % 10]}" if number % 10 else ""
    return _TENS[number // 10] + rest


def _ordinal(words: str) -> str:
    *before, last = words.split()
    if last in _ORDINALS:
        return " ".join((*before, _ORDINALS[last]))
    return " ".join((*before, f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"))


@dataclass(frozen=True, slots=True)
class Difference:
    """A word that was said, and what was heard in its place; either may be empty."""

    said: str
    heard: str

    def __str__(self) -> str:
        return f"{self.said or '-'} → {self.heard or '-'}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A text that was said, compared with what was heard."""

    words: int
    """The number of words that were said."""
    differences: Sequence[Difference]

    @property
    def errors(self) -> int:
        """The number of words replaced, lost and added."""
        return len(self.differences)


def compare(said: str, heard: str) -> Comparison:
    """Compare two texts. Of the ways in which their numerals can be read, the ones that agree best count."""
    spoken = dict.fromkeys(words_of(said, by_digit=way) for way in (False, True))
    written = dict.fromkeys(words_of(heard, by_digit=way) for way in (False, True))
    found = [Comparison(len(a), differences(a, b)) for a in spoken for b in written]
    return min(found, key=lambda comparison: comparison.errors)


def differences(said: Sequence[str], heard: Sequence[str]) -> list[Difference]:
    """The fewest differences between two lists of words, in order."""
    # least[i][j]: the fewest errors from the words `i` and `j` on, and how many words the first step takes of each.
    least: list[list[tuple[int, int, int]]] = [[(0, 0, 0)] * (len(heard) + 1) for _ in range(len(said) + 1)]
    for i in range(len(said), -1, -1):
        for j in range(len(heard), -1, -1):
            steps = [(least[i + a][j + b][0] + cost, a, b) for a, b, cost in _steps(said, heard, i, j)]
            least[i][j] = min(steps, default=(0, 0, 0))
    found, i, j = [], 0, 0
    while (i, j) != (len(said), len(heard)):
        total, a, b = least[i][j]
        if least[i + a][j + b][0] != total:
            found.append(Difference(" ".join(said[i : i + a]), " ".join(heard[j : j + b])))
        i, j = i + a, j + b
    return found


def _steps(said: Sequence[str], heard: Sequence[str], i: int, j: int) -> Iterator[tuple[int, int, int]]:
    """The steps that are possible from words `i` and `j` on: how many words they take of each text, and their cost."""
    if i < len(said):
        yield 1, 0, 1
    if j < len(heard):
        yield 0, 1, 1
    if i < len(said) and j < len(heard):
        yield 1, 1, int(said[i] != heard[j])
        for count in range(2, _JOINED + 1):
            if "".join(said[i : i + count]) == heard[j] and i + count <= len(said):
                yield count, 1, 0
            if "".join(heard[j : j + count]) == said[i] and j + count <= len(heard):
                yield 1, count, 0
