"""The messages of OpenAI's realtime transcription, and what they say of one utterance. Pure.

    we send     session.update   append append append ...  commit
    server      session.updated          delta  delta         |  committed   completed

A session of type `transcription` with `turn_detection: null`: the utterance ends where we say so (commit), and becomes
one item. Deltas append to an item's text, before the commit or after it, as the model can; `completed` has the whole
text.

A server that detects turns itself, although it was told not to, makes several items of an utterance: their texts are
joined. It may make one just before our commit, which then seems to be its answer. So the commit is repeated until the
server says that no sound is left.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from voiceloop.net.usage import usage
from voiceloop.net.values import whole
from voiceloop.transcribe.bounds import LIVE
from voiceloop.types import Usage

RATE_HZ = 24_000
"""The rate of the sound on the wire: int16, mono."""
CLEAR = json.dumps({"type": "input_audio_buffer.clear"})
COMMIT = json.dumps({"type": "input_audio_buffer.commit"})
_ITEM = "conversation.item.input_audio_transcription."


def session_update(*, model: str, language: str | None, prompt: str | None) -> str:
    """The message that makes a session one of transcription, without the server's own turn detection."""
    given = {"model": model, "language": language, "prompt": prompt}
    transcription = {name: value for name, value in given.items() if value is not None}
    sound = {"format": {"type": "audio/pcm", "rate": RATE_HZ}, "transcription": transcription, "turn_detection": None}
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": sound}}})


def append(pcm: bytes) -> str:
    """The message with more sound, at `RATE_HZ`."""
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode("ascii")})


def parse(text: str) -> dict[str, Any] | None:
    """The event of a message; None if it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


def message_of(event: dict[str, Any]) -> str:
    """What an event with an `error` says: untrusted text."""
    error = event.get("error")
    said = error.get("message") or error.get("code") if isinstance(error, dict) else error
    return whole(said) if isinstance(said, str) and said else "no reason was given"


def is_ready(event: dict[str, Any]) -> bool:
    """Whether the event confirms `session_update`."""
    return event["type"] in {"session.updated", "transcription_session.updated"}


def is_empty_commit(event: dict[str, Any]) -> bool:
    """Whether an error only says that there was no sound left to commit."""
    error = event.get("error")
    code, said = (error.get("code") if isinstance(error, dict) else None), message_of(event).lower()
    return code == "input_audio_buffer_commit_empty" or "buffer too small" in said or "buffer is empty" in said


@dataclass(slots=True)
class _Item:
    text: str = ""
    committed: bool = False
    done: bool = False


@dataclass(slots=True)
class Hearing:
    """What a server has said so far of one utterance. `over` are the items of utterances before it."""

    over: frozenset[str] = frozenset()
    failure: str | None = None
    """Why there will be no text; None while there may be."""
    usage: Usage | None = None
    _items: dict[str, _Item] = field(default_factory=dict)
    """In the order in which they were first named, which is that of speaking."""
    _asked: bool = False
    """The commit was sent."""
    _own_turns: bool = False
    """The server detects turns itself."""
    _repeat: bool = False
    """The commit is to be sent again."""
    _answered: bool = False
    """The commit was answered: no item follows."""

    @property
    def items(self) -> frozenset[str]:
        return frozenset(self._items)

    @property
    def begun(self) -> bool:
        """Whether the server has made, or will make, an item of it."""
        return self._asked or bool(self._items)

    @property
    def text(self) -> str:
        """The words so far."""
        return " ".join(filter(None, (item.text.strip() for item in self._items.values())))

    @property
    def done(self) -> bool:
        """Whether the text is complete."""
        return self._answered and all(item.done for item in self._items.values())

    def commit(self) -> None:
        """Note that the commit was sent: the utterance is complete."""
        self._asked = True

    def commits_again(self) -> bool:
        """Whether the commit is to be sent again now; asked after each event."""
        repeat, self._repeat = self._repeat, False
        return repeat

    def take(self, event: dict[str, Any]) -> None:
        """Take an event of the server. Unknown ones, and those of earlier items, change nothing."""
        kind = event["type"]
        if kind == "error":
            if self._asked and is_empty_commit(event):
                self._answered = True
            else:
                self.failure = message_of(event)
            return
        if kind == "input_audio_buffer.speech_started":
            self._own_turns = True
        if (item := self._item(kind, event)) is None:
            return
        match kind.removeprefix(_ITEM):
            case "input_audio_buffer.committed":
                item.committed = True
                self._own_turns = self._own_turns or not self._asked
                self._answered = self._answered or (self._asked and not self._own_turns)
                self._repeat = self._asked and self._own_turns
            case "delta" if isinstance(event.get("delta"), str) and not item.done:
                # What is longer was not said. The text is read again with every delta.
                item.text = (item.text + whole(event["delta"][:LIVE]))[:LIVE]
            case "completed":
                self._complete(item, event)
            case "failed":
                self.failure = message_of(event)

    def _item(self, kind: str, event: dict[str, Any]) -> _Item | None:
        """The item that an event is about; None if it is about none of this utterance."""
        name = event.get("item_id")
        if not isinstance(name, str) or name in self.over:
            return None
        if kind != "input_audio_buffer.committed" and not kind.startswith(_ITEM):
            return None
        return self._items.setdefault(name, _Item())

    def _complete(self, item: _Item, event: dict[str, Any]) -> None:
        if isinstance(event.get("transcript"), str):
            item.text = whole(event["transcript"])
        if not item.committed:  # some servers say nothing before it
            self._answered = self._answered or (self._asked and not self._own_turns)
        item.done = True
        if isinstance(event.get("usage"), dict):
            told = usage(event["usage"])
            self.usage = told if self.usage is None else self.usage + told
