"""Which window has the focus, as sway tells (and i3 would): its IPC, a socket. Reads no title."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from voiceloop.dictation.targets.desktop import Activity, Eyes, is_terminal
from voiceloop.dictation.targets.target import Focus
from voiceloop.events import Publish

ANSWER_S = 1.0
_MAGIC = b"i3-ipc"
_GET_TREE = 4


class BlindEyes:
    """Where nothing can be read."""

    watches_focus = False

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return None

    async def activity(self) -> Activity | None:
        await trio.lowlevel.checkpoint()
        return None

    async def held(self) -> str:
        await trio.lowlevel.checkpoint()
        return ""

    async def typable(self) -> None:
        await trio.lowlevel.checkpoint()

    async def typing(self, *, on: bool) -> None:
        await trio.lowlevel.checkpoint()


class SwayEyes(BlindEyes):
    """Eyes that see the focus and nothing else."""

    watches_focus = True

    def __init__(self, path: str, terminals: tuple[str, ...]) -> None:
        self._path = path
        self._terminals = terminals

    async def focus(self) -> Focus | None:
        with trio.move_on_after(ANSWER_S), suppress(OSError, ValueError, trio.BrokenResourceError):
            return focused(json.loads(await self._ask(_GET_TREE)), self._terminals)
        return None

    async def _ask(self, kind: int) -> bytes:
        async with await trio.open_unix_socket(self._path) as stream:
            await stream.send_all(_MAGIC + struct.pack("=II", 0, kind))
            answer = b""
            async for data in stream:
                answer += data
                if len(answer) >= 14 and len(answer) >= 14 + struct.unpack_from("=I", answer, 6)[0]:
                    return answer[14:]
        raise ValueError("it has closed the connection")


def focused(node: Mapping[str, Any], terminals: tuple[str, ...]) -> Focus:
    """The focused window of sway's tree; that no window has the focus where none does."""
    if node.get("focused") and node.get("pid"):
        names = [str(node["app_id"])] if node.get("app_id") else []
        of_x = node.get("window_properties") or {}  # a window of XWayland
        names += [str(of_x[key]) for key in ("class", "instance") if of_x.get(key)]
        return Focus(str(node["id"]), names[0] if names else "", is_terminal(names, terminals))
    for child in [*node.get("nodes", ()), *node.get("floating_nodes", ())]:
        found = focused(child, terminals)
        if found.window:
            return found
    return Focus("")


async def find_eyes(environment: Mapping[str, str], terminals: tuple[str, ...], publish: Publish) -> Eyes:
    """Eyes that see the focus where the compositor is sway and answers, blind ones elsewhere; says what sway lacks."""
    told = environment.get("SWAYSOCK")
    path = await _ipc_of_compositor(environment)
    if path is not None:
        eyes = SwayEyes(path, terminals)
        if await eyes.focus() is not None:
            return eyes
        publish("notice", text=f"sway doesn't say which window has the focus: {path} gives no answer.")
    elif told:
        publish("notice", text=f"The focus can't be watched: {told} ($SWAYSOCK) is not of the compositor that is here.")
    return BlindEyes()


async def _ipc_of_compositor(environment: Mapping[str, str]) -> str | None:
    """The IPC socket of the compositor itself. $SWAYSOCK may name that of an earlier session, which tmux keeps, or that
    of a sway around this one."""
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or "/nonexistent")
    compositor = await _listener(runtime / (environment.get("WAYLAND_DISPLAY") or "wayland-0"))
    if compositor is None:
        return None
    pid, user = compositor
    for path in (environment.get("SWAYSOCK"), str(runtime / f"sway-ipc.{user}.{pid}.sock")):
        if path and await _listener(path) == compositor:
            return path
    return None


async def _listener(path: str | Path) -> tuple[int, int] | None:
    """The process that listens at a socket and its user; None when nobody does."""
    with trio.move_on_after(ANSWER_S), suppress(OSError):
        async with await trio.open_unix_socket(path) as stream:
            credentials = struct.Struct("3i")
            got = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
            pid, user, _ = credentials.unpack(got)
            return pid, user
    return None
