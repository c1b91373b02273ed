"""Words whose full stop doesn't end a sentence.

Small on purpose: a cut too few costs nothing, one too many is heard. Before a small letter no sentence begins, so the
lists matter only where the next word begins with a capital or a digit.
"""

from __future__ import annotations

_ALWAYS = {
    "en": "dr mr mrs ms mx prof rev hon gov sen rep gen col lt sgt capt st mt ft jr sr vs viz approx dept est "
    "inc ltd co corp bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri",
    "de": "dr prof hr fr frl st str bzw ca evtl ggf inkl exkl sog usw vgl zzgl geb abs tel mio mrd max min z.b d.h u.a",
    "fr": "m mm mme mlle dr pr st ste cf env av bd",
    "es": "sr sra srta dr dra ud uds avda pág",
    "it": "sig dott ing avv prof",
    "pt": "sr sra dr dra prof av",
    "nl": "dhr mevr mw dr drs ir ing prof bijv blz ca",
}
_NUMBERED = "no nos nr fig figs p pp pg vol ch sec art bd núm n eq ver"
_BEFORE_A_NUMBER = frozenset(_NUMBERED.split())
_ENDING = frozenset({"etc", "a.m", "p.m", "usw"})
"""May well end a sentence."""
_ORDINALS = frozenset(
    {"de", "da", "nb", "nn", "no", "fi", "cs", "sk", "pl", "hu", "et", "lv", "sl", "hr", "sr", "tr", "is"}
)
"""Languages that write `5.` for the fifth."""


class Abbreviations:
    """Those of a language, or of all that are known here where it isn't given."""

    def __init__(self, language: str | None) -> None:
        code = (language or "").partition("-")[0].lower()
        lists = [_ALWAYS[code]] if code in _ALWAYS else list(_ALWAYS.values()) if not code else []
        self._always = frozenset(word for words in lists for word in words.split()) - _ENDING
        self._ordinals = code in _ORDINALS

    def go_on(self, word: str, after: str) -> bool:
        """Whether a sentence goes on after `word` (without its full stop) and before the character `after`."""
        lower = word.lower()
        if lower in _ENDING:
            return False
        if lower in self._always or (lower in _BEFORE_A_NUMBER and after.isdigit()):
            return True
        if word.isdigit():
            return self._ordinals and len(word) <= 2
        letters = word.split(".")
        initials = all(len(part) == 1 and part.isalpha() for part in letters)
        return initials and (len(letters) > 1 or (word.isupper() and word != "I"))
