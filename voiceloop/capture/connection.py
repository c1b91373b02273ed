"""What the sound server connects the microphone's stream to, and what follows from that. Pure: answers are values.

PulseAudio and PipeWire move a stream whose device is unplugged to another device. Where there is no other microphone,
that is a loudspeaker's monitor: the program would answer the film.

    wanted      the stream's device                       verdict
    default     records a monitor, and is to by default   missing: there is no microphone
    a name      is not in the server's list               missing: it is unplugged
    a name      is no longer recorded, but the default    moved: PipeWire moves all that record the default
    monitor     is no longer the default's                moved: another loudspeaker is the default
    monitor     is gone, and another one is recorded      moved: PipeWire 1.4 does not always say what is default then
"""

from __future__ import annotations

from voiceloop.audio.portaudio import Stream
from voiceloop.audio.sound_server import Answer

_NOTHING_KNOWN = Answer()


class Connection:
    """The sound server's view of one input, `wanted` as in `audio.input`. Tell it of streams and of answers."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._stream: Stream | None = None
        self._answer = _NOTHING_KNOWN
        self._last = _NOTHING_KNOWN
        """The latest answer with devices, also from before the stream was opened."""
        self._told: set[str] = set()
        self._recorded_it = False
        """Whether the stream has recorded the named device. If it never did, opening it again would not help."""

    def opened(self, stream: Stream) -> None:
        """Forget what was known: only answers from now on tell of this stream. Its opening causes one."""
        self._stream, self._answer, self._recorded_it = stream, _NOTHING_KNOWN, False

    def update(self, answer: Answer) -> str:
        """Take an answer; return a notice for the user, or ""."""
        self._answer = answer
        if answer.nodes:
            self._last = answer
        self._recorded_it = self._recorded_it or (self._node != "" and self._source == self._node)
        return self._about_muting()

    @property
    def missing(self) -> str:
        """Why the stream does not record what is wanted; empty if it does, or if that is unknown."""
        stream, answer = self._stream, self._answer
        if stream is None or not answer.nodes or self._wanted == "monitor":
            return ""
        if self._node:
            return "" if answer.named(self._node) else f"{stream.device.name!r} is unplugged or switched off"
        source = answer.named(self._source)
        if source is None or not source.monitor or not self.awaited:
            return ""
        return f"there is no microphone, only what {answer.loudspeaker(source.name)!r} plays"

    @property
    def awaited(self) -> bool:
        """Whether a microphone must be waited for: by default the server would record a loudspeaker now."""
        if self._stream is None or self._node or self._wanted == "monitor" or not self._answer.nodes:
            return False
        default = self._answer.default_input
        return default is None or default.monitor

    @property
    def moved(self) -> bool:
        """Whether another device is the default now, so that the stream no longer records what is wanted."""
        if self._stream is None:
            return False
        if self._stream.monitor is None:
            return self._moved_with_the_default
        opened = self._stream.monitor
        if (monitor := self._answer.default_monitor) is not None:
            return monitor.name != opened
        return opened != "" and self._answer.named(opened) is None and self._source not in {"", opened}

    @property
    def _moved_with_the_default(self) -> bool:
        """Whether the stream of a named device was moved to what is the default now: by the server, not by the user."""
        if not self._recorded_it or self._source == self._node:
            return False
        defaults = (self._answer.default_input, self._answer.default_monitor)
        return self._source in [node.name for node in defaults if node is not None]

    @property
    def _node(self) -> str:
        """The server's name of the device that the stream was opened for, "" if it was opened for the default."""
        return self._stream.device.node if self._stream is not None else ""

    @property
    def _source(self) -> str:
        """The source that the stream records; "" if that is unknown."""
        return self._answer.recorded.get(self._stream.tag, "") if self._stream is not None else ""

    def loudspeaker(self, monitor: str) -> str:
        """The name of the loudspeaker that a monitor records, as desktops show it."""
        return self._last.loudspeaker(monitor)

    def _about_muting(self) -> str:
        """Say once of each input that it is muted."""
        answer = self._answer
        node = answer.named(self._source or self._node)
        if node is None or not node.muted or node.name in self._told:
            return ""
        self._told.add(node.name)
        return f"audio.input: {node.description!r} is muted, or its volume is zero. Change that in the sound settings."
