"""Captions as text on standard output.

In a terminal the live words are redrawn in place below the final captions; elsewhere only final captions are printed.
Everything that is not a caption goes to standard error, as in the other commands. Captions arrive with control
characters already removed; they are cleaned once more here.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TextIO

from voiceloop.captions.cues import wrapped
from voiceloop.captions.words import Spoken, named, text_of
from voiceloop.cli.render import Text, Words, columns_of, print_error, print_line, ready
from voiceloop.text import chopped, clean_line, columns, shortened
from voiceloop.transcribe.keeping import KEPT

_RESET, _DIM = "\x1b[0m", "\x1b[2m"
_COLOURS = {"mic": "\x1b[32m", "speaker": "\x1b[36m"}
_INDENT = "  "
"""Before a second line."""
_PERSON = "\x1b[33m"
"""The colour of a person's name where there is one source."""
_COLOURING = re.compile(r"\x1b\[\d+m")
_KEPT = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One caption: its source and speaker, the words that are final (`sure`) and those that may change (`unsure`)."""

    source: str
    sure: str
    unsure: str = ""
    speaker: str = ""
    number: int = 0
    """The number by which its second line will follow; 0 if none will."""
    second: str = ""
    """The same in another language."""

    @property
    def name(self) -> str:
        """What stands before the words, with a colon; empty if there is nothing."""
        name = named(self.source, self.speaker)
        return f"{name}:" if name else ""


@dataclass(slots=True)
class Screen:
    """The captions drawn on standard output, and how to redraw them."""

    stream: TextIO
    terminal: bool
    """Whether the stream is a terminal. If not, final lines are appended and live words are not shown."""
    colour: bool
    lines: int
    """Show at most this many rows, redrawn in place; 0: final captions scroll up and stay."""
    width: int
    """Columns; 0 for the terminal's width."""
    _drawn: list[int] = field(default_factory=list)
    """The width in columns of each row that the next redraw replaces."""
    _new: list[Line] = field(default_factory=list)
    """Final captions that have not scrolled up yet: the next `live` draws them together with the new live row, in one
    write. One that a second line may still come for, and those after it, are redrawn until then."""
    _finals: deque[Line] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _lives: dict[str, Line] = field(default_factory=dict)

    @classmethod
    def of(cls, stream: TextIO, *, lines: int, width: int) -> Screen:
        """A screen for `stream`. Colour: only in a terminal that has it, and if NO_COLOR is not set (no-color.org)."""
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        return cls(stream, terminal, terminal and not os.environ.get("NO_COLOR"), lines, width)

    def final(self, line: Line) -> None:
        """Add a final caption. In a terminal the next `live` draws it."""
        if self.terminal:
            self._new.append(line)
            return
        self._print(line)

    def _print(self, line: Line) -> None:
        for row in rows(line, self.width or sys.maxsize, colour=False):
            print_line(row, to=self.stream)

    def translated(self, number: int, text: str) -> None:
        """Add the second line of a final caption; empty if there is none."""
        if not self.terminal:
            if text:
                self._print(Line("", "", second=text))
            return
        for lines in (self._new, self._finals):
            for at, line in enumerate(lines):
                if line.number == number:
                    lines[at] = replace(line, number=0, second=text)
        self._draw()

    def live(self, line: Line) -> None:
        """Replace the live words of the line's source, and redraw."""
        self._lives[line.source] = line
        self._draw()

    def print_error(self, text: str) -> None:
        """Print a line on standard error without mixing it into the captions: it may be the same terminal."""
        drawn = self._drawn
        if drawn and not self._put(self._erase()):
            self._drawn = drawn
        print_error(text)
        self._draw()

    def _draw(self) -> None:
        """Append new final captions and redraw the changing rows below them, in one write."""
        if not self.terminal:
            return
        size = shutil.get_terminal_size()
        # One column less: some terminals wrap a row that fills the last column.
        width = max(10, min(self.width or size.columns, size.columns - 1))
        drawn = self._drawn
        new = self._new
        done = len(new) if self.lines else next((at for at, line in enumerate(new) if line.number), len(new))
        added = [row for line in new[:done] for row in rows(line, width, colour=self.colour)] if not self.lines else []
        self._finals += new if self.lines else ()
        self._new = new[done:]
        lives = [line for line in self._lives.values() if line.sure or line.unsure]
        finals = (*self._finals, *self._new)
        shown = [row for line in (*finals, *lives) for row in rows(line, width, colour=self.colour)]
        shown = shown[-min(self.lines or size.lines, max(1, size.lines - 1)) :]
        text = self._erase() + "".join(f"{row}\n" for row in (*added, *shown))
        self._drawn = [columns(_COLOURING.sub("", row)) for row in shown]
        if not self._put(text):  # nobody reads now: the next one draws it
            self._drawn, self._new = drawn, [] if self.lines else new[-_KEPT:]

    def _erase(self) -> str:
        # A terminal that was made narrower has wrapped the rows that no longer fit.
        across = max(1, shutil.get_terminal_size().columns)
        rows_up, self._drawn = sum(max(1, -(-wide // across)) for wide in self._drawn), []
        return f"\x1b[{rows_up}A\r\x1b[J" if rows_up else ""

    def _put(self, text: str) -> bool:
        return not text or print_line(text, to=self.stream, end="")


def rows(line: Line, width: int, *, colour: bool) -> list[str]:
    """A caption wrapped into rows of at most `width` columns: its name first, the words that may change dim, as is its
    second line below."""
    name = [Spoken(line.name, 0, 0)] if line.name else []
    sure, unsure = _words(line.sure), _words(line.unsure)
    words = [part for word in (*name, *sure, *unsure) for part in _parts(word, width)]
    solid = sum(len(list(_parts(word, width))) for word in (*name, *sure))
    drawn: list[str] = []
    count = 0
    indent = _INDENT if width > 2 * len(_INDENT) else ""
    for row in wrapped(words, width):
        cut = max(0, min(len(row), solid - count))
        count += len(row)
        drawn.append(_painted(row, cut, None if drawn else line) if colour else text_of(row))
    inner = width - len(indent)
    for row in wrapped([part for word in _words(line.second) for part in _parts(word, inner)], inner):
        drawn.append(f"{_DIM}{indent}{text_of(row)}{_RESET}" if colour else f"{indent}{text_of(row)}")
    return drawn


def _words(text: str) -> list[Spoken]:
    return [Spoken(word, 0, 0) for word in clean_line(text).split()]


def _painted(row: list[Spoken], solid: int, named_by: Line | None) -> str:
    """A row; `named_by`: the line whose name it begins with."""
    sure, unsure = text_of(row[:solid]), text_of(row[solid:])
    if named_by is not None and (name := named_by.name) and sure.startswith(name):
        sure = f"{_COLOURS.get(named_by.source, _PERSON)}{name}{_RESET}{sure.removeprefix(name)}"
    gap = " " if sure and unsure else ""
    return f"{sure}{gap}{_DIM}{unsure}{_RESET}" if unsure else sure


def _parts(word: Spoken, width: int) -> Iterator[Spoken]:
    """`word`, split into pieces if it is wider than a row."""
    if columns(word.text) <= width:
        yield word
    else:
        for at, piece in enumerate(chopped(word.text, width)):
            yield Spoken(piece, 0, 0, at == 0)


def _line(fields: Mapping[str, object]) -> Line:
    """The line of an event `caption.final`."""
    source, text, speaker = (str(fields.get(key, "")) for key in ("source", "text", "speaker"))
    return Line(source, text, speaker=speaker, number=int(str(fields.get("number", 0))))


class Captions:
    """Renders events as text: captions on the screen, other events as `voiceloop run` prints them.

    In a terminal one row stands before the first caption: where the words go and what is heard. So the former waits for
    the latter, which comes before anything is listened to. `at_end` is called after the last line.
    """

    def __init__(self, screen: Screen, level: str = "info", at_end: Callable[[], None] = lambda: None) -> None:
        self._screen, self._level, self._at_end = screen, level, at_end
        self._other_events = Text(level, line=screen.print_error, extra=_MESSAGES)
        self._engines: Mapping[str, object] | None = None
        """The event `engines` while it waits."""

    def __call__(self, name: str, /, **fields: object) -> None:
        if name == "caption.live":
            self._screen.live(Line(str(fields["source"]), str(fields["sure"]), str(fields["unsure"])))
        elif name == "caption.final":
            self._screen.final(_line(fields))
        elif name == "caption.translated":
            self._screen.translated(int(str(fields["number"])), str(fields["text"]))
        elif name == "engines" and self._level == "info" and columns_of(sys.stderr):
            self._engines = fields
        elif name == "ready" and self._engines is not None:
            engines, self._engines = self._engines, None
            self._screen.print_error(start_row(engines, fields, columns_of(sys.stderr)))
        else:
            self._other_events(name, **fields)
            if name == "captions.page" and fields["shared"]:
                self._show_code(str(fields["url"]))
            if name == "captions.stopped":
                self._at_end()

    def _show_code(self, url: str) -> None:
        """Draw the QR code of an address, if it fits into the terminal."""
        from voiceloop.cli.qr_code import drawn

        if self._level != "error" and (code := drawn(url, columns_of(sys.stderr))):
            self._screen.print_error(code)


def start_row(engines: Mapping[str, object], ready_: Mapping[str, object], width: int) -> str:
    """Where the words go, what is heard and how to end or to start it, in one row of `width` columns: as much of it as
    fits. `engines` and `ready_` are the fields of these events."""
    who, heard = (clean_line(str(text)) for text in (engines["who"], ready_["heard"]))
    listening = ready_["state"] == "listening"
    how = "Ctrl-C ends it." if listening else "'voiceloop ctl start' starts it."
    verb = "hears" if listening else "will hear"
    place = "This machine" if who.endswith(" on this machine") else who
    short = _DEVICE.sub("", heard)
    translates = clean_line(str(engines.get("translates", "")))
    goes = f"Words go to {translates}. " if translates else ""
    rows = [
        f"{clean_line(str(engines['text']))} {ready(ready_, how='Ctrl-C ends it.')}",
        f"{who[:1].upper()}{who[1:]} {verb} {heard}. {goes}{how}" if listening else "",
        f"{place} {verb} {heard}. {goes}{how}",
        f"{place} {verb} {short}. {goes}{how}",
        f"{goes}{place} {verb} {short}.",
    ]
    return next((row for row in rows if row and columns(row) <= width), shortened(rows[-1], width))


_DEVICE = re.compile(r' \(".*?"\)')
"""The name of a device behind what it is."""
_PENDING_HINT = "'voiceloop transcribe --pending' transcribes it (with --cloud, if it was meant for OpenRouter)"


def _failed(fields: Mapping[str, object]) -> str:
    outcome = f" Kept: {KEPT}." if fields.get("kept") else " What was said is lost."
    return f"Not captioned: {clean_line(str(fields['error']))}.{outcome}"


def _stopped(fields: Mapping[str, object]) -> str:
    heard_s, transcribed_s = fields["heard_s"], fields["posted_s"]
    line = f"Stopped. {heard_s} s of speech, {transcribed_s} s of audio transcribed, live words included."
    if files := fields.get("files"):
        line += f" Written: {', '.join(clean_line(str(path)) for path in files)}."  # type: ignore[attr-defined]
    if count := fields["kept"]:
        line += f" Not captioned, but kept: {count}. {_PENDING_HINT}."
    return line


def _page(fields: Mapping[str, object]) -> str:
    url = fields["url"]
    if not fields["shared"]:
        return f"On this machine, the captions are at {url} too."
    return f"Whoever is on your network and has this address can read along, unencrypted, until you end: {url}"


_MESSAGES: dict[str, tuple[str, Words]] = {
    "listening": (
        "verbose",
        lambda f: "\n".join(f"  {name:<11} {clean_line(str(value))}" for name, value in f.items()),
    ),
    "ready": ("info", lambda f: ready(f, how="Ctrl-C ends it.")),
    "captions.page": ("info", _page),
    "caption.failed": ("error", _failed),
    "caption.dropped": (
        "verbose",
        lambda f: f"Not captioned: {f['seconds']} s in which the microphone heard only the loudspeaker.",
    ),
    "captions.stopped": ("info", _stopped),
}
