"""The server of the control socket: JSON lines in, JSON lines out. Bad input is answered with an error.

{"do": "toggle"}                    {"ok": true, "state": "idle", "speaking": false, "working": 1, …}
{"do": "status"}                    {"ok": true, "state": …, "parts": {…}, "usage": {…}, …}
{"do": "status", "follow": true}    the short state at once, and again each time it changes
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
from voiceloop.control.peer import is_own_peer
from voiceloop.nursery import private_nursery

MOST_CLIENTS = 64
"""Further clients get an error and are disconnected: each client takes a file descriptor."""
LONGEST_LINE = 4_096
"""Bytes of a request; a longer line ends the connection."""
PATIENCE_S = 10.0
"""How long a client may take to send a request, or to read an answer."""


@asynccontextmanager
async def open_control(sock: socket.socket, controller: Controller) -> AsyncIterator[None]:
    """Serve `controller` on a listening socket while the body runs."""
    sock.setblocking(False)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock.dup()))
    clients = _Clients(controller)
    async with listener, trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, clients.serve, [listener], name="control socket")
        try:
            yield
        finally:
            nursery.cancel_scope.cancel("the loop has ended")


class _Clients:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._connected = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one client until it disconnects."""
        self._connected += 1
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the client disconnected
                if not is_own_peer(stream.socket):
                    await _send(stream, _refusal("another user's program may not control this one"))
                elif self._connected > MOST_CLIENTS:
                    await _send(stream, _refusal(f"{MOST_CLIENTS} clients are connected already"))
                else:
                    await self._answer_requests(stream)
        finally:
            self._connected -= 1
            await trio.aclose_forcefully(stream)

    async def _answer_requests(self, stream: trio.SocketStream) -> None:
        buffer = b""
        while True:
            with trio.move_on_after(PATIENCE_S) as patience:
                while b"\n" not in buffer and len(buffer) <= LONGEST_LINE:
                    data = await stream.receive_some(LONGEST_LINE)
                    if not data:
                        return
                    buffer += data
            if patience.cancelled_caught:
                return
            line, _, buffer = buffer.partition(b"\n")
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
        try:
            self._controller.do(command)
        except Exception as error:  # noqa: BLE001 - the handler's `wake`, say: it costs the client its answer, no more
            return _refusal(f"'{command}' failed: {type(error).__name__}: {error}")
        return {"ok": True, **self._controller.short}

    async def _follow(self, stream: trio.SocketStream) -> None:
        """Send the short state each time it changes; a slow reader misses the states in between."""
        # Private: a reader that hangs up or stalls breaks the send, and in a group `serve` would not know it again.
        async with private_nursery() as nursery:
            nursery.start_soon(_cancel_on_disconnect, stream, nursery.cancel_scope, name="control client disconnect")
            last_sent: dict[str, object] = {}
            while True:
                changed, state = self._controller.changed, self._controller.short
                if state != last_sent:
                    await _send(stream, state)
                    last_sent = state
                await changed.wait()


async def _cancel_on_disconnect(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some(LONGEST_LINE):
            pass
    scope.cancel("the client disconnected")


async def _send(stream: trio.SocketStream, value: dict[str, object]) -> None:
    with trio.move_on_after(PATIENCE_S) as patience:
        await stream.send_all(json.dumps(value, default=str).encode() + b"\n")
    if patience.cancelled_caught:
        raise trio.BrokenResourceError("the client doesn't read the answer")


def _request(line: bytes) -> tuple[str, bool] | str:
    """The command and whether to follow; or, as a string, the error in the line."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return "the request is not JSON"
    if not isinstance(value, dict) or value.get("do") not in COMMANDS:
        return f"'do' must be one of {', '.join(COMMANDS)}"
    return value["do"], value.get("follow") is True


def _refusal(error: str) -> dict[str, object]:
    return {"ok": False, "error": error}
