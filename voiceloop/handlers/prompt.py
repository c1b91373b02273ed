"""The messages for a language model: the system prompt and as much of the conversation as fits. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from voiceloop.types import Message

SYSTEM = (
    "You are a voice assistant: what you answer is spoken aloud. Answer in the user's language, in one to three short "
    "sentences of plain speech, without Markdown, lists, links or emoji. What the user says comes from speech "
    "recognition and may hold mistakes: guess what was meant."
)
MESSAGE_TOKENS = 4
"""The tokens of a message beyond its text."""


def tokens(text: str) -> int:
    """The approximate number of tokens in `text`: one for four ASCII characters, one for each other character.

    Tokenizers differ by model; this estimate errs on the high side.
    """
    ascii_count = sum(letter < "\x80" for letter in text)
    return (ascii_count + 3) // 4 + len(text) - ascii_count


def recent(history: Sequence[Message], *, turns: int, limit_tokens: int) -> list[Message]:
    """The last messages, at most `turns` of them and about `limit_tokens` long; whole messages only."""
    kept: list[Message] = []
    left_tokens = limit_tokens
    for message in reversed(history[-turns:] if turns else ()):
        left_tokens -= tokens(message.text) + MESSAGE_TOKENS
        if left_tokens < 0:
            break
        kept.append(message)
    return kept[::-1]


def messages(system: str, history: Sequence[Message], user_content: Any) -> list[dict[str, Any]]:
    """The messages of a request; `user_content` is what the user just said, as text or as content parts."""
    result: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    result += [{"role": message.role, "content": message.text} for message in history]
    result.append({"role": "user", "content": user_content})
    return result
