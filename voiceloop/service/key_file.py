"""The file of environment variables that services read their API keys from: `NAME=value` lines. Pure.

Format: systemd.exec(5), "EnvironmentFile=".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE = re.compile(r"^[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE | re.ASCII)
_ESCAPE = re.compile(r"\\(.)")
_HEADER = "# Environment variables of voiceloop's services. Only you can read this file.\n"


def read(text: str) -> dict[str, str]:
    """The variables in a file; the last line of a name counts."""
    return {match[1]: _value(match[2]) for match in _LINE.finditer(text)}


def _value(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\$`])', r"\1", text[1:-1])
    return _ESCAPE.sub(r"\1", text)


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """A file's text with variables added; every line of it is kept. The values are single lines."""
    text = text or _HEADER
    end = "" if text.endswith("\n") else "\n"
    return text + end + "".join(f"{name}={_quoted(value)}\n" for name, value in variables.items())


def _quoted(value: str) -> str:
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'
