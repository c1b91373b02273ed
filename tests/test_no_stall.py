"""No call on the loop takes over 20 ms, whatever was heard or answered, and none grows faster than its input.

Measured in the processor's time of this thread, in units of a loop of known length: so neither a busy nor a slow
machine changes the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from voiceloop.captions.cues import CueCutter
from voiceloop.captions.joiner import Joiner as CaptionJoiner
from voiceloop.captions.stabiliser import Stabiliser
from voiceloop.captions.words import Spoken, letters, spoken
from voiceloop.capture.endpointing.endings import ending, guess
from voiceloop.cli.captions_text import Line, rows
from voiceloop.config.tables import Hallucinations
from voiceloop.dictation.handler import _LONG as JOINED_ON_THE_LOOP
from voiceloop.dictation.text.joining import Context, Joiner
from voiceloop.echo.text_echo import repeats
from voiceloop.speak.clauses import clauses
from voiceloop.speak.delivery import _PIECE as SPLIT_AT_ONCE
from voiceloop.speak.splitter import Splitter
from voiceloop.text import chopped, clean, clean_line, shortened, wrapped
from voiceloop.transcribe.bounds import bounded, most
from voiceloop.transcribe.embedded.transcriber import _LONG as TERMS_ON_THE_LOOP
from voiceloop.transcribe.hallucinations import judge
from voiceloop.transcribe.merging import is_only, join
from voiceloop.transcribe.vocabulary import Vocabulary
from voiceloop.types import Transcript, Utterance

CLIP = Utterance(bytes(960_000), 0, 480_000)
"""30 s, the longest clip unless the config says otherwise."""
HEARD = most(CLIP)
"""The most characters that such a clip may have: what is longer is cut before anybody works on it."""
LIMIT_S = 0.02
YARDSTICK_S = 0.007
"""How long `_yardstick` takes on the machine that the limit is meant for."""

INPUTS: dict[str, Callable[[int], str]] = {
    "dots": lambda n: "." * n,
    "letters": lambda n: "a" * n,
    "words": lambda n: " ".join(f"word{number}" for number in range(n // 8)),
    "one word": lambda n: "no " * (n // 3),
    "Thai": lambda n: "ภา" * (n // 2),
    "Chinese and Latin": lambda n: "漢a" * (n // 2),
    "spaces": lambda n: " " * n,
    "lines": lambda n: "\n" * n,
    "commas": lambda n: "a, " * (n // 3),
    "questions": lambda n: "? " * (n // 2),
    "quotes": lambda n: '"' * n,
    "stars": lambda n: "*" * n,
    "digits": lambda n: "1" * n,
    "abbreviations": lambda n: "a." * (n // 2),
    "hyphens": lambda n: "a-" * (n // 2),
    "underscores": lambda n: "_a" * (n // 2),
    "brackets": lambda n: "[" * n,
    "parentheses": lambda n: "(a) " * (n // 4),
    "escapes": lambda n: "\x1b[" * (n // 2),
    "marks": lambda n: "e" + "\u0301" * n,
    "addresses": lambda n: "https://" * (n // 8),
    "anagrams": lambda n: " ".join(
        ("abcdefghijklmnopqrstuvwxyzabcdefghijklmnop" * 2)[at % 40 : at % 40 + 40] for at in range(n // 41)
    ),
}


def words_of(text: str) -> list[Spoken]:
    return spoken(Transcript(text, CLIP))


def _stabilise(words: list[Spoken]) -> None:
    stabiliser = Stabiliser()
    for end_s in (20.0, 29.0):
        stabiliser.feed(words, end_s=end_s)


def _join(words: list[Spoken]) -> None:
    joiner = CaptionJoiner()
    joiner.feed(words, start_s=0, end_s=30, overlap_s=3)
    joiner.feed(words, start_s=27, end_s=30)


def _split(text: str) -> None:
    splitter = Splitter(language="de")
    splitter.feed(text)
    splitter.finish()


VOCABULARY = Vocabulary(["Kubernetes", "C#", "voiceloop", "kubectl=cube control"], "en")
FUNCTIONS: dict[str, tuple[int, Callable[[str], object]]] = {
    "clean": (HEARD, clean),
    "clean_line": (HEARD, clean_line),
    "chopped": (HEARD, lambda text: chopped(text, 80)),
    "shortened": (HEARD, lambda text: shortened(text, 80)),
    "wrapped": (HEARD, lambda text: wrapped(text, 80)),
    "rows of captions": (HEARD, lambda text: rows(Line("", text), 80, colour=True)),
    "echo guard": (HEARD, lambda text: repeats(text, text)),
    "hallucinations": (HEARD, lambda text: judge(Transcript(text, CLIP), Hallucinations(), ("names: Ada, Grace",))),
    "backchannels": (HEARD, lambda text: is_only(text, ("mhm", "yeah"))),
    "merging": (HEARD, lambda text: join([Transcript(text, CLIP), Transcript(text, CLIP)])),
    "endpointing": (HEARD, lambda text: (ending(text, "en"), guess(text))),
    "words": (HEARD, words_of),
    "dictation": (JOINED_ON_THE_LOOP, lambda text: Joiner().add(text, Context(language="en"))),
    "vocabulary": (TERMS_ON_THE_LOOP, VOCABULARY.apply),
    "splitter": (SPLIT_AT_ONCE, _split),
    "clauses": (HEARD, lambda text: clauses(text, first=60, longest=200)),
}
OF_WORDS: dict[str, Callable[[list[Spoken]], object]] = {
    "cues": lambda words: CueCutter().cut(words),
    "stabiliser": _stabilise,
    "joiner": _join,
}


def _yardstick() -> None:
    total = 0
    for number in range(100_000):
        total += number & 3


def seconds(work: Callable[[], object]) -> float:
    letters.cache_clear()
    began = time.thread_time()
    work()
    return time.thread_time() - began


def takes_too_long(work: Callable[[], object]) -> str:
    """Why a call stalls the loop; empty if it doesn't. Measured again before it is believed."""
    took_s, limit_s = 0.0, 0.0
    for _ in range(5):
        limit_s = LIMIT_S * max(1.0, seconds(_yardstick) / YARDSTICK_S)
        took_s = seconds(work)
        if took_s <= limit_s:
            return ""
    return f"{took_s * 1000:.1f} ms of {limit_s * 1000:.1f}"


