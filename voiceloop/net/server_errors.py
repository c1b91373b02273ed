"""Reads what servers say in errors: the message in JSON of any shape, the status, and the kind of error. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_INNER = ("error", "errors")
_MESSAGES = ("message", "Message", "detail", "details", "msg", "error_message", "error_description", "title", "reason")
"""The keys under which servers put the message, the best first: OpenAI, FastAPI, Amazon, RFC 9457, OAuth."""
_DEEPEST = 6
_MOST_PARTS = 3
"""Of a list of errors, so many are shown."""

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "overloaded_error": 529,
}
"""The status that an error's `type` or `code` stands for, where it is told in words: OpenAI, Anthropic."""

_TOO_LONG_KINDS = frozenset({"exceed_context_size_error", "context_length_exceeded", "context_window_exceeded"})
_TOO_LONG = re.compile(
    r"context[ _](?:size|length|window)|(?:prompt|input) (?:is )?too long|too many (?:input |prompt )?tokens"
    r"|input token count|maximum (?:prompt|input) length|too large for model|reduce the length of the (?:mess|prom)",
    re.IGNORECASE,
)
"""How servers say that a conversation is too long: OpenAI, vLLM, llama.cpp, LM Studio, Anthropic, Gemini, Mistral."""


def message_in(value: Any) -> str:
    """The message in the JSON of an error; empty if there is none."""
    return _message(value, _DEEPEST)


def _message(value: Any, deepest: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if not deepest:
        return ""
    if isinstance(value, list):
        return "; ".join(_different(_message(item, deepest - 1) for item in value[:_MOST_PARTS]))
    if not isinstance(value, dict):
        return ""
    parts = [_first(value, _INNER, deepest), _first(value, _MESSAGES, deepest), _raw(value)]
    text = " / ".join(_different(parts))
    place = value.get("loc")  # FastAPI: where in the request the mistake is
    return f"{'.'.join(map(str, place))}: {text}" if text and isinstance(place, list) else text


def _first(value: dict[str, Any], keys: tuple[str, ...], deepest: int) -> str:
    return next((text for key in keys if (text := _message(value.get(key), deepest - 1))), "")


def _raw(value: dict[str, Any]) -> str:
    """What OpenRouter passes on from the model's provider."""
    metadata = value.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return raw if isinstance(raw, str) else ""


def _different(texts: Iterator[str] | list[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def error_in(value: Any) -> Any:
    """The error that the JSON of an answer with a success status contains: an object or a text; else None."""
    if isinstance(value, list):
        return next((error for item in value if isinstance(item, dict) and (error := error_in(item))), None)
    if not isinstance(value, dict):
        return None
    if value.get("error"):
        return value["error"]
    return value if "error" in (value.get("object"), value.get("type")) else None


def status_in(error: Any) -> int:
    """The status that an error in the body of an answer with 200 stands for; 500 where it says none."""
    if not isinstance(error, dict):
        return 500
    for key in ("code", "status", "type"):
        if (status := _status(error.get(key))) is not None:
            return status
        if isinstance(error.get(key), str) and error[key] in _STATUS_OF:
            return _STATUS_OF[error[key]]
    return 500


def _status(value: Any) -> int | None:
    """`value` as the status of an HTTP error, 400 to 599, whether it came as a number or as text; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600 else None


def says_too_long(value: Any) -> bool:
    """Whether the JSON of an error says that the conversation is longer than the model can take."""
    item = value[0] if isinstance(value, list) and value else value
    error = item.get("error", item) if isinstance(item, dict) else item
    kinds = (error.get("type"), error.get("code")) if isinstance(error, dict) else ()
    return any(isinstance(kind, str) and kind in _TOO_LONG_KINDS for kind in kinds) or bool(
        _TOO_LONG.search(message_in(value))
    )
