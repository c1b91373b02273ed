"""The control socket: JSON lines in, JSON lines out. Whatever comes in, the loop goes on.

{"do": "toggle"}                    {"ok": true, "state": "idle", "speaking": false, "working": 1, …}
{"do": "status"}                    {"ok": true, "state": …, "parts": {…}, "usage": {…}, …}
{"do": "status", "follow": true}    a line like the first at once, and one whenever it is another
anything else                       {"ok": false, "error": "…"}
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from voiceloop.control.commands import COMMANDS
from voiceloop.control.controller import Controller

MOST_CLIENTS = 64
"""More are told so and sent away: each is a file descriptor."""
LONGEST_LINE = 4_096
PATIENCE_S = 10.0
"""How long a client may take to send a request, or to read an answer."""


@asynccontextmanager
async def open_control(sock: socket.socket, controller: Controller) -> AsyncIterator[None]:
    """Serve `controller` on a listening socket while the body runs."""
    sock.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock.dup()))
    clients = _Clients(controller)
    async with listener, trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, clients.serve, [listener])
        try:
            yield
        finally:
            nursery.cancel_scope.cancel("the loop has ended")


class _Clients:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._now = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """One client, from its first line to its last."""
        self._now += 1
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # it went away
                if self._now > MOST_CLIENTS:
                    await _send(stream, _refusal(f"{MOST_CLIENTS} clients are connected already"))
                else:
                    await self._talk(stream)
        finally:
            self._now -= 1
            await trio.aclose_forcefully(stream)

    async def _talk(self, stream: trio.SocketStream) -> None:
        rest = b""
        while True:
            with trio.move_on_after(PATIENCE_S) as patience:
                while b"\n" not in rest and len(rest) <= LONGEST_LINE:
                    data = await stream.receive_some(LONGEST_LINE)
                    if not data:
                        return
                    rest += data
            if patience.cancelled_caught:
                return
            line, _, rest = rest.partition(b"\n")
            if len(line) > LONGEST_LINE:
                await _send(stream, _refusal("the line is too long"))
                return
            request = _request(line)
            if isinstance(request, str):
                await _send(stream, _refusal(request))
            elif request == ("status", True):
                await self._follow(stream)
                return
            else:
                await _send(stream, self._answer(request[0]))

    def _answer(self, command: str) -> dict[str, object]:
        if command == "status":
            return {"ok": True, **self._controller.status}
        self._controller.do(command)
        return {"ok": True, **self._controller.short}

    async def _follow(self, stream: trio.SocketStream) -> None:
        """Tell the state whenever it is another; a slow reader misses what lies between."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, stream, nursery.cancel_scope)
            told: dict[str, object] = {}
            while True:
                changed, state = self._controller.changed, self._controller.short
                if state != told:
                    await _send(stream, state)
                    told = state
                await changed.wait()


async def _until_gone(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some(LONGEST_LINE):
            pass
    scope.cancel("the client has gone")


async def _send(stream: trio.SocketStream, value: dict[str, object]) -> None:
    with trio.move_on_after(PATIENCE_S) as patience:
        await stream.send_all(json.dumps(value, default=str).encode() + b"\n")
    if patience.cancelled_caught:
        raise trio.BrokenResourceError("it doesn't read")


def _request(line: bytes) -> tuple[str, bool] | str:
    """The command and whether to follow; or what is wrong with the line."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return "that is not JSON"
    if not isinstance(value, dict) or value.get("do") not in COMMANDS:
        return f"'do' must be one of {', '.join(COMMANDS)}"
    return value["do"], value.get("follow") is True


def _refusal(error: str) -> dict[str, object]:
    return {"ok": False, "error": error}
