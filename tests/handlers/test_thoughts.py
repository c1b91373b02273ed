"""What is kept of a model's thoughts, and goes back as it came."""

from __future__ import annotations

import time
from typing import Any

from voiceloop.handlers.thoughts import LIMIT, Thoughts


def detail(text: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"reasoning_details": [{"type": "reasoning.text", "index": index, "text": text} | more]}


def test_details_that_come_in_pieces_go_back_as_one() -> None:
    thoughts = Thoughts()
    for part in (detail("a"), detail("b"), detail(None, signature="s"), detail("c", 1), detail("d", 1)):
        assert thoughts.feed(part)
    expected = [
        {"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"},
        {"type": "reasoning.text", "index": 1, "text": "cd"},
    ]
    assert thoughts.fields() == thoughts.fields() == {"reasoning_details": expected}
    thoughts.feed(detail("e", 1))
    assert thoughts.fields()["reasoning_details"][1]["text"] == "cde"


def test_thoughts_beyond_the_limit_are_not_sent_back_by_halves() -> None:
    thoughts = Thoughts()
    for _ in range(6):
        thoughts.feed(detail("x" * (LIMIT // 5)))
    assert thoughts.fields() == {}


def test_long_thoughts_in_small_pieces_take_time_in_proportion() -> None:
    def seconds(pieces: int) -> float:
        thoughts, began = Thoughts(), time.thread_time()
        for _ in range(pieces):
            thoughts.feed(detail("paragraph " * 6))
        thoughts.fields()
        return time.thread_time() - began

    assert min(seconds(28_000) / seconds(3_500) for _ in range(3)) < 20
