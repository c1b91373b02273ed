"""Markdown reader: turns streamed Markdown into text to speak. Pure.

Models write Markdown even when they are told not to. Emphasis, headings, bullets and quotes lose their marks; a link
becomes its text and a table row its cells; blocks of code and emoji are left out. The reader works character by
character, so that it doesn't matter where the stream is cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable

BREAK = "\n"
"""Marks in the output the end of a paragraph, an item or a heading. All other white space becomes spaces."""

_STOPS = frozenset(".!?:…。！？؟।")
_LONGEST_BRACKET = 300
_LONGEST_TAG = 100
_LONGEST_TARGET = 2_000
_LONGEST_ROW = 1_000
_LONGEST_CODE = 1_000
_SEPARATOR_ROW = re.compile(r"[\s|:-]*")
_HEAD = re.compile(r"#{1,6}[ \t]|[-*+•][ \t]|\d{1,3}[.)][ \t]")
_MAYBE_HEAD = re.compile(r"#{0,6}|[-*+•]|\d{1,3}[.)]?|(?:-+|=+|\*+|_+)[ \t]*|`+|~+")
_RULE = re.compile(r"(?:-{2,}|={2,}|\*{3,}|_{3,})[ \t]*")
_CITATION = re.compile(r"\^.*|\d{1,3}(?:, ?\d{1,3})*|\[\d{1,3}\]")
_DEFINITION = re.compile(r"\[\^?\d{1,3}\]:")
"""The beginning of a line that says what a citation refers to."""
_MAYBE_DEFINITION = re.compile(r"\[\^?(?:\d{1,3}\]?)?")
_SOURCE = re.compile(r"【\d{1,3}(?::\d{1,3})?(?:†[^【】]*)?】")
"""A citation as OpenAI's file search writes it: `【4:0†report.pdf】`."""
_MAYBE_SOURCE = re.compile(r"【(?:\d{1,3}(?::\d{0,3})?(?:†[^【】]{0,100})?)?")
_TAG = re.compile(r"""/?[A-Za-z][\w-]*(?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"']+))*\s*/?|!--.*""")
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0e\ufe0f\u20e3\u231a\u231b\u23e9-\u23f3\u200d]"
)


