"""Text that is dictated, spoken or captioned: the joiner, the private text of models, the splitter, subtitle files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from random import Random
from typing import Any

import srt
import webvtt

from bench.fuzz.family import Family
from bench.fuzz.mutating import text
from bench.fuzz.texts import UNSAFE, answered, any_text, heard, name
from voiceloop.captions.cues import LINE_COLUMNS, Cue, CueCutter
from voiceloop.captions.formats import FORMATS
from voiceloop.captions.joiner import Joiner as CaptionJoiner
from voiceloop.captions.stabiliser import Stabiliser
from voiceloop.captions.words import Spoken, spoken
from voiceloop.dictation.targets.target import Since
from voiceloop.dictation.text.joining import Context, Insert, Joiner, Undo
from voiceloop.dictation.text.spoken_phrases import Lexicon
from voiceloop.echo.text_echo import repeats
from voiceloop.speak.clauses import clauses
from voiceloop.speak.private_text import PrivateText
from voiceloop.speak.pronunciation import spoken_form
from voiceloop.speak.splitter import Splitter
from voiceloop.speak.writing_scripts import latin
from voiceloop.text import Cleaner, chopped, clean, clean_line, clusters, columns, shortened, wrapped
from voiceloop.transcribe.vocabulary import Vocabulary
from voiceloop.types import Transcript, Utterance

_CLIP = Utterance(b"\1\2" * 48_000, 0, 48_000)
_LANGUAGES = (None, "en", "de", "fr", "es", "th", "zh", "ca")
_SINCE: tuple[Since, ...] = ("nothing", "something", "elsewhere", "line", "unknown")


def _cut(random: Random, whole: str) -> Sequence[str]:
    most = random.choice((1, 5, 60))
    found, at = [], 0
    while at < len(whole):
        size = random.randint(1, most)
        found.append(whole[at : at + size])
        at += size
    return found


def _dictated(random: Random) -> None:
    lexicon = Lexicon(replacements=dict.fromkeys(("um", "uh"), "")) if random.random() < 0.3 else Lexicon()
    joiner = Joiner(lexicon, commands=random.random() < 0.9)
    for _ in range(random.randint(1, 4)):
        context = Context(random.choice(_SINCE), random.choice(_LANGUAGES), verbatim=random.random() < 0.2)
        edits = joiner.add(heard(random), context)
        for edit in edits:
            assert not isinstance(edit, Insert) or (edit.text and not UNSAFE.search(edit.text)), edit
        undo = next((edit for edit in edits if isinstance(edit, Undo)), None)
        if undo is not None and random.random() < 0.5:
            joiner.add_after(undo, context)


_VOCABULARY = Vocabulary(["Kubernetes", "C#", "voiceloop", "kubectl=cube control"], "en")


def _vocabulary(random: Random) -> None:
    said = heard(random)
    found = _VOCABULARY.apply(said)
    terms = [text(random, term) for term in ("Kubernetes", "C#", "kubectl=cube control", ".NET")]
    Vocabulary(terms, random.choice(_LANGUAGES)).apply(said)
    repeats(said, found)


def public_of(pieces: Sequence[str]) -> str:
    reader = PrivateText()
    return "".join([*map(reader.feed, pieces), reader.end()])


def _private(random: Random) -> None:
    whole = answered(random)
    assert public_of([whole]) == public_of(_cut(random, whole))


def chunks_of(pieces: Sequence[str], language: str | None) -> list[str]:
    splitter = Splitter(language=language)
    return [*(chunk for piece in pieces for chunk in splitter.feed(piece)), *splitter.finish()]


def _split(random: Random) -> None:
    whole, language = any_text(random), random.choice(_LANGUAGES)
    found = chunks_of([whole], language)
    assert found == chunks_of(_cut(random, whole), language)
    for chunk in found:
        assert chunk
        assert not UNSAFE.search(chunk), chunk
        assert len(chunk) <= 300, chunk
        spoken_form(chunk)
        latin(chunk)
        pieces = clauses(chunk, first=60, longest=200, language=language)
        assert all(piece.strip() and len(piece) <= 200 for piece in pieces), pieces


def _shown(random: Random) -> None:
    whole = any_text(random)
    cleaner = Cleaner()
    assert "".join([*map(cleaner.feed, _cut(random, whole)), cleaner.finish()]) == clean(whole)
    assert not UNSAFE.search(clean(whole))
    line, width = clean_line(whole), random.choice((2, 10, 42, 80))
    assert columns(shortened(line, width)) <= width
    assert "".join(chopped(line, width)) == line
    wrapped(line, width)


def _cues(random: Random) -> list[Cue]:
    cutter, source = CueCutter(random.choice(("", "mic", "speaker"))), random.choice(("", "mic"))
    stabiliser, joiner = Stabiliser(), CaptionJoiner()
    words = spoken(Transcript(heard(random), _CLIP))
    stabiliser.feed(words, end_s=2.0)
    stabiliser.feed(spoken(Transcript(heard(random), _CLIP)), end_s=3.0)
    joiner.feed(words, start_s=0, end_s=3, overlap_s=random.choice((0.0, 1.0)))
    found = cutter.cut(words) if random.random() < 0.7 else cutter.cut(_hard(words))
    return found or [Cue(0.0, 1.0, (clean_line(name(random)) or "x",), source)]


def _hard(words: list[Spoken]) -> list[Spoken]:
    """All words at the same time, after hours."""
    return [Spoken(word.text, 400_000.0, 400_000.0, word.spaced) for word in words]


def _subtitles(random: Random) -> None:
    cues = _cues(random)
    files = {kind: head + "".join(map(form, cues, range(1, 1000))) for kind, (head, form) in FORMATS.items()}
    read: list[Any] = list(srt.parse(files["srt"]))  # type: ignore[no-untyped-call]
    assert len(read) == len(cues)
    assert len(webvtt.from_buffer(StringIO(files["vtt"]))) == len(cues)
    lines = [json.loads(row) for row in files["jsonl"].split("\n")[:-1]]
    assert [line["text"] for line in lines] == [cue.text for cue in cues]
    for line in (line for cue in cues for line in cue.lines):
        # Only a single character may be wider: Khmer stacks consonants without end.
        assert columns(line) <= LINE_COLUMNS or max(map(columns, clusters(line))) > LINE_COLUMNS, line


FAMILIES = (
    Family("dictation", "transcripts on their way into windows", _dictated),
    Family("vocabulary", "transcripts in which terms are looked for", _vocabulary),
    Family("private", "the private text of models, cut anywhere", _private),
    Family("splitter", "replies cut into chunks to speak, cut anywhere", _split),
    Family("shown", "untrusted text in a terminal", _shown),
    Family("subtitles", "SubRip, WebVTT and JSON lines, read by other libraries", _subtitles),
)
