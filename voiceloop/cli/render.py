"""Renders events: data on standard output, everything else on standard error, each line flushed at once.

What was heard or generated is untrusted: no control, escape or bidirectional character of it reaches the terminal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from voiceloop.errors import OutputError, UsageError
from voiceloop.events import Publish, plain
from voiceloop.net.usage import cost
from voiceloop.text import clean_line as clean

if TYPE_CHECKING:
    from voiceloop.config.tables import Config

_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}


def print_line(text: str, *, to: TextIO | None = None, end: str = "\n") -> bool:
    """One line, on standard output unless told otherwise; False when nobody reads it any more.

    When its reader has gone away, the program is told to end as by SIGTERM: it would go on for nobody, perhaps for
    money. Raises VoiceloopError when it can't be written.
    """
    stream = to or sys.stdout
    try:
        stream.write(text + end)
        stream.flush()
    except BrokenPipeError:
        if stream is sys.stdout:
            os.kill(os.getpid(), signal.SIGTERM)
    except OSError as error:
        if stream is sys.stdout:
            reason = (error.strerror or str(error)).lower()
            raise OutputError(f"it can't be written: {reason}", place="standard output") from error
    else:
        return True
    return False


def print_error(text: str) -> None:
    """One line for the person at the terminal."""
    print_line(text, to=sys.stderr)


class JsonLines:
    """Every event as one JSON object a line on standard output: `event`, `time` (Unix seconds) and its fields."""

    def __call__(self, name: str, /, **fields: object) -> None:
        print_line(json.dumps({"event": name, "time": round(time.time(), 3)} | fields, default=plain))


class Text:
    """Events for people: what was said and answered on standard output, the rest on standard error."""

    def __init__(
        self,
        level: str = "info",
        line: Callable[[str], None] = print_error,
        also: Mapping[str, tuple[str, Words]] | None = None,
        *,
        data: bool = True,
    ) -> None:
        self._level = _LEVELS[level]
        self._line = line
        self._said = _SAID | dict(also or {})
        """How each event is told: its level, and its words."""
        self._data = _DATA if data else {}
        """What is told on standard output."""

    def __call__(self, name: str, /, **fields: object) -> None:
        if name in self._data:
            print_line(self._data[name](fields))
        elif name in self._said:
            level, words = self._said[name]
            if _LEVELS[level] >= self._level:
                self._line(words(fields))
        elif self._level == 0:
            self._line(f"{name} " + " ".join(f"{key}={clean(str(value))}" for key, value in fields.items()))


def renderer(config: Config, *, json: bool) -> Publish:
    """What tells the events of the loop. Where dictation has standard output for its text, nothing else goes there.

    Raises UsageError for JSON beside it.
    """
    from voiceloop.dictation.targets.target import TargetOptions

    options = config.handler.options
    taken = isinstance(options, TargetOptions) and options.to == "stdout"
    if taken and json:
        what = "--json and dictation to stdout exclude each other: both want standard output"
        remedy = "Leave --json out, or have the text elsewhere: --set handler.to=file:PATH"
        raise UsageError(what, remedy=remedy)
    return JsonLines() if json else Text(config.log.level, data=not taken)


def _counted(dropped: Any) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in dropped.items())


def _listening(fields: Mapping[str, object]) -> str:
    names = ("microphone", "loudspeaker", "echo", "vad", "turns", "transcribe", "handler", "speak", "control")
    return "\n".join(f"  {name:<11} {clean(str(fields[name]))}" for name in names if name in fields)


def _reply(fields: Mapping[str, object]) -> str:
    return f"loop: {clean(str(fields['text']))}" + ("" if fields["complete"] else " —")


def _stopped(fields: Mapping[str, object]) -> str:
    usage: Any = fields.get("usage")
    if usage is None:
        return "Stopped."
    line = f"Stopped. {usage.requests} request{'s' if usage.requests != 1 else ''}{cost(usage)}."
    wasted: Any = fields.get("wasted")
    if wasted is not None and wasted.requests:
        worth = f", about {wasted.cost_usd:.6f} USD" if wasted.cost_usd else ""
        line += f" For nothing, as you went on: {wasted.requests} ({wasted.audio_s:.0f} s of sound{worth})."
    if echoes := fields.get("echoes"):
        line += f" Echoes of its own voice dropped: {echoes}."
    return line


def _ready(fields: Mapping[str, object]) -> str:
    if fields.get("state", "listening") == "listening":
        return "Listening. Speak; Ctrl-C ends it."
    return "Ready, and not listening: 'voiceloop ctl start' begins it. Ctrl-C ends it."


def _pending(fields: Mapping[str, object]) -> str:
    if not fields["count"]:
        return "All that was kept is fetched."
    perhaps = f" ({fields['doubtful']} of them perhaps were)" if fields["doubtful"] else ""
    return (
        f"{fields['count']} kept that were not delivered{perhaps}: 'voiceloop transcribe --pending' writes them down."
    )


_STATES = {
    "listening": "Listening.",
    "idle": "Not listening: 'voiceloop ctl start' or 'toggle' begins it again.",
    "asleep": "Asleep.",
    "muted": "Muted: the microphone is closed.",
}
Words = Callable[[Mapping[str, object]], str]
_DATA: dict[str, Words] = {
    "transcript": lambda f: f"you:  {clean(str(f['text']))}",
    "reply": _reply,
}
_SAID: dict[str, tuple[str, Words]] = {
    "notice": ("info", lambda f: clean(str(f["text"]))),
    "listening": ("info", _listening),
    "ready": ("info", _ready),
    "attention": ("info", lambda f: _STATES[str(f["state"])]),
    "journal.pending": ("info", _pending),
    "stopped": ("info", _stopped),
    "speech.refused": (
        "warning",
        lambda f: f"Not taken: {f['waiting']} utterances wait for the handler already (conversation.waiting).",
    ),
    "turn.failed": ("error", lambda f: f"This turn failed: {clean(str(f['error']))}"),
    "speech.failed": ("warning", lambda f: f"A part of the reply could not be spoken: {clean(str(f['error']))}"),
    "hallucination.dropped": (
        "info",
        lambda f: (
            f"Not written down: {f['length_s']} s at {f['at_s']} s ({f['reason']}; [hallucinations] has the rules)."
        ),
    ),
    "hallucinations": ("info", lambda f: f"Dropped as words that nobody said: {_counted(f['dropped'])}."),
    "device.lost": ("warning", lambda f: f"The {f['which']} is gone ({clean(str(f['reason']))}); waiting for it."),
    "device.back": ("warning", lambda f: f"The {f['which']} is back: {clean(str(f['device']))}."),
}