class Markdown:
    """A reader of whole texts, block by block. Feed it one character at a time."""

    def __init__(self) -> None:
        self.left_out = ""
        """The last block of code, which was left out, as text."""
        self._reset()

    def _reset(self) -> None:
        self._code_text = ""
        """The block of code that is being read, as far as it may be spoken after all."""
        self._info = ""
        """What stands behind the opening fence: the name of the code's language."""
        self._line = ""
        """The start of a line, while it may still become a heading, a bullet, a rule, a fence or a table."""
        self._state: Callable[[str], str] = self._line_start
        self._fence = ""
        self._pending_space = False
        self._inline = Inline()

    def feed(self, char: str) -> str:
        """Read a character. Returns the text that can be spoken now, possibly empty."""
        return self._state(char)

    def finish(self) -> str:
        """End the text and return what was held back. The reader can be used again."""
        if self._state == self._table:
            rest = self._row()
        elif self._state == self._code:
            rest = self._end_of_code()
        elif self._state == self._line_start and not _RULE.fullmatch(self._line):
            rest = self._plain(self._line)
        else:
            rest = ""
        rest += self._inline.finish()
        self._reset()
        return rest

    def _line_start(self, char: str) -> str:
        if char == "\n":
            return self._end_of_start()
        if not self._line and char in " \t>":
            return ""
        if not self._line and char == "|":
            self._state = self._table
            return self._break()
        line = self._line + char
        if _HEAD.fullmatch(line):
            self._line, self._state = "", self._heading if line[0] == "#" else self._text
            return self._break() + (self._plain(line) if line[0].isdigit() else "")
        if _DEFINITION.fullmatch(line):
            self._line, self._state = "", self._skipped_line
            return self._break()
        if _MAYBE_HEAD.fullmatch(line) or _MAYBE_DEFINITION.fullmatch(line):
            self._line = line
            return ""
        if line.startswith(("```", "~~~")):
            self._line, self._fence, self._state = "", line[:3], self._fence_line
            return self._break()
        self._line, self._state = "", self._text
        return self._plain(line)

    def _end_of_start(self) -> str:
        line, self._line = self._line, ""
        if line.startswith(("```", "~~~")):
            self._fence, self._state = line[:3], self._code
            return self._break()
        if not line or _RULE.fullmatch(line):
            return self._break()
        self._state = self._text
        return self._plain(line) + self._text("\n")

    def _text(self, char: str) -> str:
        if char != "\n":
            return self._plain(char)
        self._state = self._line_start
        out, last = self._inline.end_of_line()
        if last in _STOPS:  # the sentence is complete, whatever the next line is
            return out + self._break()
        self._pending_space = True
        return out

    def _heading(self, char: str) -> str:
        return self._plain(char) if char != "\n" else self._text(char) + self._break()

    def _table(self, char: str) -> str:
        self._line += char
        if char != "\n" and len(self._line) < _LONGEST_ROW:
            return ""
        return self._row()

    def _row(self) -> str:
        row, self._line, self._state = self._line, "", self._line_start
        if _SEPARATOR_ROW.fullmatch(row):
            return ""
        cells = [strip_inline(cell).strip() for cell in row.strip().strip("|").split("|")]
        return ", ".join(cell for cell in cells if cell) + self._break()

    def _skipped_line(self, char: str) -> str:
        if char == "\n":
            self._state = self._line_start
        return ""

    def _fence_line(self, char: str) -> str:
        """Skip the rest of the line that opens a block of code."""
        if char == "\n":
            self._info, self._state = self._info.strip("`~ "), self._code
        elif len(self._info) < _LONGEST_TAG:
            self._info += char
        return ""

    def _code(self, char: str) -> str:
        """Skip a block of code. It ends with a line that consists of its fence."""
        if len(self._code_text) < _LONGEST_CODE:
            self._code_text += char
        if char != "\n":
            self._line = (self._line + char).lstrip()[:4]
        elif self._line.rstrip() == self._fence:
            self._close_code()
            self._line, self._state = "", self._line_start
        else:
            self._line = ""
        return ""

    def _end_of_code(self) -> str:
        """The text ends in a block of code. One that is still open and names no language is taken for text."""
        text, unclosed = self._code_text, self._line.rstrip() != self._fence
        is_text = unclosed and not self._info
        self._close_code()
        return self._break() + text if is_text else ""

    def _close_code(self) -> None:
        self.left_out = self._code_text.rstrip().removesuffix(self._fence)
        self._code_text = self._info = ""

    def _break(self) -> str:
        self._pending_space = False
        return self._inline.finish() + BREAK

    def _plain(self, text: str) -> str:
        space = " " if self._pending_space and text else ""
        self._pending_space = self._pending_space and not text
        return "".join(map(self._inline.feed, space + text))


