"""Abbreviations: words whose full stop doesn't end a sentence.

The lists are short on purpose: a missed sentence end does no harm, but a wrong cut is audible. They matter only where
the next word begins with a capital letter or a digit: before a small letter no sentence begins.
"""

from __future__ import annotations

_ALWAYS = {
    "en": "dr mr mrs ms mx prof rev hon gov sen rep gen col lt sgt capt st mt ft jr sr vs viz approx dept est "
    "inc ltd co corp bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri",
    "de": "dr prof hr fr frl st str bzw ca evtl ggf inkl exkl sog usw vgl zzgl geb abs tel mio mrd max min chr "
    "bspw ggfs kap std jh jhd z.b d.h u.a",
    "fr": "m mm mme mlle dr pr st ste cf env av bd",
    "es": "sr sra srta dr dra ud uds avda pág ej ee",
    "it": "sig dott ing avv prof",
    "pt": "sr sra dr dra prof av",
    "nl": "dhr mevr mw dr drs ir ing prof bijv blz ca",
}
_SPACED = {"de": "adinosuvz", "es": "ad", "it": "ad", "pt": "ad"}
"""Single small letters of abbreviations that are written with a space: `z. B.`, `i. d. R.`, `n. Chr.`, `a. C.`"""
_NUMBERED = "no nos nr fig figs p pp pg vol ch sec art bd núm n eq ver"
_BEFORE_A_NUMBER = frozenset(_NUMBERED.split())
"""Abbreviations only before a number, such as `No. 5`."""
_ENDING = frozenset({"etc", "a.m", "p.m", "usw"})
"""Abbreviations that may also end a sentence; they are treated as its end."""
_ORDINALS = frozenset(
    {"de", "da", "nb", "nn", "no", "fi", "cs", "sk", "pl", "hu", "et", "lv", "sl", "hr", "sr", "tr", "is"}
)
"""Languages that write ordinal numbers with a full stop: `5.` is "fifth"."""


class Abbreviations:
    """The abbreviations of a language; of all languages listed here if none is given."""

    def __init__(self, language: str | None) -> None:
        code = (language or "").partition("-")[0].lower()
        always = _ALWAYS.get(code, "") if code else " ".join(_ALWAYS.values())
        self._always = frozenset(always.split()) - _ENDING
        self._ordinals = code in _ORDINALS
        self._spaced = frozenset(_SPACED.get(code, ""))

    def go_on(self, word: str, *, after: str) -> bool:
        """Whether the sentence goes on after `word` and its full stop. `word` comes without that full stop; `after` is
        the next character that is not a space."""
        lower = word.lower()
        if lower in _ENDING:
            return False
        if word in self._spaced or lower in self._always or (lower in _BEFORE_A_NUMBER and after.isdigit()):
            return True
        if word.isdigit():
            return self._ordinals and len(word) <= 2
        letters = word.split(".")
        initials = all(len(part) == 1 and part.isalpha() for part in letters)
        return initials and (len(letters) > 1 or (word.isupper() and word != "I"))
