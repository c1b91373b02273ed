"""Filter of a model's text in the form of ReAct: only the final answer is for the user. Pure.

    Thought: I need the weather.      private
    Action: weather                   private
    Action Input: Rome                private
    Observation: sunny                private
    Thought: I know it.               private
    Final Answer: It is sunny.        for the user

A label counts where a line begins; "Final Answer:" anywhere behind a thought. A reply that begins with a thought is
private until its answer. Elsewhere "Thought:" and "Action:" may be words of an ordinary list: what follows them is held
until its form shows what it is, a line without a label begins behind `LONGEST_HELD` characters, or the text ends.
Within a sentence, and in a block of code, they are text.
"""

from __future__ import annotations

from enum import Enum, auto

import regex

_LABEL = regex.compile(
    r"[ \t]{0,8}(?:\#{1,6}[ \t]+)?(?P<mark>\*\*|__|\*|_)?"
    r"(?P<name>Thoughts?|THOUGHT|Action[ ]Input|ACTION[ ]INPUT|Action|ACTION|Observation|OBSERVATION|Question|QUESTION"
    r"|Final[ ]Answer|FINAL[ ]ANSWER|Final[ ]Response|Answer|ANSWER|Response|AI)(?:[ ]\d{1,3})?"
    r"(?:[:：](?(mark)(?P=mark))|(?(mark)(?P=mark))[:：])"
)
_FIRST = frozenset(" \t#*_TAOQFR")
"""The characters that a label begins with."""
_FINAL = regex.compile(r"(?<!\w)(?:\*\*|__)?(?:Final Answer|FINAL ANSWER)(?:(?:\*\*|__)?[:：]|[:：](?:\*\*|__))$")
_TAIL = 24
"""So many characters hold the words "Final Answer" with their marks."""
_CALL = regex.compile(
    r"(?:[\w.-]+\[.*\]|[\w.-]+\(.*\)|(?:[\w.-]++[ \t]*+\n\s*+)?(?:```(?:json)?\s*+)?\{.*)", regex.DOTALL
)
"""What stands behind "Action:" if it is a call: `search[Rome]`, `search("Rome")`, JSON."""
_CALL_AFTER_THOUGHT = regex.compile(r"(?:[\w.-]+\s?\[.*\]|`.*)", regex.DOTALL)
"""What is a call, too, behind a thought: elsewhere it is `Contact [name]` or a command to type."""
_LONGEST_CALL = 500
"""So much behind a label is looked at."""
LONGEST_HELD = 400
"""When so many characters are held, the next line without a label shows that they are text: thoughts of this form that
come behind text are a few sentences, and a speaker waits for what is held."""
_ANSWERS = frozenset({"final answer", "final response", "answer", "response", "ai"})
_THOUGHTS = frozenset({"thought", "thoughts"})


class _Is(Enum):
    TEXT = auto()
    PRIVATE = auto()
    HELD = auto()
    """It may be either; nothing of it is given out yet."""


