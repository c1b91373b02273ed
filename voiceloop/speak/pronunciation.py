"""Pronunciation: English text as it is read aloud, where hibari would read it wrongly. Pure.

hibari itself reads times, dates, prices, ordinals, most units and abbreviations rightly: those are left to it. Mended
here are addresses, files, versions, numbers that are read digit by digit, ranges, missing units, and some names. The
rules are applied one after the other, from the most to the least specific.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voiceloop.speak.writing_scripts import latin

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is looked for, and what is read instead."""

    pattern: re.Pattern[str]
    replacement: Replacement


def _rule(pattern: str, replacement: Replacement, flags: re.RegexFlag = re.NOFLAG) -> Rule:
    return Rule(re.compile(pattern, flags), replacement)


_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_DOMAINS = "com|org|net|edu|gov|io|co|uk|de|fr|info|biz|us|ca|au|tv|me|dev|app|ai|eu|ch|at|nl|it|es|local"
_FILES = (
    "py|js|ts|c|h|cpp|rs|go|java|rb|sh|md|txt|rst|toml|yaml|yml|json|xml|html|css|csv|sql|cfg|conf|ini|log|lock|env|"
    "pdf|png|jpg|jpeg|gif|svg|wav|mp3|mp4|ogg|zip|gz|tar|deb|exe|so|onnx|docx|xlsx|service|bashrc"
)
_SIGNS = {
    "/": "slash",
    "\\": "backslash",
    ".": "dot",
    ":": "colon",
    "_": "underscore",
    "~": "tilde",
    "-": "dash",
    "+": "plus",
}
"""Signs inside of addresses and paths."""
_UNITS = {
    "µs": ("microsecond", "microseconds"),
    "μs": ("microsecond", "microseconds"),
    "s": ("second", "seconds"),
    "h": ("hour", "hours"),
    "m": ("meter", "meters"),
    "V": ("volt", "volts"),
    "A": ("amp", "amps"),
    "W": ("watt", "watts"),
    "dB": ("decibel", "decibels"),
    "KiB": ("kibby byte", "kibby bytes"),
    "MiB": ("mebby byte", "mebby bytes"),
    "GiB": ("gibby byte", "gibby bytes"),
    "kbit": ("kilobit", "kilobits"),
    "Mbit": ("megabit", "megabits"),
    "Gbit": ("gigabit", "gigabits"),
}
"""Units that hibari does not know."""
_RATES = (
    {"kB": "kilobytes", "MB": "megabytes", "GB": "gigabytes", "KB": "kilobytes"}
    | {unit: plural for unit, (_, plural) in _UNITS.items()}
    | {"kb": "kilobits", "Mb": "megabits", "Gb": "gigabits"}
)
_PER = {"s": "second", "min": "minute", "h": "hour"}
_CURRENCIES = {
    "$": ("dollar", "dollars", "cents"),
    "US$": ("US dollar", "US dollars", "cents"),
    "€": ("euro", "euros", "cents"),
    "£": ("pound", "pounds", "pence"),
    "USD": ("dollar", "dollars", "cents"),
    "EUR": ("euro", "euros", "cents"),
    "GBP": ("pound", "pounds", "pence"),
}
_SCALES = {"k": "thousand", "K": "thousand", "m": "million", "M": "million", "b": "billion", "B": "billion"} | {
    "bn": "billion",
    "tn": "trillion",
}
_DAYS = {
    "Mon": "Monday",
    "Tue": "Tuesday",
    "Wed": "Wednesday",
    "Thu": "Thursday",
    "Fri": "Friday",
    "Sat": "Saturday",
    "Sun": "Sunday",
}
_OPERATORS = {"≥": "at least", "≤": "at most", "≠": "is not", "≈": "about", "⇒": "so", "↔": "and", "←": "from"}
_NAMES = {
    "JSON": "Jason",
    "YAML": "yammel",
    "JSONL": "Jason L",
    "C#": "C sharp",
    "F#": "F sharp",
    "PostgreSQL": "Postgres Q L",
    "README": "read me",
    "TODO": "to do",
    "Ctrl": "Control",
    "nginx": "engine X",
    "chmod": "change mod",
    "kubectl": "cube control",
    "PyPI": "pie P I",
    "IPv4": "I P V 4",
    "IPv6": "I P V 6",
    "2FA": "2 F A",
    "stdin": "standard in",
    "stdout": "standard out",
    "stderr": "standard error",
    "e.g.": "for example",
    "i.e.": "that is",
    "24/7": "24 7",
    "and/or": "and or",
}
"""Names and words that hibari reads wrongly, and what is read instead."""


def _signs(text: str) -> str:
    """An address or a path with its signs in words."""
    words = "".join(f" {_SIGNS[char]} " if char in _SIGNS else char for char in text)
    return " ".join(words.split())


def _spelled(text: str) -> str:
    """Digits and letters one by one, in groups of three or four."""
    size = 4 if len(text) % 4 == 0 else 3
    groups = [text[at : at + size] for at in range(0, len(text), size)]
    return ", ".join(" ".join(group.upper()) for group in groups)


