"""Abbreviations: words whose full stop doesn't end a sentence.

The lists are short on purpose: a missed sentence end does no harm, but a wrong cut is audible. They matter only where
the next word begins with a capital letter or a digit: before a small letter no sentence begins.
"""

from __future__ import annotations

_ALWAYS = {
    "en": "dr mr mrs ms mx prof rev hon gov sen rep gen col lt sgt capt st mt ft jr sr vs viz approx dept est "
    "inc ltd co corp bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri",
    "de": "dr mr prof hr fr frl st str bzw ca evtl ggf inkl exkl sog usw vgl zzgl geb abs tel mio mrd max min z.b d.h "
    "u.a allg bspw chr dipl-ing einschl entspr etc gegr ges gest ggfs hbf jh jhd jan feb aug sept okt nov dez mind nr "
    "kap österr resp s.o s.u std stellv tgl u.u urspr usf v.a v.chr n.chr verh wg z.t z.zt zzt zw",
    "fr": "m mm mme mlle dr pr st ste cf env av bd p.ex ex boul chap éd hab tél janv févr juil sept oct nov déc",
    "es": "sr sra srta dr dra ud uds avda pág p.ej ej dpto tel núm aprox art cap prof ee uu",
    "it": "sig sig.ra dott ing avv prof p.es ecc pag tel art cap geom gent spett",
    "pt": "sr sra dr dra prof av p.ex pág tel aprox núm art cap eng exmo exma",
    "nl": "dhr mevr mw dr drs ir ing prof bijv blz ca d.w.z o.a m.b.t t.o.v i.v.m a.u.b nr tel incl excl jl max min "
    "mln mld st",
    "sv": "dr prof t.ex bl.a d.v.s ca kl nr s.k m.m o.s.v jfr resp st tel",
    "da": "dr prof f.eks bl.a dvs ca kl nr s.k m.m osv jf hr fr tlf",
    "no": "dr prof f.eks bl.a dvs ca kl nr s.k m.m osv jf hr fr tlf",
    "pl": "dr prof np tzn tzw m.in godz ul al im inż mgr hab nr str pl tel woj św tj",
    "cs": "dr prof např tzv tzn mj atd apod ul č str tel ing mgr bc mudr judr phdr doc sv tj resp",
    "ru": "г гг ул им т.е т.к т.д т.п тыс млн млрд руб коп см стр напр др пр проф акад",
    "fi": "esim mm ks nk ns n tri prof klo puh",
    "hu": "dr pl kb stb ún prof id ifj",
    "tr": "dr prof av sn örn vb bkz no tel doç",
}
_SINGLE = {"de": "abdhinorstuvz", "fr": "p", "es": "adpq", "it": "ad", "pt": "ad"}
"""Small letters of abbreviations that are written in pieces: `z. B.`, `i. d. R.`, `p. ex.`, `a. C.`"""
_NUMBERED = "no nos nr fig figs p pp pg vol ch sec art bd núm n eq ver"
_BEFORE_A_NUMBER = frozenset(_NUMBERED.split())
"""Abbreviations only before a number, such as `No. 5`."""
_ENDING = frozenset({"etc", "a.m", "p.m", "usw"})
"""Abbreviations that may also end a sentence; they are treated as its end."""
_ORDINALS = frozenset(
    {"de", "da", "nb", "nn", "no", "fi", "cs", "sk", "pl", "hu", "et", "lv", "sl", "hr", "sr", "tr", "is"}
)
"""Languages that write ordinal numbers with a full stop: `5.` is "fifth"."""


_WESTERN = ("en", "de", "fr", "es", "it", "pt", "nl")
_WORDS = frozenset(["mind", "cap", "art", "max", "min", "ges", "ex", "chap", "tel", "st"])
"""Of these, the words of another language."""


class Abbreviations:
    """The abbreviations of a language; if none is given, those of seven that are no words of another."""

    def __init__(self, language: str | None) -> None:
        code = (language or "").replace("_", "-").partition("-")[0].lower()
        code = {"nb": "no", "nn": "no"}.get(code, code)
        known = " ".join(_ALWAYS[name] for name in _WESTERN).split()
        self._always = frozenset(_ALWAYS.get(code, "").split() if code else set(known) - _WORDS) - _ENDING
        self._single = frozenset(_SINGLE.get(code, ""))
        self._ordinals = code in _ORDINALS

    def go_on(self, word: str, *, after: str) -> bool:
        """Whether the sentence goes on after `word` and its full stop. `word` comes without that full stop; `after` is
        the next character that is not a space."""
        lower = word.lower()
        if lower in _ENDING:
            return False
        if lower in self._always or (lower in _BEFORE_A_NUMBER and after.isdigit()):
            return True
        if word in self._single:
            return True
        if word.isdigit():
            return self._ordinals and len(word) <= 2
        letters = word.split(".")
        initials = all(len(part) == 1 and part.isalpha() for part in letters)
        return initials and (len(letters) > 1 or (word.isupper() and word != "I"))

    def may_end(self, word: str) -> bool:
        """Whether `word` is an abbreviation that may end a sentence, or stand within one."""
        return word.lower() in _ENDING
