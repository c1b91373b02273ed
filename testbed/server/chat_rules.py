"""The rules of a request to /chat/completions. Pure."""

from __future__ import annotations

import re
from typing import Any

from testbed.server.field_rules import (
    COMMON,
    audio,
    common,
    keys,
    model,
    need,
    number,
    privacy,
    text,
)

_BACK = {"reasoning", "reasoning_content", "reasoning_details", "extra_content"}
"""What came with the model's own message and may go back in it."""


_CHAT = {
    "stream", "stream_options", "temperature", "max_tokens", "provider", "models", "tools", "tool_choice",
    "modalities", "audio", "usage", "top_p", "stop", "seed", "reasoning", "reasoning_effort", "service_tier",
    "max_completion_tokens", "plugins", "verbosity", "parallel_tool_calls", "prompt_cache_key", *COMMON,
}  # fmt: skip
_EFFORTS = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
_TIERS = {"auto", "default", "fast", "flex", "priority", "scale", "ultrafast"}
_PREFERENCES = {
    "allow_fallbacks", "data_collection", "enforce_distillable_text", "ignore", "max_price", "only", "options", "order",
    "preferred_max_latency", "preferred_min_throughput", "quantizations", "require_parameters", "sort", "zdr",
}  # fmt: skip


def chat(body: Any) -> None:
    keys(body, {"model", "messages"}, _CHAT, "the body")
    model(body["model"])
    need(isinstance(body["messages"], list) and body["messages"], "messages must be a non-empty list")
    for message in body["messages"]:
        _message(message)
    if "temperature" in body:
        number(body["temperature"], 0, 2, "temperature")
    if "max_tokens" in body:
        number(body["max_tokens"], 1, 10**7, "max_tokens")
    if "max_completion_tokens" in body:
        number(body["max_completion_tokens"], 1, 10**7, "max_completion_tokens")
    common(body)
    keys(body.get("provider", {}), set(), _PREFERENCES, "provider")
    privacy(body.get("provider", {}))
    _reasoning(body)
    need(body.get("service_tier", "auto") in _TIERS, "service_tier is odd")
    for plugin in body.get("plugins", ()):
        text(plugin.get("id"), "a plugin's id")
    for tool in body.get("tools", ()):
        _tool(tool)
    if "stream" in body:
        need(isinstance(body["stream"], bool), "stream must be a boolean")
    for fallback in body.get("models", ()):
        model(fallback)
    _modalities(body)


def _reasoning(body: Any) -> None:
    given = body.get("reasoning", {})
    keys(given, set(), {"effort", "summary", "max_tokens", "exclude", "enabled"}, "reasoning")
    need(body.get("reasoning_effort", "low") in _EFFORTS, "reasoning_effort is odd")
    need(given.get("effort", "low") in _EFFORTS, "reasoning.effort is odd")
    need("effort" not in given or "reasoning_effort" not in body, "reasoning.effort and reasoning_effort")


def _tool(tool: Any) -> None:
    if str(tool.get("type", "")).startswith("openrouter:"):
        keys(tool, {"type"}, {"parameters"}, "a server tool")
        need(isinstance(tool.get("parameters", {}), dict), "a server tool's parameters must be an object")
        return
    keys(tool, {"type", "function"}, set(), "a tool")
    need(tool["type"] == "function", "a tool must be a function")
    keys(tool["function"], {"name", "parameters"}, {"description", "strict"}, "a tool's function")
    need(re.fullmatch(r"[\w-]{1,64}", str(tool["function"]["name"])), "a tool's name is odd")
    need(tool["function"]["parameters"].get("type") == "object", "a tool's parameters must be an object")


def _modalities(body: Any) -> None:
    given = body.get("modalities", ["text"])
    need(isinstance(given, list) and set(given) <= {"text", "audio"}, "modalities must be of text and audio")
    if "audio" in given:
        keys(body.get("audio"), {"voice", "format"}, set(), "audio")
        need(body["audio"]["format"] == "pcm16" and body.get("stream"), "streamed audio is pcm16")


def _message(message: Any) -> None:
    optional = {"tool_calls", "tool_call_id", "name", "content", *_BACK}
    keys(message, {"role"}, optional, "a message")
    need(message["role"] in {"system", "user", "assistant", "tool"}, f"no role {message['role']!r}")
    content = message.get("content")
    if isinstance(content, str):
        return
    if content is None:
        need(message.get("tool_calls"), "a message without content")
        return
    need(isinstance(content, list) and content, "content must be text or a list of parts")
    for each in content:
        part(each)


def part(value: Any) -> None:
    """Check a part of a message's content."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        keys(value, {"type", "text"}, set(), "a part")
        return
    need(kind == "input_audio", f"no part of type {kind!r}")
    keys(value, {"type", "input_audio"}, set(), "a part")
    audio(value["input_audio"])
