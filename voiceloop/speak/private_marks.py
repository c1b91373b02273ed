"""Marks in a model's text that are not for the user: the tags and control tokens around thoughts, tool calls and
turns. Recognises a mark by its form, and says what it does; keeps no state. Pure.

Servers are meant to take these out, and often don't. Each family of models spells them in its own way:

    thoughts     <think> </think>   <thinking>   <|START_THINKING|>   [THINK]   ◁think▷   <|begin_of_thought|>
    tool calls   <tool_call> </tool_call>   <function=name>   [TOOL_CALLS]   <|python_tag|>   <｜tool▁calls▁begin｜>
    turns        <|im_start|>role   <|start|>role<|channel|>analysis<|message|>   <start_of_turn>role   [INST]   </s>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

_CITATION = "\ue200\ue201"
"""The characters around a reference to a source that only its own program can resolve (ChatGPT's)."""
FIRST = frozenset("<[◁" + _CITATION[0])
"""The characters that a mark begins with."""
LONGEST = 300
"""The longest mark, in characters."""


class Does(Enum):
    """What a mark does."""

    OPEN = auto()
    """What follows is private, up to the mark that closes the same topic."""
    CLOSE = auto()
    HEADER = auto()
    """The name of a role or a channel follows."""
    MESSAGE = auto()
    """The name that follows a `HEADER` ends."""
    ROLE = auto()
    """What follows is said by the role that is the topic."""
    END_TURN = auto()
    NOTHING = auto()
    """It is only left out."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A complete mark."""

    does: Does
    topic: str = ""
    """What `OPEN` and `CLOSE` enclose: `thought`, or the name of a kind of tool call; for `ROLE`, the role."""


THOUGHT = "thought"

_THOUGHT_NAMES = frozenset((
    "think", "thinking", "thought", "thoughts", "reason", "reasoning", "reflection", "scratchpad", "analysis", "inner",
    "reasoning_scratchpad", "inner_monologue", "inner_thoughts", "internal_monologue", "antthinking", "seed:think",
    "mm:think", "longcat_think", "chain_of_thought", "thought_process", "thinking_process", "unused94",
))  # fmt: skip
_TOOL_NAMES = frozenset((
    "tool_call", "tool_calls", "tool_use", "toolcall", "function_call", "function_calls", "function", "invoke",
    "parameter", "tool_code", "tool_response", "tool_responses", "tool_result", "tool_results", "tool_output",
    "tool_outputs", "function_response", "function_result", "function_results", "available_tools", "execute_ipython",
    "minimax:tool_call", "seed:tool_call", "xai:function_call", "longcat_tool_call",
    "start_function_call", "start_function_response", "antml:function_calls", "antml:invoke", "antml:parameter",
))  # fmt: skip
_END_NAMES = frozenset((
    "im_end", "eot_id", "eom_id", "eot", "end", "return", "call", "end_of_turn", "endoftext", "end_of_text", "eos",
    "end_of_sentence", "end_of_message", "end_of_turn_token", "endofprompt", "/s", "turn|", "end_of_utterance",
))  # fmt: skip
_HEADER_NAMES = frozenset((
    "im_start", "start", "channel", "start_header_id", "start_of_turn", "start_of_role", "turn", "header_start",
    "start_of_turn_token",
))  # fmt: skip
_MESSAGE_NAMES = frozenset({"message", "end_header_id", "end_of_role", "im_middle", "header_end"})
_ROLE_NAMES = {
    **dict.fromkeys(("user", "user_token", "im_user", "human"), "user"),
    **dict.fromkeys(("system", "system_token", "im_system", "developer"), "system"),
    **dict.fromkeys(("observation", "tool", "ipython"), "tool"),
    **dict.fromkeys(("assistant", "chatbot_token", "im_assistant", "model", "bot"), "assistant"),
}
_OTHER_TAGS = frozenset(("s", "bos", "pad", "unk", "mask", "sop", "eop", "end_of_turn", "eos", "start_of_turn"))
_TAG_NAMES = _THOUGHT_NAMES | _TOOL_NAMES | _OTHER_TAGS | {"end_function_call", "end_function_response", "unused95"}
_BRACKET_NAMES = {
    "THINK": THOUGHT, "TOOL_CALLS": "tool_calls", "TOOL_CALL": "tool_call", "TOOL_RESULTS": "tool_results",
    "TOOL_CONTENT": "tool_content", "AVAILABLE_TOOLS": "available_tools", "INST": "inst", "SYSTEM_PROMPT": "system",
    "TOOL_REQUEST": "tool_request", "TOOL_OUTPUT": "tool_output",
}  # fmt: skip
"""Names in square brackets: Mistral's, LM Studio's."""
_BRACKET_ALIASES = {"END_TOOL_REQUEST": "tool_request", "END_TOOL_RESULT": "tool_results"}
_BRACKET_NOTHING = frozenset({"ARGS", "CALL_ID", "BOS", "EOS", "PAD", "UNK", "gMASK", "SEP", "CLS", "MASK"})
_BRACKETS = {
    **{f"[{name}]": Mark(Does.OPEN, topic) for name, topic in _BRACKET_NAMES.items()},
    **{f"[/{name}]": Mark(Does.CLOSE, topic) for name, topic in _BRACKET_NAMES.items()},
    **{f"[{name}]": Mark(Does.CLOSE, topic) for name, topic in _BRACKET_ALIASES.items()},
    **{f"[{name}]": Mark(Does.NOTHING) for name in _BRACKET_NOTHING},
}
_LITERALS = {
    **_BRACKETS,
    "◁think▷": Mark(Does.OPEN, THOUGHT),
    "◁/think▷": Mark(Does.CLOSE, THOUGHT),
    "<<SYS>>": Mark(Does.OPEN, "sys"),
    "<</SYS>>": Mark(Does.CLOSE, "sys"),
}
_LITERAL_STARTS = frozenset(text[:length] for text in _LITERALS for length in range(1, len(text)))

_TOKEN = re.compile(r"<(?:[|｜]/?([\w▁][\w▁.:/ -]{0,60})[|｜]?|/?([\w▁]{1,40})[|｜])>")
_TOKEN_START = re.compile(r"<(?:[|｜]/?(?:[\w▁][\w▁.:/ -]{0,60}[|｜]?)?|/?[\w▁]{1,40}[|｜]?)")
_DSML = re.compile(r"<(/?)[|｜]DSML[|｜]([\w]{1,40})(?:\s[^<>]{0,200})?>")
_DSML_START = re.compile(r"</?(?:[|｜](?:D(?:S(?:M(?:L(?:[|｜](?:[\w]{1,40}(?:\s[^<>]{0,200})?)?)?)?)?)?)?)?")
_TAG = re.compile(r"<(/?)([A-Za-z][\w:]*)((?:[\s=][^<>]*|/)?)>")
_TAG_START = re.compile(r"<(?:/?([A-Za-z][\w:]*)?|/?([A-Za-z][\w:]*)(?:[\s=][^<>]*|/))")
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>|<unused\d{1,3}>")
_BYTE_START = re.compile(r"<(?:0(?:x[0-9A-Fa-f]{0,2})?|un?u?s?e?d?\d{0,3})")
_TAG_STARTS = frozenset(name[:length] for name in _TAG_NAMES for length in range(1, len(name) + 1))
_EDGES = re.compile(r"^(?:start|begin)_(?:of_)?|_(?:start|begin|prefix)$|^/|^end_(?:of_)?|_(?:end|suffix)$")


def recognise(held: str) -> Mark | bool:
    """The mark that `held` is. True: it may become one with the characters that follow. False: it is none."""
    if held in _LITERALS:
        return _LITERALS[held]
    if held in _LITERAL_STARTS:
        return True
    if len(held) > LONGEST:
        return False
    if held[0] == _CITATION[0]:
        return Mark(Does.NOTHING) if held[-1] == _CITATION[1] else held[-1] not in f"{_CITATION[0]}\n" or len(held) == 1
    if held[0] != "<":
        return False
    return _complete(held) if held[-1] == ">" else _may_be(held)


def _complete(held: str) -> Mark | bool:
    if (found := _TOKEN.fullmatch(held)) is not None:
        closes = held[1] == "/" or held[2] == "/" or held[1] not in "|｜"
        return _token(_normalised(found[1] or found[2]), closes=closes)
    if (found := _DSML.fullmatch(held)) is not None:
        return Mark(Does.CLOSE if found[1] else Does.OPEN, f"dsml {found[2]}")
    if (found := _TAG.fullmatch(held)) is not None and found[2].lower() in _TAG_NAMES:
        return _tag(found[2].lower(), found[3], closes=bool(found[1]))
    return Mark(Does.NOTHING) if _BYTE.fullmatch(held) else False


def _may_be(held: str) -> bool:
    if _TOKEN_START.fullmatch(held) or _DSML_START.fullmatch(held) or _BYTE_START.fullmatch(held):
        return True
    if (found := _TAG_START.fullmatch(held)) is None:
        return False
    if found[2] is not None:
        return found[2].lower() in _TAG_NAMES
    return found[1] is None or found[1].lower() in _TAG_STARTS


def _normalised(name: str) -> str:
    return name.strip(" /").replace("▁", "_").replace(" ", "_").lower()


def _token(name: str, *, closes: bool) -> Mark:
    """What `<|name|>` does; `closes`: it is spelt `<|/name|>` or `<name|>`."""
    if name in _END_NAMES or (closes and name == "turn"):
        return Mark(Does.END_TURN)
    if closes and name == "channel":
        return Mark(Does.CLOSE, THOUGHT)
    if name in _MESSAGE_NAMES:
        return Mark(Does.MESSAGE)
    if name in _HEADER_NAMES:
        return Mark(Does.HEADER)
    if name in _ROLE_NAMES:
        return Mark(Does.ROLE, _ROLE_NAMES[name])
    stem = _EDGES.sub("", name)
    topic = _topic(stem)
    if not topic:
        return Mark(Does.NOTHING)
    closes = closes or name.startswith("end_") or name.endswith(("_end", "_suffix"))
    return Mark(Does.CLOSE if closes else Does.OPEN, topic)


def _topic(stem: str) -> str:
    if stem in _THOUGHT_NAMES:
        return THOUGHT
    if stem.endswith("_sep") or "argument" in stem:
        return ""
    known = stem in {"python_tag", "action", "plugin", "interpreter"} or "tool" in stem or "function" in stem
    return stem if known else ""


def _tag(name: str, more: str, *, closes: bool) -> Mark:
    """What `<name>`, `</name>` or `<name …>` does."""
    if name == "s" or name in _END_NAMES:
        return Mark(Does.END_TURN if closes or name != "s" else Does.NOTHING)
    if name == "start_of_turn":
        return Mark(Does.HEADER)
    if name == "unused95":
        return Mark(Does.CLOSE, THOUGHT)
    if name in _THOUGHT_NAMES:
        topic = THOUGHT
    elif name in _TOOL_NAMES or name.startswith("end_"):
        topic, closes = name.removeprefix("start_").removeprefix("end_"), closes or name.startswith("end_")
    else:
        return Mark(Does.NOTHING)
    if more.endswith("/"):  # an empty element
        return Mark(Does.NOTHING)
    return Mark(Does.CLOSE if closes else Does.OPEN, topic)