def _email(match: re.Match[str]) -> str:
    return f"{_signs(match[1])} at {_signs(match[2])}"


def _path(match: re.Match[str]) -> str:
    return _signs(match[0])


def _file(match: re.Match[str]) -> str:
    """The name of a file; what its ending has no vowels for is spelled."""
    name, _, ending = match[0].rpartition(".")
    return f"{_signs(name)} dot {ending if set(ending) & set('aeiouy') else ending.upper()}".lstrip()


def _version(match: re.Match[str]) -> str:
    """`v2.0`, `3.11.2`: each number by itself."""
    return ("version " if match[1] else "") + match[2].replace(".", " point ")


def _long_number(match: re.Match[str]) -> str:
    """Digits one by one, if there are more than people say as a number, or if they begin with a zero."""
    digits = match[0].replace(",", "")
    if "," in match[0] and len(digits) <= _LONGEST_NUMBER:
        return match[0]
    round_number = digits[0] != "0" and not digits[1:].strip("0") and len(digits) <= _LONGEST_NUMBER
    return digits if round_number else _spelled(digits)


_LONGEST_NUMBER = 15
"""Digits: up to hundreds of trillions. Longer ones are read digit by digit."""


def _hex(match: re.Match[str]) -> str:
    return ", ".join(_spelled(group) for group in match[0].split("-"))


def _phone(match: re.Match[str]) -> str:
    """A telephone number: digits one by one, a pause where it has a sign."""
    groups = re.findall(r"\d+", match[0])
    return ("plus " if match[0].startswith("+") else "") + ", ".join(" ".join(group) for group in groups)


def _number_of(words: tuple[str, str], number: str) -> str:
    return f"{number} {words[number != '1']}"


def _unit(match: re.Match[str]) -> str:
    return _number_of(_UNITS[match[2]], match[1])


def _rate(match: re.Match[str]) -> str:
    return f"{match[1]} {_RATES[match[2]]} per {_PER[match[3]]}"


def _price(match: re.Match[str]) -> str:
    """`5 €`, `5 USD`: the currency after the number."""
    return _amount(match[1], match[2])


def _sum(match: re.Match[str]) -> str:
    """`$5`, `-$3.50`, `$1.5 million`, `$5M`: the currency before the number."""
    minus, currency, number, scale = match.groups()
    if scale is not None:
        return f"{minus and 'minus '}{number} {_SCALES.get(scale, scale)} {_CURRENCIES[currency][1]}"
    return f"{minus and 'minus '}{_amount(number, currency)}"


def _amount(number: str, currency: str) -> str:
    one, many, hundredths = _CURRENCIES[currency]
    whole, _, part = number.partition(".")
    if len(part) != 2:
        return _number_of((one, many), number)
    if whole == "0":
        return f"{int(part)} {hundredths}"
    return _number_of((one, many), whole) + (f" and {int(part)} {hundredths}" if int(part) else "")


def _prices(match: re.Match[str]) -> str:
    """`$5-10`, `$5–$10`."""
    return f"{match[2]} to {match[3]} {_CURRENCIES[match[1]][1]}"


def _days(match: re.Match[str]) -> str:
    return f"{_DAYS[match[1]]} to {_DAYS[match[2]]}"


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _address(match: re.Match[str]) -> str:
    """An IP address, with its port."""
    return match[1].replace(".", " dot ") + (f" port {match[2]}" if match[2] else "")


def _host(match: re.Match[str]) -> str:
    return _signs(match[0].partition("/")[0])


def _measure(match: re.Match[str]) -> str:
    return _number_of(_UNITS[match[0][len(match[1]) :].strip()], match[1])


