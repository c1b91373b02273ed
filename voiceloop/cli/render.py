"""Renders events: data on standard output, everything else on standard error, each line flushed at once.

Transcribed and generated text is untrusted: its control, escape and bidirectional characters are removed before it
reaches the terminal.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from voiceloop.cli.output import GONE, lane_of, unwritable
from voiceloop.errors import UsageError
from voiceloop.events import Publish, plain
from voiceloop.net.usage import cost
from voiceloop.text import clean_line as clean
from voiceloop.text import wrapped

if TYPE_CHECKING:
    from voiceloop.config.tables import Config

_LEVELS = {"debug": 0, "verbose": 1, "info": 2, "warning": 3, "error": 4}
"""Those of `log.level`, and `verbose`, which `-v` adds."""


def print_line(text: str, *, to: TextIO | None = None, end: str = "\n") -> bool:
    """Print one line, by default on standard output; False when it was not written because the reader has gone away,
    or in a command that listens because nobody reads (`output.py`).

    When the reader of standard output has gone away, the program ends as after SIGTERM: it would otherwise go on
    unread, and perhaps spend money. Raises OutputError when standard output can't be written.
    """
    stream = to or sys.stdout
    if (lane := lane_of(stream)) is not None:
        return lane.put((text + end).encode(stream.encoding, stream.errors or "replace"))
    try:
        stream.write(text + end)
        stream.flush()
    except OSError as error:
        if stream is sys.stdout:
            if error.errno not in GONE:
                raise unwritable(error) from error
            os.kill(os.getpid(), signal.SIGTERM)
    else:
        return True
    return False


def print_error(text: str) -> None:
    """Print one line on standard error."""
    print_line(text, to=sys.stderr)


def at_terminal(*streams: TextIO | None) -> bool:
    """Whether all streams are terminals. A stream that was closed before the start is None."""
    return all(stream is not None and stream.isatty() for stream in streams)


def columns_of(stream: TextIO) -> int:
    """The width of the terminal that `stream` writes to; 0 if it is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):  # a stream without a file
        return 0


class JsonLines:
    """Prints every event as a line of JSON on standard output: `event`, `time` (Unix seconds) and its fields."""

    def __call__(self, name: str, /, **fields: object) -> None:
        print_line(json.dumps({"event": name, "time": round(time.time(), 3)} | fields, default=plain))


class Text:
    """Prints events as text: transcripts and replies on standard output, the rest on standard error.

    `extra`: more messages, or other ones, for named events. `data=False`: print no transcripts and replies.
    In a terminal, messages are wrapped between words.
    """

    def __init__(
        self,
        level: str = "info",
        line: Callable[[str], None] = print_error,
        extra: Mapping[str, tuple[str, Words]] | None = None,
        *,
        data: bool = True,
    ) -> None:
        self._level = _LEVELS[level]
        self._line = line
        self._messages = _MESSAGES | dict(extra or {})
        """The level and the message of each event that goes to standard error."""
        self._data = _DATA if data else {}
        """The text of each event that goes to standard output."""

    def __call__(self, name: str, /, **fields: object) -> None:
        if name in self._data:
            print_line(self._data[name](fields))
        elif name in self._messages:
            level, message = self._messages[name]
            if _LEVELS[level] >= self._level:
                self._put(message(fields))
        elif self._level == 0:
            self._put(f"{name} " + " ".join(f"{key}={clean(str(value))}" for key, value in fields.items()))

    def _put(self, text: str) -> None:
        width = columns_of(sys.stderr)
        rows = [row for line in text.split("\n") for row in wrapped(line, width)] if width else [text]
        self._line("\n".join(rows))


def level_of(config: Config, *, verbose: bool) -> str:
    """The level of the messages to print: `log.level`, or `verbose`, whichever prints more."""
    return min(config.log.level, "verbose", key=_LEVELS.__getitem__) if verbose else config.log.level


