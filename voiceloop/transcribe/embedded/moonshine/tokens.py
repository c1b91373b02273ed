"""The tokens of a Moonshine model: pieces of words as bytes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

START, END = 1, 2
"""The ids of the tokens that begin and end a text."""
_SPACE = "▁".encode()
"""The mark of a word's beginning (SentencePiece)."""
_DOUBLE = '"“”'
_QUOTED = re.compile(rf"(?P<before>['‘’{_DOUBLE}]*)(?P<inner>.*?)(?P<after>['‘’{_DOUBLE}]*)", re.DOTALL)


class BrokenTokens(ValueError):
    """The file is not a list of tokens."""


def parse(data: bytes) -> list[bytes]:
    """The tokens of a `tokenizer.bin`, by their ids.

    Each token is its length and its bytes. Lengths from 128 on take two bytes: the lower 7 bits with the top bit set,
    then the rest. Raises `BrokenTokens`.
    """
    tokens: list[bytes] = []
    at = 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            if at == len(data):
                raise BrokenTokens("it ends within a length")
            length, at = data[at] * 128 + length - 128, at + 1
        if at + length > len(data):
            raise BrokenTokens(f"it ends within token {len(tokens)}")
        tokens.append(data[at : at + length])
        at += length
    if len(tokens) <= END:
        raise BrokenTokens("it has no tokens")
    return tokens


def text_of(tokens: list[bytes], ids: Iterable[int]) -> str:
    """The text that token ids stand for. A character of several bytes may be spread over tokens; an incomplete one is
    left out."""
    data = b"".join(tokens[number] for number in ids)
    return data.replace(_SPACE, b" ").decode("utf-8", errors="ignore").strip()


def unquoted(text: str) -> str:
    """A text without the quotation marks around it, and without a first or last one that has no partner.

    The model learnt from books and puts speech into quotation marks; nobody speaks them. Those within a text stay.
    """
    found = _QUOTED.fullmatch(text)
    assert found is not None
    before, inner, after = found["before"], found["inner"], found["after"]
    if any(mark in inner for mark in _DOUBLE):
        return text
    if before and after:
        return inner
    # An apostrophe alone belongs to its word: 'em, the dogs'.
    alone = any(mark in before + after for mark in _DOUBLE)
    return inner if alone else text
