"""Mutations of text, bytes and JSON values, that keep enough of their structure to come past the first check. Pure.

All randomness comes from the given `Random`, so a seed makes the same inputs again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

ODD_TEXTS = (
    *("", " ", "\0", "\n", "\r\n", "\u2028", "\x85", "\x1b[31m", "\x1b]0;title\x07", "\x9b", "\x07"),
    *("\ud83d", "\udc00", "\ud83d\ude00", "\U0010ffff", "\ufeff", "\u202e", "\u200d", "\u200b", "\u0301" * 40),
    *("\u0130", "\u1e9e", "\ufb01", "\u00b2", "\u0663", "\u2460", "\u0e40\u0e01", "\u1780\u17d2\u1781", "\u6f22"),
    *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301", "\uff0e", "\u3002", "\u2026", "\u201e", "\u00ab"),
    *(
        "<think>",
        "</think>",
        "<|im_end|>",
        "```",
        "`",
        "**",
        "[1]",
        "](",
        "![",
        "<b>",
        "http://",
        "https://a.b/(c",
        "|",
    ),
    *("...", "z. B. ", "e.g. ", "data:", "data: ", "[DONE]", "event: x\n", ":", "\n\n", "null", "{", "}", '"', "\\"),
    *("../", "/dev/null", "%s%n", "%2e", "${HOME}", "a" * 300, "A@b.c", "1" * 40, "-0", "1e999", "NaN", "\t"),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, -(10**400), 0.0, -0.0, 1e308, 5e-324, 1e12, 1e13),
    *(float("inf"), float("-inf"), float("nan"), "", "0", "null", "\ud83d", [], {}, [[]], [{}], {"": None}, [None]),
    *({"error": None}, {"message": {}}, {"text": []}, [1, "2", None], "a" * 2000, "\x1b[2J"),
)
_LARGE = 20_000
_DEEPEST = (5, 60, 1_000)
"""Python's own limit is 1,000 in all: just below it the parsers pass what then fails where it is used."""


def text(random: Random, example: str, others: Sequence[str] = ()) -> str:
    """`example` with one to six mutations. `others`: further examples, from which pieces are taken."""
    found = example
    for _ in range(random.randint(1, 6)):
        found = random.choice(_TEXT)(random, found, [example, *others])
    return found[:100_000]


def data(random: Random, example: bytes, others: Sequence[bytes] = ()) -> bytes:
    """As `text`, of bytes."""
    found = example
    for _ in range(random.randint(1, 6)):
        found = random.choice(_DATA)(random, found, [example, *others])
    return found[:400_000]


def value(random: Random, example: Any) -> Any:
    """A JSON value with one to five mutations somewhere inside."""
    found = deepcopy(example)
    for _ in range(random.randint(1, 5)):
        found = _mutated_value(random, found)
        if len(json.dumps(found)) > _LARGE:
            break
    return found


def encoded(random: Random, mutated: Any) -> bytes:
    """A value as JSON; at times damaged afterwards, or nested deeper than any value that was made."""
    if random.random() < 0.1:
        return nested(random, json.dumps(mutated)).encode()
    body = json.dumps(mutated, ensure_ascii=random.random() < 0.7).encode("utf-8", "surrogatepass")
    return data(random, body) if random.random() < 0.2 else body


def nested(random: Random, inner: str) -> str:
    """JSON within many lists or objects, at some place of an object that is not."""
    depth = random.randint(1, random.choice(_DEEPEST))
    key = random.choice(("error", "message", "detail", "loc", "text", "data", "choices"))
    opening, closing = random.choice((("[", "]"), (f'{{"{key}":', "}")))
    deep = opening * depth + inner + closing * depth
    return deep if random.random() < 0.5 else f'{{"{key}": {deep}}}'


def pieces(random: Random, body: bytes) -> list[bytes]:
    """`body` cut at random places, as a network would."""
    most = random.choice((1, 7, 400, 65_536)) if len(body) < 20_000 else 65_536
    found, at = [], 0
    while at < len(body):
        size = random.randint(1, most)
        found.append(body[at : at + size])
        at += size
    return found


