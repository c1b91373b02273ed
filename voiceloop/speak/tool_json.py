"""Tool calls that stand in a model's text without any mark: bare JSON and bare function calls. Pure.

Small models write them on a line of their own: `{"name": "weather", "parameters": {"city": "Rome"}}`,
`functools[{"name": …}]`, `[weather(city="Rome")]`. Other JSON is text like any other.
"""

from __future__ import annotations

import re

FIRST = frozenset("{[f")
"""The characters that such a call begins with, at the start of a line."""
LONGEST = 5_000
"""The longest call, in characters. What is longer is text."""

_FUNCTOOLS = "functools["
_START = re.compile(
    r"""(?:functools(?=\[))?(?:\[\s*)?\{\s*"(?:name|type|id|function|function_name|tool|tool_name|tool_call|tool_calls|"""
    r"""tool_uses|function_call|recipient_name|action|arguments|parameters)"\s*:"""
)
_MAY_START = re.compile(r"""(?:functools(?=\[))?(?:\[\s*)?(?:\{\s*(?:"(?:[a-z_]{0,14}(?:"\s*)?)?)?)?""")
_BARE_START = re.compile(r"\[\s*[A-Za-z_][\w.]{0,60}\(")
_MAY_START_BARE = re.compile(r"\[\s*(?:[A-Za-z_][\w.]{0,60})?")
_ARGUMENTS = re.compile(
    r'"(?:arguments|parameters|args|kwargs|input|tool_input|action_input|function|tool_uses|tool_calls)"\s*:'
)
_NAME = re.compile(r'"(?:name|function|function_name|tool|tool_name|recipient_name|action|tool_uses|tool_calls)"\s*:')
_BARE = re.compile(r"\[\s*[A-Za-z_][\w.]*\((?:\s*|.*=.*)\)\s*\]", re.DOTALL)


class CallReader:
    """Reads one possible call, character by character."""

    def __init__(self) -> None:
        self.text = ""
        """What was read."""
        self.begun = self._escaped = False
        self._quote = ""
        self._depth = 0

    def feed(self, char: str) -> bool | None:
        """Read a character. None: go on. Else the text is complete, and this is whether it is a call."""
        self.text += char
        self._count(char)
        if not self.begun:
            self.begun = bool(_START.fullmatch(self.text) or _BARE_START.fullmatch(self.text))
            return None if self.begun or self._may_begin() else False
        if self._depth == 0:
            return is_call(self.text)
        return None if len(self.text) < LONGEST else False

    def end(self) -> bool:
        """The text ends here. Whether it is a call, as far as it goes."""
        return self.begun and is_call(self.text)

    def _may_begin(self) -> bool:
        text = self.text
        return text == _FUNCTOOLS[: len(text)] or bool(_MAY_START.fullmatch(text) or _MAY_START_BARE.fullmatch(text))

    def _count(self, char: str) -> None:
        if self._quote:
            if self._escaped:
                self._escaped = False
            elif char == "\\":
                self._escaped = True
            elif char == self._quote:
                self._quote = ""
        elif char == '"' or (char == "'" and self.text.lstrip("[ ")[:1].isalpha()):
            self._quote = char
        else:
            self._depth += (char in "{[(") - (char in "}])")


def is_call(text: str) -> bool:
    """Whether `text`, as complete as it is, is a tool call."""
    if _BARE.fullmatch(text):
        return True
    return bool(_NAME.search(text) and _ARGUMENTS.search(text))
