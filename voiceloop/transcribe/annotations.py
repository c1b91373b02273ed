"""Annotations in transcripts: what recognisers write for sounds that are no speech, and credits of subtitles. Pure.

    alone               [BLANK_AUDIO]   (wind blowing)   *coughs*   [Musik]   <|nospeech|>   ♪♪      nothing was said
    beside real words   Save it. [MUSIC] (coughs)   <|en|>Save it.   ♪ Save it ♪                     Save it.
    behind real words   Save it. Subtitles by the Amara.org community                               Save it.

Beside real words a bracket is left out only when its content is a known annotation, or is written like one: in capitals
or in snake case. `I like it (a lot).` and `See [1] and *this*.` stay as they were heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from voiceloop.text import clean_line
from voiceloop.transcribe.annotation_words import MANNERS, NOTHING, SOUNDS
from voiceloop.transcribe.hallucination_phrases import CREDIT, key
from voiceloop.types import SoundEvent, Word

_LONGEST = 80
"""The longest annotation beside words, in characters."""
_LONGEST_CREDIT = 120
_STOPS = frozenset(".!?…。！？")
_TOKEN = r"<[|｜][^<>\n]{0,60}[|｜]>|<(?:unk|noise|nospeech|silence|pad|s|/s)>"
_NOTES = r"[♩♪♫♬♭♮♯🎵🎶]+"
_BRACKET = r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|\*[^*]+\*|【[^【】]*】|（[^（）]*）|［[^［］]*］|<[^<>]*>"
_ENCLOSED = re.compile(rf"{_TOKEN}|{_NOTES}|{_BRACKET}", re.IGNORECASE)
_BESIDE = re.compile(
    rf"(?P<token>{_TOKEN})|(?P<notes>{_NOTES})|(?P<bracket>\[[^\[\]\n]{{1,{_LONGEST}}}\]|\([^()\n]{{1,{_LONGEST}}}\)|"
    rf"(?<![\w*])\*{{1,2}}(?=\S)[^*\n]{{1,{_LONGEST}}}(?<=\S)\*{{1,2}}(?![\w*])|【[^【】\n]{{1,{_LONGEST}}}】|"
    rf"（[^（）\n]{{1,{_LONGEST}}}）|［[^［］\n]{{1,{_LONGEST}}}］)",
    re.IGNORECASE,
)
_BRACKETS = "[](){}*【】（）［］<> "
_WORD = re.compile(r"[^\W_][\w'’]*")
_SNAKE = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)+")
_MARKS = frozenset(".,;:!?…")
_BEGUN = re.compile(r"(?:<[|｜][^<>\s]*|\[[^\[\]]{0,40})$")
_CLOSED = re.compile(r"[)）】]")
_SENTENCE_START = re.compile(r"(?<=\s)(?=\S)|(?<=[。！？])(?=\S)")


@dataclass(frozen=True, slots=True)
class Stripped:
    """A transcript without annotations and credits."""

    text: str
    words: tuple[Word, ...]
    """Those of the words that stay."""
    sounds: tuple[SoundEvent, ...] = ()
    """The sounds that the annotations describe."""


def without_annotations(text: str, words: Sequence[Word] = ()) -> Stripped:
    """`text` without annotations; empty when it holds nothing else."""
    if not key(_ENCLOSED.sub(" ", text)):
        alone = [found[0] for found in _ENCLOSED.finditer(text)]
        return Stripped("", (), tuple(SoundEvent(name, 0) for each in alone if (name := _sound(each)) is not None))
    found = [each for each in _BESIDE.finditer(text) if _is_annotation(each)]
    stripped = _without(text, words, [each.span() for each in found])
    return replace(stripped, sounds=tuple(_sounds(text, found)))


def event_text(annotation: str) -> str | None:
    """The sound that an annotation describes, like `laughter` for `[LAUGHTER]`. None if it says that nothing was heard,
    or is only a mark of the recogniser."""
    if re.fullmatch(_TOKEN, annotation, re.IGNORECASE):
        return None
    inner = " ".join(clean_line(annotation).strip(_BRACKETS).replace("_", " ").split())
    inner = inner.lower() if inner.isupper() else inner
    named = bool(key(inner)) and len(inner) <= _LONGEST
    return inner if named and "_".join(inner.casefold().split()) not in NOTHING else None


def _sounds(text: str, found: Sequence[re.Match[str]]) -> Iterator[SoundEvent]:
    """The sounds of annotations beside words, with their places among the letters that stay."""
    at = letters = 0
    for each in found:
        letters += sum(map(str.isalnum, text[at : each.start()]))
        at = each.end()
        if each["bracket"] is not None and (name := _sound(each[0])) is not None:
            yield SoundEvent(name, letters)


def _sound(annotation: str) -> str | None:
    """As `event_text`, but None also if no known sound is named: `[SPEAKER_00]` is none."""
    name = event_text(annotation)
    words = _WORD.findall(name.casefold().replace("-", " ")) if name is not None else []
    return name if any(word in SOUNDS for word in words) or "_".join(words) in SOUNDS else None


def left_out(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """`text` without `spans`, which are in its order."""
    return _without(text, (), spans).text


def without_credits(text: str, words: Sequence[Word] = ()) -> Stripped:
    """`text` without the credits of subtitles behind its last words. A text that is only a credit stays."""
    end = len(text.rstrip())
    while True:
        starts = [found.start() for found in _SENTENCE_START.finditer(text, max(0, end - _LONGEST_CREDIT), end)]
        start = next((at for at in starts if _is_credit(text, at, end)), None)
        if start is None:
            break
        end = len(text[:start].rstrip())
    return _without(text, words, [(end, len(text))] if end < len(text.rstrip()) else [])


def so_far(text: str) -> str:
    """A provisional transcript without its annotations; one that has only begun is left out, too."""
    text = without_annotations(text).text
    if (begun := _BEGUN.search(text, max(0, len(text) - _LONGEST))) is not None:
        text = text[: begun.start()].rstrip()
    return "" if text[:1] in {"(", "*", "（", "【"} and text[0] not in text[1:] and not _CLOSED.search(text) else text


def _is_annotation(found: re.Match[str]) -> bool:
    content = found["bracket"]
    if content is None:
        return True
    inner = content.strip(_BRACKETS)
    if content[0] in "[［【" and _written_like_one(inner):
        return True
    known = [word.casefold() for word in _WORD.findall(inner.replace("-", " "))]
    return "_".join(inner.casefold().split()) in SOUNDS or (
        any(word in SOUNDS for word in known) and all(word in SOUNDS or word in MANNERS for word in known)
    )


def _written_like_one(inner: str) -> bool:
    """Whether the content of a square bracket is in capitals or in snake case."""
    letters = [char for char in inner if char.isalpha()]
    least = 4 if any(map(str.isdigit, inner)) else 2
    return (len(letters) >= least and all(map(str.isupper, letters))) or bool(_SNAKE.fullmatch(inner))


def _is_credit(text: str, start: int, end: int) -> bool:
    """Whether a part of `text`, behind real words, is a sentence of its own and a credit."""
    before = text[:start].rstrip()
    alone = before[-1:] in _STOPS or text[start].lower() == text[start].upper()  # in a script without capitals
    return alone and bool(CREDIT.fullmatch(key(text[start:end]))) and bool(key(before))


def _without(text: str, words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> Stripped:
    if not spans:
        return Stripped(text, tuple(words))
    bounds = [0, *(at for span in spans for at in span), len(text)]
    kept = ""
    for start, end in zip(bounds[::2], bounds[1::2], strict=True):
        kept = _joined(kept, text[start:end])
    return Stripped(kept.strip(), _kept_words(text, words, spans))


def _joined(before: str, after: str) -> str:
    """Both pieces of a text between which something was left out: with one blank where there was one on either side,
    and with none before a mark that stood right behind it. All other blanks are the recogniser's."""
    blank = " " if before[-1:].isspace() or after[:1].isspace() else ""
    before, rest = before.rstrip(), after.lstrip()
    if not before or (rest and after[0] in _MARKS):
        return before + rest
    return before + blank + rest


def _kept_words(text: str, words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> tuple[Word, ...]:
    """The words that are not in `spans`; none when the words don't spell the text."""
    left_out = bytearray(len(text))
    for start, end in spans:
        left_out[start:end] = b"\1" * (end - start)
    stays = [not gone for gone, char in zip(left_out, text, strict=True) if char.isalnum()]
    lengths = [sum(map(str.isalnum, word.text)) for word in words]
    if sum(lengths) != len(stays):
        return ()
    kept, at = list[Word](), 0
    for word, length in zip(words, lengths, strict=True):
        if any(stays[at : at + length]):
            kept.append(word)
        at += length
    return tuple(kept)