def renderer(config: Config, *, json: bool, verbose: bool) -> Publish:
    """The renderer for the events of `run` and `dictate`.

    When dictation writes its text to standard output, no events go there; `json` then raises UsageError.
    """
    from voiceloop.dictation.targets.target import TargetOptions

    options = config.handler.options
    stdout_taken = isinstance(options, TargetOptions) and options.to == "stdout"
    if stdout_taken and json:
        what = "--json and dictation to stdout can't be combined: both write to standard output"
        remedy = "Leave --json out, or send the text elsewhere: --set handler.to=file:PATH"
        raise UsageError(what, remedy=remedy)
    extra = {"ready": ("info", ready_for(options.to))} if isinstance(options, TargetOptions) else {}
    level = level_of(config, verbose=verbose)
    return JsonLines() if json else Text(level, extra=extra, data=not stdout_taken)


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
        line += f" Preemptive requests discarded: {wasted.requests} ({wasted.audio_s:.0f} s of audio{worth})."
    if echoes := fields.get("echoes"):
        line += f" Echoes of the program's own voice dropped: {echoes}."
    return line


def ready(fields: Mapping[str, object], *, how: str = "Speak; Ctrl-C ends it.") -> str:
    """What is listened to, and how to end or to start it."""
    heard = clean(str(fields["heard"]))
    if fields["state"] == "listening":
        return f"Listening to {heard}. {how}"
    return f"Not listening to {heard} yet: 'voiceloop ctl start' starts it. Ctrl-C ends the program."


def ready_for(target: str) -> Words:
    """As `ready`, with what becomes of the words, for dictation into `target` (`handler.to`)."""

    def words(fields: Mapping[str, object]) -> str:
        dictation, _, focus = str(fields["handler"]).partition(", focus: ")
        if target == "type":
            dictation = dictation.replace("into ", "into the focused window, by ", 1)
        # Where the focus is not watched, words may reach another window: only what is typed goes into a window.
        warning = f" (focus: {focus})" if target == "type" and focus != "watched" else ""
        return ready({**fields, "heard": f"{fields['heard']} for {dictation}{warning}"})

    return words


def _pending(fields: Mapping[str, object]) -> str:
    if not fields["count"]:
        return "Nothing is pending any more."
    doubtful = f" ({fields['doubtful']} of them may have been)" if fields["doubtful"] else ""
    return f"Kept, not delivered: {fields['count']}{doubtful}. 'voiceloop transcribe --pending' transcribes them."


_STATES = {
    "listening": "Listening.",
    "idle": "Not listening. 'voiceloop ctl start' or 'voiceloop ctl toggle' starts it again.",
    "asleep": "Asleep.",
    "muted": "Muted: the microphone is closed.",
}
Words = Callable[[Mapping[str, object]], str]
_DATA: dict[str, Words] = {
    "transcript": lambda f: f"you:  {clean(str(f['text']))}",
    "reply": _reply,
}
_MESSAGES: dict[str, tuple[str, Words]] = {
    "notice": ("info", lambda f: clean(str(f["text"]))),
    # At every level: where the words go is never kept from the user.
    "engines": ("error", lambda f: clean(str(f["text"]))),
    "listening": ("verbose", _listening),
    "ready": ("info", ready),
    "notify.failed": ("verbose", lambda f: f"control.notify: no notifications: {clean(str(f['why']))}."),
    "attention": ("info", lambda f: _STATES[str(f["state"])]),
    "journal.pending": ("info", _pending),
    "stopped": ("info", _stopped),
    "speech.refused": (
        "warning",
        lambda f: f"Ignored: {f['waiting']} utterances are already waiting for the handler (conversation.waiting).",
    ),
    "turn.failed": ("error", lambda f: f"This turn failed: {clean(str(f['error']))}"),
    "tool.failed": ("debug", lambda f: "\n".join(map(clean, str(f["text"]).rstrip().split("\n")))),
    "speech.failed": ("warning", lambda f: f"A part of the reply could not be spoken: {clean(str(f['error']))}"),
    "hallucination.dropped": (
        "info",
        lambda f: (
            f"Dropped as a hallucination: {f['length_s']} s at {f['at_s']} s ({f['reason']}; rules: [hallucinations])."
        ),
    ),
    "hallucinations": ("info", lambda f: f"Hallucinations dropped: {_counted(f['dropped'])}."),
    "device.lost": (
        "warning",
        lambda f: f"The {f['which']} is disconnected ({clean(str(f['reason']))}); waiting for it.",
    ),
    "device.back": ("warning", lambda f: f"The {f['which']} is back: {clean(str(f['device']))}."),
}