def grows_too_fast(function: Callable[[str], object], make: Callable[[int], str], size: int = 1_000) -> str:
    """Why a call grows faster than its input; empty if it doesn't."""
    small, large = partial(function, make(size)), partial(function, make(4 * size))
    ratio = 0.0
    for _ in range(5):
        once_s, four_times_s = min(seconds(small) for _ in range(2)), seconds(large)
        ratio = four_times_s / max(once_s, 0.0005)
        if ratio < 9:
            return ""
    return f"4 x the input takes {ratio:.0f} x the time"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_text_stalls_the_loop(name: str) -> None:
    size, function = FUNCTIONS[name]
    function("A warm-up, z. B. ภ.")
    slow = {kind: why for kind, make in INPUTS.items() if (why := takes_too_long(partial(function, make(size))))}
    assert not slow
    fast = {kind: why for kind, make in INPUTS.items() if (why := grows_too_fast(function, make))}
    assert not fast


@pytest.mark.parametrize("name", OF_WORDS)
def test_no_words_stall_the_loop(name: str) -> None:
    function = OF_WORDS[name]
    function(words_of("A warm-up ภ."))
    texts = {kind: words_of(make(HEARD)) for kind, make in INPUTS.items()}
    slow = {kind: why for kind, words in texts.items() if (why := takes_too_long(partial(function, words)))}
    assert not slow


def test_a_transcript_has_no_more_text_than_its_clip_can_hold() -> None:
    short = Transcript("." * 20_000, Utterance(bytes(32_000), 0, 16_000))
    assert len(bounded(short).text) == most(short.utterance) == 240
    said = Transcript("I said this in a second.", short.utterance)
    assert bounded(said) is said
