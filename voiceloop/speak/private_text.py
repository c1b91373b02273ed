"""Filter of a model's text: takes out what is not for the user. Pure.

Thoughts, tool calls, other turns and control tokens are told from text by their form (`private_marks`, `tool_json`), as
servers pass them on in the text in any of their models' spellings. The filter works character by character, so that it
doesn't matter where the stream is cut.

Some templates open the thoughts in the prompt, so that a reply begins with them and only their end is marked. So the
first words are held, no longer than a splitter would hold them; what sounds like the beginning of thoughts (`musing`)
is held until their end mark comes or the text ends. Nothing can be taken back that was given out before.

What is left may be in the form of ReAct (`react_text`).

A mark that is quoted (`the tag "<think>"`) or stands in a block of code is text.
"""

from __future__ import annotations

import re
from collections import deque

from voiceloop.speak import tool_json
from voiceloop.speak.musing import decided, is_naked, muses
from voiceloop.speak.private_marks import FIRST, THOUGHT, Does, Mark, recognise
from voiceloop.speak.react_text import ReactText
from voiceloop.speak.tool_json import CallReader

_LONGEST_HEADER = 100
_KEPT, _TAIL = 40, 400
"""Of what is held as thoughts, so many characters at least and at most are looked at for their end."""
_QUOTES = frozenset("`\"'“„‘«‹「『(")
_OTHER_TURN = "turn"
"""The topic of what another role says, or of a call to a tool."""
_ENDS = ("assistantfinal", "...done thinking.", "Here is my response:")
"""Plain text that ends thoughts: of gpt-oss without its tokens, Ollama's command line, Granite."""
_PRIVATE_ROLE = re.compile(
    r"\s*(?:user|human|system|developer|tool|observation|ipython|functions\.)|.*\bto=", re.DOTALL
)
_THOUGHTS = re.compile(r".*\b(?:analysis|thoughts?|think|thinking)\b", re.DOTALL)
_NAMES = (
    "assistant user human system developer tool observation ipython model bot analysis commentary final thought "
    "functions"
)
_ROLE_STARTS = frozenset(name[:length] for name in _NAMES.split() for length in range(len(name) + 1))


