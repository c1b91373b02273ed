"""Looks for functions of text that take longer than their input grows: at n, 2n and 4n characters of one pattern.

A pattern is a short piece that is repeated; it is drawn at random from what means something to the functions. The time
is the processor's. The largest n is what the program gives the function at most: longer text is cut, or worked on
beside the loop. A function that takes 4 times as long for 4 times the input has the exponent 1, 16 times 2.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random

from bench.fuzz.measuring import STUCK_S, Stuck, broken_off
from bench.fuzz.mutating import ODD_TEXTS
from bench.fuzz.texts import ANSWERED, HEARD
from bench.fuzz.wav_files import BODIES
from bench.fuzz.words import chunks_of, public_of
from voiceloop.captions.cues import CueCutter
from voiceloop.captions.words import letters, spoken
from voiceloop.config.layers import find_lines, parse_sets
from voiceloop.config.secrets import scrub
from voiceloop.config.tables import Hallucinations
from voiceloop.config.toml import NotToml, parse
from voiceloop.dictation.handler import _LONG as JOINED_ON_THE_LOOP
from voiceloop.dictation.text.joining import Context, Joiner
from voiceloop.echo.text_echo import repeats
from voiceloop.errors import ServiceError
from voiceloop.handlers.completion import CompletionReader
from voiceloop.handlers.public import Habits, Public
from voiceloop.handlers.thoughts import Thoughts
from voiceloop.handlers.tool_call_reader import BrokenCalls, ToolCallReader
from voiceloop.net.failures import BODY_LIMIT, Where, from_status
from voiceloop.net.failures import clean as clean_message
from voiceloop.net.redaction import Redaction
from voiceloop.net.sse import SseParser
from voiceloop.net.values import whole
from voiceloop.speak.clauses import clauses
from voiceloop.speak.pcm_stream import NotSpeech, SpeechParser, announced
from voiceloop.speak.pronunciation import spoken_form
from voiceloop.speak.splitter import spoken as spoken_urls
from voiceloop.text import chopped, clean, clean_line, clusters, shortened, wrapped
from voiceloop.transcribe.annotations import so_far, without_annotations, without_credits
from voiceloop.transcribe.embedded.transcriber import _LONG as TERMS_ON_THE_LOOP
from voiceloop.transcribe.hallucinations import judge
from voiceloop.transcribe.realtime.protocol import Hearing
from voiceloop.transcribe.vocabulary import Vocabulary
from voiceloop.types import Transcript, Utterance

MOST = 1.5
"""A larger exponent is a fault, where the time matters."""
LEAST_S = 0.02
"""Shorter times are too short to be told from noise, and stall nobody."""
_SHORTEST_S = 0.001
CHUNK = 300
"""The most characters of a piece that the splitter gives out."""
_LARGEST = 8_000
_MOST = {
    "pronunciation": CHUNK,
    "URLs": CHUNK,
    "dictation": JOINED_ON_THE_LOOP,
    "vocabulary": TERMS_ON_THE_LOOP,
    "HTTP errors": BODY_LIMIT,
    **dict.fromkeys(("SSE", "completions", "tool calls", "thoughts", "realtime", "speech"), 200_000),
    **dict.fromkeys(("secrets", "lines of TOML"), 40_000),
}
_CLIP = Utterance(bytes(96_000), 0, 48_000)
_WHERE = Where("https://example.org", "m", table="handler", hide=Redaction(["sk-or-v1-0123456789abcdef"]))
_VOCABULARY = Vocabulary(["Kubernetes", "C#", "voiceloop", "kubectl=cube control"], "en")
_TOKENS = (
    *(token for token in ODD_TEXTS if token and len(token) < 40),
    *(word for line in (*HEARD, *ANSWERED) for word in line.split()),
    *(
        "a",
        "A",
        "1",
        " ",
        ".",
        ",",
        "!",
        "?",
        "-",
        "_",
        "*",
        "(",
        ")",
        "[",
        "]",
        '"',
        "'",
        "<",
        ">",
        "=",
        "[a]",
        "a = 1\n",
    ),
)


def _completed(text: str) -> None:
    """A body of this text, and a reply with it."""
    _streamed(text)
    reader = CompletionReader(_WHERE, None)
    try:
        list(reader.feed(text.encode("utf-8", "replace")))
        list(reader.end())
    except ServiceError:
        return


def _toml(text: str) -> None:
    try:
        parse(text)
    except NotToml:
        return


def _events(text: str) -> None:
    parser = SseParser()
    body = text.encode("utf-8", "replace")
    for at in range(0, len(body), 7):
        parser.feed(body[at : at + 7])


def _in_pieces(text: str) -> Iterator[str]:
    """As a model's server sends a text: four characters at a time."""
    return (text[at : at + 4] for at in range(0, len(text), 4))


def _streamed(text: str) -> None:
    reader = CompletionReader(_WHERE, None)
    public = Public(Habits())
    for piece in _in_pieces(text):
        event = {"choices": [{"delta": {"content": piece}}]}
        for delta in reader.feed(f"data: {json.dumps(event)}\n\n".encode()):
            public.feed(delta)
    public.end()


