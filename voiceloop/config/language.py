"""Languages as the config names them: BCP 47 tags (`en`, `pt-BR`, `zh-TW`). Pure.

A transcriber's request has the language alone (`language_code`). Voices and abbreviations get the whole tag.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

AUTO = "auto"
"""What many programs write for "detect it"; the same as leaving the key out."""
_TAG = re.compile(r"multi|[a-z]{2,3}([-_][a-z0-9]{1,8})*", re.IGNORECASE)
"""`multi` is what Deepgram calls several languages."""
_CODES = frozenset(
    [
        "aa",
        "ab",
        "ae",
        "af",
        "ak",
        "am",
        "an",
        "ar",
        "as",
        "av",
        "ay",
        "az",
        "ba",
        "be",
        "bg",
        "bh",
        "bi",
        "bm",
        "bn",
        "bo",
        "br",
        "bs",
        "ca",
        "ce",
        "ch",
        "co",
        "cr",
        "cs",
        "cu",
        "cv",
        "cy",
        "da",
        "de",
        "dv",
        "dz",
        "ee",
        "el",
        "en",
        "eo",
        "es",
        "et",
        "eu",
        "fa",
        "ff",
        "fi",
        "fj",
        "fo",
        "fr",
        "fy",
        "ga",
        "gd",
        "gl",
        "gn",
        "gu",
        "gv",
        "ha",
        "he",
        "hi",
        "ho",
        "hr",
        "ht",
        "hu",
        "hy",
        "hz",
        "ia",
        "id",
        "ie",
        "ig",
        "ii",
        "ik",
        "in",
        "io",
        "is",
        "it",
        "iu",
        "iw",
        "ja",
        "jv",
        "jw",
        "ka",
        "kg",
        "ki",
        "kj",
        "kk",
        "kl",
        "km",
        "kn",
        "ko",
        "kr",
        "ks",
        "ku",
        "kv",
        "kw",
        "ky",
        "la",
        "lb",
        "lg",
        "li",
        "ln",
        "lo",
        "lt",
        "lu",
        "lv",
        "mg",
        "mh",
        "mi",
        "mk",
        "ml",
        "mn",
        "mr",
        "ms",
        "mt",
        "my",
        "na",
        "nb",
        "nd",
        "ne",
        "ng",
        "nl",
        "nn",
        "no",
        "nr",
        "nv",
        "ny",
        "oc",
        "oj",
        "om",
        "or",
        "os",
        "pa",
        "pi",
        "pl",
        "ps",
        "pt",
        "qu",
        "rm",
        "rn",
        "ro",
        "ru",
        "rw",
        "sa",
        "sc",
        "sd",
        "se",
        "sg",
        "sh",
        "si",
        "sk",
        "sl",
        "sm",
        "sn",
        "so",
        "sq",
        "sr",
        "ss",
        "st",
        "su",
        "sv",
        "sw",
        "ta",
        "te",
        "tg",
        "th",
        "ti",
        "tk",
        "tl",
        "tn",
        "to",
        "tr",
        "ts",
        "tt",
        "tw",
        "ty",
        "ug",
        "uk",
        "ur",
        "uz",
        "ve",
        "vi",
        "vo",
        "wa",
        "wo",
        "xh",
        "yi",
        "yo",
        "za",
        "zh",
        "zu",
    ]
)
"""ISO 639-1."""
_NAMES = {
    name: code
    for code, names in {
        "af": "afrikaans afr",
        "ar": "arabic ara",
        "bg": "bulgarian bul",
        "ca": "catalan cat",
        "cs": "czech ces cze",
        "cy": "welsh cym wel",
        "da": "danish dan",
        "de": "german deutsch deu ger",
        "el": "greek ell gre",
        "en": "english eng",
        "es": "spanish español castellano spa",
        "et": "estonian est",
        "eu": "basque eus baq",
        "fa": "persian farsi fas per",
        "fi": "finnish suomi fin",
        "fr": "french français fra fre",
        "ga": "irish gle",
        "gl": "galician glg",
        "he": "hebrew heb",
        "hi": "hindi hin",
        "hr": "croatian hrvatski hrv",
        "hu": "hungarian magyar hun",
        "hy": "armenian hye arm",
        "id": "indonesian ind",
        "is": "icelandic isl ice",
        "it": "italian italiano ita",
        "ja": "japanese jpn",
        "ka": "georgian kat geo",
        "km": "khmer cambodian khm",
        "ko": "korean kor",
        "la": "latin lat",
        "lo": "lao",
        "lt": "lithuanian lit",
        "lv": "latvian lav",
        "mk": "macedonian mkd mac",
        "ms": "malay msa may",
        "my": "burmese myanmar mya bur",
        "nl": "dutch nederlands flemish nld dut",
        "no": "norwegian norsk nor",
        "pl": "polish polski pol",
        "pt": "portuguese português por",
        "ro": "romanian română ron rum",
        "ru": "russian rus",
        "sk": "slovak slk slo",
        "sl": "slovenian slv",
        "sq": "albanian sqi alb",
        "sr": "serbian srp",
        "sv": "swedish svenska swe",
        "sw": "swahili swa",
        "ta": "tamil tam",
        "th": "thai tha",
        "tl": "tagalog filipino tgl",
        "tr": "turkish türkçe tur",
        "uk": "ukrainian ukr",
        "ur": "urdu urd",
        "vi": "vietnamese vie",
        "zh": "chinese mandarin zho chi",
    }.items()
    for name in names.split()
}
"""Names of languages, and their codes of three letters, by the shorter code that transcribers know."""
_WHISPERS = {"nb": "no", "iw": "he", "in": "id", "jv": "jw", "fil": "tl", "cmn": "zh"}
"""Codes that transcribers of Whisper's kind know under another."""


