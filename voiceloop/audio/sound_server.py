"""The sound server's microphones and loudspeakers, and which of them this program records.

Names depend on the answer, and whether a microphone is really one. If there is no server, or it hangs, nothing is
known; the reason is reported only when a name in the config isn't found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from voiceloop.audio.devices import TAG, Direction, Node
from voiceloop.audio.pulse import Unanswered, connected

PATIENCE_S = 0.5
"""The longest wait for an answer. A server answers in about 5 ms, on a busy machine a little later. A server that
hangs must not delay the start by more than this."""
_DUMMY = "auto_null"
"""The loudspeaker that a server makes up while there is none, also for a moment when it starts."""
DUMMY_MONITOR = f"{_DUMMY}.monitor"


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's devices, or the reason why they are unknown."""

    nodes: tuple[Node, ...] = ()
    silence: str = ""
    """Why there is no answer, as a sentence for the user; empty if there is one."""
    recorded: dict[str, str] = field(default_factory=dict)
    """For each of this program's streams, by its tag: the name of the source that it records."""

    def named(self, name: str) -> Node | None:
        """The input with this name."""
        return next((node for node in self.nodes if node.which == "input" and node.name == name), None)

    def has(self, which: Direction) -> bool:
        """Whether the server has a default of this kind, and not one that it makes up while there is none."""
        real = (node for node in self.nodes if not node.monitor and node.name != _DUMMY)
        return any(node.which == which and node.default for node in real)

    def default_name(self, which: Direction) -> str:
        """The name, as desktops show it, of the default device of this kind; "" if it is unknown."""
        return next((node.description for node in self.nodes if node.which == which and node.default), "")

    @property
    def default_input(self) -> Node | None:
        return next((node for node in self.nodes if node.which == "input" and node.default), None)

    @property
    def default_monitor(self) -> Node | None:
        """The source that records the default loudspeaker."""
        sink = next((node.name for node in self.nodes if node.which == "output" and node.default), None)
        return next((node for node in self.nodes if node.monitor and node.monitor_of == sink), None) if sink else None

    def loudspeaker(self, monitor: str) -> str:
        """The name, as desktops show it, of the loudspeaker that a monitor records."""
        node = self.named(monitor)
        sink = node.monitor_of if node is not None else monitor.removesuffix(".monitor")
        named = (node.description for node in self.nodes if node.which == "output" and node.name == sink)
        return next(named, sink)


def ask(patience_s: float = PATIENCE_S) -> Answer:
    """Ask for the server's devices. Blocks for at most `patience_s`."""
    try:
        with connected(patience_s) as connection, connection.limit(patience_s) as pulse:
            return read(pulse)
    except Unanswered as error:
        return Answer(silence=f"The sound server's device names are unknown: {error}")


def read(pulse: Any) -> Answer:
    """Read all that is of interest from an open connection. Blocks; call it within a limit."""
    info = pulse.server_info()
    sources = pulse.source_list()
    nodes = (*_inputs(sources, info), *_outputs(pulse.sink_list(), info))
    return Answer(nodes, recorded=dict(_recorded(pulse, {source.index: source.name for source in sources})))


def _inputs(sources: list[Any], info: Any) -> Iterator[Node]:
    for source in sources:
        if _usable(source):
            yield Node(
                "input",
                source.name,
                source.description or source.name,
                source.sample_spec.channels,
                source.sample_spec.rate,
                monitor=source.monitor_of_sink_name is not None,
                monitor_of=source.monitor_of_sink_name or "",
                default=source.name == info.default_source_name,
                muted=bool(source.mute) or not any(source.volume.values),
            )


def _outputs(sinks: list[Any], info: Any) -> Iterator[Node]:
    for sink in sinks:
        if _usable(sink):
            yield Node(
                "output",
                sink.name,
                sink.description or sink.name,
                sink.sample_spec.channels,
                sink.sample_spec.rate,
                default=sink.name == info.default_sink_name,
                muted=bool(sink.mute) or not any(sink.volume.values),
            )


def _usable(entry: Any) -> bool:
    return bool(entry.name) and entry.name.isprintable() and entry.sample_spec.channels > 0


def _recorded(pulse: Any, names: dict[int, str]) -> Iterator[tuple[str, str]]:
    """Yield the tag of each stream that has one, and its source.

    ALSA's plug-in for PulseAudio sets the tag on the client, and that for PipeWire on the stream.
    """
    clients = {client.index: client for client in pulse.client_list()}
    for output in pulse.source_output_list():
        client = clients.get(output.client)
        tag = output.proplist.get(TAG) or (client.proplist.get(TAG) if client is not None else None)
        if tag and output.source in names:
            yield tag, names[output.source]
