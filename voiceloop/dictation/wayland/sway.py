"""The focused window in sway, read from its IPC socket (i3 has the same protocol). Reads no window titles."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from voiceloop.dictation.targets.desktop import Activity, DesktopState, is_terminal
from voiceloop.dictation.targets.target import Focus
from voiceloop.events import Publish

ANSWER_S = 3.0
"""How long sway may take to answer."""
_MAGIC = b"i3-ipc"
_GET_TREE = 4


class UnknownDesktopState:
    """Stands in where the desktop's state can't be read: every answer is "unknown"."""

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


class SwayState(UnknownDesktopState):
    """Reads from sway which window has the focus; the rest of the desktop's state is unknown."""

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
        raise ValueError("sway has closed the connection")


def focused(node: Mapping[str, Any], terminals: tuple[str, ...]) -> Focus:
    """The focused window in sway's tree; a `Focus` with an empty `window` when none has the focus."""
    if node.get("focused") and node.get("pid"):
        names = [str(node["app_id"])] if node.get("app_id") else []
        x_properties = node.get("window_properties") or {}  # present for windows of XWayland
        names += [str(x_properties[key]) for key in ("class", "instance") if x_properties.get(key)]
        terminal = is_terminal(names, more=terminals)
        # A window of XWayland gets the clipboard by way of the compositor: who reads it, can't be told.
        process = 0 if x_properties else int(node["pid"])
        return Focus(str(node["id"]), names[0] if names else "", terminal, process=process)
    for child in [*node.get("nodes", ()), *node.get("floating_nodes", ())]:
        found = focused(child, terminals)
        if found.window:
            return found
    return Focus("")


async def find_desktop_state(
    environment: Mapping[str, str], terminals: tuple[str, ...], publish: Publish
) -> DesktopState:
    """`SwayState` when the compositor is sway and answers, else `UnknownDesktopState`.

    Publishes a notice when sway can't be asked.
    """
    socket_path = environment.get("SWAYSOCK")
    path = await _ipc_of_compositor(environment)
    if path is not None:
        state = SwayState(path, terminals)
        if await state.focus() is not None:
            return state
        publish("notice", text=f"sway doesn't say which window has the focus: {path} gives no answer.")
    elif socket_path:
        what = f"{socket_path} ($SWAYSOCK) doesn't belong to this session's compositor"
        publish("notice", text=f"The focus can't be watched: {what}.")
    return UnknownDesktopState()


async def _ipc_of_compositor(environment: Mapping[str, str]) -> str | None:
    """The IPC socket of the compositor that we are connected to; None when it has none. $SWAYSOCK alone isn't enough:
    it may belong to an earlier session (tmux keeps it), or to a sway that this compositor runs inside."""
    runtime = Path(environment.get("XDG_RUNTIME_DIR") or "/nonexistent")
    compositor = await _listening_process(runtime / (environment.get("WAYLAND_DISPLAY") or "wayland-0"))
    if compositor is None:
        return None
    pid, user = compositor
    for path in (environment.get("SWAYSOCK"), str(runtime / f"sway-ipc.{user}.{pid}.sock")):
        if path and await _listening_process(path) == compositor:
            return path
    return None


async def _listening_process(path: str | Path) -> tuple[int, int] | None:
    """The process that listens at a socket, and its user, by their ids; None when no process listens."""
    with trio.move_on_after(ANSWER_S), suppress(OSError):
        async with await trio.open_unix_socket(path) as stream:
            credentials = struct.Struct("3i")
            got = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
            pid, user, _ = credentials.unpack(got)
            return pid, user
    return None
