"""Hands the clipboard on to a process that outlives this one: what a program has put there ends with the program.

Where a text is lent for a paste at that moment, the process goes on lending it, and then gives the old content back:
the end of the program waits for no window.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import trio

HAND_ON_S = 5.0
"""How long the new owner may take to start and to own the clipboard."""
KEEPER = "voiceloop.dictation.keeper"


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the clipboard's content: its name (a MIME type or an X target), and on X its type and its bits."""

    name: str
    data: bytes = field(repr=False)
    type: str = ""
    bits: int = 8


@dataclass(frozen=True, slots=True)
class Handed:
    """What the new owner of the clipboard is to do: own `lent` for `lent_s` seconds, if there is any, and then
    `forms`. Without forms the clipboard is emptied then."""

    desktop: Literal["x11", "wayland"]
    forms: Sequence[Form]
    lent: Sequence[Form] = ()
    lent_s: float = 0.0


def packed(handed: Handed) -> bytes:
    """The message to the new owner: a line of JSON, and the data of all forms behind it."""
    both = (handed.lent, handed.forms)
    names = [[[form.name, len(form.data), form.type, form.bits] for form in forms] for forms in both]
    head = {"desktop": handed.desktop, "lent_s": handed.lent_s, "lent": names[0], "forms": names[1]}
    return json.dumps(head).encode() + b"\n" + b"".join(form.data for forms in both for form in forms)


def unpacked(message: bytes) -> Handed:
    """What a message of `packed` says."""
    line, _, rest = message.partition(b"\n")
    head = json.loads(line)
    found, at = dict[str, list[Form]](), 0
    for key in ("lent", "forms"):
        found[key] = []
        for name, size, kind, bits in head[key]:
            found[key].append(Form(name, rest[at : at + size], kind, bits))
            at += size
    return Handed(head["desktop"], found["forms"], found["lent"], head["lent_s"])


async def hand_on(handed: Handed) -> bool:
    """Start a process that owns the clipboard until something else is copied. Returns whether it owns it.

    If this process is forced to end meanwhile, the new owner goes on: it has been given everything before it starts.
    """
    command = [sys.executable, "-m", KEEPER]
    with trio.move_on_after(HAND_ON_S):
        try:
            with _readable(packed(handed)) as message:
                done = await trio.run_process(
                    command,
                    stdin=message,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    start_new_session=True,  # Ctrl-C in our terminal is not meant for it
                )
        except OSError:
            return False
        return done.returncode == 0
    return False


@contextmanager
def _readable(message: bytes) -> Iterator[int]:
    """A file in memory, to be read from its beginning: a clipboard belongs on no disk."""
    handle = os.memfd_create("clipboard")
    with os.fdopen(handle, "r+b") as file:
        file.write(message)
        file.seek(0)
        yield handle
