"""What the environment of the process lacks: standard streams, a home folder, an encoding for every character.

Imports almost nothing: it runs before everything else.
"""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata

ERRORS = "voiceloop.plain"
"""The error handler of the standard streams: what their encoding doesn't have is written in plain letters."""
_PLAIN = {
    **dict.fromkeys("‘’‚‛′‹›", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    "…": "...",
    "•": "*",
    "·": ".",
    "→": "->",
    "€": "EUR",
    "ß": "ss",
    "æ": "ae",
    "Æ": "AE",
    "ø": "o",
    "Ø": "O",
    "œ": "oe",
    "Œ": "OE",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "ı": "i",
}


def prepare() -> None:
    """Give the process what it lacks, once its streams are open."""
    codecs.register_error(ERRORS, _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors=ERRORS)  # type: ignore[union-attr]
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    _have_home()


def open_streams() -> None:
    """Open the standard streams that the parent process has closed: nothing is read, and the output is discarded."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - for good


def _have_home() -> None:
    """Name `/` as the home folder of a user that has none: no variable, and no entry in the list of users, as in a
    container that runs under any number. Otherwise `~` would be a folder of that name in the working directory."""
    if os.environ.get("HOME"):
        return
    try:
        import pwd

        pwd.getpwuid(os.getuid())
    except (ImportError, KeyError):
        os.environ["HOME"] = "/"


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain, error.object[error.start : error.end])), error.end


def plain(char: str) -> str:
    """A character in ASCII: a letter without its marks, a simple quotation mark or dash; `?` for all others."""
    if char in _PLAIN:
        return _PLAIN[char]
    letters = "".join(part for part in unicodedata.normalize("NFKD", char) if part.isascii())
    return letters or "?"
