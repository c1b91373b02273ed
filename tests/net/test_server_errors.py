"""What servers say in errors: messages in JSON of any shape, statuses as text, and conversations that are too long."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.server.dialects import SAID, TOO_LONG
from voiceloop.errors import BadRequest, ContextTooLong, RateLimited, ServerFailed, Unauthorized
from voiceloop.net.failures import Where, from_error_object, from_status
from voiceloop.net.server_errors import message_in, says_too_long, status_in

CHAT = Where("https://x.example/v1/chat/completions", "a/b", "K", "handler")


@pytest.mark.parametrize("name", SAID)
def test_the_reason_is_told_whatever_its_shape(name: str) -> None:
    error = from_status(422, {}, json.dumps(SAID[name]).encode(), CHAT)
    assert "Wrong" in error.what.partition("the server said: ")[2]


@pytest.mark.parametrize("name", TOO_LONG)
@pytest.mark.parametrize("status", [400, 500])
def test_a_conversation_that_is_too_long_is_recognised(name: str, status: int) -> None:
    error = from_status(status, {}, json.dumps(TOO_LONG[name]).encode(), CHAT)
    assert type(error) is ContextTooLong
    assert "handler.history_tokens" in error.remedy


def test_other_refusals_are_not_taken_for_it() -> None:
    tokens = b'{"error": {"message": "Rate limit: too many tokens per minute"}}'
    assert type(from_status(429, {}, tokens, CHAT)) is RateLimited
    assert type(from_status(400, {}, b'{"error": {"message": "no such field"}}', CHAT)) is BadRequest
    speak = Where("https://x.example/v1/audio/speech", "a/b", "K", "speak")
    assert type(from_status(400, {}, json.dumps(TOO_LONG["OpenAI"]).encode(), speak)) is BadRequest


@pytest.mark.parametrize(
    ("code", "status"),
    [(503, 503), ("503", 503), ("²", 500), ("9" * 5000, 500), (True, 500), (10**400, 500), (None, 500), ([], 500),
     (200, 500), ("rate_limit_exceeded", 429), ("invalid_request_error", 400), ("unheard_of", 500)],
)  # fmt: skip
def test_the_status_in_an_error_is_a_number_or_a_word_and_never_a_crash(code: object, status: int) -> None:
    assert status_in({"code": code, "message": "x"}) == status


def test_words_stand_for_a_status() -> None:
    assert type(from_error_object({"type": "authentication_error", "message": "x"}, CHAT)) is Unauthorized
    assert type(from_error_object({"type": "server_error", "message": "x"}, CHAT)) is ServerFailed


shapes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "errors", "message", "detail", "code", "type", "loc"]), inner)
    ),
    max_leaves=12,
)


@given(shapes)
def test_any_shape_is_read(value: object) -> None:
    assert isinstance(message_in(value), str)
    assert isinstance(says_too_long(value), bool)
    assert 400 <= status_in(value) < 600
