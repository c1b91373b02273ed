"""English letter-to-sound rules: the pronunciation of a word that no dictionary has. Pure.

The notation is that of `sound_distance`. The rules are right in the consonants of nearly all words and near in the
vowels of most, which is what a comparison by sound needs. They follow H. S. Elovitz and others, "Automatic translation
of English text to phonetics by means of letter-to-sound rules" (Naval Research Laboratory, 1976), much shortened.
"""

from __future__ import annotations

import re
import unicodedata

_NAMES = """
a:E b:bi c:si d:di e:i f:ef g:Ji h:EC i:Y j:JE k:kE l:el m:em n:en o:o p:pi q:kyu r:Ar s:es t:ti u:yu v:vi w:dxbxlyu
x:eks y:wY z:zi 0:ziro 1:wxn 2:tu 3:Tri 4:for 5:fYv 6:sIks 7:sevxn 8:Et 9:nYn
"""
NAMES = dict(name.split(":") for name in _NAMES.split())
"""How letters and digits are called."""

_PLAIN = {"ß": "ss", "æ": "e", "œ": "e", "ø": "o", "đ": "d", "ð": "th", "þ": "th", "ł": "l", "ı": "i"}
_SILENT_E = "(?=[bcdfgklmnpstvz]e(?:s|d)?$)"
_RULES = rf"""
^kn n | ^gn n | ^wr r | ^ps s | ^pn n | ^x z | ^rh r | ^gh g | ^who hu | wh w
augh O | au O | aw O | ai E | ay E | are$ er | all Ol | al(?=k) O | age$ IJ | (?<=w)a(?=[nst]) A | ar(?![aeiour]) Ar
a(?=tion|sion|cian) E | a(?=[bcdfgklmnpstvz]e) E | a(?=[bcdfgklmnpstvz]ing$) E | aa A | ae i | ah A | a$ x | a a
bb b | (?<=m)b$ - | b b
tch C | sch(?=[aeiou]) sk | sch S | chr kr | ch C | ck k | cc(?=[eiy]) ks | cc k | ci(?=[ao]) S | c(?=[eiy]) s | c k
dge J | dg J | dj J | dd d | d d
eau o | eus$ ixs | e(?=o) i | eigh E | ee i | eer Ir | ear(?=[nlt]) xr | ea(?=d$|lth|ther|sure) e | ea i
ew yu | eu u | ey i | ei i
er(?![aeiour]) xr | (?<=[sxzc])es$ Iz | (?<=[td])ed$ Id | (?<=[^aeiouy])es$ z | (?<=[^aeiouy])ed$ d
e{_SILENT_E} i | (?<=[^aeiouy])le$ xl | e$ - | e e
ff f | f f
(?<=ou)gh$ f | gh - | gg g | gn$ n | gu(?=[eiy]) g | ge$ J | ^g(?=[ei][trv]) g | g(?=[eiy]) J | g g
(?<=[aeiou])h(?![aeiou]) - | h h
igh Y | ign$ Yn | ier ixr | ied$ id | ies$ iz | ie i | ing$ IN | i(?=nd$|ld$) Y | i{_SILENT_E} Y | ir(?![aeiour]) xr
ia ix | i(?=o) i | i$ i | i(?=[aeou]) i | i I
j J | k k | ll l | l l | mm m | m m | nn n | ng$ N | ng(?=s$) N | n(?=[kgq]) N | n n
ook Uk | oo u | ould Ud | ought Ot | ough o | ous$ xs | our Or | ou W | ow$ o | ow W | oy V | oi V | oa o | oe$ o
or(?![aeiour]) Or | o(?=[bcdfgklmnpstvz]e) o | o(?=ld|lt|lk|ll$|st$) o | o$ o | o(?=[aeiu]) o | o A
ph f | pp p | p p | que$ k | qu kw | q k | rr r | r r
sh S | ssion Sxn | (?<=[aeiou])sion Zxn | sion Sxn | (?<=[aeiou])sure$ Zxr | sc(?=[eiy]) s | ss s
(?<=[aeiou])se$ z | (?<=[bdgvmnlraeiouy])s$ z | s s
tion Sxn | ture$ Cxr | th T | tt t | t t
u{_SILENT_E} u | ue$ u | ui(?![aeo]) u | ur(?![aeiour]) xr | ^u(?=ni) yu | u(?=[bdgkmnpt][aeiou]) u | u$ u
u(?=[aeio]) w | u x
v v | wr r | w w | x ks
^y y | y(?=[aeiou]) y | y{_SILENT_E} Y | y$ i | y I
zz z | z z
"""
_PAIRS = [rule.split() for line in _RULES.strip().splitlines() for rule in line.split(" | ")]
_SOUNDS = [sounds.replace("-", "") for _, sounds in _PAIRS]
_RULE = re.compile("|".join(f"({letters})" for letters, _ in _PAIRS))
_ONLY_VOWEL_LAST = re.compile("([^aeiouy]+)([ey])")


def plain(word: str) -> str:
    """The word in lower case and in the letters a to z and digits, without accents; other scripts are left out."""
    folded = "".join(_PLAIN.get(char, char) for char in unicodedata.normalize("NFKD", word.casefold()))
    return "".join(char for char in folded if char.isascii() and char.isalnum())


def by_rules(word: str) -> str:
    """The pronunciation of a `plain` word by the rules of spelling; digits by their names."""
    only = _ONLY_VOWEL_LAST.fullmatch(word)
    if only:
        return by_rules(only[1]) + ("i" if only[2] == "e" else "Y")
    found = []
    at = 0
    while at < len(word):
        rule = _RULE.match(word, at)
        if rule is None:
            found.append(NAMES.get(word[at], ""))
            at += 1
            continue
        found.append(_SOUNDS[(rule.lastindex or 1) - 1])
        at = rule.end()
    return "".join(found)


def letter_names(word: str) -> str:
    """The pronunciation of a `plain` word that is spelled out, as GPU is."""
    return "".join(NAMES.get(char, "") for char in word)
