"""A query to the sound server (PulseAudio or PipeWire), by `pactl`, for its names of the microphones and loudspeakers.

Only these names depend on the answer. If there is no `pactl` or no server, or the server hangs, the list is empty; the
reason is reported only when a name in the config isn't found.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

from voiceloop.audio.devices import Direction, Node

PATIENCE_S = 0.5
"""The longest wait for an answer. A server answers in about 10 ms, on a busy machine a little later. A server that
hangs must not delay the start by more than this."""
_LISTS: dict[Direction, str] = {"input": "sources", "output": "sinks"}
_SHAPE = re.compile(r"(\d+)ch (\d+)Hz")
_DEFAULT = re.compile(r"^Default (Source|Sink): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's devices, or the reason why they are unknown."""

    nodes: tuple[Node, ...] = ()
    silence: str = ""
    """Why there is no answer, as a sentence for the user; empty if there is one."""


def ask(which: Direction, patience_s: float = PATIENCE_S) -> Answer:
    """Ask for the server's input or output devices. Blocks for at most `patience_s`."""
    deadline = time.monotonic() + patience_s
    try:
        text = _pactl(deadline, "--format=json", "list", _LISTS[which])
        nodes = None if text is None else from_json(text, which)
        if nodes is None:  # PulseAudio before version 16 has no JSON output
            text = _pactl(deadline, "list", "short", _LISTS[which])
            nodes = None if text is None else from_table(text, which)
    except FileNotFoundError:
        return Answer(silence=_unknown("'pactl' is not installed (Debian: pulseaudio-utils)"))
    except subprocess.TimeoutExpired:
        return Answer(silence=_unknown(f"it has not answered for {patience_s * 1000:.0f} ms"))
    except OSError as error:
        return Answer(silence=_unknown(f"'pactl' can't be run: {error.strerror}"))
    return Answer(silence=_unknown("'pactl' found no server")) if nodes is None else Answer(tuple(nodes))


def default_monitor() -> str:
    """Return the name of the source that records the default loudspeaker, "" if unknown. Blocks like `ask`."""
    try:
        info = _pactl(time.monotonic() + PATIENCE_S, "info")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    sink = next((name.strip() for kind, name in _DEFAULT.findall(info or "") if kind == "Sink"), "")
    return f"{sink}.monitor" if sink else ""


def ask_all(ask: Callable[[Direction], Answer] = ask) -> tuple[Node, ...]:
    """Return the server's input and output devices, with the defaults marked. Blocks like `ask`."""
    nodes = [node for which in get_args(Direction) for node in ask(which).nodes]
    try:
        info = _pactl(time.monotonic() + PATIENCE_S, "info") if nodes else None
    except (OSError, subprocess.TimeoutExpired):
        info = None
    defaults = {(kind, name.strip()) for kind, name in _DEFAULT.findall(info or "")}
    return tuple(
        replace(node, default=("Source" if node.which == "input" else "Sink", node.name) in defaults) for node in nodes
    )


def from_json(text: str, which: Direction) -> list[Node] | None:
    """Parse the output of `pactl --format=json list`; None if the text is not in that format."""
    try:
        listed = json.loads(text)
    except ValueError:
        return None
    if not isinstance(listed, list):
        return None
    return [node for entry in listed if isinstance(entry, dict) for node in _from_entry(entry, which)]


def _from_entry(entry: dict[str, Any], which: Direction) -> Iterator[Node]:
    properties = entry.get("properties")
    kind = properties.get("device.class") if isinstance(properties, dict) else None
    shape = str(entry.get("sample_specification"))
    name, description = str(entry.get("name") or ""), str(entry.get("description") or "")
    yield from _node(which, name=name, description=description, shape=shape, monitor=kind == "monitor")


def from_table(text: str, which: Direction) -> list[Node]:
    """Parse the output of `pactl list short`: lines of number, name, driver, shape and state, separated by tabs."""
    rows = (line.split("\t") for line in text.splitlines())
    return [
        node
        for row in rows
        if len(row) > 3
        for node in _node(which, name=row[1], description="", shape=row[3], monitor=False)
    ]


def _node(which: Direction, *, name: str, description: str, shape: str, monitor: bool) -> Iterator[Node]:
    """Yield a node, or nothing if the name or the shape ("s16le 2ch 48000Hz") can't be used."""
    found = _SHAPE.search(shape)
    if name.isprintable() and name and found:
        monitor = which == "input" and (monitor or name.endswith(".monitor"))
        yield Node(which, name, description or name, int(found[1]), int(found[2]), monitor)


def _unknown(reason: str) -> str:
    return f"The sound server's device names are unknown: {reason}"


def _pactl(deadline: float, *words: str) -> str | None:
    """Return what `pactl` prints; None if it fails. Raises TimeoutExpired at the deadline, and OSError."""
    done = subprocess.run(
        ["pactl", *words],
        # In other locales pactl's output is translated, and its JSON has invalid numbers.
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=max(0.01, deadline - time.monotonic()),
        check=False,
    )
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
