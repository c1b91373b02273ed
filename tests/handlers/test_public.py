"""The public part of a model's answer, of text and of sound."""

from __future__ import annotations

from voiceloop.handlers.completion import Calls, Delta, Sound
from voiceloop.handlers.public import Habits, Public
from voiceloop.handlers.tool_call_reader import ToolCall
from voiceloop.types import Usage


def public(*deltas: Delta) -> list[Delta]:
    part = Public(Habits())
    found = [part.feed(delta) for delta in deltas] + [part.end()]
    return [delta for delta in found if delta is not None]


def test_the_words_of_an_answer_in_sound_lose_their_tokens_and_its_sound_stays() -> None:
    left = public(Sound(b"12", "It is "), Sound(b"34", "<|audio"), Sound(b"", "_end|>"), Sound(b"56", "three."))
    assert b"".join(delta.pcm for delta in left if isinstance(delta, Sound)) == b"123456"
    assert "".join(delta.text for delta in left if isinstance(delta, Sound)) == "It is three."


def test_usage_and_tool_calls_pass() -> None:
    deltas = (Usage(), Calls((ToolCall("1", "weather", "{}"),), {}))
    assert public(*deltas) == list(deltas)


def test_an_answer_of_nothing_but_thoughts_is_empty() -> None:
    assert public("<think>it is", " 3</think>", "<|im_end|>") == []
