"""How English words and terms are said: common words by dictionary, the others by the rules of spelling, abbreviations
by their letters. Pure; the dictionary is read once, when the first word is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice, product

from voiceloop.transcribe.phonetics.english_sounds import NAMES, by_rules, letter_names, plain

MOST_FORMS = 16
"""Pronunciations of one term."""
_SPELLED = 5
"""Letters of the longest part in capitals that may be spelled out."""
_PART = re.compile(r"[^\W\d_a-z]{2,}(?=s?(?![a-z]))|[^\W\d_]?[^\W\d_A-Z]+|[^\W\d_]+|\d|[+#@&.]")
_SYMBOLS = {"+": "plus", "#": "sharp", "@": "at", "&": "and", ".": "dot"}
_SPOKEN = {
    "sql": "sequel",
    "ctl": "control",
    "kubectl": "cube control",
    "nginx": "engine x",
    "gnome": "guh nome",
    "jira": "jeera",
    "sudo": "soo doo",
    "regex": "reg ex",
    "postgres": "post gress",
    "kubernetes": "koober netties",
    "redis": "reddis",
    "qt": "cute",
    "py": "pie",
    "gui": "gooey",
    "wifi": "why fie",
    "linux": "linnux",
    "gnu": "guh new",
    "debian": "debby en",
    "versailles": "vair sigh",
    "edinburgh": "edin bruh",
    "gloucester": "gloster",
    "quinoa": "keen wah",
    "hyundai": "hun day",
    "goethe": "gerta",
    "nietzsche": "neecha",
    "dvorak": "dvor zhack",
    "tchaikovsky": "chy koff skee",
    "siobhan": "shiv awn",
    "hermione": "her my oh nee",
    "joaquin": "wah keen",
    "eilidh": "aylee",
    "xiaoming": "shyow ming",
}
"""Terms, or parts of terms, that are said otherwise than they are spelled."""
_ONSETS = """
bl br bh ch cl cr dh dr dw fl fr gh gl gn gr gw kh kl kn kr kw mc ph pl pr ps pt rh sc sh sk sl sm sn sp sq st sv sw
th tr ts tw vl vr wh wr zh
"""
"""Pairs of consonants with which a word can begin; before others the first letter is said by its name."""
_NO_VOWELS = re.compile("[^aeiouy]+")
_LETTER_FIRST = re.compile("([^aeiouy])[^aeiouy]")
_DAEMON = re.compile(".*[bcgkmpst]d")


@dataclass(frozen=True, slots=True)
class Form:
    """One pronunciation of a term. `spelled`: by the names of its letters."""

    sounds: str
    spelled: bool = False


@cache
def _dictionary() -> dict[str, str]:
    """The common words and their sounds; empty for those that are said by the rules."""
    text = files("voiceloop.transcribe.phonetics").joinpath("english_words.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {word: sounds for word, _, sounds in (line.partition(" ") for line in lines)}


@lru_cache(maxsize=4096)
def is_ordinary(word: str) -> bool:
    """Whether a word is one of the common words of English, or a plural or possessive of one."""
    lower = plain(word)
    return lower in _dictionary() or (lower.endswith("s") and lower[:-1] in _dictionary())


@lru_cache(maxsize=4096)
def said(word: str) -> str:
    """The pronunciation of a word as a recogniser wrote it; empty for a word without Latin letters or digits."""
    lower = plain(word)
    if len(lower) == 1:
        return "x" if word == "a" else letter_names(lower)
    if lower in _dictionary():
        return _word(lower)
    return "".join(_heard_part(part) for part in _PART.findall(word))


def said_as(spoken: str) -> Form:
    """The pronunciation of a phrase that the user has written for a term: `cube control`."""
    words = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", spoken)
    return Form("".join(said(word) for word in words), spelled=all(len(word) == 1 for word in words))


def forms(term: str) -> list[Form]:
    """The pronunciations that a term may have, at most `MOST_FORMS`, the likeliest first."""
    whole = plain(term)
    ways = [tuple(_part_forms(part)) for part in _PART.findall(term)]
    found = [said_as(_SPOKEN[whole])] if whole in _SPOKEN else []
    for parts in islice(product(*ways), MOST_FORMS - 2):
        found.append(Form("".join(part.sounds for part in parts), all(part.spelled for part in parts)))
    if len(ways) > 1 and term.isalnum():
        found.append(Form(_word(whole)))
    return list(dict.fromkeys(form for form in found if form.sounds))


def _heard_part(part: str) -> str:
    lower = plain(part)
    if len(lower) < 2 or _NO_VOWELS.fullmatch(lower) or (part.isupper() and len(part) <= 3):
        return letter_names(lower)
    return _word(lower)


def _part_forms(part: str) -> Iterator[Form]:
    """The pronunciations of a word or a run of capitals within a term, the likeliest first."""
    lower = plain(part)
    if len(lower) < 2:
        sounds = letter_names(lower) or _word(_SYMBOLS.get(part, ""))
        yield Form(sounds, spelled=lower.isalpha())
        return
    spelled = part.isupper() and len(part) <= _SPELLED
    if spelled or _NO_VOWELS.fullmatch(lower) or (part.islower() and len(part) == 3):
        yield Form(letter_names(lower), spelled=True)
    if len(lower) > 3 or not spelled:
        yield Form(_word(lower))
    if lower in _SPOKEN:
        yield said_as(_SPOKEN[lower])
    if not _NO_VOWELS.fullmatch(lower):
        yield from _mixed_forms(lower)


def _mixed_forms(word: str) -> Iterator[Form]:
    """The pronunciations of a name that can't be said as it is spelled: JSON, tmux, systemd."""
    first = _LETTER_FIRST.match(word)
    if first and word[:2] not in _ONSETS.split() and len(word) > 3 and word[0] != word[1]:
        yield Form(NAMES.get(word[0], "") + _word(word[1:]))
    if _DAEMON.fullmatch(word):
        yield Form(_word(word[:-1]) + NAMES["d"])


@lru_cache(maxsize=4096)
def _word(word: str) -> str:
    """The pronunciation of a `plain` word: by dictionary, as a compound of common words, or by rules."""
    dictionary = _dictionary()
    if word in dictionary:
        return dictionary[word] or by_rules(word)
    if word.startswith("py") and word[2:] in dictionary:
        return said(_SPOKEN["py"]) + _word(word[2:])
    splits = [at for at in range(len(word) - 3, 2, -1) if word[:at] in dictionary and word[at:] in dictionary]
    if splits:
        at = min(splits, key=lambda at: word[at - 1] == "s")  # wire-shark, not wires-hark
        return _word(word[:at]) + _word(word[at:])
    return by_rules(word)