class ReactText:
    """Takes text in pieces and returns what is for the user."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._is = _Is.TEXT
        self._out: list[str] = []
        self._label = ""
        """What may become a label."""
        self._line_start = self._blank = True
        """Whether a line begins; whether nothing but space was given out yet."""
        self._known = False
        """Whether the reply has shown that it is in this form."""
        self._held: list[str] = []
        self._line = ""
        """Of what is held, what stands behind the last label, cut at `_LONGEST_CALL`."""
        self._size = 0
        """How many characters are held."""
        self._next_line = False
        """Whether a further line behind the last label begins."""
        self._seen: set[str] = set()
        """The labels in what is held."""
        self._tail = ""
        self._begins = False
        """Whether an answer begins: space before it is left out."""
        self._ticks, self._fenced = 0, False

    def feed(self, piece: str) -> str:
        """The next piece of the text. Returns what can be given out now, possibly nothing."""
        for char in piece:
            self._read(char)
        return self._taken()

    def end(self, *, complete: bool = True) -> str:
        """End the text, `complete` or broken off, and return what was held back. The filter can be used again."""
        self._plain(self._label)
        if complete and self._is is _Is.HELD and not self._calls():
            self._release()
        out = self._taken()
        self._reset()
        return out

    def _taken(self) -> str:
        out = "".join(self._out)
        self._out.clear()
        return out

    def _read(self, char: str) -> None:
        if not self._label and (not self._line_start or self._fenced or char not in _FIRST):
            self._plain(char)
            return
        self._label += char
        found = _LABEL.fullmatch(self._label, partial=True)
        if found is None:
            label, self._label = self._label, ""
            self._plain(label)
        elif not found.partial:
            label, self._label = self._label, ""
            self._take(found["name"].lower(), label)

    def _plain(self, text: str) -> None:
        """Read text that belongs to no label."""
        for char in text:
            self._line_start = char == "\n"
            if self._is is _Is.TEXT:
                self._show(char)
            else:
                self._note(char)

    def _show(self, char: str) -> None:
        if self._begins and char.isspace():
            return
        self._begins = False
        self._blank = self._blank and char.isspace()
        self._ticks = self._ticks + 1 if char == "`" else 0
        self._fenced ^= self._ticks == 3
        self._out.append(char)

    def _note(self, char: str) -> None:
        """Read a character that is private, or may be."""
        self._tail = (self._tail + char)[-_TAIL:]
        if self._is is _Is.HELD:
            self._hold(char)
        if char in ":：*_" and _FINAL.search(self._tail):
            self._answer()

    def _hold(self, char: str) -> None:
        begins = self._next_line and not char.isspace()
        ends = char == "\n" and not self._next_line
        self._next_line = char == "\n" or (self._next_line and not begins)
        # An ordinary line: what an action is called with doesn't follow, or too long a text is held.
        if begins and (self._size > LONGEST_HELD or (self._seen == {"action"} and char not in "{`")):
            self._release()
            self._show(char)
            return
        self._held.append(char)
        self._size += 1
        self._line += char if len(self._line) < _LONGEST_CALL else ""
        if ends and self._calls():
            self._hide()

    def _calls(self) -> bool:
        """Whether what is held ends with a call of an action."""
        if "action" not in self._seen:
            return False
        line = self._line.strip()
        return bool(_CALL.fullmatch(line) or (len(self._seen) > 1 and _CALL_AFTER_THOUGHT.fullmatch(line)))

    def _take(self, name: str, label: str) -> None:
        """Act on a label."""
        self._line_start = False
        begins = self._blank and self._is is _Is.TEXT
        if name in _ANSWERS and (self._is is _Is.PRIVATE or (name.startswith("final") and self._ends(begins=begins))):
            self._answer()
        elif self._is is _Is.TEXT:
            self._enter(name, label, begins=begins)
        elif self._is is _Is.HELD:
            self._seen.add("thought" if name in _THOUGHTS else name)
            if self._seen >= {"action", "action input"} or self._seen >= {"thought", "action", "observation"}:
                self._hide()
            else:
                self._held.append(label)
                self._size += len(label)
                self._line, self._next_line = "", False

    def _ends(self, *, begins: bool) -> bool:
        """Whether a final answer is the end of something private, or the whole reply."""
        return begins or self._known or self._is is _Is.HELD

    def _enter(self, name: str, label: str, *, begins: bool) -> None:
        """A label comes behind text, or at the beginning."""
        if (name not in _ANSWERS) if self._known else (name in _THOUGHTS and begins):
            self._hide()
        elif name in _THOUGHTS or name == "action":
            self._is, self._held, self._line = _Is.HELD, [label], ""
            self._size, self._next_line = len(label), False
            self._seen = {"thought" if name in _THOUGHTS else name}
        else:
            self._plain(label)

    def _answer(self) -> None:
        self._is, self._known, self._begins, self._tail, self._held = _Is.TEXT, True, True, "", []
        self._ticks, self._fenced = 0, False

    def _hide(self) -> None:
        self._is, self._known, self._held, self._tail = _Is.PRIVATE, True, [], ""

    def _release(self) -> None:
        held, self._held, self._is, self._seen, self._line = self._held, [], _Is.TEXT, set(), ""
        for char in "".join(held):
            self._show(char)