class PrivateText:
    """Takes a model's text in pieces and returns what is for the user.

    `thinks`: the model's replies are known to begin with thoughts whose beginning isn't marked. `guess`: what sounds
    like the beginning of thoughts is held, as said above. Without `react` the form of ReAct is text, as where somebody
    has written it, who may begin with "Thought:".
    """

    def __init__(self, *, thinks: bool = False, guess: bool = True, react: bool = True) -> None:
        self._guess = guess
        self.thinks = thinks
        """Whether the next reply will begin with thoughts, as far as can be told from this one."""
        self._todo: deque[str] = deque()
        self._out: list[str] = []
        self._react = ReactText() if react else None
        self._reset()

    def _reset(self) -> None:
        self._held = ""
        """What may become a mark."""
        self._call: CallReader | None = None
        self._topic = ""
        """What the private part is about that is being read; empty outside of one."""
        self._depth = 0
        self._header: str | None = None
        """The name of a role or a channel that is being read."""
        self._start: str | None = ""
        """The beginning of the reply, while it may turn out to be thoughts; then None. Only its end while `_musing`."""
        self._mused: list[str] = []
        """What was read before `_start` while it seemed to be thoughts."""
        self._musing = self.thinks
        self._naked = self._thought = self._left_out = self._commentary = self._fenced = False
        self._ticks = 0
        self._before = self._last = "\n"
        """The last two characters that were read as text."""
        self._shown = "\n"
        """The last character that was shown."""
        self._line_start = True

    def feed(self, piece: str) -> str:
        """The next piece of the text. Returns what can be given out now, possibly nothing."""
        self._todo.extend(piece)
        while self._todo:
            self._read(self._todo.popleft())
        return self._taken() if self._react is None else self._react.feed(self._taken())

    def end(self, *, complete: bool = True) -> str:
        """End the text, `complete` or broken off, and return what was held back. The filter can be used again."""
        call, self._call = self._call, None
        if call is not None and not call.end():
            self._show(call.text)
        held, self._held = self._held, ""
        if not held.startswith(("<|", "<｜")):
            for char in held:
                self._plain(char)
        self._end_header()
        start, thoughts = self._start, self._naked or (self._musing and not complete)
        if start is not None:
            self.thinks = self.thinks and not complete
            if not thoughts:
                self._out += [*self._mused, start]
        self._reset()
        if self._react is None:
            return self._taken()
        return self._react.feed(self._taken()) + self._react.end(complete=complete)

    def _taken(self) -> str:
        out = "".join(self._out)
        self._out.clear()
        return out

    def _read(self, char: str) -> None:
        if self._call is not None:
            self._read_call(self._call, char)
        elif not self._held and (char not in FIRST or self._mentioned()):
            if self._line_start and char in tool_json.FIRST and not self._topic and self._header is None:
                self._begin_call(char)
            else:
                self._plain(char)
        else:
            self._held += char
            found = recognise(self._held)
            if found is True:
                return
            held, self._held = self._held, ""
            if found is not False:
                self._take(found)
            elif held[0] == "[" and self._line_start and not self._topic and self._header is None:
                self._begin_call(held)
            else:
                self._plain(held[0])
                self._again(held[1:])

    def _again(self, text: str) -> None:
        self._todo.extendleft(reversed(text))

    def _begin_call(self, text: str) -> None:
        self._call = CallReader()
        self._again(text)

    def _read_call(self, call: CallReader, char: str) -> None:
        is_call = call.feed(char)
        if is_call is None:
            return
        self._call = None
        if is_call:
            self._left_out = True
        elif call.begun:
            self._show(call.text)
        else:
            self._plain(call.text[0])
            self._again(call.text[1:])

    def _mentioned(self) -> bool:
        """Whether what follows is quoted, or in a block of code."""
        if self._topic not in {"", THOUGHT}:
            return False
        return (self._fenced and not self._topic) or (
            self._last in _QUOTES and (self._before.isspace() or self._before == "(")
        )

    def _take(self, mark: Mark) -> None:
        """Act on a mark."""
        if mark.does is Does.HEADER:
            self._close()
            self._header = "" if self._header is None else f"{self._header} "
            return
        if mark.does is Does.NOTHING:
            return
        self._end_header()
        match mark.does:
            case Does.ROLE:
                self._close()
                if mark.topic != "assistant":
                    self._open(_OTHER_TURN)
            case Does.END_TURN:
                self._close()
            case Does.OPEN if not self._topic:
                self._open(mark.topic)
            case Does.OPEN if self._topic == mark.topic != THOUGHT:
                self._depth += 1
            case Does.CLOSE if self._topic == mark.topic:
                self._depth -= 1
                if not self._depth:
                    self._close()
            case Does.CLOSE if not self._topic and mark.topic == THOUGHT and not self._thought:
                self._take_back()

    def _open(self, topic: str) -> None:
        if topic == THOUGHT:
            self._thought = True
            if self._start is not None and not self._naked:
                self._release()
        self._topic, self._depth, self._left_out = topic, 1, True

    def _close(self) -> None:
        self._topic, self._depth = "", 0
        self._begin_line()

    def _begin_line(self) -> None:
        self._before = self._last = "\n"
        self._line_start = True

    def _take_back(self) -> None:
        """Thoughts end whose beginning was not marked: all before is left out, as far as it was held."""
        if self._start is None or self._start or self._mused:
            self.thinks = True
        self._start, self._left_out, self._thought = None, False, True
        self._begin_line()

    def _end_header(self) -> None:
        """The name of a role or a channel is complete."""
        header, self._header = self._header, None
        if header is None:
            return
        if header.strip() and not _is_role(header):
            self._show(header)
            return
        self._begin_line()
        if _THOUGHTS.match(header):
            self._open(THOUGHT)
        elif _PRIVATE_ROLE.match(header):
            self._open(_OTHER_TURN)
        self._commentary = "commentary" in header

    def _plain(self, char: str) -> None:
        """Read a character that belongs to no mark."""
        if self._header is not None:
            self._header += char
            named = self._header.strip()
            if (char == "\n" and named) or len(named) > _LONGEST_HEADER or not _is_role(self._header):
                self._end_header()
            return
        if self._commentary and not char.isspace():
            self._commentary = False
            if char == "{" and not self._topic:  # what a tool is called with
                self._open(_OTHER_TURN)
        if self._topic:
            self._note(char)
        else:
            self._show(char)

    def _note(self, char: str) -> None:
        self._before, self._last = self._last, char
        self._line_start = char == "\n" or (self._line_start and char.isspace())

    def _show(self, text: str) -> None:
        """Give out text, or hold it while it may be the beginning of thoughts."""
        if self._left_out and not self._shown.isspace() and text[:1].isalnum():
            text = f" {text}"
        self._left_out = False
        self._shown = text[-1:] or self._shown
        for char in text:
            self._note(char)
            self._ticks = self._ticks + 1 if char == "`" else 0
            self._fenced ^= self._ticks == 3
            if self._start is None or (not self._start and char.isspace()):
                self._out.append(char)
            else:
                self._start += char
                self._look(self._start)

    def _look(self, start: str) -> None:
        """Decide whether the reply begins with thoughts, once that can be told."""
        if self._musing:
            if start.endswith(_ENDS):
                self._start, self._shown = None, "\n"
                self._begin_line()
            elif len(start) > _TAIL:
                self._mused.append(start[:-_KEPT])
                self._start = start[-_KEPT:]
            return
        if not decided(start):
            return
        self._naked = is_naked(start)
        self._musing = self._naked or (self._guess and muses(start))
        if not self._musing:
            self._release()

    def _release(self) -> None:
        assert self._start is not None
        self._out += [*self._mused, self._start]
        self._start, self._musing = None, False


def _is_role(header: str) -> bool:
    """Whether `header` is the name of a role or a channel, or the beginning of one."""
    first = re.match(r"\s*(\w*)", header)
    assert first is not None
    return first[1].lower() in _ROLE_STARTS
