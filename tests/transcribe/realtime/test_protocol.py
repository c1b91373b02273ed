"""The messages of realtime transcription: what a server's events say of one utterance."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from testbed.server import realtime as rules
from voiceloop.transcribe.bounds import LIVE
from voiceloop.transcribe.realtime.protocol import Hearing, append, is_ready, parse, session_update

ITEM = "conversation.item.input_audio_transcription."


def delta(text: str, item: str = "a") -> dict[str, Any]:
    return {"type": f"{ITEM}delta", "item_id": item, "delta": text}


def completed(text: str, item: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": f"{ITEM}completed", "item_id": item, "transcript": text, **more}


def committed(item: str = "a") -> dict[str, Any]:
    return {"type": "input_audio_buffer.committed", "item_id": item}


def hearing(*events: dict[str, Any] | None, over: frozenset[str] = frozenset()) -> Hearing:
    """What is heard by these events; None stands for our commit."""
    heard = Hearing(over)
    for event in events:
        if event is None:
            heard.commit()
        else:
            heard.take(event)
    return heard


def test_the_messages_keep_the_published_rules() -> None:
    made = rules.session(json.loads(session_update(model="m", language="de", prompt="Zoë")))
    assert made["audio"]["input"]["transcription"] == {"model": "m", "language": "de", "prompt": "Zoë"}
    made = rules.session(json.loads(session_update(model="m", language=None, prompt=None)))
    assert made["audio"]["input"]["transcription"] == {"model": "m"}
    assert rules.sound(json.loads(append(b"\x01\x02"))) == b"\x01\x02"
    assert json.loads(append(b"ab"))["audio"] == base64.b64encode(b"ab").decode()


def test_words_come_before_the_commit_and_the_whole_text_after_it() -> None:
    heard = hearing(delta("please"), delta(" hold"))
    assert (heard.text, heard.done) == ("please hold", False)
    for event in (committed(), delta(" your")):
        heard.commit()
        heard.take(event)
    assert (heard.text, heard.done) == ("please hold your", False)
    heard.take(completed("Please hold your call.", usage={"type": "duration", "seconds": 2.5}))
    assert (heard.text, heard.done) == ("Please hold your call.", True)
    assert heard.usage is not None
    assert heard.usage.audio_s == 2.5


def test_a_server_that_says_nothing_of_the_commit_is_understood() -> None:
    assert hearing(delta("one"), None, completed("one two")).done


def test_a_server_that_makes_turns_of_its_own_has_their_texts_joined() -> None:
    first = [delta("one"), committed("a"), delta("three", "b")]
    assert not hearing(*first, completed("One two.", "a")).done
    whole = hearing(*first, None, completed("One two.", "a"), committed("b"), completed("Three four.", "b"))
    assert (whole.text, whole.done) == ("One two. Three four.", False)
    assert whole.commits_again()
    assert not whole.commits_again()
    whole.take({"type": "error", "error": {"code": "input_audio_buffer_commit_empty"}})
    assert whole.done
    assert not whole.commits_again()


def test_a_turn_of_the_servers_own_is_not_taken_for_the_answer_to_the_commit() -> None:
    started = {"type": "input_audio_buffer.speech_started", "item_id": "a"}
    for events in ((committed("a"), None), (started, None, committed("a"))):
        heard = hearing(*events, completed("One two.", "a"))
        assert not heard.done


def test_the_commit_is_sent_once_to_a_server_that_makes_no_turns() -> None:
    assert not hearing(delta("one"), None, committed(), completed("one")).commits_again()


@pytest.mark.parametrize(
    "error",
    [
        {"code": "input_audio_buffer_commit_empty", "message": "x"},
        {"message": "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio"},
    ],
)
def test_a_commit_of_what_the_server_had_taken_already_is_no_failure(error: dict[str, Any]) -> None:
    heard = hearing(committed("a"), completed("all of it", "a"), None, {"type": "error", "error": error})
    assert (heard.text, heard.done, heard.failure) == ("all of it", True, None)
    assert hearing({"type": "error", "error": error}).failure is not None  # nothing was committed


def test_text_of_an_earlier_utterance_is_not_taken_for_this_one() -> None:
    heard = hearing(completed("old", "a"), delta("old", "a"), delta("new", "b"), over=frozenset("a"))
    assert heard.text == "new"
    assert heard.items == {"b"}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "error", "error": {"message": "overloaded"}}, "overloaded"),
        ({"type": "error", "error": "overloaded"}, "overloaded"),
        ({"type": "error"}, "no reason was given"),
        ({"type": f"{ITEM}failed", "item_id": "a", "error": {"code": "audio_unintelligible"}}, "audio_unintelligible"),
    ],
)
def test_errors_are_told(event: dict[str, Any], said: str) -> None:
    assert hearing(delta("one"), event).failure == said


@pytest.mark.parametrize(
    "event",
    [
        {"type": "rate_limits.updated"},
        {"type": f"{ITEM}delta"},
        {"type": f"{ITEM}delta", "item_id": 3, "delta": "x"},
        {"type": f"{ITEM}delta", "item_id": "a", "delta": None},
        {"type": f"{ITEM}segment", "item_id": "a", "text": "x"},
        {"type": "conversation.item.added", "item_id": "a", "delta": "x"},
    ],
)
def test_unknown_events_and_fields_change_nothing(event: dict[str, Any]) -> None:
    heard = hearing(event, delta("one"), None, committed(), completed("one"))
    assert (heard.text, heard.done, heard.failure) == ("one", True, None)


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"type": 3}', "{" * 5000, "\x00"])
def test_what_is_no_event_is_found(text: str) -> None:
    assert parse(text) is None


def test_both_names_of_the_confirmation_are_known() -> None:
    assert is_ready({"type": "session.updated"})
    assert is_ready({"type": "transcription_session.updated"})
    assert not is_ready({"type": "session.created"})


def test_words_without_end_cost_neither_memory_nor_time() -> None:
    hearing, delta = Hearing(), "conversation.item.input_audio_transcription.delta"
    for _ in range(20_000):
        hearing.take({"type": delta, "item_id": "a", "delta": "word "})
    assert len(hearing.text) <= LIVE
    hearing.take({"type": delta, "item_id": "b", "delta": "x" * 1_000_000})
    assert len(hearing.text) <= 2 * LIVE + 1
