"""What a language model is shown: the prompt and as much of the conversation as fits. Pure."""

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
"""What a message costs beyond its text."""


def tokens(text: str) -> int:
    """About how many tokens `text` has: four ASCII letters make one, of other scripts one letter does. Tokenizers
    differ by model; this errs on the high side."""
    ascii_count = sum(letter < "\x80" for letter in text)
    return (ascii_count + 3) // 4 + len(text) - ascii_count


def recent(history: Sequence[Message], *, turns: int, limit_tokens: int) -> list[Message]:
    """The last messages, at most `turns` of them and about `limit_tokens` long; whole messages only."""
    kept: list[Message] = []
    left = limit_tokens
    for message in reversed(history[-turns:] if turns else ()):
        left -= tokens(message.text) + MESSAGE_TOKENS
        if left < 0:
            break
        kept.append(message)
    return kept[::-1]


def messages(system: str, history: Sequence[Message], said: Any) -> list[dict[str, Any]]:
    """The conversation for the model; `said` is the user's turn, as text or content parts."""
    shown: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    shown += [{"role": message.role, "content": message.text} for message in history]
    shown.append({"role": "user", "content": said})
    return shown
