"""Removes secrets from texts that servers send or libraries word: as they are, and in the forms of echoes. Pure.

A server may repeat the key in its errors, headers, ids and listings: in other case, with blanks or escapes between its
letters, cut short, backwards, or encoded in base64 or hexadecimal.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit

from voiceloop.config.address import tokens_in

GRAM = 12
"""So many letters and digits in a row show a secret: fewer may be in any text."""
_MASK = "[the key]"
_LONGEST_ID = 128
_ESCAPED = re.compile(r"\\u00([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})")


class Redaction:
    """Replaces `secrets` in texts. Those that are shorter than `GRAM` are found only as they are."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._exact = re.compile("|".join(map(re.escape, found)), re.IGNORECASE) if found else None
        self._grams: set[str] = set()
        for secret in found:
            for form in _forms(secret) if len(_letters(secret)) >= GRAM else ():
                self._grams |= {form[at : at + GRAM] for at in range(len(form) - GRAM + 1)}

    def __call__(self, text: str) -> str:
        """`text` with the secrets replaced. If they were escaped, it comes back without its escapes."""
        if self._exact is None:
            return text
        for plain in (text, unquote(text), html.unescape(text), _ESCAPED.sub(_unescaped, text)):
            if (redacted := self._redacted(plain)) != plain:
                return redacted
        return text

    def _redacted(self, text: str) -> str:
        assert self._exact is not None
        text = self._exact.sub(_MASK, text)
        if not self._grams or len(text) < GRAM:
            return text
        at = [index for index, char in enumerate(text) if char.isascii() and char.isalnum()]
        letters = "".join([text[index] for index in at]).lower()
        out, done, start, end = [], 0, -1, -1
        for first in range(len(letters) - GRAM + 1):
            if letters[first : first + GRAM] not in self._grams:
                continue
            if first > end:
                if start >= 0:
                    out += [text[done : at[start]], _MASK]
                    done = at[end] + 1
                start = first
            end = first + GRAM - 1
        if start >= 0:
            out += [text[done : at[start]], _MASK]
            done = at[end] + 1
        return "".join([*out, text[done:]])


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def _letters(text: str) -> str:
    """The letters and digits of `text`, in lower case."""
    return "".join(char for char in text if char.isascii() and char.isalnum()).lower()


def _forms(secret: str) -> list[str]:
    """The letters of a secret in the forms in which it may be echoed."""
    data = _encoded(secret)
    # In base64 three bytes become four letters, so there are three ways to stand in a longer text; the letters at the
    # ends depend on what stands beside them.
    encoded = [base64.b64encode(bytes(pad) + data)[(4 * pad + 2) // 3 : -4].decode() for pad in range(3)]
    return [_letters(form) for form in (secret, secret[::-1], data.hex(), *encoded)]


def secrets_of(base_url: str, environ: Mapping[str, str]) -> list[str]:
    """What an address and the proxies of the environment hold of passwords and tokens."""
    userinfo = urlsplit(base_url).netloc.rpartition("@")[0]
    found = [*tokens_in(base_url), *_of_userinfo(userinfo)]
    for name, value in environ.items():
        if name.lower().endswith("_proxy"):
            found += _of_userinfo(value.rpartition("//")[2].rpartition("@")[0])
    return found


def _of_userinfo(userinfo: str) -> list[str]:
    """The password in `user:password`, in whole, in the pieces that an unescaped mark cuts it into, and encoded."""
    password = userinfo.partition(":")[2]
    if not password:
        return []
    plain = unquote(userinfo)
    pieces = [piece for piece in re.split(r"[:@/?#]", password) if len(piece) > 2]
    return [password, unquote(password), *pieces, base64.b64encode(_encoded(plain)).decode()]


def _encoded(secret: str) -> bytes:
    """The bytes of a secret. One of the environment may be no text: its bytes come as halves of surrogate pairs."""
    try:
        return secret.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return secret.encode("utf-8", "replace")


def safe_id(value: object, hide: object) -> str | None:
    """A provider's id of a request; None when it is missing or malformed, or holds a secret that `hide` removes."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_ID or not value.isprintable():
        return None
    return value if not callable(hide) or hide(value) == value else None
