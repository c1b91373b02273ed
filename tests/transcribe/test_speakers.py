"""Who speaks, and what else is heard: `diarize`, speakers and sound events in the answers of a service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import Bench, endpoint, open_bench, utterance
from testbed.server import Fault, Script, Server, open_server
from voiceloop.captions.cues import CueCutter
from voiceloop.captions.words import spoken
from voiceloop.errors import BadRequest
from voiceloop.net.failures import Where
from voiceloop.net.service import JsonAnswer
from voiceloop.plugins import Transcriber, tells_speakers, without_speakers
from voiceloop.transcribe import merging, pieces
from voiceloop.transcribe.answers import transcript
from voiceloop.transcribe.bounds import bounded
from voiceloop.transcribe.openrouter import OpenRouterTranscribeOptions, OpenRouterTranscriber
from voiceloop.types import SoundEvent, Transcript, Word

TALK = "Shall we start? Yes, let us. Good."


@asynccontextmanager
async def open_diarizing(
    server: Server, *, useful: bool = True, **options: Any
) -> AsyncIterator[tuple[OpenRouterTranscriber, Bench]]:
    given: dict[str, Any] = {"model": "mistralai/voxtral-mini", "diarize": True} | options
    values = OpenRouterTranscribeOptions(**given)
    async with open_bench(endpoint(server)) as bench:
        services = replace(bench.services, names_speakers=useful)
        async with OpenRouterTranscriber.open(values, services) as transcriber:
            yield transcriber, bench


async def transcribe(transcriber: Transcriber, seconds: float = 0.5) -> Transcript:
    async with transcriber.transcription() as transcription:
        return await transcription.finish(utterance(seconds))


async def test_who_said_each_word_is_asked_and_told() -> None:
    async with open_server(Script(texts=[TALK])) as server, open_diarizing(server) as (transcriber, _):
        assert tells_speakers(transcriber)
        found = await transcribe(transcriber)
        body = server.posts()[0].body
        assert (body["diarize"], body["response_format"]) == (True, "verbose_json")
        assert [word.speaker for word in found.words] == ["0"] * 3 + ["1"] * 3 + ["0"]
        assert found.words[0].confidence == 0.9
        assert server.broken == []


async def test_nobody_is_asked_where_it_is_of_no_use() -> None:
    """It may cost extra: neither an answer nor dictation tells who spoke."""
    async with open_server() as server, open_diarizing(server, useful=False) as (transcriber, _):
        await transcribe(transcriber)
        assert not tells_speakers(transcriber)
        assert server.posts()[0].body.keys() == {"model", "input_audio"}


async def test_provisional_words_are_asked_for_without_speakers() -> None:
    async with open_server() as server, open_diarizing(server) as (transcriber, _):
        plain = without_speakers(transcriber)
        await transcribe(plain)
        assert server.posts()[0].body.keys() == {"model", "input_audio"}
        assert without_speakers(plain) is plain


async def test_a_model_that_cannot_diarize_is_asked_without_it_and_one_notice_says_so() -> None:
    script = Script(refuse=lambda body: body.get("diarize", False))
    async with open_server(script) as server, open_diarizing(server) as (transcriber, bench):
        assert (await transcribe(transcriber)).text == (await transcribe(transcriber)).text == "hello world"
        assert ["diarize" in request.body for request in server.posts()] == [True, False, False]
        assert not tells_speakers(transcriber)
        assert bench.named("notice") == [
            {"text": "mistralai/voxtral-mini refuses diarize: it is not told who speaks from now on"}
        ]


async def test_word_times_stay_where_only_diarize_is_refused() -> None:
    script = Script(refuse=lambda body: body.get("diarize", False))
    async with open_server(script) as server, open_diarizing(server, response_format="verbose_json") as (heard, bench):
        assert (await transcribe(heard)).words
        assert len(bench.named("notice")) == 1


async def test_a_model_that_takes_neither_is_asked_for_the_text_alone() -> None:
    script = Script(refuse=lambda body: "response_format" in body)
    async with open_server(script) as server, open_diarizing(server, response_format="verbose_json") as (heard, bench):
        assert (await transcribe(heard)).text == "hello world"
        assert [str(event["text"]).split(":")[0] for event in bench.named("notice")] == [
            "mistralai/voxtral-mini refuses diarize",
            "mistralai/voxtral-mini refuses verbose_json",
        ]


async def test_a_clip_that_is_refused_in_every_form_does_not_turn_speakers_off() -> None:
    script = Script(faults=[Fault(status=400), Fault(status=400)])
    async with open_server(script) as server, open_diarizing(server) as (transcriber, _):
        with pytest.raises(BadRequest):
            await transcribe(transcriber)
        assert (await transcribe(transcriber)).words[0].speaker == "0"


def parsed(text: str, *rows: dict[str, Any], **more: Any) -> Transcript:
    words = [{"start": at * 0.5, "end": at * 0.5 + 0.4} | row for at, row in enumerate(rows)]
    return transcript(JsonAnswer({"text": text, "words": words} | more, None), utterance(), Where("http://x"))


def event(text: str) -> dict[str, Any]:
    return {"word": text, "type": "audio_event"}


@pytest.mark.parametrize("kind", ["word", "audio_event"])
def test_a_time_beyond_all_sense_still_makes_cues_that_last(kind: str) -> None:
    late = {"word": "(laughter)" if kind == "audio_event" else "world", "start": 2**63, "end": 2**63, "type": kind}
    found = parsed(f"Hello {late['word']}", {"word": "Hello"}, late)
    cues = CueCutter().cut(spoken(found, sounds=True))
    assert all(cue.start_s < cue.end_s for cue in cues)
    assert len(cues) == 2


def test_an_audio_event_is_no_word() -> None:
    found = parsed(
        "Hello (laughter) there. (paper shuffling)",
        {"word": "Hello"},
        event("(laughter)"),
        {"word": "there.", "type": "word"},
        event("(paper shuffling)"),
    )
    assert found.text == "Hello there."
    assert [word.text for word in found.words] == ["Hello", "there."]
    assert found.sounds == (SoundEvent("laughter", 5, 0.5, 0.9), SoundEvent("paper shuffling", 10, 1.5, 1.9))


def test_a_word_that_is_called_like_an_event_stays() -> None:
    found = parsed("We heard laughter.", event("laughter"), {"word": "We"}, {"word": "heard"}, {"word": "laughter."})
    assert found.text == "We heard laughter."
    assert [sound.letters for sound in found.sounds] == [0]


def test_an_answer_of_absurd_length_is_read_in_no_time() -> None:
    """16 MB at most; nothing in it may stop the loop."""
    text, count = "a b " * 250_000, 50_000
    rows = [{"word": "zz"}, event("(x)")] * count
    began = time.monotonic()
    found = bounded(parsed(text, *rows))
    assert time.monotonic() - began < 10
    assert (found.sounds, found.words) == ((), ())


def test_speakers_are_known_by_label_or_by_number() -> None:
    rows: list[dict[str, Any]] = [
        {"speaker": 0},
        {"speaker": 1, "speaker_label": "B"},
        {"speaker": True},
        {"speaker": 1e300},
        {},
    ]
    found = parsed("a b c d e", *({"word": name} | row for name, row in zip("abcde", rows, strict=True)))
    assert [word.speaker for word in found.words] == ["0", "B", None, None, None]


def test_the_confidence_that_a_service_states_is_used_where_segments_have_none() -> None:
    assert parsed("a", confidence=0.7).confidence == 0.7
    assert parsed("a", confidence=7).confidence == 1
    segments = [{"start": 0, "end": 1, "avg_logprob": 0.0}]
    assert parsed("a", confidence=0.7, segments=segments).confidence == 1


entries = st.fixed_dictionaries(
    {"word": st.text("ab ()[]", max_size=6)},
    optional={
        "type": st.sampled_from(["word", "audio_event", None, 3]),
        "speaker": st.integers() | st.floats() | st.text(max_size=3),
        "speaker_label": st.text(max_size=3) | st.none(),
        "confidence": st.floats() | st.text(max_size=2),
    },
)


@given(st.text("ab ()[]", max_size=30), st.lists(entries, max_size=6))
def test_no_answer_loses_a_letter_outside_of_its_events(text: str, rows: list[dict[str, Any]]) -> None:
    found = parsed(text, *rows)
    left = [char for char in found.text if char.isalnum()]
    had = [char for char in text if char.isalnum()]
    events = sum(char.isalnum() for row in rows if row.get("type") == "audio_event" for char in row["word"])
    assert len(had) - events <= len(left) <= len(had)
    assert all(word.confidence is None or 0 <= word.confidence <= 1 for word in found.words)


def test_who_speaks_is_not_told_of_several_answers_joined() -> None:
    """The number 0 of one answer and that of the next may be two people."""
    whole = utterance(2.0)
    parts = [
        Transcript(
            "one", piece, words=(Word("one", 0.0, 0.4, speaker="0"),), sounds=(SoundEvent("cough", 3, 0.5, 0.6),)
        )
        for piece in pieces.cut(whole, 1.0)
    ]
    for joined in (pieces.join(whole, parts), merging.join(parts)):
        assert [word.speaker for word in joined.words] == [None] * len(parts)
        assert [sound.letters for sound in joined.sounds] == [3 * (at + 1) for at in range(len(parts))]
        assert joined.sounds[1].start_s == pytest.approx(joined.words[1].start_s + 0.5)
    assert pieces.join(whole, parts[:1]).words[0].speaker == "0"
