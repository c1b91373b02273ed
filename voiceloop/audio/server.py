"""Asks the sound server for its own names of the microphones and loudspeakers, by `pactl`. Knows no PortAudio.

PulseAudio has `pactl`, and PipeWire answers it. Nothing depends on the answer but these names: where there is no
`pactl`, no server, or one that hangs, there are none, and why is told only where a name was not found.
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
"""It answers in 10 ms, on a busy machine in some more. One that hangs may not delay the start by more than this."""
_LISTS: dict[Direction, str] = {"input": "sources", "output": "sinks"}
_SHAPE = re.compile(r"(\d+)ch (\d+)Hz")
_DEFAULT = re.compile(r"^Default (Source|Sink): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server has, or why that is not known."""

    nodes: tuple[Node, ...] = ()
    silence: str = ""


def ask(which: Direction, patience_s: float = PATIENCE_S) -> Answer:
    """The server's devices of one direction. Blocks, but for no longer than it has patience."""
    deadline = time.monotonic() + patience_s
    try:
        text = _pactl(deadline, "--format=json", "list", _LISTS[which])
        nodes = None if text is None else from_json(text, which)
        if nodes is None:  # before PulseAudio 16 there is no JSON
            text = _pactl(deadline, "list", "short", _LISTS[which])
            nodes = None if text is None else from_table(text, which)
    except FileNotFoundError:
        return Answer(silence=_unknown("'pactl' is not installed (Debian: pulseaudio-utils)"))
    except subprocess.TimeoutExpired:
        return Answer(silence=_unknown(f"it has not answered for {patience_s * 1000:.0f} ms"))
    except OSError as error:
        return Answer(silence=_unknown(f"'pactl' does not run: {error.strerror}"))
    return Answer(silence=_unknown("none answers")) if nodes is None else Answer(tuple(nodes))


def default_monitor() -> str:
    """The name of the source that records the default loudspeaker; "" where that is not known. Blocks, as `ask`."""
    try:
        told = _pactl(time.monotonic() + PATIENCE_S, "info")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    sink = next((name.strip() for kind, name in _DEFAULT.findall(told or "") if kind == "Sink"), "")
    return f"{sink}.monitor" if sink else ""


def ask_all(ask: Callable[[Direction], Answer] = ask) -> tuple[Node, ...]:
    """The server's devices of both directions, and which are its defaults. Blocks, as `ask`."""
    nodes = [node for which in get_args(Direction) for node in ask(which).nodes]
    try:
        told = _pactl(time.monotonic() + PATIENCE_S, "info") if nodes else None
    except (OSError, subprocess.TimeoutExpired):
        told = None
    defaults = {(kind, name.strip()) for kind, name in _DEFAULT.findall(told or "")}
    return tuple(
        replace(node, default=("Source" if node.which == "input" else "Sink", node.name) in defaults) for node in nodes
    )


def from_json(text: str, which: Direction) -> list[Node] | None:
    """What `pactl --format=json list` prints, or nothing when it isn't that."""
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
    yield from _node(str(entry.get("name") or ""), str(entry.get("description") or ""), shape, which, kind == "monitor")


def from_table(text: str, which: Direction) -> list[Node]:
    """What `pactl list short` prints: lines of number, name, driver, shape and state, between tabs."""
    rows = (line.split("\t") for line in text.splitlines())
    return [node for row in rows if len(row) > 3 for node in _node(row[1], "", row[3], which, False)]


def _node(name: str, description: str, shape: str, which: Direction, monitor: bool) -> Iterator[Node]:
    found = _SHAPE.search(shape)
    if name.isprintable() and name and found:
        monitor = which == "input" and (monitor or name.endswith(".monitor"))
        yield Node(which, name, description or name, int(found[1]), int(found[2]), monitor)


def _unknown(why: str) -> str:
    return f"The sound server's own names are not known: {why}"


def _pactl(deadline: float, *words: str) -> str | None:
    """What it prints, or nothing when it fails. Raises TimeoutExpired after the deadline, and OSError."""
    done = subprocess.run(
        ["pactl", *words],
        env={**os.environ, "LC_ALL": "C.UTF-8"},  # in others it translates, and prints numbers that aren't JSON
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=max(0.01, deadline - time.monotonic()),
        check=False,
    )
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