def _places(random: Random, length: int) -> tuple[int, int]:
    start = random.randint(0, length)
    return start, min(length, start + random.choice((0, 1, 2, 5, 20, length)))


def _cut(random: Random, found: Any, _: Sequence[Any]) -> Any:
    return found[: random.randint(0, len(found))]


def _dropped(random: Random, found: Any, _: Sequence[Any]) -> Any:
    start, end = _places(random, len(found))
    return found[:start] + found[end:]


def _doubled(random: Random, found: Any, _: Sequence[Any]) -> Any:
    start, end = _places(random, len(found))
    piece = found[start:end]
    times = min(random.choice((2, 3, 10, 1000)), max(2, 50_000 // max(1, len(piece))))
    return found[:start] + piece * times + found[end:]


def _spliced(random: Random, found: Any, others: Sequence[Any]) -> Any:
    other = random.choice(others)
    start, end = _places(random, len(other))
    at = random.randint(0, len(found))
    return found[:at] + other[start:end] + found[at:]


def _swapped(random: Random, found: Any, _: Sequence[Any]) -> Any:
    first, second = sorted((random.randint(0, len(found)), random.randint(0, len(found))))
    return found[first:second] + found[:first] + found[second:]


def _odd(random: Random, found: str, _: Sequence[str]) -> str:
    start, end = _places(random, len(found))
    return found[:start] + random.choice(ODD_TEXTS) + found[random.choice((start, end)) :]


def _any_character(random: Random, found: str, _: Sequence[str]) -> str:
    at = random.randint(0, len(found))
    return found[:at] + chr(random.choice((random.randint(0, 0x17F), random.randint(0, 0x10FFFF)))) + found[at:]


def _number(random: Random, found: bytes, _: Sequence[bytes]) -> bytes:
    """Put a number of two or four bytes, of those at which sizes and offsets break, over what is there."""
    size = random.choice((2, 4, 8))
    number = random.choice(
        (0, 1, 2, 7, 255, 0x7FFF, 0x8000, 0xFFFE, 0xFFFFFFFF, 0x7FFFFFFF, len(found), random.getrandbits(32))
    )
    at = random.randint(0, len(found))
    return found[:at] + (number & (1 << 8 * size) - 1).to_bytes(size, "little") + found[at + size :]


def _flipped(random: Random, found: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(found)
    for _at in range(random.randint(1, 8) if changed else 0):
        changed[random.randrange(len(changed))] = random.choice((0, 10, 13, 34, 123, 128, 255, random.randrange(256)))
    return bytes(changed)


def _odd_bytes(random: Random, found: bytes, _: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(found))
    return found[:at] + random.choice(ODD_TEXTS).encode("utf-8", "surrogatepass") + found[at:]


_SHARED: tuple[Callable[[Random, Any, Sequence[Any]], Any], ...] = (_cut, _dropped, _doubled, _spliced, _swapped)
_TEXT = (*_SHARED, _odd, _odd, _any_character)
_DATA = (*_SHARED, _number, _number, _flipped, _odd_bytes)


def _mutated_value(random: Random, found: Any) -> Any:
    inside = list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else ()
    if not inside or random.random() < 0.15:
        return _other_value(random, found)
    key = random.choice(list(inside))
    match random.randrange(8):
        case 0:
            del found[key]
        case 1 if isinstance(found, dict):
            found[random.choice((text(random, str(key)), random.choice(list(inside))))] = deepcopy(found[key])
        case 1:
            found.extend(deepcopy(found[key]) for _ in range(random.choice((1, 3, 40))))
        case 2:
            found[key] = _odd_value(random)
        case _:
            found[key] = _mutated_value(random, found[key])
    return found


def _other_value(random: Random, found: Any) -> Any:
    match random.randrange(4):
        case 0 if isinstance(found, str):
            return text(random, found)
        case 0 | 1:
            return [deepcopy(found) for _ in range(random.choice((1, 2, 30)))]
        case 2:
            return {random.choice(("error", "message", "text", "content", "code")): found}
    return _odd_value(random)


def _odd_value(random: Random) -> Any:
    return deepcopy(random.choice(ODD_VALUES))