def _tool_calls(text: str) -> None:
    names, arguments = ToolCallReader(), ToolCallReader()
    try:
        arguments.feed({"index": 0, "id": "a", "function": {"name": "a"}})
        for piece in _in_pieces(text):
            arguments.feed({"index": 0, "function": {"arguments": piece}})
        arguments.calls()
        for piece in _in_pieces(text):
            names.feed({"index": 0, "id": "a", "function": {"name": piece}})
        names.calls()
    except BrokenCalls:
        return


def _thoughts(text: str) -> None:
    thoughts = Thoughts()
    for piece in _in_pieces(text):
        thoughts.feed(
            {"reasoning_details": [{"type": "reasoning.text", "text": piece, "index": 0}], "reasoning": piece}
        )
    thoughts.fields()


def _realtime(text: str) -> None:
    hearing = Hearing()
    for piece in _in_pieces(text):
        delta = "conversation.item.input_audio_transcription.delta"
        hearing.take({"type": delta, "item_id": "a", "delta": piece})
    len(hearing.text)


def _speech(text: str) -> None:
    body = text.encode("utf-8", "replace")
    for head in (b"", b"RIFF\0\0\0\0WAVE", BODIES[0]):
        parser = SpeechParser(announced("audio/pcm"))
        with suppress(NotSpeech):
            for at in range(0, len(body), 64):
                parser.feed((head if at == 0 else b"") + body[at : at + 64])
            parser.end()


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "clean": clean,
    "clean_line": clean_line,
    "clusters": clusters,
    "chopped": lambda text: chopped(text, 42),
    "shortened": lambda text: shortened(text, 42),
    "wrapped": lambda text: wrapped(text, 80),
    "private text": lambda text: public_of([text]),
    "splitter": lambda text: chunks_of([text], "de"),
    "URLs": spoken_urls,
    "clauses": lambda text: clauses(text, first=60, longest=200),
    "pronunciation": spoken_form,
    "dictation": lambda text: Joiner().add(text, Context(language="en")),
    "vocabulary": _VOCABULARY.apply,
    "annotations": lambda text: (without_annotations(text), so_far(text)),
    "credits": without_credits,
    "hallucinations": lambda text: judge(Transcript(text, _CLIP), Hallucinations(), ("names: Ada",)),
    "echo guard": lambda text: repeats(text, text),
    "words and cues": lambda text: CueCutter().cut(spoken(Transcript(text, _CLIP))),
    "SSE": _events,
    "completions": _completed,
    "tool calls": _tool_calls,
    "thoughts": _thoughts,
    "realtime": _realtime,
    "speech": _speech,
    "HTTP errors": lambda text: from_status(400, {}, text.encode("utf-8", "replace"), _WHERE),
    "messages": lambda text: clean_message(text, hide=_WHERE.hide),
    "secrets": scrub,
    "TOML": _toml,
    "lines of TOML": find_lines,
    "--set": lambda text: parse_sets([text, f"a.b={text}", f"a.b.c={text}"]),
}


@dataclass(frozen=True, slots=True)
class Growth:
    """How the time of a function grew, at its worst pattern."""

    exponent: float
    seconds: float
    """At the largest size."""
    pattern: str


def grown(*, seconds: float, seed: int) -> Iterator[tuple[str, Growth]]:
    """For each function its worst pattern, of as many as can be tried in the time."""
    for name, function in FUNCTIONS.items():
        function("A warm-up, z. B. ภ.")
        random, ends = Random(f"{seed} {name}"), time.process_time() + seconds / len(FUNCTIONS)
        worst = Growth(0.0, 0.0, "")
        while time.process_time() < ends:
            pattern = "".join(random.choices(_TOKENS, k=random.choice((1, 1, 2, 3))))
            before = random.choice(_TOKENS) if random.random() < 0.3 else ""
            found = growth(function, pattern, most=_MOST.get(name, _LARGEST), before=before)
            worst = max(worst, found, key=lambda growth: (growth.exponent > MOST, growth.seconds))
        yield name, worst


def growth(function: Callable[[str], object], pattern: str, *, most: int = _LARGEST, before: str = "") -> Growth:
    """How the time of a function grows with the repetitions of a pattern, behind what stands `before` all of them.

    An exponent beyond `MOST` is measured again before it is believed.
    """
    found = Growth(0.0, 0.0, before + pattern)
    for _ in range(3):
        times = [
            _seconds(partial(function, whole(before) + made(pattern, size))) for size in (most // 4, most // 2, most)
        ]
        exponent = math.log2(times[2] / max(times[0], _SHORTEST_S)) / 2 if times[2] > LEAST_S else 0.0
        found = Growth(exponent, times[2], before + pattern)
        if exponent <= MOST:
            return found
    return found


def made(pattern: str, size: int) -> str:
    return whole(pattern * (size // len(pattern) + 1))[:size]


def _seconds(work: Callable[[], object]) -> float:
    letters.cache_clear()
    began = time.process_time()
    try:
        with broken_off():
            work()
    except Stuck:
        return STUCK_S
    return time.process_time() - began