class Inline:
    """A reader of the marks inside a line: emphasis, code, links, tags, escapes, emoji. Feed it one character at a
    time."""

    def __init__(self) -> None:
        self._held = ""
        """A mark whose meaning depends on the next characters, with all that was read since."""
        self._before = " "
        """The last character of the output."""
        self._in_code = False

    def feed(self, char: str) -> str:
        """Read a character. Returns the text that can be spoken now, possibly empty."""
        if not self._held:
            return self._fresh(char)
        first = self._held[0]
        if first in "*_~`":
            return self._run(char)
        if first == "\\":
            return self._flush(char if not char.isalnum() and not char.isspace() else "\\" + char)
        if first == "!" and len(self._held) == 1:
            return self._hold(char) if char == "[" else self._flush("!") + self._fresh(char)
        if first == "【":
            return self._source(char)
        return self._tag(char) if first == "<" else self._link(char)

    def finish(self) -> str:
        """End the text and return what was held back."""
        held, self._held, self._in_code = self._held, "", False
        if held[:1] == "~" and len(held) == 1:
            out = held
        elif held[:1] in {"*", "_", "~", "`"}:
            out = ""
        else:
            out = _link_text(held, glued=False) if "](" in held or "][" in held else held
        self._before = " "
        return out

    def end_of_line(self) -> tuple[str, str]:
        """End the line, and with it all marks. Returns what was held back, and the last character of the line."""
        before = self._before
        out = self.finish()
        return out, out[-1:] or before

    def _fresh(self, char: str) -> str:
        if self._in_code:
            return self._hold(char) if char == "`" else self._out(char)
        if char in "*_~`\\![<【":
            return self._hold(char)
        return "" if _EMOJI.match(char) else self._out(char)

    def _hold(self, char: str) -> str:
        self._held += char
        return ""

    def _flush(self, text: str) -> str:
        self._held = ""
        return self._out(text)

    def _out(self, text: str) -> str:
        self._before = text[-1:] or self._before
        return text

    def _run(self, char: str) -> str:
        """Read on in a run of equal marks, which ends with the first other character."""
        mark = self._held[0]
        if char == mark:
            return self._hold(char)
        literal = _is_literal(self._held, before=self._before, after=char)
        if mark == "`":
            self._in_code = not self._in_code
        return self._flush(self._held if literal else "") + self._fresh(char)

    def _link(self, char: str) -> str:
        """Read on in `[text]`, `[text](target)` or `[text][reference]`, each with or without a `!` before it."""
        opened = self._held.find("](") + 1 or self._held.find("][") + 1
        closed = not opened and self._held.endswith("]") and self._held.count("[") <= self._held.count("]")
        if closed and char not in "([":
            return self._flush(_bracket_text(self._held)) + self._fresh(char)
        self._hold(char)
        if opened:
            target = self._held[opened:]
            end = ")" if target[0] == "(" else "]"
            done = char == end and target.count(target[0]) <= target.count(end)
            return (
                self._flush(_link_text(self._held, glued=not self._before.isspace()))
                if done or len(target) > _LONGEST_TARGET
                else ""
            )
        return self._flush(self._held) if len(self._held) > _LONGEST_BRACKET else ""

    def _source(self, char: str) -> str:
        """Read on in `【4:0†source】`; anything else is text in brackets."""
        self._hold(char)
        if _MAYBE_SOURCE.fullmatch(self._held):
            return ""
        return self._flush("" if _SOURCE.fullmatch(self._held) else self._held)

    def _tag(self, char: str) -> str:
        """Read on in `<b>`, `<!-- -->` or `<https://…>`. Other words in angle brackets lose only these; anything else
        is a less-than sign."""
        if len(self._held) == 1 and not (char.isalpha() or char in "/!"):
            return self._flush("<") + self._fresh(char)
        self._hold(char)
        if char == ">":
            inner = self._held[1:-1]
            return self._flush("" if _TAG.fullmatch(inner) else inner)
        return self._flush(self._held) if len(self._held) > _LONGEST_TAG else ""


def strip_inline(text: str) -> str:
    """`text`, a complete one, without its inline marks."""
    inline = Inline()
    return "".join(map(inline.feed, text)) + inline.finish()


def _is_literal(run: str, *, before: str, after: str) -> bool:
    """Whether a run of `*`, `_` or `~` is text and not a mark: `2 * 3`, `2*3`, `snake_case`, `~5`."""
    match run[0]:
        case "*":
            return (before.isspace() and after.isspace()) or (before.isdigit() and after.isdigit())
        case "_":
            return before.isalnum() and after.isalnum()
        case "~":
            return len(run) == 1
    return False


def _link_text(held: str, *, glued: bool) -> str:
    """The text of a link; none if it is the number of a citation: `[1][2]`, `[[1]](target)`, or `glued` to the word
    before it."""
    inner = held.lstrip("!")[1:]
    text = re.split(r"\][(\[]", inner, maxsplit=1)[0]
    cites = _CITATION.fullmatch(text) is not None and (glued or held.endswith("]") or text[0] in "[^")
    return "" if cites else strip_inline(text)


def _bracket_text(held: str) -> str:
    """The text to speak for brackets without a target: none for the number of a footnote or citation, else all."""
    bang = "!" if held[0] == "!" else ""
    inner = held[len(bang) + 1 : -1]
    return bang if _CITATION.fullmatch(inner) else f"{bang}[{strip_inline(inner)}]"
