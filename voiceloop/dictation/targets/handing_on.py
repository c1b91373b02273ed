"""Hands the clipboard on to a process that outlives this one: what a program has put there ends with the program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
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


def packed(desktop: Literal["x11", "wayland"], forms: Sequence[Form]) -> bytes:
    """The message to the new owner: a line of JSON, and the data of all forms behind it."""
    head = {"desktop": desktop, "forms": [[form.name, len(form.data), form.type, form.bits] for form in forms]}
    return json.dumps(head).encode() + b"\n" + b"".join(form.data for form in forms)


def unpacked(message: bytes) -> tuple[str, list[Form]]:
    """The desktop and the forms of a message of `packed`."""
    line, _, rest = message.partition(b"\n")
    head = json.loads(line)
    forms, at = [], 0
    for name, size, kind, bits in head["forms"]:
        forms.append(Form(name, rest[at : at + size], kind, bits))
        at += size
    return head["desktop"], forms


async def hand_on(desktop: Literal["x11", "wayland"], forms: Sequence[Form]) -> bool:
    """Start a process that owns the clipboard until something else is copied. Returns whether it owns it."""
    command = [sys.executable, "-m", KEEPER]
    with trio.move_on_after(HAND_ON_S):
        try:
            done = await trio.run_process(
                command,
                stdin=packed(desktop, forms),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                start_new_session=True,  # Ctrl-C in our terminal is not meant for it
            )
        except OSError:
            return False
        return done.returncode == 0
    return False