def _checked(tag: str | None) -> str | None:
    """A tag as it was written, with hyphens; None for `auto`. Raises ValueError for what is no tag."""
    if tag is None or (tag := tag.strip()).lower() == AUTO:
        return None
    language = tag.replace("_", "-").partition("-")[0].lower()
    if not _TAG.fullmatch(tag) or language in _NAMES or (len(language) == 2 and language not in _CODES):
        code = _NAMES.get(tag.lower()) or _NAMES.get(language)
        remedy = f"Write '{code}'" if code else "Write it like 'en', 'pt-BR' or 'zh-TW', or leave it out"
        raise ValueError(f"is no code of a language: '{tag[:40]}'. {remedy}")
    return tag.replace("_", "-")


def _named(tag: str | None) -> str | None:
    """As `_checked`. Raises ValueError also for what is no single language."""
    if tag is not None and tag.strip().lower() in {AUTO, "multi"}:
        raise ValueError(f"is no language: '{tag.strip()}'. Write it like 'en', 'pt-BR' or 'zh-TW', or leave it out")
    return _checked(tag)


Language = Annotated[str | None, AfterValidator(_checked)]
"""A setting that names a language. `auto` is None."""
OneLanguage = Annotated[str | None, AfterValidator(_named)]
"""A setting that names one language; None for none."""


def language_code(tag: str | None) -> str | None:
    """The language of a tag alone, as a transcriber's request has it: `en` of `en-US`, `no` of `nb-NO`."""
    if not tag:
        return None
    language = tag.replace("_", "-").partition("-")[0].lower()
    return _WHISPERS.get(language, language)


def name_of(tag: str) -> str:
    """A language as people call it, with its tag: `French (fr)`. The tag alone for one without a known name."""
    name = next((name for name, code in _NAMES.items() if code == language_code(tag)), None)
    return f"{name.title()} ({tag})" if name is not None else tag


def told(language: str) -> str:
    """A language as an answer names it, by its code: some servers answer `german`."""
    return _NAMES.get(language.strip().casefold(), language)