_SCALE = "hundred|thousand|million|billion|trillion|[kKmMbB]|bn|tn"
_END = r"(?![\w/])"
_ALONE = r"(?<![\w./-])"
_WORDS_OF_UNITS = "µs|μs|dB|[KMG]iB|[kMG]bit"
_LETTERS = r"[smhV]|[AW](?=[,;)]|\.?$| (?:and|or) )"
RULES = (
    _rule("`+|[\\u200b\\u200d\\ufe0f]", ""),
    _rule(r"[\x00-\x1f\x7f-\x9f¹]", " "),  # hibari fails at ¹
    _rule(r"[\[{]", "("),
    _rule(r"[\]}]", ")"),
    # Addresses and files.
    _rule(r"(?<![\w.])([\w.+-]+)@((?:[\w-]+\.)+[a-z]{2,})", _email, re.IGNORECASE),
    _rule(r"\b[a-z]+://(?:www\.)?([\w.-]*\w)(?::\d+)?(?:[/?#][^\s,;)]*?)?(?=[.,;:!?)]*(?:\s|$))", r"\1", re.IGNORECASE),
    _rule(r"\bwww\.(?=\w)", "", re.IGNORECASE),
    _rule(r"(?<![\w.])((?:\d{1,3}\.){3}\d{1,3})(?::(\d+))?(?![\w.]*\d)", _address),
    _rule(rf"(?<![\w.@/])(?:[A-Za-z0-9][\w-]*\.)+(?:{_DOMAINS})(?:/[\w./?=&%-]*\w)?\b", _host),
    _rule(r"(?<![\w.])(?:~|\.{1,2})?(?:/[\w.+-]*\w)+/?(?![\w/])", _path),
    _rule(r"\b[A-Z]:(?:\\[\w.-]*\w)+", _path),
    _rule(rf"(?<![\w/])(?:[\w-]+/)*[\w-]*\w(?:\.\w+)*\.(?:{_FILES})(?![\w.]*\w)", _file),
    _rule(r"(?<![\w-])--?(?=[a-z])", "dash ", re.IGNORECASE),
    # Quantities.
    _rule(rf"{_ALONE}({_NUMBER}) ?({_any(_RATES)})/({_any(_PER)}){_END}", _rate),
    _rule(rf"{_ALONE}({_NUMBER}) ?([kMG]b)p(s)\b", _rate),
    # A letter alone may be something else: "9 A.M.", "5 A day", "$20 m".
    _rule(rf"(?<![$€£]){_ALONE}({_NUMBER})(?: ?(?:{_WORDS_OF_UNITS})| (?:{_LETTERS}))(?![\w/'²³]|\.\w)", _measure),
    _rule(rf"([$€£])({_NUMBER}) ?[-–] ?\1?({_NUMBER})(?![\w]|\.\d)", _prices),
    _rule(rf"(-?)(\bUS\$|(?<![A-Za-z])\$|€|£)({_NUMBER})(?: ?({_SCALE})\b)?", _sum),
    _rule(rf"{_ALONE}({_NUMBER}) ?([€£$]|USD\b|EUR\b|GBP\b)", _price),
    _rule(r"(?<=\d)'(?=\d{1,2}\b)", " foot "),
    _rule(r"(?<=\d)_(?=\d{3})", ","),
    _rule(rf"\b({_any(_DAYS)})[-–]({_any(_DAYS)})\b", _days),
    _rule(r"\bp\. ?(?=\d)", "page "),
    _rule(r"(?<=\d)[–—](?=\d{1,2}:\d\d)", " to "),
    _rule(r"(?<=\d) ?– ?(?=\d)", " to "),
    # Numbers that are no quantities.
    _rule(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\b", r"\1, \2"),
    _rule(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", _hex, re.IGNORECASE),
    _rule(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{10,}\b", _hex, re.IGNORECASE),
    _rule(r"(?<![\w.])(?:version )?(v)(\d+(?:\.\d+)*)(?![\w.]*\d)", _version, re.IGNORECASE),
    _rule(r"(?<![\w.])[1-9]\d{0,2}(?:\.000)+(?![\w]|\.\d)", lambda m: m[0].replace(".", ",")),
    _rule(r"(?<![\w.,] )(?<![\w.])[1-9]\d{0,2}(?: \d{3}){2,}(?![\w]| \d)", lambda m: m[0].replace(" ", ",")),
    _rule(r"(?<![\w.])()(\d{1,3}(?:\.\d+){2,})(?![\w]|\.\d)", _version),
    _rule(r"(?<![\w.-])(?:\+\d{1,3}[ -]?)?\(\d{2,4}\)[ -]?\d{3,4}[ -]?\d{3,4}\b", _phone),
    _rule(r"(?<![\w.-])\+\d{1,3}(?:[ -]\d{2,4}){2,5}\b", _phone),
    _rule(r"(?<![\w.,-])0\d{2,4} \d{3,4} ?\d{3,4}\b", _phone),
    _rule(r"(?<![\w.,-])(?:\d{1,3}(?:,\d{3}){3,}|0\d{2,}|\d{8,})(?![\w,]|\.\d)", _long_number),
    # Operators.
    _rule(r"(?<=\d) [-−] (?=[\d.]+ ?=)", " minus "),
    _rule(r"(?<=\w) ?\* ?(?=\d)", " times "),
    _rule("|".join(_OPERATORS), lambda m: f" {_OPERATORS[m[0]]} "),
    # Names.
    _rule(rf"(?<![\w.])(?:{_any(_NAMES)})(?!\w)", lambda m: _NAMES[m[0]]),
    # A full stop after a range, a fraction or a telephone number: hibari would not know it for one.
    _rule(r"(?<=\d)([-/]\d+)\.(?=[\"')”’]*(?:\s|$))", r"\1 ."),
)
"""The rules, in the order in which they are applied."""


def spoken_form(text: str) -> str:
    """`text` as hibari is to be given it. Words in letters that it can't read are left out."""
    text = " ".join(latin(unicodedata.normalize("NFC", text)).split())
    for rule in RULES:
        text = rule.pattern.sub(rule.replacement, text)
    return " ".join(text.split())
