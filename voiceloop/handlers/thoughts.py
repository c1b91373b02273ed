"""Keeps what a model sends of its thoughts beside its answer. It is never spoken; some of it must go back. Pure.

A model that calls tools goes on thinking when it has their results, and its server may insist on having the thoughts
back as they came: OpenRouter's `reasoning_details`, DeepSeek's `reasoning_content`, Gemini's signed `extra_content`.
"""

from __future__ import annotations

from typing import Any

LIMIT = 4_000_000
"""The most characters that are kept. Longer thoughts are not sent back at all: half of them would be refused."""
_TEXTS = ("reasoning_content", "reasoning", "thinking", "thought")
"""The keys of thoughts as plain text: DeepSeek, llama.cpp and others; OpenRouter, vLLM, Groq and Ollama; others."""
_GROWING = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""The `reasoning_details` that come in pieces, and the key whose text grows."""


class Thoughts:
    """The thoughts of one answer."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._details: list[dict[str, Any]] = []
        self._pieces: list[str] = []
        """The growing text of the last detail, where it has come in several pieces."""
        self._key = ""
        """The key of that text."""
        self._extra: dict[str, Any] = {}
        self._size = 0

    def feed(self, delta: dict[str, Any]) -> bool:
        """Keep the thoughts in a delta. Returns whether there were any."""
        found = False
        for key in _TEXTS:
            if isinstance(text := delta.get(key), str) and text:
                found = True
                self._keep(len(text))
                self._texts.setdefault(key, []).append(text)
        details = delta.get("reasoning_details")
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict):
                found = True
                self._detail(detail)
        extra = delta.get("extra_content")
        if isinstance(extra, dict):
            self._keep(len(str(extra)))
            self._extra |= extra
        return found

    def _keep(self, size: int) -> None:
        self._size += size
        if self._size > LIMIT:
            self._texts, self._details, self._pieces, self._extra = {}, [], [], {}

    def _detail(self, detail: dict[str, Any]) -> None:
        self._keep(len(str(detail)))
        last = self._details[-1] if self._details else {}
        kind = detail.get("type")
        key = _GROWING.get(kind) if isinstance(kind, str) else None
        if key is None or last.get("type") != kind or last.get("index") != detail.get("index"):
            self._join()
            self._details.append(dict(detail))
            return
        before, more = last.get(key), detail.get(key)
        last |= {name: value for name, value in detail.items() if value is not None}
        if isinstance(before, str):
            last[key], self._key = before, key
            self._pieces = self._pieces or [before]
            self._pieces.append(more if isinstance(more, str) else "")

    def _join(self) -> None:
        """Put the pieces of the last detail into it: once, as each time would copy all before."""
        if self._pieces:
            self._details[-1][self._key] = "".join(self._pieces)
            self._pieces = []

    def fields(self) -> dict[str, Any]:
        """The fields of the assistant's message that must go back with its tool calls."""
        if self._size > LIMIT:
            return {}
        self._join()
        found: dict[str, Any] = {"extra_content": self._extra} if self._extra else {}
        if self._details:
            return found | {"reasoning_details": self._details}
        return found | {key: "".join(pieces) for key, pieces in self._texts.items()}
