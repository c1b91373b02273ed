"""The messages for a language model: the system prompt and as much of the conversation as fits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from voiceloop.types import Message, by_turn

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


def recent(history: Sequence[Message], *, limit_tokens: float) -> list[Message]:
    """The newest turns that are about `limit_tokens` long together; whole turns only."""
    kept: list[list[Message]] = []
    left_tokens = limit_tokens
    for turn in reversed(by_turn(history)):
        left_tokens -= length(turn)
        if left_tokens < 0:
            break
        kept.append(turn)
    return [message for turn in reversed(kept) for message in turn]


def length(messages: Iterable[Message]) -> int:
    """The approximate number of tokens of messages."""
    return sum(tokens(message.text) + MESSAGE_TOKENS for message in messages)


def messages(system: str, history: Sequence[Message], user_content: Any) -> list[dict[str, Any]]:
    """The messages of a request; `user_content` is what the user just said, as text or as content parts.

    Every model takes them: after the system prompt the user begins, and then the roles alternate, which many chat
    templates insist on. What the user said several times in a row, because a turn failed or was interrupted before
    anything was heard, becomes one message. Messages without text are left out.
    """
    result: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for message in history:
        if not message.text.strip():
            continue
        if result and result[-1]["role"] == message.role:
            result[-1]["content"] += "\n" + message.text
        elif message.role == "user" or (result and result[-1]["role"] == "user"):
            result.append({"role": message.role, "content": message.text})
    if result and result[-1]["role"] == "user":
        user_content = _joined(result.pop()["content"], user_content)
    result.append({"role": "user", "content": user_content})
    return result


def _joined(earlier: str, content: Any) -> Any:
    """What the user said before and now, as one content."""
    return [{"type": "text", "text": earlier}, *content] if isinstance(content, list) else f"{earlier}\n{content}"
